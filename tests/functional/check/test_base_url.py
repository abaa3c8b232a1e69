"""`klanten check`: the API as callers know it."""

import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import trustme

from tests.neighbours.server import Neighbour, status
from tests.servers import serving


def test_base_url_is_right_when_answers_show_it(service, app):
    service.settings["zodbconn.uri"] = "memory://"
    with serving(app.app) as server:
        for url in (server.root, f"{server.root}/", server.root.replace("127.0.0.1", "localhost")):
            _, found = service.found("--url", url)
            url = url.rstrip("/")
            assert found[-1]["what"] == f"answers below {url} show that same URL"


def test_base_url_is_asked_for_without_a_token(service, proxy):
    service.found("--url", proxy.api_root)
    assert [asked.path for asked in proxy.asked] == ["/api/v1/openapi.json"]
    assert proxy.asked[0].headers["Authorization"] is None


@pytest.fixture
def proxy():
    """Something in front of the API; its mood says what it makes of the OAS document."""
    with Neighbour() as proxy:
        proxy.mood = status(404)
        yield proxy


HOST = "X-Forwarded-Host (with the port, where it is not the usual one)"


@pytest.mark.parametrize(
    ("served", "mends"),
    [
        ("https://127.0.0.1:{port}/api/v1", ["send X-Forwarded-Proto, and trust it"]),
        ("http://localhost:8080/api/v1", [f"send {HOST}, and trust it"]),
        ("http://127.0.0.1/api/v1", [f"send {HOST}, and trust it"]),
        ("https://localhost/api/v1", [f"send X-Forwarded-Proto and {HOST}, and trust it"]),
        ("http://127.0.0.1:{port}/x/api/v1", ["url_prefix"]),
        ("https://127.0.0.1:{port}/x/api/v1", ["X-Forwarded-Proto", "url_prefix"]),
    ],
)
def test_base_url_that_answers_do_not_show_is_found(service, proxy, served, mends):
    served = served.format(port=proxy.port)
    proxy.mood = status(200, {"openapi": "3.0.0", "servers": [{"url": served}]})
    subject, what, mend = service.fault("--url", proxy.api_root)
    assert (subject, what) == ("base URL", f"answers below {proxy.api_root} show {served}")
    assert [part for part in mends if part not in mend] == []
    assert ("url_prefix" in mend) is ("/x/" in served)


@pytest.mark.parametrize(
    "content", [None, [], {}, {"servers": []}, {"servers": [{"url": 1}]}, {"servers": [None]}]
)
def test_base_url_with_something_else_behind_it_is_found(service, proxy, content):
    proxy.mood = status(200, content)
    subject, what, _ = service.fault("--url", proxy.api_root)
    assert subject == "base URL"
    assert what == f"{proxy.api_root}/openapi.json is not the OAS document of this API (status 200)"


@pytest.mark.parametrize("mood", [status(404, {"servers": []}), status(302), status(500)])
def test_base_url_that_is_refused_is_found(service, proxy, mood):
    proxy.mood = mood
    assert "is not the OAS document" in service.fault("--url", proxy.api_root)[1]


def test_base_url_without_an_answer_is_found(service, proxy):
    proxy.down()
    what = f"{proxy.api_root} gives no answer: Connection refused"
    assert service.fault("--url", proxy.api_root)[:2] == ("base URL", what)
    proxy.up()


def test_base_url_with_a_certificate_of_another_ca_names_the_way(service, tmp_path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    with ThreadingHTTPServer(("localhost", 0), BaseHTTPRequestHandler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.05,)).start()
        url = f"https://localhost:{server.server_port}/api/v1"
        subject, what, mend = service.fault("--url", url)
        server.shutdown()
    assert subject == "base URL"
    assert "the certificate is refused" in what
    assert "or name the CA: SSL_CERT_FILE=ca.pem klanten check ..." in mend


@pytest.mark.parametrize("url", ["example.nl", "ftp://example.nl", ""])
def test_base_url_that_is_none_is_wrong_usage(service, url):
    done = service.run("--url", url)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "write for instance https://example.nl/api/v1" in done.stderr
