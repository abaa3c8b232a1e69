"""What pages of other origins may see (the Fetch standard), and the headers of every answer."""

import re
from typing import Any
from uuid import uuid4

import pytest
import webtest

from tests.factories import make_klant

KLANTEN = "/api/v1/klanten"
ORIGIN = "https://portaal.example"
ALLOW_ORIGIN = "Access-Control-Allow-Origin"
PATHS = ["/klanten", "/klanten/{0}", "/klanten/{0}/audittrail", "/klanten/{0}/audittrail/{0}"]
DOCUMENTS = ["/openapi.json", "/openapi.yaml", "/schema/openapi.json", "/schema/openapi.yaml"]


@pytest.fixture(scope="module")
def app(shared_app: webtest.TestApp) -> webtest.TestApp:
    """Shared: no test here looks at a klant of another."""
    return shared_app


def every_kind_of_answer(app: webtest.TestApp, **headers: str) -> list[webtest.TestResponse]:
    """Answers of every status that a request can cause."""
    url = app.post_json(KLANTEN, make_klant()).json["url"]
    anonymous = {"Authorization": ""}

    def ask(method: str, path: str, body: bytes = b"", **more: str) -> webtest.TestResponse:
        sent = headers | {name.replace("_", "-"): value for name, value in more.items()}
        return app.request(path, method=method, body=body, headers=sent, status="*")

    return [
        ask("GET", KLANTEN),
        ask("HEAD", url),
        ask("GET", url, If_None_Match="*"),
        ask("PATCH", url),
        ask("GET", url + "/audittrail"),
        ask("POST", KLANTEN),
        ask("GET", f"{KLANTEN}?page=0"),
        ask("GET", KLANTEN, Accept="text/html"),
        ask("GET", KLANTEN, **anonymous),
        ask("PUT", KLANTEN),
        ask("OPTIONS", KLANTEN),
        ask("POST", KLANTEN, b"x", Content_Type="text/plain"),
        ask("POST", KLANTEN, b"x", Content_Type="application/json"),
        ask("POST", KLANTEN, 1048577 * b" ", Content_Type="application/json"),
        ask("DELETE", url),
        ask("GET", url),
        ask("GET", "/api/v1/nothing"),
        ask("GET", "/api/v1/%ff"),
        ask("GET", "/api/v1/openapi.json"),
        ask("GET", "/nothing"),
        ask("GET", "/ref/fouten/"),
    ]


def cors_headers(response: webtest.TestResponse) -> set[str]:
    return {name for name in response.headers if name.startswith("Access-Control-")}


def preflight(app: webtest.TestApp, path: str, **headers: str) -> Any:
    sent = {"Origin": ORIGIN, "Access-Control-Request-Method": "PATCH", "Authorization": ""}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    return app.options(path, headers={name: sent[name] for name in sent if sent[name]}, status="*")


# --- any origin, the default --------------------------------------------------------------------


def test_every_answer_can_be_seen_from_any_origin(app):
    answers = every_kind_of_answer(app, Origin=ORIGIN)
    statuses = {answer.status_int for answer in answers}
    assert statuses == {200, 204, 304, 400, 403, 404, 405, 406, 413, 415}
    for answer in answers:
        assert answer.headers[ALLOW_ORIGIN] == "*"
        assert "Access-Control-Allow-Credentials" not in answer.headers


def test_without_an_origin_nothing_is_said_of_origins(app):
    for answer in every_kind_of_answer(app):
        assert cors_headers(answer) == set()
        assert "Vary" not in answer.headers


@pytest.mark.parametrize("origin", ["null", "", "https://\xe9.example", "nonsense"])
def test_any_origin_is_any_origin(app, origin):
    assert app.get(KLANTEN, headers={"Origin": origin}).headers[ALLOW_ORIGIN] == "*"


def test_a_page_may_read_the_headers_of_the_standard(app):
    exposed = app.get(KLANTEN, headers={"Origin": ORIGIN}).headers["Access-Control-Expose-Headers"]
    assert {"API-version", "ETag", "Location"} <= set(exposed.split(", "))


def test_a_crash_can_be_seen_too(app, monkeypatch):
    monkeypatch.setattr(app.app.registry, "klant_schemas", None)
    answer = app.post_json(KLANTEN, make_klant(), headers={"Origin": ORIGIN}, status=500)
    assert answer.headers[ALLOW_ORIGIN] == "*"


# --- preflight ----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS + DOCUMENTS)
def test_a_preflight_needs_no_token_and_no_klant(app, path):
    answer = preflight(app, "/api/v1" + path.format(uuid4()))
    assert answer.status_int == 200
    assert answer.body == b""
    assert answer.headers[ALLOW_ORIGIN] == "*"
    assert answer.headers["API-version"] == "1.0.0"


def test_a_preflight_tells_the_methods_and_headers(app):
    answer = preflight(app, f"{KLANTEN}/{uuid4()}", Access_Control_Request_Headers="authorization")
    methods = set(answer.headers["Access-Control-Allow-Methods"].split(", "))
    allowed = answer.headers["Access-Control-Allow-Headers"].lower().split(", ")
    assert {"GET", "HEAD", "PUT", "PATCH", "DELETE"} <= methods
    assert {"authorization", "content-type", "if-none-match", "x-audit-toelichting"} <= set(allowed)
    assert int(answer.headers["Access-Control-Max-Age"]) > 0


def test_a_preflight_ignores_accept(app):
    assert preflight(app, KLANTEN, Accept="text/html").status_int == 200


@pytest.mark.parametrize("missing", ["Origin", "Access_Control_Request_Method"])
def test_options_for_anything_else_is_refused(app, missing):
    answer = preflight(app, KLANTEN, **{missing: ""})
    assert answer.status_int == 405
    assert answer.json["code"] == "method_not_allowed"


def test_a_preflight_of_a_path_that_is_not_there_is_refused(app):
    answer = preflight(app, "/api/v1/nothing")
    assert answer.status_int == 404
    assert answer.headers[ALLOW_ORIGIN] == "*"


# --- a list of origins, and none ----------------------------------------------------------------


@pytest.fixture
def listed(make_app: Any) -> webtest.TestApp:
    return make_app(klanten__cors__origins=f"https://other.example {ORIGIN}")


def test_an_origin_of_the_list_is_named(listed):
    for answer in [*every_kind_of_answer(listed, Origin=ORIGIN), preflight(listed, KLANTEN)]:
        assert answer.headers[ALLOW_ORIGIN] == ORIGIN
        assert answer.headers["Vary"] == "Origin"


@pytest.mark.parametrize(
    "origin", ["https://evil.example", ORIGIN + ".evil.example", ORIGIN.upper(), "null", "*", ""]
)
def test_another_origin_is_not(listed, origin):
    for answer in (
        listed.get(KLANTEN, headers={"Origin": origin}),
        listed.options(KLANTEN, headers={"Origin": origin, "Access-Control-Request-Method": "GET"}),
    ):
        assert cors_headers(answer) == set()
        assert answer.headers["Vary"] == "Origin"


def test_without_origins_nothing_is_said_of_origins(make_app):
    app = make_app(klanten__cors__origins="")
    for answer in [*every_kind_of_answer(app, Origin=ORIGIN), preflight(app, KLANTEN)]:
        assert cors_headers(answer) == set()
        assert "Vary" not in answer.headers


# --- the other headers of every answer ----------------------------------------------------------


def test_every_answer_below_the_root_tells_the_version(app):
    for answer in every_kind_of_answer(app):
        below = answer.request.path.startswith("/api/v1/")
        assert (answer.headers.get("API-version") == "1.0.0") == below


def test_the_root_itself_tells_the_version(app):
    for path in ("/api/v1", "/api/v1/"):
        assert app.get(path, status=404).headers["API-version"] == "1.0.0"


def test_every_answer_of_a_resource_tells_the_methods(app):
    for answer in every_kind_of_answer(app):
        path = answer.request.path
        if path.startswith(KLANTEN):
            methods = set(answer.headers["Allow"].split(", "))
            assert "HEAD" in methods
            assert ("POST" in methods) == (path == KLANTEN)
            assert ("DELETE" in methods) == bool(re.fullmatch(f"{KLANTEN}/[^/]+", path))


def test_a_crash_tells_the_version_and_the_methods(app, monkeypatch):
    monkeypatch.setattr(app.app.registry, "klant_schemas", None)
    answer = app.post_json(KLANTEN, make_klant(), status=500)
    assert answer.headers["API-version"] == "1.0.0"
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "POST", "OPTIONS"}


def test_no_header_is_said_twice(app):
    for answer in every_kind_of_answer(app, Origin=ORIGIN):
        names = [name.lower() for name, _ in answer.headerlist]
        assert len(names) == len(set(names))
