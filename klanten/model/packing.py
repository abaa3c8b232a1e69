"""How JSON of klanten is packed to be stored: in about a third of its bytes.

Most of what a klant consists of are the names of its fields and empty values, the same for every
klant. Deflate (RFC 1951) finds what comes twice in one text; with a dictionary it also finds what
each of these texts has.
"""

import zlib
from typing import Final

# What is stored can only be read with the dictionary that it was packed with, so this one stays as
# it is, also when klanten get other fields. A better one would be another constant beside it: what
# is packed (RFC 1950) says with which. What comes most often stands last.
DICTIONARY: Final = (
    b'"actie":"destroy","actieWeergave":"Object verwijderd","resultaat":204'
    b'"actie":"partial_update","actieWeergave":"Object deels bijgewerkt","resultaat":200'
    b'"actie":"update","actieWeergave":"Object bijgewerkt","resultaat":200'
    b'"subjectType":"niet_natuurlijk_persoon","subjectIdentificatie":{"innNnpId":"",'
    b'"annIdentificatie":"","statutaireNaam":"","innRechtsvorm":"","bezoekadres":"",'
    b'"subVerblijfBuitenland":null}}'
    b'"subVerblijfBuitenland":{"lndLandcode":"","lndLandnaam":"","subAdresBuitenland1":"",'
    b'"subAdresBuitenland2":"","subAdresBuitenland3":""}}}'
    b'"subjectType":"vestiging","subjectIdentificatie":{"vestigingsNummer":"","handelsnaam":[""],'
    b'"verblijfsadres":null,"subVerblijfBuitenland":null}}'
    b'{"uuid":"","bron":"kc","applicatieId":"","applicatieWeergave":"","gebruikersId":"",'
    b'"gebruikersWeergave":"","actie":"create","actieWeergave":"Object aangemaakt",'
    b'"resultaat":201,"toelichting":"","resourceWeergave":"","aanmaakdatum":"20",'
    b'"wijzigingen":{"oud":null,"nieuw":{"bronorganisatie":"","klantnummer":"","bedrijfsnaam":"",'
    b'"functie":"","websiteUrl":"https://www.","voornaam":"","voorvoegselAchternaam":"",'
    b'"achternaam":"","telefoonnummer":"+316","emailadres":"","adres":{"straatnaam":"",'
    b'"huisnummer":1,"huisletter":"","huisnummertoevoeging":"","postcode":"",'
    b'"woonplaatsnaam":"","landcode":"6030"},"adres":null,"subject":"",'
    b'"subjectType":"natuurlijk_persoon","subjectIdentificatie":{"inpBsn":"",'
    b'"anpIdentificatie":"","inpANummer":"","geslachtsnaam":"","voorvoegselGeslachtsnaam":"",'
    b'"voorletters":"","voornamen":"","geslachtsaanduiding":"","geboortedatum":"19",'
    b'"verblijfsadres":{"aoaIdentificatie":"","wplWoonplaatsNaam":"",'
    b'"gorOpenbareRuimteNaam":"","aoaPostcode":"","aoaHuisnummer":1,"aoaHuisletter":"",'
    b'"aoaHuisnummertoevoeging":"","inpLocatiebeschrijving":""},"verblijfsadres":null,'
    b'"subVerblijfBuitenland":null}},"logrecordId":""}'
)


def pack(text: bytes) -> bytes:
    """A text as it is stored."""
    packer = zlib.compressobj(zdict=DICTIONARY)
    return packer.compress(text) + packer.flush()


def unpack(packed: bytes) -> bytes:
    """The text that was packed, with the dictionary or without, or that is a JSON object still."""
    if packed.startswith(b"{"):
        return packed
    return zlib.decompressobj(zdict=DICTIONARY).decompress(packed)
