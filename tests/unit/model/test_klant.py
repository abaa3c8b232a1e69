"""A klant: its body as bytes, and how a change is merged into it."""

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from klanten.model.fields import IDENTIFICATIE, KLANT, empty
from klanten.model.klant import Klant, changed_body, names_subject, new_body

NEW = {"bronorganisatie": "517439943", "websiteUrl": "https://a.nl"}
PERSON = NEW | {"subjectType": "natuurlijk_persoon"}
HOUSE = {"aoaIdentificatie": "1", "gorOpenbareRuimteNaam": "Kade"}


# --- new ----------------------------------------------------------------------------------------


def test_a_new_body_shows_every_field_in_the_order_of_the_standard():
    assert new_body({}) == empty(KLANT)
    assert list(new_body(PERSON)) == [*empty(KLANT), "subjectIdentificatie"]


def test_without_a_type_there_is_no_identification():
    assert "subjectIdentificatie" not in new_body(NEW)
    assert "subjectIdentificatie" not in new_body(NEW | {"subjectType": None})


@pytest.mark.parametrize("subject_type", IDENTIFICATIE)
def test_with_a_type_an_identification_is_null_until_a_member_was_sent(subject_type):
    body = NEW | {"subjectType": subject_type}
    for sent in ({}, {"subjectIdentificatie": {}}):
        assert new_body(body | sent)["subjectIdentificatie"] is None
    sent = {"subjectIdentificatie": {"subVerblijfBuitenland": None}}
    assert new_body(body | sent)["subjectIdentificatie"] == empty(
        IDENTIFICATIE[subject_type].fields
    )


@pytest.mark.parametrize(
    ("sent", "names"),
    [
        ({}, False),
        ({"subject": ""}, False),
        ({"subject": "http://a.nl"}, True),
        ({"subjectType": "vestiging"}, False),
        ({"subjectType": "vestiging", "subjectIdentificatie": {}}, False),
        ({"subjectType": "vestiging", "subjectIdentificatie": {"handelsnaam": []}}, True),
    ],
)
def test_a_klant_names_a_subject_or_it_does_not(sent, names):
    assert names_subject(new_body(NEW | sent)) is names


# --- changed ------------------------------------------------------------------------------------


def after(*changes: dict[str, Any]) -> dict[str, Any]:
    body = new_body(PERSON)
    for sent in changes:
        body = changed_body(body, sent)
    return body


def test_what_is_not_sent_stays():
    assert after({"achternaam": "A"}, {"functie": "f"})["achternaam"] == "A"


def test_what_is_sent_empty_is_emptied():
    assert after({"achternaam": "A"}, {"achternaam": ""})["achternaam"] == ""


@pytest.mark.parametrize("sent", [None, {}])
def test_an_address_of_nothing_changes_nothing(sent):
    whole = after({"adres": {"huisletter": "a"}})
    assert changed_body(whole, {"adres": sent}) == whole


def test_objects_merge_at_every_level():
    body = after(
        {"subjectIdentificatie": {"voorletters": "A.", "verblijfsadres": HOUSE}},
        {"subjectIdentificatie": {"verblijfsadres": HOUSE | {"aoaHuisnummer": 1}}},
        {"subjectIdentificatie": {"verblijfsadres": HOUSE | {"aoaHuisletter": "b"}}},
    )["subjectIdentificatie"]
    assert body["voorletters"] == "A."
    assert body["verblijfsadres"]["aoaHuisnummer"] == 1
    assert body["verblijfsadres"]["aoaHuisletter"] == "b"
    assert body["verblijfsadres"]["aoaPostcode"] == ""


def test_lists_are_replaced():
    body = new_body(
        NEW | {"subjectType": "vestiging", "subjectIdentificatie": {"handelsnaam": ["a", "b"]}}
    )
    changed = changed_body(body, {"subjectIdentificatie": {"handelsnaam": ["c"]}})
    assert changed["subjectIdentificatie"]["handelsnaam"] == ["c"]


def test_a_nested_null_changes_nothing():
    whole = after({"subjectIdentificatie": {"verblijfsadres": HOUSE}})
    sent = {"subjectIdentificatie": {"verblijfsadres": None}}
    assert changed_body(whole, sent) == whole


def test_a_number_can_be_taken_away():
    body = after({"adres": {"huisnummer": 1}}, {"adres": {"huisnummer": None}})
    assert body["adres"]["huisnummer"] is None


def test_the_old_body_is_left_as_it_was():
    old = after({"adres": {"huisletter": "a"}, "subjectIdentificatie": {"voorletters": "A."}})
    before = orjson.dumps(old)
    changed_body(old, {"adres": {"huisletter": "b"}, "subjectIdentificatie": {"voorletters": "B."}})
    assert orjson.dumps(old) == before


def test_the_order_of_the_fields_never_changes():
    body = after({"subjectIdentificatie": {"voornamen": "a"}, "achternaam": "A", "adres": {}})
    assert list(body) == [*empty(KLANT), "subjectIdentificatie"]


# --- stored -------------------------------------------------------------------------------------


@settings(max_examples=50)
@given(st.dictionaries(st.text(), st.text() | st.none() | st.integers(-(2**53), 2**53)))
def test_a_body_is_kept_as_json(body):
    klant = Klant("1", body)
    assert klant.body == body
    assert klant.json == orjson.dumps(body)


def test_a_body_is_a_fresh_one_each_time():
    klant = Klant("1", {"a": {"b": 1}})
    klant.body["a"]["b"] = 2
    assert klant.body == {"a": {"b": 1}}


def test_a_klant_is_the_same_after_it_was_read_anew(stored, connection):
    klant = stored(Klant("1", new_body(PERSON | {"achternaam": "\xe9\u20ac\U0001f600"})))
    before = klant.json
    connection.cacheMinimize()
    assert klant.json == before
    assert klant.uuid == "1"


def test_a_klant_that_is_cleared_says_nothing(stored, connection):
    klant = stored(Klant("1", new_body(PERSON)))
    klant.clear()
    connection.transaction_manager.commit()
    connection.cacheMinimize()
    assert (klant.body, klant.regel) == ({}, None)
