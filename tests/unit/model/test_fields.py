"""The table of fields, and what is derived from it."""

import pytest

from klanten.model.fields import (
    FILTERS,
    IDENTIFICATIE,
    KLANT,
    Kind,
    SubjectType,
    empty,
    index_entries,
)

EMPTY_KLANT = {
    "bronorganisatie": "",
    "klantnummer": "",
    "bedrijfsnaam": "",
    "functie": "",
    "websiteUrl": "",
    "voornaam": "",
    "voorvoegselAchternaam": "",
    "achternaam": "",
    "telefoonnummer": "",
    "emailadres": "",
    "adres": None,
    "subject": "",
    "subjectType": None,
}


def every_field(fields):
    for field in fields:
        yield field
        yield from every_field(field.fields)


EVERY_FIELD = [*every_field(KLANT), *every_field(IDENTIFICATIE.values())]


def test_the_filters_are_those_of_the_standard_in_its_order():
    assert [found.name for found in FILTERS] == [
        "bronorganisatie",
        "klantnummer",
        "bedrijfsnaam",
        "functie",
        "achternaam",
        "telefoonnummer",
        "emailadres",
        "adres__straatnaam",
        "adres__postcode",
        "adres__woonplaatsNaam",
        "adres__landcode",
        "subject",
        "subjectType",
        "subjectNatuurlijkPersoon__inpBsn",
        "subjectNatuurlijkPersoon__anpIdentificatie",
        "subjectNatuurlijkPersoon__inpA_nummer",
        "subjectNietNatuurlijkPersoon__innNnpId",
        "subjectNietNatuurlijkPersoon__annIdentificatie",
        "subjectVestiging__vestigingsNummer",
    ]


def test_a_klant_of_which_nothing_is_known_has_all_its_members_but_the_url():
    assert empty(KLANT) == EMPTY_KLANT
    assert list(empty(KLANT)) == list(EMPTY_KLANT)


@pytest.mark.parametrize(
    ("subject_type", "expected"),
    [
        (
            "natuurlijk_persoon",
            {
                "inpBsn": "",
                "anpIdentificatie": "",
                "inpANummer": "",
                "geslachtsnaam": "",
                "voorvoegselGeslachtsnaam": "",
                "voorletters": "",
                "voornamen": "",
                "geslachtsaanduiding": "",
                "geboortedatum": "",
                "verblijfsadres": None,
                "subVerblijfBuitenland": None,
            },
        ),
        (
            "niet_natuurlijk_persoon",
            {
                "innNnpId": "",
                "annIdentificatie": "",
                "statutaireNaam": "",
                "innRechtsvorm": "",
                "bezoekadres": "",
                "subVerblijfBuitenland": None,
            },
        ),
        (
            "vestiging",
            {
                "vestigingsNummer": "",
                "handelsnaam": [],
                "verblijfsadres": None,
                "subVerblijfBuitenland": None,
            },
        ),
    ],
)
def test_an_identification_of_which_nothing_is_known_has_all_its_members(subject_type, expected):
    assert empty(IDENTIFICATIE[subject_type].fields) == expected


def test_an_empty_house_number_is_null_among_empty_texts():
    adres = next(field for field in KLANT if field.name == "adres")
    assert empty(adres.fields) == {
        "straatnaam": "",
        "huisnummer": None,
        "huisletter": "",
        "huisnummertoevoeging": "",
        "postcode": "",
        "woonplaatsnaam": "",
        "landcode": "",
    }


def test_no_two_empty_values_share_a_list():
    fields = IDENTIFICATIE[SubjectType.VESTIGING].fields
    empty(fields)["handelsnaam"].append("x")
    assert empty(fields)["handelsnaam"] == []


def test_each_subject_type_has_an_identification_and_a_choice():
    choices = next(field.choices for field in KLANT if field.name == "subjectType")
    assert list(IDENTIFICATIE) == list(choices) == list(SubjectType)


@pytest.mark.parametrize("field", EVERY_FIELD, ids=lambda field: field.name)
def test_a_field_has_the_facts_of_its_kind_and_no_others(field):
    assert bool(field.title)
    assert bool(field.fields) == bool(field.schema) == (field.kind is Kind.OBJECT)
    assert bool(field.choices) == (field.kind is Kind.CHOICE)
    assert bool(field.pattern) == (field.kind is Kind.A_NUMMER)
    assert (field.minimum is not None) == (field.maximum is not None)
    assert (field.maximum is not None) == (field.kind is Kind.INTEGER)
    is_text = field.kind not in (Kind.OBJECT, Kind.CHOICE, Kind.INTEGER)
    assert (field.max_length is not None) == is_text


def test_a_klant_without_a_type_is_indexed_under_what_is_not_empty():
    body = EMPTY_KLANT | {"bronorganisatie": "000000000", "klantnummer": "1", "voornaam": "Jo"}
    assert index_entries(body) == {"bronorganisatie": "000000000", "klantnummer": "1"}


def test_a_klant_is_indexed_under_the_parts_of_its_address():
    adres = {
        "straatnaam": "Lindelaan",
        "huisnummer": 12,
        "huisletter": "",
        "huisnummertoevoeging": "",
        "postcode": "",
        "woonplaatsnaam": "Utrecht",
        "landcode": "NL",
    }
    assert index_entries(EMPTY_KLANT | {"adres": adres}) == {
        "adres__straatnaam": "Lindelaan",
        "adres__woonplaatsNaam": "Utrecht",
        "adres__landcode": "NL",
    }


@pytest.mark.parametrize(
    ("subject_type", "identificatie", "entries"),
    [
        (
            "natuurlijk_persoon",
            {"inpBsn": "111222333", "anpIdentificatie": "a", "inpANummer": "1234567890"},
            {
                "subjectNatuurlijkPersoon__inpBsn": "111222333",
                "subjectNatuurlijkPersoon__anpIdentificatie": "a",
                "subjectNatuurlijkPersoon__inpA_nummer": "1234567890",
            },
        ),
        (
            "niet_natuurlijk_persoon",
            {"innNnpId": "111222333", "annIdentificatie": "b"},
            {
                "subjectNietNatuurlijkPersoon__innNnpId": "111222333",
                "subjectNietNatuurlijkPersoon__annIdentificatie": "b",
            },
        ),
        (
            "vestiging",
            {"vestigingsNummer": "c", "handelsnaam": ["d"]},
            {"subjectVestiging__vestigingsNummer": "c"},
        ),
    ],
)
def test_a_klant_with_a_type_is_indexed_under_its_identification(
    subject_type, identificatie, entries
):
    given = empty(IDENTIFICATIE[subject_type].fields) | identificatie
    body = EMPTY_KLANT | {"subjectType": subject_type, "subjectIdentificatie": given}
    assert index_entries(body) == {"subjectType": subject_type, **entries}


def test_a_klant_whose_identification_is_not_known_is_indexed_under_its_type():
    body = EMPTY_KLANT | {"subjectType": "vestiging", "subjectIdentificatie": None}
    assert index_entries(body) == {"subjectType": "vestiging"}


def test_every_filter_finds_a_value_somewhere():
    found = set()
    for subject_type, identificatie in IDENTIFICATIE.items():
        body = dict.fromkeys(EMPTY_KLANT, "x") | {
            "subjectType": subject_type.value,
            "adres": dict.fromkeys(["straatnaam", "postcode", "woonplaatsnaam", "landcode"], "x"),
            "subjectIdentificatie": dict.fromkeys(empty(identificatie.fields), "x"),
        }
        found |= index_entries(body).keys()
    assert found == {parameter.name for parameter in FILTERS}
