"""Klanten as municipalities have them: varied, and the same at every run."""

import random
from collections.abc import Iterator
from typing import Any

SEED = 20200101
# Common values, with the odds that they have here: a few large organisations, and more people than
# companies. Filters on them find much.
ORGANISATIES = {"517439943": 40, "000000012": 30, "000000024": 20, "000000036": 10}
TYPES = {"natuurlijk_persoon": 66, "niet_natuurlijk_persoon": 14, "vestiging": 20}
WOONPLAATSEN = {"Juinen": 45, "Ons Dorp": 30, "Zuidwijk aan Zee": 15, "Nergenshuizen": 10}
FUNCTIES = ("bakker", "inkoper", "directeur", "bewindvoerder", "gemachtigde", "beheerder")
STRATEN = ("Dorpsstraat", "Kerkplein", "Molenweg", "Stationslaan", "Lindehof", "Dijk", "Brink")
VOORNAMEN = ("Anna", "Bram", "Chris", "Daan", "Emine", "Fatima", "Gijs", "Hanna", "Ids", "Joep")
VOORVOEGSELS = ("", "", "", "de", "van", "van der", "ten")
ACHTERNAMEN = ("Bakker", "Visser", "Smit", "Jansen", "Mulder", "Kaya", "Wong", "Dijkstra", "Vos")
ENDINGS = ("", "s", "ma", "stra", "sen", "mans", "kamp", "veld", "huis", "berg")
FORMS = ("stichting", "vereniging", "besloten_vennootschap", "maatschap")


def klanten(count: int, first: int = 0) -> Iterator[dict[str, Any]]:
    """So many klanten as a consumer sends them; `first` is the number of the first one."""
    return (klant(number) for number in range(first, first + count))


def klant(number: int) -> dict[str, Any]:
    """The klant of this number, without a klantnummer."""
    dice = random.Random(SEED + number)
    subject_type = _chosen(dice, TYPES)
    achternaam = dice.choice(ACHTERNAMEN) + dice.choice(ENDINGS)
    is_person = subject_type == "natuurlijk_persoon"
    return {
        "bronorganisatie": _chosen(dice, ORGANISATIES),
        "bedrijfsnaam": "" if is_person else f"{achternaam} & Zn. {dice.randrange(5000)}",
        "functie": "" if is_person else dice.choice(FUNCTIES),
        "websiteUrl": f"https://www.example.nl/{number}",
        "voornaam": dice.choice(VOORNAMEN),
        "voorvoegselAchternaam": dice.choice(VOORVOEGSELS),
        "achternaam": achternaam,
        "telefoonnummer": f"+316{10_000_000 + number * 7919 % 90_000_000}",
        "emailadres": f"klant{number}@example.nl" if dice.random() < 0.9 else "",
        "adres": {
            "straatnaam": dice.choice(STRATEN),
            "huisnummer": dice.randrange(1, 250),
            "huisletter": dice.choice(("", "", "a", "b")),
            "huisnummertoevoeging": "",
            "postcode": f"{dice.randrange(1000, 9999)}{dice.choice('ABCD')}{dice.choice('ABCD')}",
            "woonplaatsnaam": _chosen(dice, WOONPLAATSEN),
            "landcode": "6030",
        },
        "subjectType": subject_type,
        "subjectIdentificatie": IDENTIFICATIES[subject_type](dice, number, achternaam),
    }


def klantnummer(number: int) -> str:
    """The klantnummer of a klant that was there before."""
    return f"K{number:07d}"


def eleven_test(number: int) -> str:
    """Nine digits that pass the eleven test; another number gives other digits."""
    while True:
        digits = f"{10_000_000 + number * 104_729 % 89_999_999:08d}"
        weights = range(9, 1, -1)
        check = sum(weight * int(digit) for weight, digit in zip(weights, digits, strict=True)) % 11
        if check < 10:
            return f"{digits}{check}"
        number += 40_000_000


def _person(dice: random.Random, number: int, achternaam: str) -> dict[str, Any]:
    return {
        "inpBsn": eleven_test(number),
        "inpANummer": f"{1_000_000_000 + number}",
        "geslachtsnaam": achternaam,
        "voorletters": "A.B.",
        "voornamen": " ".join(dice.sample(VOORNAMEN, 2)),
        "geslachtsaanduiding": dice.choice("mvo"),
        "geboortedatum": f"{dice.randrange(1930, 2010)}-{dice.randrange(1, 13):02d}-15",
        "verblijfsadres": _verblijfsadres(dice, number),
    }


def _company(dice: random.Random, number: int, achternaam: str) -> dict[str, Any]:
    return {
        "innNnpId": eleven_test(number),
        "statutaireNaam": f"{achternaam} Beheer {number}",
        "innRechtsvorm": dice.choice(FORMS),
        "bezoekadres": f"{dice.choice(STRATEN)} {dice.randrange(1, 250)}, Juinen",
    }


def _vestiging(dice: random.Random, number: int, achternaam: str) -> dict[str, Any]:
    return {
        "vestigingsNummer": f"{number:012d}",
        "handelsnaam": [f"{achternaam} {number}", achternaam],
        "verblijfsadres": _verblijfsadres(dice, number),
    }


def _verblijfsadres(dice: random.Random, number: int) -> dict[str, Any]:
    return {
        "aoaIdentificatie": f"0123010{number:09d}",
        "wplWoonplaatsNaam": _chosen(dice, WOONPLAATSEN),
        "gorOpenbareRuimteNaam": dice.choice(STRATEN),
        "aoaPostcode": "1234AB",
        "aoaHuisnummer": dice.randrange(1, 250),
        "aoaHuisletter": "",
        "aoaHuisnummertoevoeging": "",
        "inpLocatiebeschrijving": "",
    }


def _chosen(dice: random.Random, odds: dict[str, int]) -> str:
    return dice.choices(tuple(odds), tuple(odds.values()))[0]


IDENTIFICATIES = {
    "natuurlijk_persoon": _person,
    "niet_natuurlijk_persoon": _company,
    "vestiging": _vestiging,
}
