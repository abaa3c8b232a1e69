"""Makers of test data: klanten as a consumer sends them, numbers that pass the eleven test."""

import itertools
import random
from typing import Any

_numbers = itertools.count(1)


def rsin() -> str:
    """Nine digits that pass the eleven test (a BSN as well)."""
    while True:
        digits = [random.randint(1, 9)] + [random.randint(0, 9) for _ in range(7)]
        check = sum(weight * digit for weight, digit in zip(range(9, 1, -1), digits, strict=True))
        if check % 11 < 10:
            return "".join(map(str, digits)) + str(check % 11)


def klantnummer() -> str:
    """A klantnummer that no other call gave."""
    return f"K{next(_numbers):06d}"


def make_klant(**overrides: Any) -> dict[str, Any]:
    """A klant as a consumer sends it; a field overridden with `...` is left out."""
    klant = {
        "bronorganisatie": "517439943",
        "klantnummer": klantnummer(),
        "websiteUrl": "https://www.example.nl",
        "subjectType": "natuurlijk_persoon",
        "subjectIdentificatie": {"geslachtsnaam": "Jansen"},
    }
    return {name: value for name, value in (klant | overrides).items() if value is not ...}


def make_person(**overrides: Any) -> dict[str, Any]:
    """A natural person with every field filled in."""
    person: dict[str, Any] = {
        "bedrijfsnaam": "Bakkerij De Punt",
        "functie": "bakker",
        "voornaam": "Anna",
        "voorvoegselAchternaam": "de",
        "achternaam": "Vries",
        "telefoonnummer": "+31612345678",
        "emailadres": "anna@example.nl",
        "adres": {
            "straatnaam": "Dorpsstraat",
            "huisnummer": 1,
            "huisletter": "a",
            "huisnummertoevoeging": "bis",
            "postcode": "1234AB",
            "woonplaatsnaam": "Juinen",
            "landcode": "6030",
        },
        "subjectIdentificatie": {
            "inpBsn": rsin(),
            "anpIdentificatie": "17052031",
            "inpANummer": "1234567890",
            "geslachtsnaam": "Vries",
            "voorvoegselGeslachtsnaam": "de",
            "voorletters": "A.B.",
            "voornamen": "Anna Berta",
            "geslachtsaanduiding": "v",
            "geboortedatum": "1980-01-31",
            "verblijfsadres": {
                "aoaIdentificatie": "0123010000000001",
                "wplWoonplaatsNaam": "Juinen",
                "gorOpenbareRuimteNaam": "Dorpsstraat",
                "aoaPostcode": "1234AB",
                "aoaHuisnummer": 1,
                "aoaHuisletter": "a",
                "aoaHuisnummertoevoeging": "bis",
                "inpLocatiebeschrijving": "naast de kerk",
            },
            "subVerblijfBuitenland": {
                "lndLandcode": "5001",
                "lndLandnaam": "Canada",
                "subAdresBuitenland1": "1 Main Street",
                "subAdresBuitenland2": "",
                "subAdresBuitenland3": "",
            },
        },
    }
    return make_klant(**(person | overrides))
