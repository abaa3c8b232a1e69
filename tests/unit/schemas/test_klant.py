"""What may come in as a klant. The lengths are those of the published API."""

import copy
import operator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klanten.model.fields import IDENTIFICATIE, KLANT, Kind
from klanten.schemas.faults import Rule, ValidationFailed
from klanten.schemas.klant import KlantSchemas

SCHEMAS = KlantSchemas()
LENIENT = KlantSchemas(frozenset({"websiteUrl"}))

KLANT_BODY = {"bronorganisatie": "111222333", "websiteUrl": "http://example.com/site"}
ADDRESS = {"aoaIdentificatie": "0363200003761447", "gorOpenbareRuimteNaam": "Damrak"}
ABROAD = {"lndLandcode": "BE", "lndLandnaam": "België"}
TYPES = ["natuurlijk_persoon", "niet_natuurlijk_persoon", "vestiging"]

FULL_PERSON = {
    **KLANT_BODY,
    "klantnummer": "12345678",
    "bedrijfsnaam": "Punt",
    "functie": "inkoper",
    "voornaam": "Anna",
    "voorvoegselAchternaam": "de",
    "achternaam": "Vries",
    "telefoonnummer": "+31612345678",
    "emailadres": "anna@example.nl",
    "adres": {
        "straatnaam": "Lindelaan",
        "huisnummer": 12,
        "huisletter": "b",
        "huisnummertoevoeging": "hs",
        "postcode": "3512AB",
        "woonplaatsnaam": "Utrecht",
        "landcode": "NL",
    },
    "subject": "https://subjecten.example.nl/personen/1",
    "subjectType": "natuurlijk_persoon",
    "subjectIdentificatie": {
        "inpBsn": "111222333",
        "anpIdentificatie": "17052031",
        "inpANummer": "1234567890",
        "geslachtsnaam": "Vries",
        "voorvoegselGeslachtsnaam": "de",
        "voorletters": "A.B.",
        "voornamen": "Anna Berta",
        "geslachtsaanduiding": "v",
        "geboortedatum": "1980-02-29",
        "verblijfsadres": {
            **ADDRESS,
            "wplWoonplaatsNaam": "Amsterdam",
            "aoaPostcode": "1012LG",
            "aoaHuisnummer": 1,
            "aoaHuisletter": "A",
            "aoaHuisnummertoevoeging": "bis",
            "inpLocatiebeschrijving": "naast het station",
        },
        "subVerblijfBuitenland": {
            **ABROAD,
            "subAdresBuitenland1": "Meir 1",
            "subAdresBuitenland2": "2000 Antwerpen",
            "subAdresBuitenland3": "bus 7",
        },
    },
}
FULL_ORGANISATION = {
    **KLANT_BODY,
    "subjectType": "niet_natuurlijk_persoon",
    "subjectIdentificatie": {
        "innNnpId": "111222333",
        "annIdentificatie": "ANN-1",
        "statutaireNaam": "De Punt B.V.",
        "innRechtsvorm": "besloten_vennootschap",
        "bezoekadres": "Kade 3, Zwolle",
        "subVerblijfBuitenland": ABROAD,
    },
}
FULL_BRANCH = {
    **KLANT_BODY,
    "subjectType": "vestiging",
    "subjectIdentificatie": {
        "vestigingsNummer": "000012345678",
        "handelsnaam": ["De Punt", "Punt Zuid"],
        "verblijfsadres": ADDRESS,
        "subVerblijfBuitenland": ABROAD,
    },
}


class Subjects:
    """Other servers' subjects: those that are there, and what was asked about them."""

    def __init__(self, there=True):
        self.there = there
        self.asked = []

    def __call__(self, url):
        self.asked.append(url)
        return self.there


def create(body, subjects=None, schemas=SCHEMAS):
    return schemas.create(body, subjects or Subjects())


def faults(call, *arguments):
    """The (name, code) pairs of the faults of a call, sorted; none when it succeeds."""
    try:
        call(*arguments)
    except ValidationFailed as failed:
        return sorted((fault.name, fault.code) for fault in failed.faults)
    return []


def faults_of(**members):
    return faults(create, KLANT_BODY | members)


def person(**members):
    return KLANT_BODY | {"subjectType": "natuurlijk_persoon", "subjectIdentificatie": members}


def organisation(**members):
    return KLANT_BODY | {"subjectType": "niet_natuurlijk_persoon", "subjectIdentificatie": members}


def branch(**members):
    return KLANT_BODY | {"subjectType": "vestiging", "subjectIdentificatie": members}


# Every text field: where it is, its greatest length, and whether it may be empty.
def in_klant(name):
    return (name,), lambda value: KLANT_BODY | {name: value}


def in_adres(name):
    return ("adres", name), lambda value: KLANT_BODY | {"adres": {name: value}}


def in_person(name):
    return ("subjectIdentificatie", name), lambda value: person(**{name: value})


def in_organisation(name):
    return ("subjectIdentificatie", name), lambda value: organisation(**{name: value})


def in_branch(name):
    return ("subjectIdentificatie", name), lambda value: branch(**{name: value})


def in_home(name, whole=person):
    path = ("subjectIdentificatie", "verblijfsadres", name)
    return path, lambda value: whole(verblijfsadres=ADDRESS | {name: value})


def in_abroad(name, whole=person):
    path = ("subjectIdentificatie", "subVerblijfBuitenland", name)
    return path, lambda value: whole(subVerblijfBuitenland=ABROAD | {name: value})


PLAIN_TEXTS = [
    (in_klant("klantnummer"), 8, False),
    (in_klant("bedrijfsnaam"), 200, True),
    (in_klant("functie"), 200, True),
    (in_klant("voornaam"), 200, True),
    (in_klant("voorvoegselAchternaam"), 10, True),
    (in_klant("achternaam"), 200, True),
    (in_klant("telefoonnummer"), 20, True),
    (in_adres("straatnaam"), 100, True),
    (in_adres("huisletter"), 1, True),
    (in_adres("huisnummertoevoeging"), 4, True),
    (in_adres("postcode"), 7, True),
    (in_adres("woonplaatsnaam"), 80, True),
    (in_adres("landcode"), 4, True),
    (in_person("anpIdentificatie"), 17, True),
    (in_person("geslachtsnaam"), 200, True),
    (in_person("voorvoegselGeslachtsnaam"), 80, True),
    (in_person("voorletters"), 20, True),
    (in_person("voornamen"), 200, True),
    (in_person("geboortedatum"), 18, True),
    (in_organisation("annIdentificatie"), 17, True),
    (in_organisation("statutaireNaam"), 500, True),
    (in_organisation("bezoekadres"), 1000, True),
    (in_branch("vestigingsNummer"), 24, True),
    (in_home("aoaIdentificatie"), 100, False),
    (in_home("wplWoonplaatsNaam"), 80, True),
    (in_home("gorOpenbareRuimteNaam"), 80, False),
    (in_home("aoaPostcode"), 7, True),
    (in_home("aoaHuisletter"), 1, True),
    (in_home("aoaHuisnummertoevoeging"), 4, True),
    (in_home("inpLocatiebeschrijving"), 1000, True),
    (in_home("aoaIdentificatie", branch), 100, False),
    (in_abroad("lndLandcode"), 4, False),
    (in_abroad("lndLandnaam"), 40, False),
    (in_abroad("subAdresBuitenland1"), 35, True),
    (in_abroad("subAdresBuitenland2"), 35, True),
    (in_abroad("subAdresBuitenland3"), 35, True),
    (in_abroad("lndLandnaam", organisation), 40, False),
    (in_abroad("lndLandnaam", branch), 40, False),
]
ELEVEN_TESTED = [in_klant("bronorganisatie"), in_person("inpBsn"), in_organisation("innNnpId")]
A_NUMMER = in_person("inpANummer")
INTEGERS = [in_adres("huisnummer"), in_home("aoaHuisnummer"), in_home("aoaHuisnummer", branch)]

plain_texts = pytest.mark.parametrize(
    ("place", "length", "may_be_empty"),
    PLAIN_TEXTS,
    ids=[".".join(p[0]) for p, _, _ in PLAIN_TEXTS],
)
EVERY_TEXT = [
    *(place for place, _, _ in PLAIN_TEXTS),
    *ELEVEN_TESTED,
    A_NUMMER,
    in_klant("websiteUrl"),
    in_klant("emailadres"),
    in_klant("subject"),
]
every_text = pytest.mark.parametrize("place", EVERY_TEXT, ids=[".".join(p[0]) for p in EVERY_TEXT])


def value_at(path, body):
    for key in path:
        body = body[key]
    return body


def faults_at(place, value):
    """The codes of the faults of a value in a place, where all other values are right."""
    path, body = place
    found = faults(create, body(value))
    assert {name for name, _ in found} <= {".".join(path)}
    return [code for _, code in found]


def result_at(place, value):
    path, body = place
    return value_at(path, create(body(value)))


# Texts


@plain_texts
def test_a_text_of_the_greatest_length_passes_and_a_longer_one_does_not(
    place, length, may_be_empty
):
    assert result_at(place, "a" * length) == "a" * length
    assert faults_at(place, "a" * (length + 1)) == ["max_length"]


@plain_texts
def test_length_is_counted_in_code_points(place, length, may_be_empty):
    assert result_at(place, "😀" * length) == "😀" * length
    assert faults_at(place, "é" * (length + 1)) == ["max_length"]


@plain_texts
def test_an_empty_text_is_right_where_no_least_length_is_published(place, length, may_be_empty):
    for value in ("", "   ", "\t\n\u2003\u00a0"):
        if may_be_empty:
            assert result_at(place, value) == ""
        else:
            assert faults_at(place, value) == ["blank"]


@plain_texts
def test_white_space_around_a_text_is_cut_before_it_is_judged(place, length, may_be_empty):
    assert result_at(place, " \u2003\n" + "a" * length + "\x1f\u3000 ") == "a" * length


@plain_texts
def test_a_number_is_taken_as_it_is_written(place, length, may_be_empty):
    assert result_at(place, 1) == "1"


@every_text
def test_what_is_no_text_or_number_is_invalid(place):
    for value in (True, False, [], ["a"], {}, {"a": 1}):
        assert faults_at(place, value) == ["invalid"]


@every_text
def test_null_is_no_text(place):
    assert faults_at(place, None) == ["null"]


@every_text
def test_a_text_with_nul_is_refused(place):
    assert "null_characters_not_allowed" in faults_at(place, "\0")
    assert "null_characters_not_allowed" in faults_at(place, "a\0b")


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (12, "12"),
        (-1, "-1"),
        (1.50, "1.5"),
        (1e3, "1000.0"),
        (1e22, "1e+22"),
        (-0.0, "-0.0"),
        (10**30, "1" + "0" * 30),
    ],
)
def test_a_number_becomes_the_text_that_python_writes(number, text):
    assert create(KLANT_BODY | {"bedrijfsnaam": number})["bedrijfsnaam"] == text


def test_a_number_of_too_many_digits_is_too_long():
    assert faults_of(telefoonnummer=10**20) == [("telefoonnummer", "max_length")]


def test_a_long_text_with_nul_breaks_two_rules():
    assert faults_of(klantnummer="a\0" * 9) == [
        ("klantnummer", "max_length"),
        ("klantnummer", "null_characters_not_allowed"),
    ]


# Numbers with a test


@pytest.mark.parametrize("place", ELEVEN_TESTED, ids=lambda place: place[0][-1])
@pytest.mark.parametrize(
    ("value", "codes"),
    [
        ("111222333", []),
        ("000000000", []),
        (" 111222333 ", []),
        (111222333, []),
        ("111222323", ["invalid"]),
        ("12345678", ["invalid-length"]),
        ("0", ["invalid-length"]),
        ("1234567890", ["invalid-length", "max_length"]),
        ("12345678a", ["only-digits"]),
        ("a", ["only-digits"]),
        ("-11122233", ["only-digits"]),
        ("111.222.333", ["max_length", "only-digits"]),
        ("111 222333", ["max_length", "only-digits"]),
        ("１１１２２２３３３", ["only-digits"]),
        (11122233.3, ["max_length", "only-digits"]),
        ("1112223\0", ["null_characters_not_allowed", "only-digits"]),
    ],
)
def test_nine_digits_that_pass_the_eleven_test_are_right(place, value, codes):
    assert faults_at(place, value) == codes


def test_an_empty_number_is_right_only_where_it_is_optional():
    assert faults_at(ELEVEN_TESTED[0], " ") == ["blank"]
    assert result_at(ELEVEN_TESTED[1], " ") == ""
    assert result_at(ELEVEN_TESTED[2], "") == ""


@pytest.mark.parametrize(
    ("value", "codes"),
    [
        ("1234567890", []),
        ("9999999999", []),
        (" 1234567890 ", []),
        (1234567890, []),
        ("", []),
        ("0123456789", ["a-nummer-incorrect-format"]),
        ("123456789", ["a-nummer-incorrect-format"]),
        ("12345678901", ["a-nummer-incorrect-format", "max_length"]),
        ("12345abcde", ["a-nummer-incorrect-format"]),
        ("12345 7890", ["a-nummer-incorrect-format"]),
        ("1２３４５６７８９０", ["a-nummer-incorrect-format"]),
        ("123456789\0", ["a-nummer-incorrect-format", "null_characters_not_allowed"]),
    ],
)
def test_an_a_nummer_is_ten_digits_without_leading_zero(value, codes):
    assert faults_at(A_NUMMER, value) == codes


# URLs and mail addresses


@pytest.mark.parametrize(
    ("value", "codes"),
    [
        (" http://example.com ", []),
        ("ftp://example.com/x", []),
        ("http://example.com/" + "a" * 981, []),
        ("http://example.com/" + "a" * 982, ["max_length"]),
        ("x" * 1001, ["invalid", "max_length"]),
        ("abc", ["invalid"]),
        (1, ["invalid"]),
        ("", ["blank"]),
        ("  ", ["blank"]),
        ("http://example.com/\0", ["null_characters_not_allowed"]),
    ],
)
def test_a_website_is_a_url_of_at_most_1000_characters(value, codes):
    assert faults_at(in_klant("websiteUrl"), value) == codes


@pytest.mark.parametrize(
    ("value", "codes"),
    [
        ("a@example.nl", []),
        (" a@example.nl ", []),
        ("", []),
        ("a" * 244 + "@example.nl", ["max_length"]),
        ("a" * 243 + "@example.nl", []),
        ("x", ["invalid"]),
        (1.5, ["invalid"]),
        ("x" * 255, ["invalid", "max_length"]),
        ("a\0@example.nl", ["invalid", "null_characters_not_allowed"]),
    ],
)
def test_a_mail_address_has_at_most_254_characters(value, codes):
    assert faults_at(in_klant("emailadres"), value) == codes


# Enumerations

FORMS = [
    "besloten_vennootschap",
    "cooperatie_europees_economische_samenwerking",
    "europese_cooperatieve_venootschap",
    "europese_naamloze_vennootschap",
    "kerkelijke_organisatie",
    "naamloze_vennootschap",
    "onderlinge_waarborg_maatschappij",
    "overig_privaatrechtelijke_rechtspersoon",
    "stichting",
    "vereniging",
    "vereniging_van_eigenaars",
    "publiekrechtelijke_rechtspersoon",
    "vennootschap_onder_firma",
    "maatschap",
    "rederij",
    "commanditaire_vennootschap",
    "kapitaalvennootschap_binnen_eer",
    "overige_buitenlandse_rechtspersoon_vennootschap",
    "kapitaalvennootschap_buiten_eer",
]
CHOICES = [
    (in_person("geslachtsaanduiding"), ["m", "v", "o"]),
    (in_organisation("innRechtsvorm"), FORMS),
]
choices = pytest.mark.parametrize(("place", "values"), CHOICES, ids=["geslacht", "rechtsvorm"])


@choices
def test_every_value_of_a_list_and_an_empty_one_is_right(place, values):
    for value in ["", *values]:
        assert result_at(place, value) == value


@choices
def test_any_other_value_of_any_type_is_no_choice(place, values):
    wrong = [values[0].upper(), f" {values[0]}", f"{values[0]} ", " ", "x", "\0"]
    for value in [*wrong, 1, 1.5, True, False, [], values, {}, {values[0]: 1}]:
        assert faults_at(place, value) == ["invalid_choice"]


@choices
def test_null_is_no_choice_where_it_is_not_published(place, values):
    assert faults_at(place, None) == ["null"]


# Integers


@pytest.mark.parametrize("place", INTEGERS, ids=["adres", "person", "branch"])
@pytest.mark.parametrize(
    ("value", "number"),
    [
        (0, 0),
        (12, 12),
        (99999, 99999),
        (12.0, 12),
        (-0.0, 0),
        (1e3, 1000),
        ("12", 12),
        (" 12 ", 12),
        ("\u200312\n", 12),
        ("012", 12),
        ("12.0", 12),
        ("12.000 ", 12),
        ("12.", 12),
        ("+12", 12),
        ("-0", 0),
        ("0" * 999 + "7", 7),
    ],
)
def test_these_are_whole_numbers(place, value, number):
    found = result_at(place, value)
    assert found == number
    assert type(found) is int


@pytest.mark.parametrize("place", INTEGERS, ids=["adres", "person", "branch"])
@pytest.mark.parametrize(
    ("value", "code"),
    [
        (-1, "min_value"),
        ("-1", "min_value"),
        (-(10**30), "min_value"),
        (100_000, "max_value"),
        ("100000", "max_value"),
        (1e15, "max_value"),
        (10**20, "max_value"),
        (10**1000, "max_value"),
        ("9" * 1000, "max_value"),
        ("9" * 1001, "max_string_length"),
        ("x" * 1001, "max_string_length"),
        (" " * 1001, "max_string_length"),
        (1.5, "invalid"),
        ("1.5", "invalid"),
        ("12.01", "invalid"),
        ("1e3", "invalid"),
        ("0x1f", "invalid"),
        ("abc", "invalid"),
        ("", "invalid"),
        (" ", "invalid"),
        (".", "invalid"),
        (".0", "invalid"),
        ("1 2", "invalid"),
        ("--1", "invalid"),
        ("\0", "invalid"),
        ("True", "invalid"),
        (True, "invalid"),
        (False, "invalid"),
        ([], "invalid"),
        ([1], "invalid"),
        ({}, "invalid"),
        ({"a": 1}, "invalid"),
    ],
)
def test_these_are_no_whole_numbers_in_range(place, value, code):
    assert faults_at(place, value) == [code]


@pytest.mark.parametrize("place", INTEGERS, ids=["adres", "person", "branch"])
def test_a_house_number_may_be_null(place):
    assert result_at(place, None) is None


# Lists


@pytest.mark.parametrize(
    "names", [[], ["De Punt"], ["De Punt", "Punt Zuid"], ["a" * 625], ["", "x"]]
)
def test_a_list_of_names_is_kept_in_order(names):
    assert create(branch(handelsnaam=names))["subjectIdentificatie"]["handelsnaam"] == names


def test_the_names_in_a_list_are_read_like_other_texts():
    sent = branch(handelsnaam=[12, " De Punt ", 1.5, "  "])
    names = create(sent)["subjectIdentificatie"]["handelsnaam"]
    assert names == ["12", "De Punt", "1.5", ""]


@pytest.mark.parametrize("value", ["De Punt", "", 1, 1.5, True, False, {}, {"0": "a"}])
def test_what_is_no_list_is_not_a_list(value):
    assert faults(create, branch(handelsnaam=value)) == [
        ("subjectIdentificatie.handelsnaam", "not_a_list")
    ]


def test_null_is_no_list():
    assert faults(create, branch(handelsnaam=None)) == [
        ("subjectIdentificatie.handelsnaam", "null")
    ]


def test_a_fault_in_a_list_is_on_its_item():
    names = ["De Punt", None, "a" * 626, ["x"], {}, True, "\0"]
    assert faults(create, branch(handelsnaam=names)) == [
        ("subjectIdentificatie.handelsnaam.1", "null"),
        ("subjectIdentificatie.handelsnaam.2", "max_length"),
        ("subjectIdentificatie.handelsnaam.3", "invalid"),
        ("subjectIdentificatie.handelsnaam.4", "invalid"),
        ("subjectIdentificatie.handelsnaam.5", "invalid"),
        ("subjectIdentificatie.handelsnaam.6", "null_characters_not_allowed"),
    ]


# Nested objects

NO_OBJECTS = ["x", "", [], [{}], 1, 1.5, True, False]


@pytest.mark.parametrize("value", NO_OBJECTS)
def test_what_is_no_object_is_invalid_on_the_object(value):
    assert faults_of(adres=value) == [("adres.nonFieldErrors", "invalid")]
    for name in ("verblijfsadres", "subVerblijfBuitenland"):
        assert faults(create, person(**{name: value})) == [
            (f"subjectIdentificatie.{name}.nonFieldErrors", "invalid")
        ]
    for subject_type in TYPES:
        assert faults_of(subjectType=subject_type, subjectIdentificatie=value) == [
            ("subjectIdentificatie.nonFieldErrors", "invalid")
        ]


@pytest.mark.parametrize("adres", [None, {}, {"landcode": ""}])
def test_an_address_may_be_null_or_hold_anything(adres):
    assert create(KLANT_BODY | {"adres": adres})["adres"] == adres


@pytest.mark.parametrize("whole", [person, branch])
def test_an_address_within_an_identification_may_be_null_and_is_a_known_key(whole):
    sent = {"verblijfsadres": None, "subVerblijfBuitenland": None}
    assert create(whole(**sent))["subjectIdentificatie"] == sent


@pytest.mark.parametrize("subject_type", TYPES)
def test_an_identification_is_not_null(subject_type):
    assert faults_of(subjectType=subject_type, subjectIdentificatie=None) == [
        ("subjectIdentificatie", "null")
    ]


@pytest.mark.parametrize("home", [{}, {"aoaHuisnummer": 9}, {"kleur": "rood"}])
@pytest.mark.parametrize("whole", [person, branch])
def test_an_address_asks_for_its_required_members_whenever_it_is_sent(whole, home):
    expected = [
        ("subjectIdentificatie.verblijfsadres.aoaIdentificatie", "required"),
        ("subjectIdentificatie.verblijfsadres.gorOpenbareRuimteNaam", "required"),
    ]
    body = whole(verblijfsadres=home)
    assert faults(create, body) == expected
    for change in (SCHEMAS.update, SCHEMAS.partial_update):
        assert faults(change, body, body["subjectType"], Subjects()) == expected


@pytest.mark.parametrize("whole", [person, organisation, branch])
def test_an_address_abroad_asks_for_its_required_members(whole):
    assert faults(create, whole(subVerblijfBuitenland={})) == [
        ("subjectIdentificatie.subVerblijfBuitenland.lndLandcode", "required"),
        ("subjectIdentificatie.subVerblijfBuitenland.lndLandnaam", "required"),
    ]


def test_an_organisation_has_no_home():
    assert create(organisation(verblijfsadres="x"))["subjectIdentificatie"] == {}


# Whole bodies


@pytest.mark.parametrize("body", [FULL_PERSON, FULL_ORGANISATION, FULL_BRANCH])
def test_a_full_klant_comes_out_as_it_went_in(body):
    assert create(body) == body


@pytest.mark.parametrize("body", [FULL_PERSON, FULL_ORGANISATION, FULL_BRANCH])
def test_a_body_is_left_as_it_was(body):
    before = copy.deepcopy(body)
    create(body)
    assert body == before


def test_only_what_was_sent_comes_out():
    assert create(KLANT_BODY) == KLANT_BODY
    assert SCHEMAS.partial_update({}, "vestiging", Subjects()) == {}
    assert create(branch())["subjectIdentificatie"] == {}


def test_unknown_members_are_ignored_on_every_level():
    body = branch(
        kleur="rood",
        verblijfsadres=ADDRESS | {"kleur": []},
        subVerblijfBuitenland=ABROAD | {"url": 1},
    ) | {"kleur": {"a": [None]}, "uuid": 1, "adres": {"kleur": True, "landcode": "NL"}}
    assert create(body) == branch(verblijfsadres=ADDRESS, subVerblijfBuitenland=ABROAD) | {
        "adres": {"landcode": "NL"}
    }


@pytest.mark.parametrize("url", ["http://example.com/x", None, 1, "x" * 2000])
def test_a_url_that_was_sent_is_ignored(url):
    assert create(KLANT_BODY | {"url": url}) == KLANT_BODY


@pytest.mark.parametrize(
    ("body", "code"),
    [(None, "null"), *((value, "invalid") for value in NO_OBJECTS)],
)
def test_a_body_that_is_no_object_is_refused(body, code):
    expected = [("nonFieldErrors", code)]
    assert faults(create, body) == expected
    assert faults(SCHEMAS.update, body, "vestiging", Subjects()) == expected
    assert faults(SCHEMAS.partial_update, body, None, Subjects()) == expected


def test_an_empty_body_lacks_the_required_fields_but_no_klantnummer():
    expected = [("bronorganisatie", "required"), ("websiteUrl", "required")]
    assert faults(create, {}) == expected
    assert faults(SCHEMAS.update, {}, None, Subjects()) == expected


def test_every_fault_of_a_phase_is_reported_at_once():
    body = {
        "klantnummer": "123456789",
        "websiteUrl": "x",
        "voornaam": None,
        "emailadres": "y",
        "adres": {"landcode": "ABCDE", "huisnummer": "z"},
        "subject": "w",
        "subjectType": "v",
    }
    assert faults(create, body) == [
        ("adres.huisnummer", "invalid"),
        ("adres.landcode", "max_length"),
        ("bronorganisatie", "required"),
        ("emailadres", "invalid"),
        ("klantnummer", "max_length"),
        ("subject", "bad-url"),
        ("subject", "invalid"),
        ("subjectType", "invalid_choice"),
        ("voornaam", "null"),
        ("websiteUrl", "invalid"),
    ]


def test_the_identification_is_judged_only_when_the_rest_is_right():
    wrong = person(inpBsn="1", geslachtsaanduiding="x", verblijfsadres={"aoaIdentificatie": ""})
    assert faults(create, wrong | {"voornaam": None}) == [("voornaam", "null")]
    assert faults(create, wrong) == [
        ("subjectIdentificatie.geslachtsaanduiding", "invalid_choice"),
        ("subjectIdentificatie.inpBsn", "invalid-length"),
        ("subjectIdentificatie.verblijfsadres.aoaIdentificatie", "blank"),
        ("subjectIdentificatie.verblijfsadres.gorOpenbareRuimteNaam", "required"),
    ]


# subject


@pytest.mark.parametrize(
    ("value", "codes"),
    [
        ("abc", ["bad-url", "invalid"]),
        (1, ["bad-url", "invalid"]),
        (1.5, ["bad-url", "invalid"]),
        ("ftp://example.com/x", ["bad-url"]),
        ("FTPS://example.com/x", ["bad-url"]),
        ("javascript:x", ["bad-url", "invalid"]),
        ("http://example.com/\0", ["bad-url", "null_characters_not_allowed"]),
        ("\0", ["bad-url", "invalid", "null_characters_not_allowed"]),
        ("http://example.com/" + "a" * 982, ["max_length"]),
        ("ftp://example.com/" + "a" * 983, ["bad-url", "max_length"]),
        ("x" * 1001, ["bad-url", "invalid", "max_length"]),
        (None, ["null"]),
        ([], ["invalid"]),
        (["http://example.com"], ["invalid"]),
        ({}, ["invalid"]),
        (True, ["invalid"]),
    ],
)
def test_a_subject_that_cannot_be_fetched_is_refused_without_asking(value, codes):
    for call, arguments in [
        (SCHEMAS.create, ()),
        (SCHEMAS.update, (None,)),
        (SCHEMAS.partial_update, (None,)),
    ]:
        subjects = Subjects()
        found = faults(call, KLANT_BODY | {"subject": value}, *arguments, subjects)
        assert found == [("subject", code) for code in codes]
        assert not subjects.asked


@pytest.mark.parametrize("value", ["", "  "])
def test_an_empty_subject_is_right_and_not_asked_about(value):
    subjects = Subjects()
    assert create(KLANT_BODY | {"subject": value}, subjects)["subject"] == ""
    assert not subjects.asked


def test_a_subject_that_was_not_sent_is_not_asked_about():
    subjects = Subjects()
    create(KLANT_BODY, subjects)
    SCHEMAS.partial_update({"voornaam": "X"}, None, subjects)
    assert not subjects.asked


@pytest.mark.parametrize("url", ["http://example.com/ë", "HTTPS://example.com", "http://[::1]/x"])
def test_a_subject_is_asked_about_once_and_kept_as_sent(url):
    for call, arguments in [
        (SCHEMAS.create, ()),
        (SCHEMAS.update, (None,)),
        (SCHEMAS.partial_update, (None,)),
    ]:
        subjects = Subjects()
        assert call(KLANT_BODY | {"subject": f" {url} "}, *arguments, subjects)["subject"] == url
        assert subjects.asked == [url]


def test_a_subject_that_is_not_there_is_refused_before_the_identification_is_judged():
    body = person(inpBsn="x") | {"subject": "http://example.com/x"}
    assert faults(SCHEMAS.create, body, Subjects(there=False)) == [("subject", "bad-url")]
    for change in (SCHEMAS.update, SCHEMAS.partial_update):
        found = faults(change, body, "natuurlijk_persoon", Subjects(there=False))
        assert found == [("subject", "bad-url")]


def test_a_subject_is_not_asked_about_when_something_else_is_wrong():
    subjects = Subjects(there=False)
    body = KLANT_BODY | {"subject": "http://example.com/x"}
    assert faults(SCHEMAS.create, body | {"voornaam": None}, subjects) == [("voornaam", "null")]
    changed = body | {"subjectType": "vestiging"}
    assert faults(SCHEMAS.update, changed, None, subjects) == [
        ("subjectType", "wijzigen-niet-toegelaten")
    ]
    assert not subjects.asked


def test_whatever_the_check_of_a_subject_raises_goes_through():
    def unreachable(url):
        raise ConnectionError(url)

    with pytest.raises(ConnectionError):
        SCHEMAS.create(KLANT_BODY | {"subject": "http://example.com/x"}, unreachable)


# subjectType


@pytest.mark.parametrize("subject_type", [None, *TYPES])
def test_a_new_klant_may_have_any_type_or_none(subject_type):
    assert create(KLANT_BODY | {"subjectType": subject_type})["subjectType"] == subject_type


@pytest.mark.parametrize(
    "value", ["", " ", "persoon", "Vestiging", " vestiging", "null", 1, True, [], ["vestiging"], {}]
)
def test_any_other_type_is_no_choice(value):
    assert faults_of(subjectType=value) == [("subjectType", "invalid_choice")]


@pytest.mark.parametrize("identificatie", [None, "x", [], {}, {"inpBsn": "wrong"}])
def test_without_a_type_an_identification_is_ignored(identificatie):
    untyped = KLANT_BODY | {"subjectIdentificatie": identificatie}
    assert create(untyped) == KLANT_BODY
    assert create(untyped | {"subjectType": None}) == KLANT_BODY | {"subjectType": None}
    assert SCHEMAS.update(untyped, None, Subjects()) == KLANT_BODY
    assert SCHEMAS.partial_update(untyped, None, Subjects()) == KLANT_BODY


@pytest.mark.parametrize("stored", [None, *TYPES])
def test_the_type_of_a_klant_may_be_sent_again_but_not_changed(stored):
    for value in [None, "", *TYPES]:
        for change in (SCHEMAS.update, SCHEMAS.partial_update):
            body = KLANT_BODY | {"subjectType": value}
            found = faults(change, body, stored, Subjects())
            fault = ("subjectType", "wijzigen-niet-toegelaten")
            assert found == ([] if value == stored else [fault])


@pytest.mark.parametrize("stored", [None, *TYPES])
@pytest.mark.parametrize("value", ["x", " ", "Vestiging", 1, True, [], ["vestiging"], {}])
def test_what_is_no_type_is_no_choice_in_a_change_either(stored, value):
    for change in (SCHEMAS.update, SCHEMAS.partial_update):
        found = faults(change, KLANT_BODY | {"subjectType": value}, stored, Subjects())
        assert found == [("subjectType", "invalid_choice")]


def test_a_change_of_type_is_reported_beside_other_faults():
    body = {"voornaam": None, "subjectType": "vestiging", "subjectIdentificatie": None}
    assert faults(SCHEMAS.partial_update, body, "natuurlijk_persoon", Subjects()) == [
        ("subjectType", "wijzigen-niet-toegelaten"),
        ("voornaam", "null"),
    ]


@pytest.mark.parametrize("change", [SCHEMAS.update, SCHEMAS.partial_update])
def test_in_a_change_the_stored_type_decides_the_shape_of_the_identification(change):
    body = KLANT_BODY | {"subjectIdentificatie": {"handelsnaam": ["x"], "voornamen": "y"}}
    assert change(body, "vestiging", Subjects()) == body | {
        "subjectIdentificatie": {"handelsnaam": ["x"]}
    }
    assert change(body, "natuurlijk_persoon", Subjects()) == body | {
        "subjectIdentificatie": {"voornamen": "y"}
    }


@pytest.mark.parametrize("change", [SCHEMAS.update, SCHEMAS.partial_update])
def test_in_a_change_an_identification_is_not_null(change):
    body = KLANT_BODY | {"subjectIdentificatie": None}
    assert faults(change, body, "vestiging", Subjects()) == [("subjectIdentificatie", "null")]


# Changes


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({"bronorganisatie": ""}, ("bronorganisatie", "blank")),
        ({"bronorganisatie": None}, ("bronorganisatie", "null")),
        ({"klantnummer": ""}, ("klantnummer", "blank")),
        ({"klantnummer": None}, ("klantnummer", "null")),
        ({"websiteUrl": ""}, ("websiteUrl", "blank")),
        ({"websiteUrl": "x"}, ("websiteUrl", "invalid")),
        ({"adres": "x"}, ("adres.nonFieldErrors", "invalid")),
    ],
)
def test_what_is_sent_in_a_patch_must_be_right(body, fault):
    assert faults(SCHEMAS.partial_update, body, None, Subjects()) == [fault]


def test_a_patch_needs_no_fields():
    assert SCHEMAS.partial_update({"voornaam": " X "}, None, Subjects()) == {"voornaam": "X"}


def test_a_put_needs_the_required_fields():
    assert SCHEMAS.update(KLANT_BODY, None, Subjects()) == KLANT_BODY
    for name in KLANT_BODY:
        lacking = {key: value for key, value in KLANT_BODY.items() if key != name}
        assert faults(SCHEMAS.update, lacking, None, Subjects()) == [(name, "required")]


# Fields that are optional by setting


def test_a_website_may_be_absent_or_empty_where_it_is_optional():
    absent = {"bronorganisatie": "111222333"}
    assert LENIENT.create(absent, Subjects()) == absent
    assert LENIENT.update(absent, None, Subjects()) == absent
    empty = absent | {"websiteUrl": " "}
    for call, arguments in [
        (LENIENT.create, ()),
        (LENIENT.update, (None,)),
        (LENIENT.partial_update, (None,)),
    ]:
        assert call(empty, *arguments, Subjects()) == absent | {"websiteUrl": ""}


@pytest.mark.parametrize(("value", "code"), [(None, "null"), ("x", "invalid"), ([], "invalid")])
def test_an_optional_website_that_is_given_must_be_right(value, code):
    body = KLANT_BODY | {"websiteUrl": value}
    assert faults(LENIENT.create, body, Subjects()) == [("websiteUrl", code)]


def test_another_required_field_stays_required():
    assert faults(LENIENT.create, {}, Subjects()) == [("bronorganisatie", "required")]


# What is said of a fault


def test_a_reason_says_what_is_allowed():
    body = KLANT_BODY | {"klantnummer": "123456789", "adres": {"huisnummer": 100_000}}
    with pytest.raises(ValidationFailed) as failed:
        create(body | {"subjectType": "x"})
    reasons = {fault.name: fault.reason for fault in failed.value.faults}
    assert "8 tekens" in reasons["klantnummer"]
    assert "99999" in reasons["adres.huisnummer"]
    assert "natuurlijk_persoon, niet_natuurlijk_persoon, vestiging" in reasons["subjectType"]


@pytest.mark.parametrize("rule", Rule, ids=lambda rule: rule.name)
def test_every_rule_has_a_code_and_a_whole_sentence_as_its_reason(rule):
    fault = rule.broken_at("adres.huisnummer", 7)
    assert fault.name == "adres.huisnummer"
    assert fault.code == rule.code
    assert fault.reason[0].isupper()
    assert fault.reason.endswith(".")
    assert "{" not in fault.reason


def test_the_exception_names_what_was_wrong():
    with pytest.raises(ValidationFailed, match="bronorganisatie: required, websiteUrl: required"):
        create({})


# Whatever is sent

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=20)
    | st.sampled_from(["111222333", "1234567890", "http://example.com", "a@example.nl", *TYPES]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)


texts = st.text(st.characters(codec="utf-8"), max_size=5)
RIGHT = {
    Kind.URL: st.sampled_from(["http://example.com", " https://[::1]/ë "]),
    Kind.EMAIL: st.sampled_from(["", "a@example.nl"]),
    Kind.ELEVEN_TEST: st.sampled_from(["111222333", 111222333]),
    Kind.A_NUMMER: st.sampled_from(["", "1234567890"]),
    Kind.INTEGER: st.integers(-1, 100_000) | st.none() | st.just(" 12.0 "),
    Kind.TEXTS: st.lists(texts),
    Kind.TEXT: texts | st.integers(0, 9) | st.just("x"),
}


def objects_of(fields, **given):
    """Objects with known members, most of them right."""
    members = {f.name: values_of(f) for f in fields if f.name not in given}
    required = {f.name: members.pop(f.name) for f in fields if f.required and f.name in members}
    return st.fixed_dictionaries(given | required, optional=members)


def values_of(field):
    if field.kind is Kind.OBJECT:
        return objects_of(field.fields)
    if field.kind is Kind.CHOICE:
        return st.sampled_from([*field.choices, field.nothing])
    return RIGHT[field.kind]


bodies = st.one_of(
    objects_of([*KLANT, identificatie], subjectType=st.just(subject_type.value) | st.none())
    for subject_type, identificatie in IDENTIFICATIE.items()
)
names = st.sampled_from([field.name for field in KLANT] + ["subjectIdentificatie"])
CALLS = [
    (SCHEMAS.create, ()),
    *((SCHEMAS.update, (stored,)) for stored in (None, *TYPES)),
    *((SCHEMAS.partial_update, (stored,)) for stored in (None, *TYPES)),
]


wild_bodies = st.builds(operator.or_, bodies, st.dictionaries(names, json_values, max_size=2))


@given(json_values | wild_bodies)
def test_any_json_value_is_either_read_or_refused(body):
    for call, arguments in CALLS:
        found = faults(call, body, *arguments, Subjects())
        assert found or call(body, *arguments, Subjects()).keys() <= body.keys()


@given(bodies)
def test_what_was_read_is_read_again_as_it_is(body):
    for call, arguments in CALLS:
        if not faults(call, body, *arguments, Subjects()):
            result = call(body, *arguments, Subjects())
            assert call(result, *arguments, Subjects()) == result
