"""`GET /klanten`: filters, pages, links, order."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import pytest
import webtest

from klanten.model.fields import FILTERS
from tests.factories import make_klant, rsin
from tests.fouten import assert_fout

KLANTEN = "/api/v1/klanten"
ROOT = "http://localhost/api/v1/klanten"
NAMES = [found.name for found in FILTERS]
OTHERS = [name for name in NAMES if name != "subjectType"]
TEXTS = [name for name in OTHERS if name not in ("bronorganisatie", "subject")]


def values(subject: str) -> dict[str, tuple[str, dict[str, Any]]]:
    """Each filter with a value, and what a klant with that value is sent as."""

    def person(**identificatie: Any) -> dict[str, Any]:
        return {"subjectType": "natuurlijk_persoon", "subjectIdentificatie": identificatie}

    def organisation(**identificatie: Any) -> dict[str, Any]:
        return {"subjectType": "niet_natuurlijk_persoon", "subjectIdentificatie": identificatie}

    number, organisatie = rsin(), rsin()
    return {
        "bronorganisatie": (organisatie, {"bronorganisatie": organisatie}),
        "klantnummer": ("Kl 7", {"klantnummer": "Kl 7"}),
        "bedrijfsnaam": ("B & Zn", {"bedrijfsnaam": "B & Zn"}),
        "functie": ("50%", {"functie": "50%"}),
        "achternaam": ("\xc9l\xe8ve=+", {"achternaam": "\xc9l\xe8ve=+"}),
        "telefoonnummer": ("+31 6", {"telefoonnummer": "+31 6"}),
        "emailadres": ("a@b.nl", {"emailadres": "a@b.nl"}),
        "adres__straatnaam": ("Weg", {"adres": {"straatnaam": "Weg"}}),
        "adres__postcode": ("1234 AB", {"adres": {"postcode": "1234 AB"}}),
        "adres__woonplaatsNaam": ("'s-G;x", {"adres": {"woonplaatsnaam": "'s-G;x"}}),
        "adres__landcode": ("6030", {"adres": {"landcode": "6030"}}),
        "subject": (subject, {"subject": subject}),
        "subjectType": (
            "vestiging",
            {"subjectType": "vestiging", "subjectIdentificatie": {"handelsnaam": []}},
        ),
        "subjectNatuurlijkPersoon__inpBsn": (number, person(inpBsn=number)),
        "subjectNatuurlijkPersoon__anpIdentificatie": ("a1", person(anpIdentificatie="a1")),
        "subjectNatuurlijkPersoon__inpA_nummer": ("1234567890", person(inpANummer="1234567890")),
        "subjectNietNatuurlijkPersoon__innNnpId": (number, organisation(innNnpId=number)),
        "subjectNietNatuurlijkPersoon__annIdentificatie": (
            "a1",
            organisation(annIdentificatie="a1"),
        ),
        "subjectVestiging__vestigingsNummer": (
            "12",
            {"subjectType": "vestiging", "subjectIdentificatie": {"vestigingsNummer": "12"}},
        ),
    }


@pytest.fixture
def create(app: webtest.TestApp) -> Callable[..., Any]:
    return lambda **overrides: app.post_json(KLANTEN, make_klant(**overrides), status=201).json


def urls(page: Any) -> list[str]:
    return [klant["url"] for klant in page["results"]]


# --- filters ------------------------------------------------------------------------------------


def test_every_filter_of_the_standard_is_tried_here(subjects):
    assert list(values("")) == NAMES
    assert len(NAMES) == 19


@pytest.mark.parametrize("name", NAMES)
def test_a_filter_finds_what_has_its_value_and_nothing_else(app, create, subjects, name):
    value, sent = values(subjects.url("/200?a=b&c"))[name]
    found = create(**sent)
    if name != "klantnummer":
        found_too = create(**sent)
    create()
    expected = [found["url"]] + ([found_too["url"]] if name != "klantnummer" else [])
    page = app.get(KLANTEN, {name: value}).json
    assert (page["count"], urls(page)) == (len(expected), expected)
    assert page["next"] is page["previous"] is None


@pytest.mark.parametrize("name", NAMES)
def test_a_filter_of_one_kind_finds_no_value_of_another(app, create, subjects, name):
    """Two fields with the same value are two fields."""
    for other, (_, sent) in values(subjects.url("/200")).items():
        if other != name:
            create(**({"klantnummer": ...} | sent))
    value, _ = values(subjects.url("/200"))[name]
    page = app.get(KLANTEN, {name: value}).json
    if name == "subjectType":
        assert page["count"] == 1
    else:
        assert page["count"] == 0


def test_filters_are_exact(app, create):
    create(achternaam="Jansen", bedrijfsnaam="a b")
    for value in ("jansen", "JANSEN", "Jans", "Jansen.", "Janse*", "Jan%en", "Jansenn", "%"):
        assert app.get(KLANTEN, {"achternaam": value}).json["count"] == 0
    assert app.get(KLANTEN, {"bedrijfsnaam": "a  b"}).json["count"] == 0


def test_all_filters_must_match(app, create):
    a = create(achternaam="A", functie="x")
    create(achternaam="A", functie="y")
    create(achternaam="B", functie="x")
    assert urls(app.get(KLANTEN, {"achternaam": "A", "functie": "x"}).json) == [a["url"]]
    assert app.get(KLANTEN, {"achternaam": "A", "functie": "z"}).json["count"] == 0
    assert app.get(KLANTEN, {"achternaam": "B", "functie": "y"}).json["count"] == 0


@pytest.mark.parametrize("name", OTHERS)
def test_a_value_is_trimmed(app, create, subjects, name):
    value, sent = values(subjects.url("/200"))[name]
    found = create(**sent)
    for padded in (f" {value}", f"{value}\t", f"\u2003{value}\x1f\n"):
        assert urls(app.get(KLANTEN, {name: padded}).json) == [found["url"]]


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_value_is_no_filter(app, create, name):
    create()
    for empty in ("", "=", "=%20%09" if name != "subjectType" else ""):
        assert app.get(f"{KLANTEN}?{name}{empty}").json["count"] == 1


def test_of_a_repeated_filter_the_last_counts(app, create):
    found = create(achternaam="A")
    assert urls(app.get(f"{KLANTEN}?achternaam=B&achternaam=A").json) == [found["url"]]
    assert app.get(f"{KLANTEN}?achternaam=A&achternaam=B").json["count"] == 0
    assert app.get(f"{KLANTEN}?achternaam=B&achternaam=").json["count"] == 1
    assert app.get(f"{KLANTEN}?subjectType=x&subjectType=vestiging").json["count"] == 0


@pytest.mark.parametrize(
    "query",
    [
        "unknown=1",
        "Achternaam=x",
        "achternaam%20=x",
        "pageSize=1",
        "voornaam=x",
        "url=x",
        "adres_straatnaam=x",
        "adres__straatnaam__icontains=x",
        "subjectNatuurlijkPersoon__inpANummer=x",
        "%ff=%ff",
        "x=%00",
        "x=%ed%a0%80",
        "&&&",
        "=",
        "=x",
        "%",
        "a%zz=%zz",
        "achternaam;=x",
    ],
)
def test_what_is_no_filter_is_ignored(app, create, query):
    create()
    assert app.get(f"{KLANTEN}?{query}").json["count"] == 1


# --- what a filter may be -----------------------------------------------------------------------


@pytest.mark.parametrize("name", TEXTS)
def test_most_filters_take_any_text(app, name):
    for value in ("x", "123456789", "\U0001f600", 5000 * "x", "\ud7ff", "\x01"):
        assert app.get(KLANTEN, {name: value}).json["count"] == 0


@pytest.mark.parametrize("name", NAMES)
def test_a_filter_that_is_no_utf8_is_invalid(app, name):
    for value in ("%ff", "%c3", "a%80b", "%ed%a0%80", "%c0%80"):
        response = app.get(f"{KLANTEN}?{name}={value}", status=400)
        assert_fout(response, 400, "invalid", (name, "invalid"))


@pytest.mark.parametrize("name", TEXTS)
def test_nul_is_refused(app, name):
    response = app.get(f"{KLANTEN}?{name}=a%00b", status=400)
    assert_fout(response, 400, "invalid", (name, "null_characters_not_allowed"))


@pytest.mark.parametrize(
    ("value", "codes"),
    [
        ("12345678x", ["only-digits"]),
        ("x", ["only-digits"]),
        ("\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668\u0669", ["only-digits"]),
        ("-12345678", ["only-digits"]),
        ("1", ["invalid-length"]),
        ("1234567890", ["invalid-length"]),
        (1000 * "1", ["invalid-length"]),
        ("123456789", ["invalid"]),
        ("12345678\0", ["only-digits", "null_characters_not_allowed"]),
    ],
)
def test_an_organisation_must_be_right(app, value, codes):
    response = app.get(KLANTEN, {"bronorganisatie": value}, status=400)
    assert_fout(response, 400, "invalid", *(("bronorganisatie", code) for code in codes))


@pytest.mark.parametrize("value", ["000000000", "517439943", " 517439943 "])
def test_a_right_organisation_is(app, value):
    app.get(KLANTEN, {"bronorganisatie": value}, status=200)


@pytest.mark.parametrize(
    "value", ["word", "http://", "mailto:a@b.nl", "http://a b.nl", "//a.nl", "http://-a.nl"]
)
def test_a_subject_must_be_a_url(app, subjects, value):
    response = app.get(KLANTEN, {"subject": value}, status=400)
    assert_fout(response, 400, "invalid", ("subject", "invalid"))


def test_a_subject_is_neither_fetched_nor_measured(app, subjects):
    for value in (subjects.url("/404"), "ftp://a.nl", "http://a.nl/" + 5000 * "x"):
        assert app.get(KLANTEN, {"subject": value}).json["count"] == 0
    assert subjects.asked == []


@pytest.mark.parametrize("value", ["x", "Vestiging", " vestiging", "vestiging ", "null", " ", "\0"])
def test_a_type_must_be_one(app, value):
    response = app.get(KLANTEN, {"subjectType": value}, status=400)
    assert_fout(response, 400, "invalid", ("subjectType", "invalid_choice"))


def test_every_fault_of_every_filter_is_told_at_once(app):
    query = "?subjectType=x&subject=y&bronorganisatie=z&achternaam=%ff&functie=%00&page=x&a=%ff"
    assert_fout(
        app.get(KLANTEN + query, status=400),
        400,
        "invalid",
        ("subjectType", "invalid_choice"),
        ("subject", "invalid"),
        ("bronorganisatie", "only-digits"),
        ("achternaam", "invalid"),
        ("functie", "null_characters_not_allowed"),
    )


# --- pages --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def many(shared_app: webtest.TestApp) -> webtest.TestApp:
    """The application with 250 klanten, numbered in the order of creation; only to be read."""
    for number in range(250):
        functie = "even" if number % 2 == 0 else "oneven"
        klant = make_klant(klantnummer=f"{number}", functie=functie)
        shared_app.post_json(KLANTEN, klant, status=201)
    return shared_app


def numbers(page: Any) -> list[int]:
    return [int(klant["klantnummer"]) for klant in page["results"]]


def test_a_page_has_four_keys(many):
    assert list(many.get(KLANTEN).json) == ["count", "next", "previous", "results"]


def test_pages_hold_a_hundred_in_the_order_of_creation(many):
    pages = [many.get(KLANTEN, {"page": number}).json for number in (1, 2, 3)]
    assert [page["count"] for page in pages] == [250, 250, 250]
    assert [number for page in pages for number in numbers(page)] == list(range(250))
    assert [len(page["results"]) for page in pages] == [100, 100, 50]


def test_the_first_page_is_the_one_without_a_number(many):
    assert many.get(KLANTEN).json == many.get(KLANTEN, {"page": 1}).json


def test_pages_follow_each_other_by_their_links(many):
    found, url = [], f"{KLANTEN}?functie=oneven"
    while url:
        page = many.get(url).json
        found += numbers(page)
        url = page["next"]
    assert found == list(range(1, 250, 2))


def test_links_lead_to_the_pages_beside(many):
    first, second, third = (many.get(KLANTEN, {"page": number}).json for number in (1, 2, 3))
    assert (first["previous"], first["next"]) == (None, f"{ROOT}?page=2")
    assert (second["previous"], second["next"]) == (ROOT, f"{ROOT}?page=3")
    assert (third["previous"], third["next"]) == (f"{ROOT}?page=2", None)


def test_links_keep_the_parameters_sorted_by_name(many):
    sent = [
        ("z", "1"),
        ("page", "2"),
        ("functie", "even"),
        ("a", "b & c=d+e %"),
        ("\xe9", "\xe8"),
        ("leeg", ""),
        ("functie", "even"),
        ("_", "/?"),
    ]
    query = "&".join(f"{quote(name)}={quote(value)}" for name, value in sent)
    page = many.get(f"{KLANTEN}?{query}").json
    previous = parse_qsl(urlsplit(page["previous"]).query, keep_blank_values=True)
    assert page["next"] is None
    assert [name for name, _ in previous] == sorted(name for name, _ in sent if name != "page")
    assert sorted(previous) == sorted(pair for pair in sent if pair[0] != "page")


def test_links_keep_what_nobody_can_read(many):
    page = many.get(f"{KLANTEN}?x=%ff&%80=%00").json
    assert page["next"] == f"{ROOT}?page=2&x=%FF&%80=%00"
    assert many.get(page["next"]).json["previous"] == f"{ROOT}?x=%FF&%80=%00"


def test_a_page_that_was_asked_for_twice_is_in_a_link_once(many):
    page = many.get(f"{KLANTEN}?page=9&page=2").json
    assert (page["previous"], page["next"]) == (ROOT, f"{ROOT}?page=3")


NO_PAGES = [
    *("", "0", "-1", "4", "00", "abc", "1.0", "1e0", "1_0", "0x1", "1,2", "NaN", "None"),
    *("%ff", "%00", "1%00", "%D9%A1", "1%2F2", 21 * "9", 5000 * "9"),
]


@pytest.mark.parametrize("page", NO_PAGES)
def test_a_page_that_is_not_there_is_not_found(many, page):
    assert_fout(many.get(f"{KLANTEN}?page={page}", status=404), 404, "not_found")


def test_a_page_without_a_value_is_not_found(many):
    assert_fout(many.get(f"{KLANTEN}?page", status=404), 404, "not_found")


def test_the_first_page_of_nothing_is_there_and_no_other(many):
    nothing = {"achternaam": "niemand"}
    empty = {"count": 0, "next": None, "previous": None, "results": []}
    assert many.get(KLANTEN, nothing).json == empty
    assert many.get(KLANTEN, nothing | {"page": "1"}).json == empty
    assert_fout(many.get(KLANTEN, nothing | {"page": "2"}, status=404), 404, "not_found")


def test_a_full_page_is_the_last(app):
    for number in range(100):
        app.post_json(KLANTEN, make_klant(klantnummer=f"{number}"))
    assert app.get(KLANTEN).json["next"] is None
    assert_fout(app.get(KLANTEN, {"page": 2}, status=404), 404, "not_found")
    app.post_json(KLANTEN, make_klant())
    page = app.get(KLANTEN, {"page": 2}).json
    assert len(page["results"]) == 1


def test_the_page_may_come_anywhere_among_the_filters(many):
    by_filter = many.get(f"{KLANTEN}?page=2&functie=even").json
    assert numbers(by_filter) == list(range(200, 250, 2))


# --- order --------------------------------------------------------------------------------------


def test_a_change_keeps_the_place(app, create):
    made = [create()["url"] for _ in range(5)]
    app.patch_json(made[1], {"achternaam": "x", "klantnummer": "0"})
    app.put_json(made[0], make_klant(bronorganisatie="000000000"))
    assert urls(app.get(KLANTEN).json) == made


def test_a_removal_leaves_the_others_in_order(app, create):
    made = [create()["url"] for _ in range(5)]
    for gone in (made[0], made[2], made[4]):
        app.delete(gone)
    last = create()["url"]
    assert urls(app.get(KLANTEN).json) == [made[1], made[3], last]


def test_the_order_is_the_same_after_a_restart(make_app):
    first = make_app()
    for _ in range(70):
        first.post_json(KLANTEN, make_klant())
    order = urls(first.get(KLANTEN).json)
    first.app.registry.database.close()
    second = make_app()
    last = second.post_json(KLANTEN, make_klant()).json["url"]
    assert urls(second.get(KLANTEN).json) == [*order, last]
