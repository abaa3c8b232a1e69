"""`Accept` and `Content-Type`: what may be asked for, and in what a body may come."""

from typing import Any

import pytest
import webtest

from tests.factories import make_klant
from tests.fouten import assert_fout
from tests.servers import dumps

KLANTEN = "/api/v1/klanten"

# The rules of `Accept` are tested in tests/unit/api/test_service.py; here, that all obey them.


@pytest.fixture(scope="module")
def app(shared_app: webtest.TestApp) -> webtest.TestApp:
    """Shared: no test here looks at a klant of another."""
    return shared_app


@pytest.fixture
def klant(app: Any) -> Any:
    return app.post_json(KLANTEN, make_klant()).json


def operations(klant: Any) -> list[tuple[str, str]]:
    url = klant["url"]
    return [
        ("GET", KLANTEN),
        ("POST", KLANTEN),
        ("GET", url),
        ("PUT", url),
        ("PATCH", url),
        ("GET", url + "/audittrail"),
        ("GET", url + "/audittrail/x"),
        ("DELETE", url),
    ]


@pytest.mark.parametrize("accept", ["text/html", "", "application/json;q=0", "nonsense"])
def test_no_operation_answers_who_excludes_json(app, klant, accept):
    for method, url in operations(klant):
        response = app.request(url, method=method, headers={"Accept": accept}, status=406)
        assert_fout(response, 406, "not_acceptable")


@pytest.mark.parametrize("accept", ["application/json", "*/*", "text/html, application/*;q=0.1"])
def test_every_operation_answers_who_takes_json(app, klant, accept):
    for method, url in operations(klant):
        response = app.request(url, method=method, headers={"Accept": accept}, status="*")
        assert response.status_int != 406


def test_all_that_is_said_in_several_headers_counts(server):
    request = (
        b"GET /api/v1/klanten HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        b"Authorization: %b\r\nAccept: text/html\r\nAccept: application/json\r\n\r\n"
    )
    answer = server.send(request % server.headers["Authorization"].encode())
    assert answer.startswith(b"HTTP/1.1 200 ")


def test_an_answer_is_json_in_utf8_without_a_charset(app, klant):
    for url in (KLANTEN, klant["url"], klant["url"] + "/audittrail"):
        assert app.get(url).headers["Content-Type"] == "application/json"


def test_letters_are_sent_as_they_are(app):
    created = app.post_json(KLANTEN, make_klant(achternaam="Caf\xe9 \u20ac"))
    assert "Caf\xe9 \u20ac".encode() in created.body


# --- the media type of a body -------------------------------------------------------------------


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8",
        "application/json ; version=1",
        " application/json",
        "application/json;",
    ],
)
def test_json_is_taken_in_any_case_with_or_without_parameters(app, content_type):
    headers = {"Content-Type": content_type}
    app.request(KLANTEN, method="POST", body=dumps(make_klant()), headers=headers, status=201)


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/plain",
        "text/json",
        "application/jsonx",
        "application/vnd.api+json",
        "application/problem+json",
        "application/merge-patch+json",
        "application/*",
        "*/*",
        "json",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded",
        "application/json, text/plain",
        "text/plain; application/json",
        "application/js\xf6n",
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_no_other_media_type_is(app, klant, method, content_type):
    url = KLANTEN if method == "POST" else klant["url"]
    headers = {} if content_type is None else {"Content-Type": content_type}
    response = app.request(
        url, method=method, body=dumps(make_klant()), headers=headers, status=415
    )
    assert_fout(response, 415, "unsupported_media_type")


def test_a_body_without_a_media_type_is_refused_on_the_wire_too(server):
    body = dumps(make_klant())
    answer = server.request("POST", "/klanten", body=body)
    assert_fout(answer, 415, "unsupported_media_type")


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "nonsense"])
def test_the_media_type_of_nothing_does_not_count(app, klant, content_type):
    """Old clients send one with every GET."""
    headers = {"Content-Type": content_type}
    assert app.get(klant["url"], headers=headers).json == klant
    assert app.patch(klant["url"], headers=headers).json == klant


def test_an_empty_chunked_body_is_no_body(server):
    klant = server.request("POST", "/klanten", make_klant()).json
    headers = {"Transfer-Encoding": "chunked"}
    answer = server.request("PATCH", klant["url"], body=b"0\r\n\r\n", headers=headers)
    assert answer.json == klant


def test_a_chunked_body_is_read(server):
    body = dumps(make_klant())
    chunked = b"".join(b"%x\r\n%b\r\n" % (1, body[i : i + 1]) for i in range(len(body)))
    headers = {"Transfer-Encoding": "chunked", "Content-Type": "application/json"}
    answer = server.request("POST", "/klanten", body=chunked + b"0\r\n\r\n", headers=headers)
    assert answer.status == 201


def test_a_body_with_a_get_is_ignored(server):
    answer = server.request("GET", "/klanten", body=b"{", headers={"Content-Type": "text/plain"})
    assert answer.status == 200
