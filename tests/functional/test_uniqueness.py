"""kla-001: a klantnummer is unique within its bronorganisatie."""

from collections.abc import Callable
from typing import Any

import pytest
import webtest

from tests.factories import make_klant, rsin
from tests.fouten import assert_fout

KLANTEN = "/api/v1/klanten"
UNIQUE = ("nonFieldErrors", "unique")
HERE, THERE = "517439943", "000000000"


@pytest.fixture
def create(app: webtest.TestApp) -> Callable[..., Any]:
    return lambda **overrides: app.post_json(KLANTEN, make_klant(**overrides), status=201).json


def with_required(klant: Any, method: str, **sent: Any) -> Any:
    required = {name: klant[name] for name in ("bronorganisatie", "websiteUrl")}
    return (required | sent) if method == "PUT" else sent


@pytest.fixture
def change(app: webtest.TestApp) -> Callable[..., Any]:
    def send(method: str, klant: Any, status: int = 200, **sent: Any) -> Any:
        body = with_required(klant, method, **sent)
        return getattr(app, f"{method.lower()}_json")(klant["url"], body, status=status)

    return send


BOTH = pytest.mark.parametrize("method", ["PUT", "PATCH"])


def test_a_taken_number_is_refused(app, create):
    klant = create()
    response = app.post_json(KLANTEN, make_klant(klantnummer=klant["klantnummer"]), status=400)
    assert_fout(response, 400, "invalid", UNIQUE)


@pytest.mark.parametrize("spelling", [" N1", "N1\t", "\u2003N1"])
def test_a_taken_number_is_refused_however_it_is_padded(app, create, spelling):
    create(klantnummer="N1")
    response = app.post_json(KLANTEN, make_klant(klantnummer=spelling), status=400)
    assert_fout(response, 400, "invalid", UNIQUE)


def test_a_number_as_a_number_is_the_same(app, create):
    create(klantnummer="12")
    response = app.post_json(KLANTEN, make_klant(klantnummer=12), status=400)
    assert_fout(response, 400, "invalid", UNIQUE)


@pytest.mark.parametrize("other", ["n1", "N 1", "N1.", "N\u0131", "\uff2e1", "01"])
def test_another_number_is_another(create, other):
    create(klantnummer="N1")
    create(klantnummer="1")
    assert create(klantnummer=other)["klantnummer"] == other


def test_the_same_number_is_free_in_another_organisation(create):
    klant = create(bronorganisatie=HERE)
    assert create(bronorganisatie=THERE, klantnummer=klant["klantnummer"])


@BOTH
def test_a_klant_may_be_given_its_own_number(change, create, method):
    klant = create()
    sent = {"bronorganisatie": klant["bronorganisatie"], "klantnummer": klant["klantnummer"]}
    assert change(method, klant, **sent).json == klant


@BOTH
def test_a_klant_may_be_given_a_free_number(app, change, create, method):
    klant = create(klantnummer="OLD")
    assert change(method, klant, klantnummer="NEW").json["klantnummer"] == "NEW"
    create(klantnummer="OLD")
    response = app.post_json(KLANTEN, make_klant(klantnummer="NEW"), status=400)
    assert_fout(response, 400, "invalid", UNIQUE)


@BOTH
def test_a_klant_is_not_given_a_taken_number(app, change, create, method):
    klant, other = create(), create()
    response = change(method, klant, 400, klantnummer=other["klantnummer"], functie="f")
    assert_fout(response, 400, "invalid", UNIQUE)
    assert app.get(klant["url"]).json == klant


@BOTH
def test_a_klant_keeps_its_number_in_another_organisation(app, change, create, method):
    klant = create()
    moved = change(method, klant, bronorganisatie=THERE).json
    assert (moved["bronorganisatie"], moved["klantnummer"]) == (THERE, klant["klantnummer"])
    create(klantnummer=klant["klantnummer"])
    found = app.get(KLANTEN, {"bronorganisatie": THERE}).json["results"]
    assert [each["url"] for each in found] == [klant["url"]]


@BOTH
def test_a_klant_is_not_moved_onto_another(app, change, create, method):
    klant = create(bronorganisatie=HERE)
    create(bronorganisatie=THERE, klantnummer=klant["klantnummer"])
    response = change(method, klant, 400, bronorganisatie=THERE)
    assert_fout(response, 400, "invalid", UNIQUE)
    assert app.get(klant["url"]).json == klant


@BOTH
def test_two_klanten_can_change_numbers_by_way_of_a_third(change, create, method):
    a, b = create(klantnummer="A"), create(klantnummer="B")
    change(method, a, klantnummer="C")
    change(method, b, klantnummer="A")
    assert change(method, a, klantnummer="B").json["klantnummer"] == "B"


def test_a_made_number_is_free_within_its_organisation(create):
    chosen = [create(klantnummer=number)["klantnummer"] for number in ("KLANT1", "V1S-_Rgo")]
    made = [create(klantnummer=...)["klantnummer"] for _ in range(50)]
    assert len({*chosen, *made}) == 52


def test_a_made_number_can_be_changed_and_taken(change, create):
    klant = create(klantnummer=...)
    number = klant["klantnummer"]
    change("PATCH", klant, klantnummer="MINE")
    assert create(klantnummer=number)["klantnummer"] == number


def test_each_organisation_has_its_own_numbers(create):
    organisations = [rsin() for _ in range(3)]
    for number in ("1", "2"):
        for organisation in organisations:
            create(bronorganisatie=organisation, klantnummer=number)
