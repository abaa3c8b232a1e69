"""What goes out: the bytes of klanten and of their trail."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from pyramid.request import Request

from klanten.model.audittrail import Actie, Audittrail, Bewerking
from klanten.model.klant import Klant
from klanten.model.root import Root
from klanten.representation import (
    api_root,
    audittrail_json,
    klant_json,
    klant_url,
    page_json,
    regel_json,
)

ROOT = "https://a.nl/prefix/api/v1"


def bewerking(actie: Actie) -> Bewerking:
    return Bewerking(actie, datetime(2026, 1, 2, 3, 4, 5, 6, UTC), "http://made.here/api/v1")


@pytest.fixture
def klant() -> Klant:
    tree = Root()
    body = {
        "bronorganisatie": "517439943",
        "klantnummer": "1",
        "websiteUrl": "",
        "achternaam": "Caf\xe9 \u20ac \U0001f600",
        "subject": "http://subject.nl",
    }
    klant = tree.create(body, bewerking(Actie.CREATE))
    tree.change(klant, {"functie": '"\\'}, bewerking(Actie.UPDATE))
    return klant


@pytest.mark.parametrize(
    ("environ", "root"),
    [
        ({"HTTP_HOST": "a.nl"}, "http://a.nl/api/v1"),
        ({"HTTP_HOST": "a.nl:80"}, "http://a.nl/api/v1"),
        ({"HTTP_HOST": "a.nl:8080"}, "http://a.nl:8080/api/v1"),
        ({"HTTP_HOST": "a.nl", "wsgi.url_scheme": "https"}, "https://a.nl/api/v1"),
        ({"HTTP_HOST": "a.nl:443", "wsgi.url_scheme": "https"}, "https://a.nl/api/v1"),
        ({"HTTP_HOST": "a.nl", "SCRIPT_NAME": "/p/q"}, "http://a.nl/p/q/api/v1"),
        ({"HTTP_HOST": "[::1]:1"}, "http://[::1]:1/api/v1"),
    ],
)
def test_the_root_is_that_of_the_request(environ, root):
    request = Request.blank("/api/v1/klanten?a=b")
    request.environ |= environ
    assert api_root(request) == root


def test_a_klant_is_its_stored_bytes_behind_its_url(klant):
    shown = klant_json(ROOT, klant)
    assert shown.endswith(klant.json[1:])
    assert list(orjson.loads(shown).items()) == [
        ("url", klant_url(ROOT, klant)),
        *klant.body.items(),
    ]


def test_a_root_with_quotes_gives_json_all_the_same(klant):
    root = 'http://a"\\\xff/api/v1'
    assert orjson.loads(klant_json(root, klant))["url"] == f"{root}/klanten/{klant.uuid}"


def test_a_page_is_the_klanten_in_their_order(klant):
    shown = orjson.loads(page_json(ROOT, 7, "http://next", None, [klant, klant]))
    one = orjson.loads(klant_json(ROOT, klant))
    assert shown == {"count": 7, "next": "http://next", "previous": None, "results": [one, one]}


def test_an_empty_page_is_json():
    assert page_json(ROOT, 0, None, None, []) == (
        b'{"count":0,"next":null,"previous":null,"results":[]}'
    )


def test_a_trail_is_its_lines(klant):
    lines = list(Audittrail(klant))
    shown = orjson.loads(audittrail_json(ROOT, klant, lines))
    assert shown == [orjson.loads(regel_json(ROOT, klant, line)) for line in lines]


def test_a_line_shows_the_urls_of_its_reader(klant):
    first, second = (orjson.loads(regel_json(ROOT, klant, line)) for line in Audittrail(klant))
    url = klant_url(ROOT, klant)
    assert {first["hoofdObject"], first["resourceUrl"], second["wijzigingen"]["oud"]["url"]} == {
        url
    }
    assert first["wijzigingen"]["oud"] is None
    assert second["wijzigingen"]["nieuw"] == orjson.loads(klant_json(ROOT, klant))
    assert "made.here" not in str([first, second])


FIELDS = [
    *("uuid", "bron", "applicatieId", "applicatieWeergave", "gebruikersId", "gebruikersWeergave"),
    *("actie", "actieWeergave", "resultaat", "hoofdObject", "resource", "resourceUrl"),
    *("toelichting", "resourceWeergave", "aanmaakdatum", "wijzigingen"),
]


def test_a_line_has_the_fields_of_the_standard_and_no_other(klant):
    for line in Audittrail(klant):
        shown: dict[str, Any] = orjson.loads(regel_json(ROOT, klant, line))
        assert list(shown) == FIELDS
        assert shown["aanmaakdatum"] == "2026-01-02T03:04:05.000006Z"
