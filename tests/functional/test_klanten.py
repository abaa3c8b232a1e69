"""`/klanten`: making a klant (the list itself is in test_lists.py)."""

import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
import webtest

from tests.factories import make_klant, make_person, rsin
from tests.fouten import assert_fout

KLANTEN = "/api/v1/klanten"
IDENTIFICATIE = {
    "natuurlijk_persoon": {
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
    "niet_natuurlijk_persoon": {
        "innNnpId": "",
        "annIdentificatie": "",
        "statutaireNaam": "",
        "innRechtsvorm": "",
        "bezoekadres": "",
        "subVerblijfBuitenland": None,
    },
    "vestiging": {
        "vestigingsNummer": "",
        "handelsnaam": [],
        "verblijfsadres": None,
        "subVerblijfBuitenland": None,
    },
}
KNOWN_KEY = {
    "natuurlijk_persoon": {"geslachtsnaam": ""},
    "niet_natuurlijk_persoon": {"statutaireNaam": ""},
    "vestiging": {"handelsnaam": []},
}


@pytest.fixture(scope="module")
def app(shared_app: webtest.TestApp) -> webtest.TestApp:
    """Shared: no test here looks at a klant of another."""
    return shared_app


@pytest.fixture
def create(app: webtest.TestApp) -> Callable[..., Any]:
    """Creates a klant that is right; gives back its JSON."""
    return lambda **overrides: app.post_json(KLANTEN, make_klant(**overrides), status=201).json


@pytest.fixture
def refused(app: webtest.TestApp) -> Callable[..., Any]:
    """Asks for a klant that is not right; gives back the refusal."""

    def ask(**overrides: Any) -> Any:
        before = app.get(KLANTEN).json["count"]
        response = app.post_json(KLANTEN, make_klant(**overrides), status=400)
        assert app.get(KLANTEN).json["count"] == before
        return response

    return ask


# --- what is answered ---------------------------------------------------------------------------


def test_a_new_klant_is_shown_with_everything_that_was_not_given(app):
    sent = make_klant()
    response = app.post_json(KLANTEN, sent, status=201)
    klant = response.json
    assert klant == {
        "url": response.headers["Location"],
        "bronorganisatie": sent["bronorganisatie"],
        "klantnummer": sent["klantnummer"],
        "bedrijfsnaam": "",
        "functie": "",
        "websiteUrl": sent["websiteUrl"],
        "voornaam": "",
        "voorvoegselAchternaam": "",
        "achternaam": "",
        "telefoonnummer": "",
        "emailadres": "",
        "adres": None,
        "subject": "",
        "subjectType": "natuurlijk_persoon",
        "subjectIdentificatie": IDENTIFICATIE["natuurlijk_persoon"] | {"geslachtsnaam": "Jansen"},
    }


def test_a_klant_has_a_url_with_a_uuid_of_version_4(create):
    place = create()["url"].removeprefix("http://localhost/api/v1/klanten/")
    assert str(UUID(place)) == place
    assert UUID(place).version == 4


def test_a_klant_is_found_under_its_url(app, create):
    klant = create()
    assert app.get(klant["url"]).json == klant


def test_everything_that_can_be_sent_is_kept(create):
    sent = make_person(klantnummer="K-1")
    klant = create(**sent)
    assert {name: klant[name] for name in sent} == sent


@pytest.mark.parametrize("subject_type", KNOWN_KEY)
def test_an_identification_of_which_one_key_was_sent_shows_all(create, subject_type):
    """An empty value counts as sent."""
    sent = KNOWN_KEY[subject_type]
    klant = create(subjectType=subject_type, subjectIdentificatie=sent)
    assert klant["subjectIdentificatie"] == IDENTIFICATIE[subject_type] | sent


@pytest.mark.parametrize("subject_type", KNOWN_KEY)
@pytest.mark.parametrize("sent", [..., {}, {"unknown": 1}])
def test_an_identification_of_which_no_key_was_sent_is_null(create, subjects, subject_type, sent):
    klant = create(
        subject=subjects.url("/200"), subjectType=subject_type, subjectIdentificatie=sent
    )
    assert klant["subjectIdentificatie"] is None


@pytest.mark.parametrize("name", ["verblijfsadres", "subVerblijfBuitenland"])
def test_a_nested_null_is_a_known_key_that_changes_nothing(create, name):
    klant = create(subjectIdentificatie={name: None})
    assert klant["subjectIdentificatie"] == IDENTIFICATIE["natuurlijk_persoon"]


@pytest.mark.parametrize("subject_type", [..., None])
def test_without_a_type_an_identification_is_ignored(create, subjects, subject_type):
    klant = create(
        subject=subjects.url("/200"),
        subjectType=subject_type,
        subjectIdentificatie={"inpBsn": "this is no BSN"},
    )
    assert klant["subjectType"] is None
    assert "subjectIdentificatie" not in klant


@pytest.mark.parametrize("adres", [..., None, {}, {"unknown": 1}])
def test_an_address_of_which_no_key_was_sent_is_null(create, adres):
    assert create(adres=adres)["adres"] is None


@pytest.mark.parametrize("adres", [{"huisletter": ""}, {"huisnummer": None}])
def test_an_address_of_which_one_key_was_sent_shows_all(create, adres):
    assert create(adres=adres)["adres"] == {
        "straatnaam": "",
        "huisnummer": None,
        "huisletter": "",
        "huisnummertoevoeging": "",
        "postcode": "",
        "woonplaatsnaam": "",
        "landcode": "",
    }


def test_unknown_keys_are_ignored_at_every_level(create):
    klant = create(
        unknown={"a": [1]},
        url="http://elsewhere.example/klanten/1",
        adres={"huisletter": "a", "unknown": 1},
        subjectIdentificatie={
            "geslachtsnaam": "J",
            "unknown": 1,
            "statutaireNaam": ["of another type"],
            "verblijfsadres": {
                "aoaIdentificatie": "1",
                "gorOpenbareRuimteNaam": "Dorpsstraat",
                "unknown": 1,
            },
        },
    )
    assert "unknown" not in klant
    assert klant["url"].startswith("http://localhost/")
    assert "unknown" not in klant["adres"]
    identificatie = klant["subjectIdentificatie"]
    assert identificatie.keys() == IDENTIFICATIE["natuurlijk_persoon"].keys()
    assert "unknown" not in identificatie["verblijfsadres"]


def test_of_a_repeated_key_the_last_counts(app):
    body = (
        b'{"bronorganisatie": [], "bronorganisatie": "517439943", "websiteUrl": "https://a.nl",'
        b' "subjectType": "vestiging", "subjectIdentificatie": 1, "adres": {"huisletter": 1.5,'
        b' "huisletter": "b"}, "subjectIdentificatie": {"handelsnaam": ["a"]}}'
    )
    klant = app.post(KLANTEN, body, content_type="application/json", status=201).json
    assert klant["bronorganisatie"] == "517439943"
    assert klant["adres"]["huisletter"] == "b"


def test_texts_are_trimmed_and_numbers_taken_as_texts(create):
    klant = create(achternaam="\u2003 de Vries\t\x1f", functie=1.50, bedrijfsnaam=12)
    assert klant["achternaam"] == "de Vries"
    assert (klant["functie"], klant["bedrijfsnaam"]) == ("1.5", "12")


def test_any_character_that_is_one_is_kept(create):
    text = "caf\xe9 \u0301 \u202e \U0001f600 \x01 \ufeff \ufffd \U0010ffff <b> \\ \" '"
    assert create(achternaam=text)["achternaam"] == text


# --- klantnummer (kla-001) ----------------------------------------------------------------------


def test_a_klantnummer_that_is_not_sent_is_made(create):
    numbers = {create(klantnummer=...)["klantnummer"] for _ in range(20)}
    assert len(numbers) == 20
    assert all(re.fullmatch(r".{1,8}", number) for number in numbers)


@pytest.mark.parametrize(
    ("klantnummer", "code"),
    [(None, "null"), ("", "blank"), (" ", "blank"), ("123456789", "max_length"), ([], "invalid")],
)
def test_a_klantnummer_that_is_sent_must_be_right(refused, klantnummer, code):
    assert_fout(refused(klantnummer=klantnummer), 400, "invalid", ("klantnummer", code))


# --- websiteUrl, and the setting that makes it optional -----------------------------------------


@pytest.mark.parametrize(("sent", "code"), [(..., "required"), ("", "blank"), (None, "null")])
def test_a_website_is_required(refused, sent, code):
    assert_fout(refused(websiteUrl=sent), 400, "invalid", ("websiteUrl", code))


@pytest.mark.parametrize("sent", [..., "", "  "])
def test_a_website_may_be_made_optional(make_app, sent):
    app = make_app(klanten__optional_fields="websiteUrl")
    klant = app.post_json(KLANTEN, make_klant(websiteUrl=sent), status=201).json
    assert klant["websiteUrl"] == ""
    assert app.put_json(klant["url"], make_klant(websiteUrl=...)).json["websiteUrl"] == ""


@pytest.mark.parametrize(("sent", "code"), [(None, "null"), ("no url", "invalid")])
def test_an_optional_website_must_be_right_all_the_same(make_app, sent, code):
    app = make_app(klanten__optional_fields="websiteUrl")
    response = app.post_json(KLANTEN, make_klant(websiteUrl=sent), status=400)
    assert_fout(response, 400, "invalid", ("websiteUrl", code))


# --- the phases of validation -------------------------------------------------------------------


def test_all_faults_of_the_first_phase_are_told_at_once(refused, subjects):
    response = refused(
        bronorganisatie="12345678x0",
        klantnummer="\0" + 8 * "x",
        websiteUrl=...,
        adres={"huisnummer": 100_000, "huisletter": "ab"},
        subjectType="person",
        subject=subjects.url("/404"),
        subjectIdentificatie=[],
    )
    assert_fout(
        response,
        400,
        "invalid",
        ("bronorganisatie", "only-digits"),
        ("bronorganisatie", "max_length"),
        ("klantnummer", "max_length"),
        ("klantnummer", "null_characters_not_allowed"),
        ("websiteUrl", "required"),
        ("adres.huisnummer", "max_value"),
        ("adres.huisletter", "max_length"),
        ("subjectType", "invalid_choice"),
    )
    assert subjects.asked == []


def test_a_subject_is_looked_for_when_the_first_phase_is_right(refused, subjects):
    response = refused(subject=subjects.url("/404"), subjectIdentificatie={"inpBsn": "x"})
    assert_fout(response, 400, "invalid", ("subject", "bad-url"))
    assert subjects.asked == ["/404"]


def test_the_identification_is_judged_when_the_subject_is_there(refused, create, subjects):
    klant = create()
    response = refused(
        klantnummer=klant["klantnummer"],
        subject=subjects.url("/200"),
        subjectIdentificatie={"inpBsn": "123456789", "verblijfsadres": {}, "voorletters": 21 * "x"},
    )
    assert_fout(
        response,
        400,
        "invalid",
        ("subjectIdentificatie.inpBsn", "invalid"),
        ("subjectIdentificatie.voorletters", "max_length"),
        ("subjectIdentificatie.verblijfsadres.aoaIdentificatie", "required"),
        ("subjectIdentificatie.verblijfsadres.gorOpenbareRuimteNaam", "required"),
    )
    assert subjects.asked == ["/200"]


def test_uniqueness_comes_before_the_missing_subject(refused, create):
    klant = create()
    response = refused(klantnummer=klant["klantnummer"], subjectIdentificatie={})
    assert_fout(response, 400, "invalid", ("nonFieldErrors", "unique"))


@pytest.mark.parametrize("subject_type", [*KNOWN_KEY, None, ...])
@pytest.mark.parametrize("subject", [..., "", "  "])
@pytest.mark.parametrize("identificatie", [..., {}, {"unknown": "a"}])
def test_a_new_klant_needs_a_subject_or_an_identification(
    refused, subject_type, subject, identificatie
):
    response = refused(
        subjectType=subject_type, subject=subject, subjectIdentificatie=identificatie
    )
    assert_fout(response, 400, "invalid", ("nonFieldErrors", "invalid-subject"))


def test_an_identification_without_a_type_is_none(refused):
    response = refused(subjectType=None, subjectIdentificatie={"inpBsn": rsin()})
    assert_fout(response, 400, "invalid", ("nonFieldErrors", "invalid-subject"))


@pytest.mark.parametrize(
    ("sent", "name", "code"),
    [
        (None, "subjectIdentificatie", "null"),
        ([], "subjectIdentificatie.nonFieldErrors", "invalid"),
        ("a", "subjectIdentificatie.nonFieldErrors", "invalid"),
    ],
)
def test_an_identification_that_is_no_object_is_refused(refused, sent, name, code):
    assert_fout(refused(subjectIdentificatie=sent), 400, "invalid", (name, code))


def test_an_empty_type_is_no_type_for_a_new_klant(refused):
    assert_fout(refused(subjectType=""), 400, "invalid", ("subjectType", "invalid_choice"))


# --- subject (kla-002) --------------------------------------------------------------------------


def test_a_subject_that_is_there_is_kept_as_it_was_sent(create, subjects):
    assert create(subject=subjects.url("/200?x=\xe9#y"))["subject"] == subjects.url("/200?x=\xe9#y")


def test_the_path_of_a_subject_is_encoded_to_ask_for_it_and_kept_as_sent(create, subjects):
    subject = subjects.url("/200/caf\xe9/\u20ac?\xe9=%41")
    assert create(subject=subject)["subject"] == subject
    assert subjects.asked == ["/200/caf%C3%A9/%E2%82%AC?%C3%A9=%41"]


def test_a_subject_is_asked_for_without_a_token_of_ours_or_theirs(create, subjects):
    create(subject=subjects.url("/200").replace("://", "://user:secret@"))
    [headers] = subjects.headers
    assert "Authorization" not in headers
    assert "Cookie" not in headers


@pytest.mark.parametrize("path", ["/404", "/204", "/500", "/401", "/304"])
def test_a_subject_that_is_not_there_is_refused(refused, subjects, path):
    response = refused(subject=subjects.url(path))
    assert_fout(response, 400, "invalid", ("subject", "bad-url"))


@pytest.mark.parametrize("subject", [[], {}, True, ["http://127.0.0.1"]])
def test_a_subject_of_another_type_is_invalid_only(refused, subject):
    assert_fout(refused(subject=subject), 400, "invalid", ("subject", "invalid"))


def test_a_subject_of_null_is_refused(refused):
    assert_fout(refused(subject=None), 400, "invalid", ("subject", "null"))


@pytest.mark.parametrize("subject", ["word", 12, "http://", "http://a b.nl", "http://a.nl/\x1d/"])
def test_a_subject_that_is_no_url_can_not_be_fetched_either(refused, subject):
    response = refused(subject=subject)
    assert_fout(response, 400, "invalid", ("subject", "invalid"), ("subject", "bad-url"))


def test_a_subject_of_another_scheme_can_not_be_fetched(refused):
    response = refused(subject="ftp://example.nl/")
    assert_fout(response, 400, "invalid", ("subject", "bad-url"))


def test_a_subject_with_nul_can_not_be_fetched(refused, subjects):
    response = refused(subject=subjects.url("/200\0"))
    assert_fout(
        response,
        400,
        "invalid",
        ("subject", "null_characters_not_allowed"),
        ("subject", "bad-url"),
    )
    assert subjects.asked == []


def test_a_subject_that_is_only_too_long_is_not_fetched(refused, subjects):
    response = refused(subject=subjects.url("/200") + "?" + 1000 * "a")
    assert_fout(response, 400, "invalid", ("subject", "max_length"))
    assert subjects.asked == []


@pytest.mark.parametrize("client", ["lezen", "none", "bijwerken", None])
def test_who_may_not_create_has_nothing_fetched(app, token, subjects, client):
    headers = {"Authorization": token(client) if client else "Bearer x"}
    sent = make_klant(subject=subjects.url("/200"))
    app.post_json(KLANTEN, sent, headers=headers, status=403)
    assert subjects.asked == []


# --- the body as a whole ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"null", "null"),
        (b"[]", "invalid"),
        (b'"text"', "invalid"),
        (b"12", "invalid"),
        (b"1.5", "invalid"),
        (b"true", "invalid"),
        (b"false", "invalid"),
        (b'[{"bronorganisatie": "517439943"}]', "invalid"),
    ],
)
def test_a_body_that_is_no_object_is_refused(app, body, code):
    response = app.post(KLANTEN, body, content_type="application/json", status=400)
    assert_fout(response, 400, "invalid", ("nonFieldErrors", code))


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", None])
def test_no_body_at_all_is_an_empty_object(app, content_type):
    headers = {"Content-Type": content_type} if content_type else {}
    response = app.request(KLANTEN, method="POST", headers=headers, status=400)
    assert_fout(
        response,
        400,
        "invalid",
        ("bronorganisatie", "required"),
        ("websiteUrl", "required"),
    )


@pytest.mark.parametrize(
    "body",
    [
        b" ",
        b"\n",
        b"{",
        b"{}x",
        b"{'a': 1}",
        b'{"a": 1,}',
        b"{a: 1}",
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": 1e400}',
        b'{"a": 01}',
        b'{"a": "\\ud800"}',
        b'{"\\udc00": 1}',
        b'{"a": "\\ud800", "a": 1}',
        b'{"a": "\xff"}',
        b'{"a": "\xed\xa0\x80"}',
        b"\xef\xbb\xbf{}",
        "{}".encode("utf-16"),
        b"\x00",
        b'{"a": "\n"}',
    ],
)
def test_a_body_that_is_no_json_is_a_parse_error(app, body):
    response = app.post(KLANTEN, body, content_type="application/json", status=400)
    assert_fout(response, 400, "parse_error")


# --- what remains -------------------------------------------------------------------------------


def test_a_new_klant_leaves_a_line_and_a_message(app, create):
    klant = create()
    [regel] = app.get(klant["url"] + "/audittrail").json
    assert regel["actie"] == "create"
    with app.app.registry.database.transaction() as connection:
        outbox = connection.root()["klanten"].outbox
        [message] = [outbox[number] for number in outbox if outbox[number].url == klant["url"]]
    assert (message.actie, message.subject_type) == ("create", "natuurlijk_persoon")
