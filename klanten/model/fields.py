"""The one table of fields of a klant.

What may come in (colander), the filters of the list, the values where nothing was given, the
entries of the index and the OpenAPI document are all derived from the tables below, so that a
field is written down once. The facts (types, lengths, ranges, choices, what is required) are
those of the Klanten API 1.0.0; titles and descriptions are our own.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from dataclasses import field as attribute
from enum import Enum, StrEnum, auto
from types import MappingProxyType
from typing import Any


class SubjectType(StrEnum):
    """What kind of subject a klant is; decides the shape of its `subjectIdentificatie`."""

    NATUURLIJK_PERSOON = "natuurlijk_persoon"
    NIET_NATUURLIJK_PERSOON = "niet_natuurlijk_persoon"
    VESTIGING = "vestiging"


class Kind(Enum):
    """How the value of a field is read. All but the last three are published as a text."""

    TEXT = auto()
    URL = auto()
    EMAIL = auto()
    ELEVEN_TEST = auto()
    """Nine digits that pass the eleven test: RSIN and BSN."""
    A_NUMMER = auto()
    CHOICE = auto()
    INTEGER = auto()
    TEXTS = auto()
    """A list of texts; the lengths are those of one text."""
    OBJECT = auto()


@dataclass(frozen=True, eq=False)
class Field:
    """One member of a JSON object, as the API publishes it."""

    name: str
    kind: Kind
    title: str
    description: str = ""
    max_length: int | None = None
    min_length: int | None = None
    minimum: int | None = None
    maximum: int | None = None
    pattern: str | None = None
    choices: Mapping[str, str] = attribute(default_factory=dict)
    """Allowed value -> what it means."""
    required: bool = False
    nullable: bool = False
    read_only: bool = False
    generated: bool = False
    """Published as required, yet made by us when a consumer leaves it out (kla-001)."""
    null_ignored: bool = False
    """Not published as nullable, yet null is accepted and changes nothing."""
    must_exist: bool = False
    """A URL of something that must be there, which is checked by fetching it (kla-002)."""
    filter: str | None = None
    """Name of the query parameter that selects on this field."""
    fields: tuple["Field", ...] = ()
    """Members of a nested object."""
    schema: str | None = None
    """Name of the component that describes a nested object in the OpenAPI document."""

    @property
    def nothing(self) -> Any:
        """The value that is shown where none was given; a fresh one at every call."""
        if self.kind is Kind.TEXTS:
            return []
        if self.nullable or self.kind is Kind.OBJECT:
            return None
        return ""


ADRES = (
    Field("straatnaam", Kind.TEXT, "Straatnaam", max_length=100, filter="adres__straatnaam"),
    Field("huisnummer", Kind.INTEGER, "Huisnummer", minimum=0, maximum=99999, nullable=True),
    Field("huisletter", Kind.TEXT, "Huisletter", max_length=1),
    Field("huisnummertoevoeging", Kind.TEXT, "Toevoeging bij het huisnummer", max_length=4),
    Field("postcode", Kind.TEXT, "Postcode", max_length=7, filter="adres__postcode"),
    Field("woonplaatsnaam", Kind.TEXT, "Woonplaats", max_length=80, filter="adres__woonplaatsNaam"),
    Field(
        "landcode",
        Kind.TEXT,
        "Landcode",
        "Code van het land in de landelijke tabel van landen en gebieden die bij de BRP hoort.",
        max_length=4,
        filter="adres__landcode",
    ),
)

KLANT = (
    Field(
        "url",
        Kind.URL,
        "Adres van de klant",
        "De URL waarop deze klant te vinden is en waarmee andere gegevens ernaar verwijzen.",
        max_length=1000,
        min_length=1,
        read_only=True,
    ),
    Field(
        "bronorganisatie",
        Kind.ELEVEN_TEST,
        "Bronorganisatie",
        "RSIN van de organisatie die de klant heeft vastgelegd: negen cijfers die aan de "
        "elfproef voldoen.",
        max_length=9,
        min_length=1,
        required=True,
        filter="bronorganisatie",
    ),
    Field(
        "klantnummer",
        Kind.TEXT,
        "Klantnummer",
        "Nummer van de klant, uniek binnen de bronorganisatie. Wie het weglaat krijgt er een.",
        max_length=8,
        min_length=1,
        required=True,
        generated=True,
        filter="klantnummer",
    ),
    Field(
        "bedrijfsnaam",
        Kind.TEXT,
        "Bedrijfsnaam",
        "Naam van het bedrijf waarvoor de klant optreedt.",
        max_length=200,
        filter="bedrijfsnaam",
    ),
    Field(
        "functie",
        Kind.TEXT,
        "Functie",
        "Functie van de klant bij dat bedrijf.",
        max_length=200,
        filter="functie",
    ),
    Field(
        "websiteUrl",
        Kind.URL,
        "Website",
        "Adres van de website waar de klant gewoonlijk te vinden is.",
        max_length=1000,
        min_length=1,
        required=True,
    ),
    Field(
        "voornaam",
        Kind.TEXT,
        "Voornaam",
        "Roepnaam, voornaam of voorletters.",
        max_length=200,
    ),
    Field(
        "voorvoegselAchternaam",
        Kind.TEXT,
        "Voorvoegsel van de achternaam",
        "Wat aan de achternaam voorafgaat, zoals 'van der'.",
        max_length=10,
    ),
    Field(
        "achternaam",
        Kind.TEXT,
        "Achternaam",
        "Achternaam zonder voorvoegsel.",
        max_length=200,
        filter="achternaam",
    ),
    Field(
        "telefoonnummer",
        Kind.TEXT,
        "Telefoonnummer",
        "Nummer waarop de klant te bellen is, vast of mobiel.",
        max_length=20,
        filter="telefoonnummer",
    ),
    Field(
        "emailadres",
        Kind.EMAIL,
        "E-mailadres",
        "Adres waarop de klant te mailen is.",
        max_length=254,
        filter="emailadres",
    ),
    Field(
        "adres",
        Kind.OBJECT,
        "Adres",
        "Het adres zoals de klant het zelf opgaf, in Nederland of daarbuiten.",
        nullable=True,
        fields=ADRES,
        schema="KlantAdres",
    ),
    Field(
        "subject",
        Kind.URL,
        "Subject",
        "URL van het geverifieerde subject dat de klant is.",
        max_length=1000,
        must_exist=True,
        filter="subject",
    ),
    Field(
        "subjectType",
        Kind.CHOICE,
        "Soort subject",
        "Soort van het subject; ligt na het aanmaken van de klant vast.",
        choices=MappingProxyType(
            {
                SubjectType.NATUURLIJK_PERSOON.value: "Natuurlijk persoon",
                SubjectType.NIET_NATUURLIJK_PERSOON.value: "Niet-natuurlijk persoon",
                SubjectType.VESTIGING.value: "Vestiging",
            }
        ),
        nullable=True,
        filter="subjectType",
    ),
)

VERBLIJFSADRES = (
    Field(
        "aoaIdentificatie",
        Kind.TEXT,
        "Identificatie van het object",
        "Kenmerk waaronder het adresseerbare object geregistreerd staat.",
        max_length=100,
        min_length=1,
        required=True,
    ),
    Field("wplWoonplaatsNaam", Kind.TEXT, "Woonplaats", max_length=80),
    Field(
        "gorOpenbareRuimteNaam",
        Kind.TEXT,
        "Naam van de openbare ruimte",
        "Naam die de gemeente aan de straat of een andere openbare ruimte gaf.",
        max_length=80,
        min_length=1,
        required=True,
    ),
    Field("aoaPostcode", Kind.TEXT, "Postcode", max_length=7),
    Field("aoaHuisnummer", Kind.INTEGER, "Huisnummer", minimum=0, maximum=99999, nullable=True),
    Field("aoaHuisletter", Kind.TEXT, "Huisletter", max_length=1),
    Field("aoaHuisnummertoevoeging", Kind.TEXT, "Toevoeging bij het huisnummer", max_length=4),
    Field("inpLocatiebeschrijving", Kind.TEXT, "Beschrijving van de locatie", max_length=1000),
)

SUB_VERBLIJF_BUITENLAND = (
    Field(
        "lndLandcode",
        Kind.TEXT,
        "Landcode",
        "Code van het land in de landelijke tabel van landen en gebieden die bij de BRP hoort.",
        max_length=4,
        min_length=1,
        required=True,
    ),
    Field(
        "lndLandnaam",
        Kind.TEXT,
        "Naam van het land",
        "Naam van het land in dezelfde tabel.",
        max_length=40,
        min_length=1,
        required=True,
    ),
    Field("subAdresBuitenland1", Kind.TEXT, "Eerste adresregel", max_length=35),
    Field("subAdresBuitenland2", Kind.TEXT, "Tweede adresregel", max_length=35),
    Field("subAdresBuitenland3", Kind.TEXT, "Derde adresregel", max_length=35),
)

_VERBLIJFSADRES = Field(
    "verblijfsadres",
    Kind.OBJECT,
    "Verblijfsadres",
    null_ignored=True,
    fields=VERBLIJFSADRES,
    schema="VerblijfsAdres",
)
_SUB_VERBLIJF_BUITENLAND = Field(
    "subVerblijfBuitenland",
    Kind.OBJECT,
    "Verblijf in het buitenland",
    null_ignored=True,
    fields=SUB_VERBLIJF_BUITENLAND,
    schema="SubVerblijfBuitenland",
)

NATUURLIJK_PERSOON = (
    Field(
        "inpBsn",
        Kind.ELEVEN_TEST,
        "Burgerservicenummer",
        "Het nummer waaronder de overheid de persoon kent: negen cijfers die aan de elfproef "
        "voldoen.",
        max_length=9,
        filter="subjectNatuurlijkPersoon__inpBsn",
    ),
    Field(
        "anpIdentificatie",
        Kind.TEXT,
        "Identificatie van een ander natuurlijk persoon",
        "Nummer dat de gemeente zelf gaf aan iemand zonder burgerservicenummer.",
        max_length=17,
        filter="subjectNatuurlijkPersoon__anpIdentificatie",
    ),
    Field(
        "inpANummer",
        Kind.A_NUMMER,
        "A-nummer",
        "Administratienummer van de persoon in de BRP: tien cijfers, niet beginnend met een 0.",
        max_length=10,
        pattern="^[1-9][0-9]{9}$",
        filter="subjectNatuurlijkPersoon__inpA_nummer",
    ),
    Field(
        "geslachtsnaam",
        Kind.TEXT,
        "Geslachtsnaam",
        "Geslachtsnaam zonder voorvoegsel.",
        max_length=200,
    ),
    Field("voorvoegselGeslachtsnaam", Kind.TEXT, "Voorvoegsel van de geslachtsnaam", max_length=80),
    Field(
        "voorletters",
        Kind.TEXT,
        "Voorletters",
        "De eerste letters van de voornamen, in de volgorde van die namen.",
        max_length=20,
    ),
    Field(
        "voornamen",
        Kind.TEXT,
        "Voornamen",
        "De voornamen zoals de persoon die gebruikt.",
        max_length=200,
    ),
    Field(
        "geslachtsaanduiding",
        Kind.CHOICE,
        "Geslacht",
        "Het geslacht van de persoon, voor zover bekend.",
        choices=MappingProxyType({"m": "Man", "v": "Vrouw", "o": "Onbekend"}),
    ),
    Field("geboortedatum", Kind.TEXT, "Geboortedatum", max_length=18),
    _VERBLIJFSADRES,
    _SUB_VERBLIJF_BUITENLAND,
)

NIET_NATUURLIJK_PERSOON = (
    Field(
        "innNnpId",
        Kind.ELEVEN_TEST,
        "Identificatie van de niet-natuurlijk persoon",
        "RSIN waaronder een kamer de rechtspersoon heeft ingeschreven: negen cijfers die aan de "
        "elfproef voldoen.",
        max_length=9,
        filter="subjectNietNatuurlijkPersoon__innNnpId",
    ),
    Field(
        "annIdentificatie",
        Kind.TEXT,
        "Identificatie van een ander niet-natuurlijk persoon",
        "Nummer dat de gemeente zelf gaf aan een organisatie die niet is ingeschreven.",
        max_length=17,
        filter="subjectNietNatuurlijkPersoon__annIdentificatie",
    ),
    Field(
        "statutaireNaam",
        Kind.TEXT,
        "Statutaire naam",
        "Naam volgens de statuten of volgens de overeenkomst van de vennootschap.",
        max_length=500,
    ),
    Field(
        "innRechtsvorm",
        Kind.CHOICE,
        "Rechtsvorm",
        "Juridische vorm van de organisatie.",
        choices=MappingProxyType(
            {
                "besloten_vennootschap": "Besloten vennootschap",
                "cooperatie_europees_economische_samenwerking": (
                    "Coöperatie, Europees economisch samenwerkingsverband"
                ),
                "europese_cooperatieve_venootschap": "Europese coöperatieve vennootschap",
                "europese_naamloze_vennootschap": "Europese naamloze vennootschap",
                "kerkelijke_organisatie": "Kerkelijke organisatie",
                "naamloze_vennootschap": "Naamloze vennootschap",
                "onderlinge_waarborg_maatschappij": "Onderlinge waarborgmaatschappij",
                "overig_privaatrechtelijke_rechtspersoon": (
                    "Andere privaatrechtelijke rechtspersoon"
                ),
                "stichting": "Stichting",
                "vereniging": "Vereniging",
                "vereniging_van_eigenaars": "Vereniging van eigenaars",
                "publiekrechtelijke_rechtspersoon": "Publiekrechtelijke rechtspersoon",
                "vennootschap_onder_firma": "Vennootschap onder firma",
                "maatschap": "Maatschap",
                "rederij": "Rederij",
                "commanditaire_vennootschap": "Commanditaire vennootschap",
                "kapitaalvennootschap_binnen_eer": "Kapitaalvennootschap uit een land van de EER",
                "overige_buitenlandse_rechtspersoon_vennootschap": (
                    "Andere buitenlandse rechtspersoon of vennootschap"
                ),
                "kapitaalvennootschap_buiten_eer": "Kapitaalvennootschap van buiten de EER",
            }
        ),
    ),
    Field(
        "bezoekadres",
        Kind.TEXT,
        "Bezoekadres",
        "Waar de organisatie te bezoeken is.",
        max_length=1000,
    ),
    _SUB_VERBLIJF_BUITENLAND,
)

VESTIGING = (
    Field(
        "vestigingsNummer",
        Kind.TEXT,
        "Vestigingsnummer",
        "Kort nummer waaraan de vestiging te herkennen is.",
        max_length=24,
        filter="subjectVestiging__vestigingsNummer",
    ),
    Field(
        "handelsnaam",
        Kind.TEXTS,
        "Handelsnaam",
        "De namen waaronder de vestiging handelt.",
        max_length=625,
    ),
    _VERBLIJFSADRES,
    _SUB_VERBLIJF_BUITENLAND,
)


def _subject_identificatie(schema: str, fields: tuple[Field, ...]) -> Field:
    return Field(
        "subjectIdentificatie",
        Kind.OBJECT,
        "Identificatie van het subject",
        fields=fields,
        schema=schema,
    )


IDENTIFICATIE: Mapping[str, Field] = MappingProxyType(
    {
        SubjectType.NATUURLIJK_PERSOON: _subject_identificatie(
            "NatuurlijkPersoon", NATUURLIJK_PERSOON
        ),
        SubjectType.NIET_NATUURLIJK_PERSOON: _subject_identificatie(
            "NietNatuurlijkPersoon", NIET_NATUURLIJK_PERSOON
        ),
        SubjectType.VESTIGING: _subject_identificatie("Vestiging", VESTIGING),
    }
)
"""subjectType -> the `subjectIdentificatie` of a klant of that type (a plain str finds it too)."""


@dataclass(frozen=True, eq=False)
class Filter:
    """A query parameter of the list, and where the value it selects on is in a klant."""

    name: str
    field: Field
    path: tuple[str, ...]

    def value(self, body: Mapping[str, Any]) -> str:
        """The value of this filter in a klant, "" where there is none."""
        found: Any = body
        for key in self.path:
            found = found.get(key) if found else None
        return found or ""


def _filters_on(fields: Iterable[Field], above: tuple[str, ...] = ()) -> Iterator[Filter]:
    for field in fields:
        path = (*above, field.name)
        if field.filter:
            yield Filter(field.filter, field, path)
        yield from _filters_on(field.fields, path)


FILTERS = tuple(_filters_on((*KLANT, *IDENTIFICATIE.values())))
"""The filters of the list, in the order of the published API.

The identifications share no member that is filtered on, so a path leads to a value in klanten of
one type only.
"""


def empty(fields: Iterable[Field]) -> dict[str, Any]:
    """An object of `fields` in which nothing was given, in their order.

    Read-only fields are left out: their value belongs to an answer, not to what is stored.
    """
    return {field.name: field.nothing for field in fields if not field.read_only}


def index_entries(body: Mapping[str, Any]) -> dict[str, str]:
    """The filters under which a stored klant is found: name of the filter -> value.

    Args:
        body: the klant as stored, so without `url`.
    """
    return {found.name: value for found in FILTERS if (value := found.value(body))}
