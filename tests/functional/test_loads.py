"""What a request reads from the database: a number without noise, where time has much.

A klant that was read before costs nothing, and a page of klanten costs its klanten once.
"""

from collections.abc import Callable
from typing import Any

import pytest
import webtest

from tests.factories import make_klant, rsin

KLANTEN = "/api/v1/klanten"


@pytest.fixture(scope="module")
def app(shared_app: webtest.TestApp) -> webtest.TestApp:
    return shared_app


@pytest.fixture
def loads(app: webtest.TestApp) -> Callable[..., int]:
    """Counts the objects that a GET reads from the storage."""

    def count(url: str, **headers: str) -> int:
        connections = list(app.app.registry.database.pool.all)
        for connection in connections:
            connection.getTransferCounts(clear=True)
        app.get(url, headers=headers)
        return sum(connection.getTransferCounts()[0] for connection in connections)

    return count


@pytest.fixture
def forget(app: webtest.TestApp) -> Callable[[], None]:
    """Empties all caches, as a restart does."""

    def minimize() -> None:
        for connection in app.app.registry.database.pool.all:
            connection.cacheMinimize()

    return minimize


@pytest.fixture(scope="module")
def klanten(app: webtest.TestApp) -> list[Any]:
    """150 klanten, of which a third is found by one filter and two thirds by another."""
    organisations = [rsin() for _ in range(2)]
    return [
        app.post_json(
            KLANTEN,
            make_klant(
                bronorganisatie=organisations[number % 2], functie="derde" if number % 3 else "rest"
            ),
        ).json
        for number in range(150)
    ]


def test_a_klant_that_was_read_before_costs_nothing(app, klanten, loads):
    url = klanten[0]["url"]
    app.get(url)
    for _ in range(3):
        assert loads(url) == 0


def test_a_match_costs_nothing_either(app, klanten, loads):
    url = klanten[0]["url"]
    etag = app.get(url).headers["ETag"]
    assert loads(url, **{"If-None-Match": etag}) == 0


def test_a_klant_that_was_never_read_costs_itself_and_its_way(klanten, loads, forget):
    forget()
    # the root, the tree, the map, one of its trees, at most a leaf, and the klant
    assert loads(klanten[0]["url"]) <= 6


@pytest.mark.parametrize(
    "query",
    ["", "?page=2", "?functie=derde", "?functie=rest&subjectType=natuurlijk_persoon", "?functie=x"],
)
def test_a_page_that_was_read_before_costs_nothing(app, klanten, loads, query):
    app.get(KLANTEN + query)
    for _ in range(3):
        assert loads(KLANTEN + query) == 0


def test_a_page_costs_its_klanten_and_little_beside_them(klanten, loads, forget):
    forget()
    assert loads(KLANTEN) <= 100 + 15


def test_a_page_costs_nothing_for_what_it_does_not_show(klanten, loads, forget):
    forget()
    assert loads(f"{KLANTEN}?klantnummer={klanten[7]['klantnummer']}") <= 15


def test_a_klant_costs_nothing_of_its_trail(app, loads, forget):
    url = app.post_json(KLANTEN, make_klant()).json["url"]
    for number in range(5):
        app.patch_json(url, {"functie": f"{number}"})
    forget()
    assert loads(url) <= 6


def test_a_trail_costs_its_lines_once(app, loads, forget):
    url = app.post_json(KLANTEN, make_klant()).json["url"]
    for number in range(5):
        app.patch_json(url, {"functie": f"{number}"})
    forget()
    app.get(url)
    assert loads(url + "/audittrail") == 6
    assert loads(url + "/audittrail") == 0


def test_after_a_change_only_what_changed_is_read_again(app, klanten, loads):
    app.get(KLANTEN)
    app.patch_json(klanten[0]["url"], {"achternaam": "Anders"})
    assert loads(KLANTEN) == 0


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/api/v1/nothing", {}),
        ("/ref/fouten/", {}),
        ("/api/v1/openapi.json", {}),
        (f"{KLANTEN}/6ba7b810-9dad-41d1-80b4-00c04fd430c8", {"Authorization": "x"}),
        (f"{KLANTEN}/6ba7b810-9dad-41d1-80b4-00c04fd430c8", {"Accept": "text/html"}),
    ],
)
def test_who_asks_for_no_klant_opens_no_database(app, monkeypatch, path, headers):
    def fail(*_: Any, **__: Any) -> None:
        raise AssertionError("opened")

    monkeypatch.setattr(app.app.registry.database, "open", fail)
    assert app.get(path, headers=headers, status="*").status_int < 500
