"""Of several things that are wrong with a request, the first in this order is told.

1. no such path, 2. method, 3. `Accept`, 4. token and scope, 5. no such klant, 6. media type of the
body, 7. JSON, 8. JSON type, 9. validation in its phases, and what a subject says between them.
Each test breaks two neighbours (and all that follow) and sees the first one told.
"""

from typing import Any
from uuid import uuid4

import pytest
import webtest

from tests.factories import make_klant
from tests.fouten import assert_fout

KLANTEN = "/api/v1/klanten"

WRITES = [("POST", "/klanten"), ("PUT", "/klanten/{}"), ("PATCH", "/klanten/{}")]
ON_A_KLANT = [
    ("GET", "/klanten/{}"),
    ("HEAD", "/klanten/{}"),
    ("PUT", "/klanten/{}"),
    ("PATCH", "/klanten/{}"),
    ("DELETE", "/klanten/{}"),
    ("GET", "/klanten/{}/audittrail"),
    ("HEAD", "/klanten/{}/audittrail"),
    ("GET", "/klanten/{}/audittrail/{}"),
    ("HEAD", "/klanten/{}/audittrail/{}"),
]
ALL = [("GET", "/klanten"), ("HEAD", "/klanten"), ("POST", "/klanten"), *ON_A_KLANT]


@pytest.fixture(scope="module")
def app(shared_app: webtest.TestApp) -> webtest.TestApp:
    """Shared: no test here looks at a klant of another."""
    return shared_app


@pytest.fixture
def klant(app: webtest.TestApp) -> Any:
    return app.post_json(KLANTEN, make_klant()).json


def ask(
    app: webtest.TestApp, method: str, path: str, body: bytes = b"", **headers: Any
) -> webtest.TestResponse:
    """A request for a path below the root of the API; `{}` in it is a klant that is not there."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    url = "/api/v1" + path.format(uuid4(), uuid4())
    return app.request(url, method=method, body=body, headers=sent, status="*")


def assert_refused(response: webtest.TestResponse, status: int, code: str, *faults: Any) -> None:
    """As `assert_fout`, but for the missing body of an answer to HEAD."""
    if response.request.method == "HEAD":
        assert (response.status_int, response.body) == (status, b"")
    else:
        assert_fout(response, status, code, *faults)


# --- 1 before 2 ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/klanten/",
        "/Klanten",
        "//klanten",
        "/klanten//",
        "/klanten/{}/",
        "/klanten/{}//audittrail",
        "/klanten/{}/audittrail/",
        "/klanten/{}/audittrail/{}/",
        "/klanten/{}/audittrail/{}/x",
        "/klanten/{}/Audittrail",
        "/klanten/{}/x",
        "/klant",
        "/klantenx",
        "/klanten%00",
        "/klanten%0A",
        "/klanten/a%2Fb",
        "/klanten%2F",
    ],
)
def test_a_path_that_is_not_there_comes_first(app, path):
    for method in ("GET", "HEAD", "POST", "DELETE", "OPTIONS"):
        response = ask(app, method, path, b"{", Accept="text/html", Authorization="")
        assert_refused(response, 404, "not_found")
        assert "Allow" not in response.headers


@pytest.mark.parametrize("segment", ["x", "-", "%FF", "%20", "a.b", "..", ".", "@@view", "+ns+x"])
def test_any_segment_in_place_of_a_uuid_is_the_same_path(app, segment):
    for path in (f"/klanten/{segment}", f"/klanten/{segment}/audittrail"):
        assert_refused(ask(app, "POST", path), 405, "method_not_allowed")
        assert_refused(ask(app, "GET", path, Authorization=""), 403, "permission_denied")
        assert_refused(ask(app, "GET", path), 404, "not_found")


# --- 2 before 3 ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/klanten", {"GET", "POST", "HEAD", "OPTIONS"}),
        ("/klanten/{}", {"GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}),
        ("/klanten/{}/audittrail", {"GET", "HEAD", "OPTIONS"}),
        ("/klanten/{}/audittrail/{}", {"GET", "HEAD", "OPTIONS"}),
    ],
)
def test_a_method_that_is_not_there_comes_before_accept_and_token(app, path, methods):
    for method in {"POST", "PUT", "PATCH", "DELETE"} - methods:
        response = ask(app, method, path, b"{", Accept="text/html", Authorization="")
        assert_refused(response, 405, "method_not_allowed")
        assert set(response.headers["Allow"].split(", ")) == methods


@pytest.mark.parametrize("method", ["TRACE", "BREW", "PROPFIND"])
def test_a_method_that_nobody_knows_is_not_there_either(server, method):
    answer = server.request(method, "/klanten", headers={"Accept": "text/html"})
    assert_fout(answer, 405, "method_not_allowed")
    assert_fout(server.request(method, "/nothing"), 404, "not_found")


# --- 3 before 4 ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "path"), ALL)
def test_accept_comes_before_the_token(app, method, path):
    response = ask(app, method, path, b"{", Accept="text/html", Authorization="")
    assert_refused(response, 406, "not_acceptable")


# --- 4 before 5 and 6 ---------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "path"), ALL)
def test_the_token_comes_before_the_klant(app, method, path):
    response = ask(app, method, path, b"{", Authorization="")
    assert_refused(response, 403, "permission_denied")


@pytest.mark.parametrize(("method", "path"), ALL)
def test_the_scope_comes_before_the_klant(app, token, method, path):
    response = ask(app, method, path, b"{", Authorization=token("none"), Content_Type="text/plain")
    assert_refused(response, 403, "permission_denied")


SCOPES = {
    "lezen": {("GET", "/klanten"), ("HEAD", "/klanten"), *ON_A_KLANT[:2]},
    "aanmaken": {("POST", "/klanten")},
    "bijwerken": {("PUT", "/klanten/{}"), ("PATCH", "/klanten/{}")},
    "verwijderen": {("DELETE", "/klanten/{}")},
    "audit": set(ON_A_KLANT[5:]),
}


@pytest.mark.parametrize("client", SCOPES)
def test_each_scope_is_for_its_own_operations_only(app, token, client):
    allowed = {
        (method, path)
        for method, path in ALL
        if ask(app, method, path, Authorization=token(client)).status_int != 403
    }
    assert allowed == SCOPES[client]


def test_the_token_is_judged_before_the_scope(app, token):
    response = ask(app, "GET", "/klanten", Authorization=token("unknown"))
    assert_refused(response, 403, "invalid-client-identifier")


# --- 5 before 6 ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "path"), WRITES[1:])
def test_the_klant_comes_before_the_media_type(app, method, path):
    response = ask(app, method, path, b"{", Content_Type="text/plain")
    assert_refused(response, 404, "not_found")


@pytest.mark.parametrize(("method", "path"), WRITES[1:])
def test_the_klant_comes_before_the_size_of_the_body(app, method, path):
    assert_refused(ask(app, method, path, 1048577 * b" "), 404, "not_found")


# --- 6 before 7 ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "path"), WRITES)
@pytest.mark.parametrize("body", [b"{", b" ", b"[]", b"\xff"])
def test_the_media_type_comes_before_the_json(app, klant, method, path, body):
    path = path.replace("{}", klant["url"].rpartition("/")[2])
    response = ask(app, method, path, body, Content_Type="text/plain")
    assert_refused(response, 415, "unsupported_media_type")


# --- 7 before 8, 8 before 9 ---------------------------------------------------------------------


@pytest.mark.parametrize(("method", "path"), WRITES)
def test_the_json_comes_before_its_type(app, klant, method, path):
    path = path.replace("{}", klant["url"].rpartition("/")[2])
    response = ask(app, method, path, b'["a', Content_Type="application/json")
    assert_refused(response, 400, "parse_error")


@pytest.mark.parametrize(("method", "path"), WRITES)
def test_the_type_comes_before_what_is_in_it(app, klant, method, path):
    path = path.replace("{}", klant["url"].rpartition("/")[2])
    body = b'[{"bronorganisatie": 1}]'
    response = ask(app, method, path, body, Content_Type="application/json")
    assert_refused(response, 400, "invalid", ("nonFieldErrors", "invalid"))


# --- the list -----------------------------------------------------------------------------------


def test_the_filters_come_before_the_page(app):
    response = ask(app, "GET", "/klanten?page=abc&subjectType=x&bronorganisatie=1")
    assert_refused(
        response,
        400,
        "invalid",
        ("bronorganisatie", "invalid-length"),
        ("subjectType", "invalid_choice"),
    )


def test_the_scope_comes_before_the_filters(app, token):
    response = ask(app, "GET", "/klanten?subjectType=x", Authorization=token("none"))
    assert_refused(response, 403, "permission_denied")
