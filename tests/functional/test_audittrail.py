"""`/klanten/{uuid}/audittrail` and one line of it: who changed what."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
import webtest

from klanten.model.audittrail import Audittrail
from tests.factories import make_klant, make_person
from tests.fouten import assert_fout

KLANTEN = "/api/v1/klanten"


@pytest.fixture(scope="module")
def app(shared_app: webtest.TestApp) -> webtest.TestApp:
    """Shared: no test here looks at a klant of another."""
    return shared_app


@pytest.fixture
def klant(app: webtest.TestApp) -> Any:
    return app.post_json(KLANTEN, make_person(), status=201).json


@pytest.fixture
def trail(app: webtest.TestApp, klant: Any) -> Callable[[], Any]:
    """The lines of the klant, as they are now."""
    return lambda: app.get(klant["url"] + "/audittrail").json


def changed_with(app: webtest.TestApp, klant: Any, headers: Any) -> Any:
    """The line of a change that is made with these headers."""
    app.patch_json(klant["url"], {"functie": "f"}, headers=headers)
    return app.get(klant["url"] + "/audittrail").json[-1]


# --- the lines ----------------------------------------------------------------------------------


def test_a_line_tells_who_did_what_and_when(app, klant, token):
    before = datetime.now(UTC)
    headers = {
        "Authorization": token("bijwerken", user_id="j.jansen", user_representation="Jan Jansen"),
        "X-Audit-Toelichting": "omdat",
    }
    regel = changed_with(app, klant, headers)
    changed = klant | {"functie": "f"}
    moment, uuid = regel.pop("aanmaakdatum"), regel.pop("uuid")
    assert regel == {
        "bron": "kc",
        "applicatieId": "bijwerken",
        "applicatieWeergave": "Label of bijwerken",
        "gebruikersId": "j.jansen",
        "gebruikersWeergave": "Jan Jansen",
        "actie": "partial_update",
        "actieWeergave": "Object deels bijgewerkt",
        "resultaat": 200,
        "hoofdObject": klant["url"],
        "resource": "klant",
        "resourceUrl": klant["url"],
        "toelichting": "omdat",
        "resourceWeergave": f"{klant['bronorganisatie']} - {klant['klantnummer']}",
        "wijzigingen": {"oud": klant, "nieuw": changed},
    }
    assert UUID(uuid).version == 4
    assert before <= datetime.fromisoformat(moment) <= datetime.now(UTC)
    assert moment.endswith("Z")


def test_every_write_is_a_line_oldest_first(app, klant, trail):
    put = app.put_json(klant["url"], make_klant(klantnummer="NEW")).json
    patched = app.patch_json(klant["url"], {"functie": "f"}).json
    told = [
        (
            regel["actie"],
            regel["actieWeergave"],
            regel["resultaat"],
            regel["resourceWeergave"],
            regel["wijzigingen"],
        )
        for regel in trail()
    ]
    name = f"{klant['bronorganisatie']} - "
    assert told == [
        (
            "create",
            "Object aangemaakt",
            201,
            name + klant["klantnummer"],
            {"oud": None, "nieuw": klant},
        ),
        ("update", "Object bijgewerkt", 200, name + "NEW", {"oud": klant, "nieuw": put}),
        (
            "partial_update",
            "Object deels bijgewerkt",
            200,
            name + "NEW",
            {"oud": put, "nieuw": patched},
        ),
    ]


def test_reading_leaves_no_line(app, klant, trail):
    for method in ("GET", "HEAD"):
        for url in (klant["url"], klant["url"] + "/audittrail", KLANTEN):
            app.request(url, method=method)
    assert len(trail()) == 1


def test_a_refused_change_leaves_no_line(app, klant, trail, token):
    app.patch_json(klant["url"], {"functie": []}, status=400)
    app.patch_json(klant["url"], {}, headers={"Authorization": token("lezen")}, status=403)
    app.post_json(KLANTEN, make_klant(klantnummer=klant["klantnummer"]), status=400)
    assert len(trail()) == 1


def test_one_line_is_found_under_its_uuid_however_it_is_spelt(app, klant, trail):
    app.patch_json(klant["url"], {"functie": "f"})
    root, _, klant_uuid = klant["url"].rpartition("/")
    for regel in trail():
        for spell in (str, str.upper, lambda uuid: uuid.replace("-", "")):
            place = f"{root}/{spell(klant_uuid)}/audittrail"
            assert app.get(place).json == trail()
            assert app.get(f"{place}/{spell(regel['uuid'])}").json == regel


def test_the_list_is_no_page(trail):
    assert isinstance(trail(), list)


def test_a_klant_shows_no_lines_of_another(app, klant, trail):
    other = app.post_json(KLANTEN, make_klant()).json
    [line_of_another] = app.get(other["url"] + "/audittrail").json
    assert line_of_another not in trail()
    response = app.get(f"{klant['url']}/audittrail/{line_of_another['uuid']}", status=404)
    assert_fout(response, 404, "not_found")


@pytest.mark.parametrize("place", ["{}", "klant", "a.b", "%FF", "%20", "..", "@@view"])
def test_there_is_no_trail_of_what_is_no_klant(app, place):
    for end in ("", f"/{uuid4()}", "/x"):
        url = f"{KLANTEN}/{place.format(uuid4())}/audittrail{end}"
        assert_fout(app.get(url, status=404), 404, "not_found")


@pytest.mark.parametrize("place", ["{}", "regel", "%FF", "..", "@@view", "{{{}}}"])
def test_there_is_no_line_under_another_name(app, klant, place):
    url = f"{klant['url']}/audittrail/{place.format(uuid4())}"
    assert_fout(app.get(url, status=404), 404, "not_found")


def test_a_trail_without_lines_is_not_there(app, klant):
    """As that of a klant from another register may be."""
    with app.app.registry.database.transaction() as connection:
        tree = connection.root()["klanten"]
        Audittrail(tree.find(klant["url"].rpartition("/")[2])).replace([])
    assert_fout(app.get(klant["url"] + "/audittrail", status=404), 404, "not_found")


def test_the_trail_goes_with_its_klant(app, klant, trail):
    [regel] = trail()
    app.delete(klant["url"])
    for end in ("", f"/{regel['uuid']}"):
        assert_fout(app.get(f"{klant['url']}/audittrail{end}", status=404), 404, "not_found")


def test_a_klant_made_again_begins_a_trail_of_its_own(app, klant):
    app.delete(klant["url"])
    again = app.post_json(KLANTEN, make_klant(klantnummer=klant["klantnummer"])).json
    [regel] = app.get(again["url"] + "/audittrail").json
    assert regel["wijzigingen"] == {"oud": None, "nieuw": again}


def test_the_urls_are_those_of_the_reader(app, klant):
    app.patch_json(klant["url"], {"functie": "f"})
    place = klant["url"].removeprefix("http://localhost")
    there = {"HTTP_HOST": "other.example", "wsgi.url_scheme": "https", "SCRIPT_NAME": "/prefix"}
    url = f"https://other.example/prefix{place}"
    lines = app.get(place + "/audittrail", extra_environ=there).json
    one = app.get(f"{place}/audittrail/{lines[1]['uuid']}", extra_environ=there).json
    for regel in (*lines, one):
        changes = regel["wijzigingen"]
        shown = [regel["hoofdObject"], regel["resourceUrl"], changes["nieuw"]["url"]]
        shown += [changes["oud"]["url"]] if changes["oud"] else []
        assert set(shown) == {url}


def test_equal_klanten_show_equal_bodies(app, klant, trail):
    assert list(trail()[0]["wijzigingen"]["nieuw"].items()) == list(klant.items())


def test_a_line_never_changes(app, klant, trail):
    [before] = trail()
    app.patch_json(klant["url"], {"achternaam": "Anders"})
    assert trail()[0] == before


# --- what comes from claims and headers ---------------------------------------------------------


def claims(token: Any, **others: Any) -> dict[str, str]:
    """A token of the client `all` with these claims, whatever they are."""
    return {"Authorization": token("all", claims=others)}


@pytest.mark.parametrize(
    ("claim", "shown"),
    [
        ("naam", "naam"),
        ("caf\xe9 \u20ac \U0001f600", "caf\xe9 \u20ac \U0001f600"),
        (None, ""),
        ("", ""),
        (12, "12"),
        (1.5, "1.5"),
        (True, "True"),
        (False, "False"),
        (0, "0"),
        (["a", 1], "['a', 1]"),
        ({"a": None}, "{'a': None}"),
        (300 * "x", 255 * "x"),
        (300 * "\U0001f600", 255 * "\U0001f600"),
        ("a\0b", "ab"),
        ("a\ud800b", "ab"),
        (300 * "\0" + "b", "b"),
    ],
)
def test_a_user_is_shown_whatever_the_claim_is(app, klant, token, claim, shown):
    regel = changed_with(app, klant, claims(token, user_id=claim, user_representation=claim))
    assert (regel["gebruikersId"], regel["gebruikersWeergave"]) == (shown, shown)


def test_without_claims_there_is_no_user(app, klant, token):
    regel = changed_with(app, klant, claims(token))
    assert (regel["gebruikersId"], regel["gebruikersWeergave"]) == ("", "")


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        (b"omdat", "omdat"),
        ("caf\xe9 \u20ac".encode(), "caf\xe9 \u20ac"),
        (b"caf\xe9", "caf\xe9"),
        (b"\xff\xfe", "\xff\xfe"),
        (b"a\xed\xa0\x80b", "a\xed\xa0\x80b"),
        (b"", ""),
        (5000 * b"lang ", (5000 * "lang ").strip()),
        (b'"quoted", \\ and , more', '"quoted", \\ and , more'),
    ],
)
def test_a_toelichting_is_shown_whatever_its_bytes_are(server, sent, shown):
    klant = server.request("POST", "/klanten", make_klant()).json
    change = server.request("PATCH", klant["url"], {}, headers={"X-Audit-Toelichting": sent})
    assert change.status == 200
    assert server.request("GET", klant["url"] + "/audittrail").json[-1]["toelichting"] == shown


@pytest.mark.parametrize("claim", [{}, {"user_id": ""}, {"user_id": None}])
def test_the_user_of_nlx_counts_when_the_token_names_none(app, klant, token, claim):
    headers = claims(token, **claim) | {"X-NLX-Request-User-Id": 300 * "n"}
    assert changed_with(app, klant, headers)["gebruikersId"] == 255 * "n"


def test_the_user_of_the_token_comes_before_that_of_nlx(app, klant, token):
    headers = claims(token, user_id="jwt") | {"X-NLX-Request-User-Id": "nlx"}
    assert changed_with(app, klant, headers)["gebruikersId"] == "jwt"


def test_the_application_is_that_of_the_token_whatever_nlx_says(app, klant, token):
    headers = claims(token) | {"X-NLX-Request-Application-Id": "nlx"}
    regel = changed_with(app, klant, headers)
    assert (regel["applicatieId"], regel["applicatieWeergave"]) == ("all", "Label of all")


def test_the_record_of_nlx_is_kept_and_not_shown(app, klant):
    regel = changed_with(app, klant, {"X-NLX-Logrecord-ID": "5a0ad5f1-nlx"})
    assert "5a0ad5f1-nlx" not in str(regel)
    with app.app.registry.database.transaction() as connection:
        stored = connection.root()["klanten"].find(klant["url"].rpartition("/")[2])
        assert stored.regel.content["logrecordId"] == "5a0ad5f1-nlx"
