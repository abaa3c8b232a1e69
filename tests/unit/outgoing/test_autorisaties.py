"""What the Autorisaties API says of a client, and what is no answer."""

from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from klanten.outgoing.autorisaties import (
    NO_RIGHTS,
    AskerRefused,
    AutorisatiesApi,
    NoAnswer,
    QuestionRefused,
)
from klanten.outgoing.services import Service
from klanten.scopes import Scope
from tests.neighbours import server as neighbour
from tests.neighbours.autorisaties import Autorisaties, autorisatie
from tests.neighbours.server import garbage, status

LEZEN, AANMAKEN = Scope.LEZEN, Scope.AANMAKEN
EVERYTHING = frozenset(Scope)
UUID = "6f3a1a44-31c2-4a0f-9fd4-2a2c0f3b6b1e"
RIGHT = {
    "url": f"https://ac.example.nl/api/v1/applicaties/{UUID}",
    "clientIds": ["balie"],
    "label": "Balie",
    "heeftAlleAutorisaties": True,
    "autorisaties": [],
}


@pytest.fixture
def ac():
    """The Autorisaties API; whatever is asked must be right by its standard."""
    with Autorisaties() as ac:
        yield ac
    assert ac.wrong == []


@pytest.fixture
def make_api(door, ac):
    def make(component="kc", **given):
        agreed = {"client_id": neighbour.CLIENT_ID, "secret": neighbour.SECRET}
        return AutorisatiesApi(
            door, Service(**{"api_root": ac.api_root} | agreed | given), component
        )

    return make


@pytest.fixture
def api(make_api):
    return make_api()


def page(*results, **others):
    return {"count": len(results), "next": None, "previous": None, "results": results} | others


# --- what an Applicatie may do ------------------------------------------------------------------


def test_applicatie_with_all_autorisaties_may_do_everything(ac, api):
    ac.register("balie")
    assert api.rights("balie").scopes == EVERYTHING


def test_applicatie_may_do_the_scopes_of_our_component(ac, api):
    ac.register("balie", scopes="klanten.lezen klanten.aanmaken")
    assert api.rights("balie").scopes == {LEZEN, AANMAKEN}


def test_scopes_of_another_component_do_not_count(ac, api):
    ac.register("balie", scopes="klanten.lezen", component="zrc")
    assert api.rights("balie") == NO_RIGHTS


def test_autorisaties_of_our_component_add_up(ac, api):
    applicatie = ac.register("balie", scopes="klanten.lezen")
    applicatie["autorisaties"] += [
        autorisatie("klanten.verwijderen", "zrc"),
        autorisatie("klanten.aanmaken"),
    ]
    assert api.rights("balie").scopes == {LEZEN, AANMAKEN}


def test_the_label_of_our_component_is_a_setting(ac, make_api):
    ac.register("balie", scopes="klanten.lezen", component="klanten")
    assert make_api(component="klanten").rights("balie").scopes == {LEZEN}
    assert make_api().rights("balie") == NO_RIGHTS


def test_unknown_scopes_are_ignored(ac, api):
    ac.register("balie", scopes="klanten.lezen zaken.lezen KLANTEN.AANMAKEN")
    assert api.rights("balie").scopes == {LEZEN}


def test_client_without_an_applicatie_may_do_nothing(ac, api):
    ac.register("another")
    assert api.rights("balie") == NO_RIGHTS


def test_applicatie_without_autorisaties_may_do_nothing(ac, api):
    ac.register("balie", scopes="klanten.lezen")["autorisaties"] = []
    assert api.rights("balie") == NO_RIGHTS


def test_two_applicaties_add_up(ac, api):
    ac.register("balie", scopes="klanten.lezen")
    ac.register("portaal", "balie", scopes="klanten.aanmaken")
    assert api.rights("balie").scopes == {LEZEN, AANMAKEN}


def test_one_of_two_applicaties_with_all_autorisaties_is_enough(ac, api):
    ac.register("balie", scopes="klanten.lezen")
    ac.register("balie")
    assert api.rights("balie").scopes == EVERYTHING


def test_applicatie_gives_its_uuid_and_label(ac, api):
    applicatie = ac.register("balie", label="De balie")
    rights = api.rights("balie")
    assert applicatie["url"].endswith(f"/{rights.applicatie_id}")
    assert rights.applicatie_label == "De balie"


def test_first_applicatie_that_may_do_anything_gives_its_name(ac, api):
    ac.register("balie", scopes="zaken.lezen", label="None of our scopes")
    ac.register("balie", scopes="klanten.lezen", component="zrc", label="Another component")
    ac.register("balie", scopes="klanten.lezen", label="Reads")
    ac.register("balie", label="Does everything")
    assert api.rights("balie").applicatie_label == "Reads"


def test_applicatie_without_a_label_is_called_by_its_uuid(ac, api):
    ac.register("balie", label="")
    rights = api.rights("balie")
    assert rights.applicatie_label == rights.applicatie_id


def test_label_fits_in_the_audittrail(ac, api):
    ac.register("balie", label="a\0" * 300)
    assert api.rights("balie").applicatie_label == "a" * 200


def test_applicatie_of_another_client_does_not_count(ac, api):
    ac.mood = status(200, page(RIGHT | {"clientIds": ["another", "BALIE", "balie2"]}))
    assert api.rights("balie") == NO_RIGHTS


def test_client_id_is_asked_for_as_it_is(ac, api):
    ac.register("één & twee=3")
    assert api.rights("één & twee=3").scopes == EVERYTHING


def test_each_call_has_a_token_of_its_own(ac, api):
    api.rights("balie")
    api.rights("portaal")
    assert [asked.params for asked in ac.asked] == [
        [("clientIds", "balie")],
        [("clientIds", "portaal")],
    ]
    assert all(asked.headers["Authorization"].startswith("Bearer ey") for asked in ac.asked)


# --- pages --------------------------------------------------------------------------------------


def test_all_pages_count(ac, api):
    ac.page_size = 1
    for scope in Scope:
        ac.register("balie", scopes=scope)
    assert api.rights("balie").scopes == EVERYTHING
    assert len(ac.asked) == len(Scope)


def test_pages_without_end_are_no_answer(ac, api):
    again = f"{ac.api_root}/applicaties?clientIds=balie&page=2"
    ac.mood = status(200, page(RIGHT, next=again))
    assert no_answer(api) == "it has more than 10 pages"
    assert len(ac.asked) == 10


def test_pages_take_no_longer_than_one_may(ac, make_api):
    again = f"{ac.api_root}/applicaties?clientIds=balie&page=2"

    def slowly(handler):
        handler.server.neighbour._released.wait(0.06)
        status(200, page(RIGHT, next=again))(handler)

    ac.mood = slowly
    with pytest.raises(NoAnswer):
        make_api(timeout=0.1).rights("balie")
    assert len(ac.asked) < 10


@pytest.mark.parametrize(
    "following",
    [
        "https://elsewhere.example.nl/api/v1/applicaties?page=2",
        "http://127.0.0.1:{port}/api/v2/applicaties?page=2",
        "http://127.0.0.1:{port}/api/v1/%2e%2e/applicaties?page=2",
        "http://127.0.0.1:{port}/api/v10?page=2",
        "https://127.0.0.1:{port}/api/v1/applicaties?page=2",
        "//elsewhere.example.nl/api/v1/applicaties?page=2",
        "?page=2",
        "",
        "http://[",
    ],
)
def test_next_page_below_another_root_is_not_asked_for(ac, api, following):
    ac.mood = status(200, page(RIGHT, next=following.format(port=ac.port)))
    assert "next page" in no_answer(api)
    assert len(ac.asked) == 1


def test_api_root_may_be_a_bare_host(ac, make_api, monkeypatch):
    monkeypatch.setattr(ac, "prefix", "")
    ac.page_size = 1
    ac.register("balie", scopes="klanten.lezen")
    ac.register("balie", scopes="klanten.aanmaken")
    assert make_api().rights("balie").scopes == {LEZEN, AANMAKEN}


# --- what is no answer --------------------------------------------------------------------------


def no_answer(api, reached=True):
    with pytest.raises(NoAnswer) as caught:
        api.rights("balie")
    assert caught.value.reached is reached
    return str(caught.value)


@pytest.mark.parametrize("code", [401, 403])
def test_refusal_of_our_own_token_is_told_apart(ac, api, code):
    ac.mood = status(code)
    with pytest.raises(AskerRefused, match=f"status {code}"):
        api.rights("balie")


def test_token_with_another_secret_is_refused(ac, api):
    ac.secret = "another secret, of more than thirty-two bytes as well"
    with pytest.raises(AskerRefused):
        api.rights("balie")
    assert ac.wrong.pop() == "the token is wrong: Signature verification failed"


@pytest.mark.parametrize("code", [400, 404, 405, 406, 410, 429, 499])
def test_another_4xx_is_a_refusal_of_the_question(ac, api, code):
    ac.mood = status(code)
    with pytest.raises(QuestionRefused, match=f"status {code}"):
        api.rights("balie")


@pytest.mark.parametrize(
    "code", [199, 201, 202, 204, 206, 300, 301, 302, 304, 307, 500, 502, 503, 504, 599]
)
def test_any_other_status_is_no_answer(ac, api, code):
    ac.register("balie")
    elsewhere = "Location: /api/v1/applicaties\r\nContent-Length: 0"
    ac.mood = garbage(f"HTTP/1.1 {code} Well\r\n{elsewhere}\r\n\r\n".encode())
    assert no_answer(api) == f"status {code}"
    assert len(ac.asked) == 1


@pytest.mark.parametrize(
    "content",
    [b"", b"\x00\xff no HTTP at all\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"],
)
def test_no_http_is_no_answer(ac, api, content):
    ac.mood = garbage(content)
    no_answer(api, reached=False)


def test_hanging_is_no_answer(ac, make_api):
    ac.mood = ac.hang
    assert no_answer(make_api(timeout=0.1), reached=False) == "no answer in time"


def test_being_away_is_no_answer(ac, api):
    ac.down()
    assert no_answer(api, reached=False) == "Connection refused"
    ac.up()
    assert api.rights("balie") == NO_RIGHTS


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"{", b"\xff", b'{"count": NaN}', b"\xef\xbb\xbf{}", b"[" * 100_000],
)
def test_no_json_is_no_answer(ac, api, body):
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    ac.mood = garbage(head + body)
    assert no_answer(api) == "its answer is no JSON"


ODD_APPLICATIES = [
    None,
    "balie",
    [],
    {},
    *(
        {name: value for name, value in RIGHT.items() if name != left_out}
        for left_out in ("url", "clientIds", "label")
    ),
    RIGHT | {"url": ""},
    RIGHT | {"url": None},
    RIGHT | {"url": "https://ac.example.nl/"},
    RIGHT | {"url": "balie"},
    RIGHT | {"clientIds": "balie"},
    RIGHT | {"clientIds": {"balie": True}},
    RIGHT | {"clientIds": ["balie", None]},
    RIGHT | {"label": None},
    RIGHT | {"label": 1},
    RIGHT | {"heeftAlleAutorisaties": "true"},
    RIGHT | {"heeftAlleAutorisaties": 1},
    RIGHT | {"heeftAlleAutorisaties": None},
    RIGHT | {"autorisaties": None},
    RIGHT | {"autorisaties": {}},
    RIGHT | {"autorisaties": [None]},
    RIGHT | {"autorisaties": [{"component": "kc"}]},
    RIGHT | {"autorisaties": [{"scopes": []}]},
    RIGHT | {"autorisaties": [{"component": None, "scopes": []}]},
    RIGHT | {"autorisaties": [{"component": "kc", "scopes": "klanten.lezen"}]},
    RIGHT | {"autorisaties": [{"component": "kc", "scopes": [["klanten.lezen"]]}]},
]


@pytest.mark.parametrize("applicatie", ODD_APPLICATIES)
def test_applicatie_of_another_shape_is_no_answer(ac, api, applicatie):
    ac.mood = status(200, page(RIGHT, applicatie))
    no_answer(api)


@pytest.mark.parametrize(
    "content",
    [
        None,
        RIGHT,
        [RIGHT],
        "balie",
        {},
        {"results": [RIGHT]},
        {"count": 1},
        page(RIGHT, count="1"),
        page(RIGHT, count=True),
        page(RIGHT, count=None),
        page(RIGHT, results=RIGHT),
        page(RIGHT, results=None),
        page(RIGHT, next=2),
        page(RIGHT, next=False),
    ],
)
def test_page_of_another_shape_is_no_answer(ac, api, content):
    ac.mood = status(200, content)
    no_answer(api)


def test_right_shape_is_an_answer(ac, api):
    ac.mood = status(200, page(RIGHT))
    assert api.rights("balie").applicatie_id == UUID


def test_what_the_oas_lets_an_applicatie_leave_out_counts_as_nothing(ac, api):
    found = {"url": RIGHT["url"], "clientIds": ["balie"], "label": "Balie"}
    ac.mood = status(200, {"count": 1, "results": [found]})
    assert api.rights("balie") == NO_RIGHTS


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.just("balie"),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*RIGHT, "next"]), inner)
    ),
    max_leaves=8,
)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changed=st.dictionaries(st.sampled_from(list(RIGHT)), JSON, min_size=1))
def test_no_odd_applicatie_gives_more_than_it_says(ac, api, changed):
    applicatie = RIGHT | {"heeftAlleAutorisaties": False} | changed
    ac.mood = status(200, page(applicatie))
    try:
        rights = api.rights("balie")
    except NoAnswer:
        return
    assert rights == NO_RIGHTS or applicatie["heeftAlleAutorisaties"] is True


# --- secrets ------------------------------------------------------------------------------------


def test_no_log_line_and_no_reason_shows_a_secret_a_token_or_what_was_said(ac, api, caplog):
    caplog.set_level("DEBUG")
    ac.register("balie")
    api.rights("balie")
    reasons = []
    for mood in (status(403, "told-by-the-ac"), status(500, "told-by-the-ac"), garbage()):
        ac.mood = mood
        with pytest.raises((NoAnswer, AskerRefused)) as caught:
            api.rights("balie")
        reasons.append(str(caught.value))
    told = caplog.text + "".join(reasons)
    assert urlsplit(ac.api_root).netloc in told
    tokens = [asked.headers["Authorization"].split()[1] for asked in ac.asked]
    assert len(tokens) == 4
    for secret in (neighbour.SECRET, *tokens, "told-by-the-ac"):
        assert secret not in told
