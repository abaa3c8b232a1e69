"""What the server refuses before the application sees it: in the form of any other refusal."""

import contextlib
from collections.abc import Iterator
from email import message_from_bytes
from pathlib import Path

import pytest

from tests.conftest import bearer, new_clients_file, new_settings
from tests.fouten import assert_form_of_fout, assert_fout
from tests.servers import Answer, Pserve, Server

LIMIT = 1048576
POST = b"POST /api/v1/klanten HTTP/1.1\r\nHost: api.example\r\n"
PROXIED = b"GET /api/v1/klanten HTTP/1.1\r\nHost: a.nl\r\n"
JSON = b"Content-Type: application/json\r\n"
CHUNKED = POST + JSON + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module")
def pserve(tmp_path_factory: pytest.TempPathFactory, new_database: Path) -> Iterator[Pserve]:
    """The server of the package, as an operator runs it."""
    folder = tmp_path_factory.mktemp("server")
    settings = new_settings(folder, new_clients_file(folder), new_database)
    options = {
        "use": "egg:klanten",
        "url_prefix": "/prefix",
        "trusted_proxy": "127.0.0.1",
        "trusted_proxy_headers": "x-forwarded-for x-forwarded-host x-forwarded-proto",
    }
    pserve = Pserve(folder, settings, {"Authorization": bearer("all")}, options)
    pserve.start()
    yield pserve
    pserve.stop()


@pytest.fixture(scope="module")
def server(pserve: Pserve) -> Server:
    return pserve.server


def answer_to(server: Server, *sent: bytes) -> Answer:
    """What the server says before it hangs up."""
    head, _, body = server.send(*sent).partition(b"\r\n\r\n")
    first, _, headers = head.partition(b"\r\n")
    return Answer(int(first.split()[1]), message_from_bytes(headers), body)


REFUSED = {
    "bytes in the path": (400, b"GET /api/v1/klanten/\xff HTTP/1.1\r\nHost: a.nl\r\n\r\n"),
    "bytes in the query": (400, b"GET /api/v1/klanten?page=\xff HTTP/1.1\r\nHost: a.nl\r\n\r\n"),
    "no first line": (400, b"HELO\r\nHost: a.nl\r\n\r\n"),
    "a method in small letters": (400, b"get /api/v1/klanten HTTP/1.1\r\nHost: a.nl\r\n\r\n"),
    "a broken header": (400, b"GET / HTTP/1.1\r\nHost : a.nl\r\n\r\n"),
    "a bare line feed": (400, b"GET / HTTP/1.1\r\nHost: a.nl\nX: 1\r\n\r\n"),
    "another protocol": (400, b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n"),
    "a host that is quoted by half": (400, PROXIED + b'X-Forwarded-Host: "x\r\n\r\n'),
    "a host that is none": (400, PROXIED + b'X-Forwarded-Host: a"b\r\n\r\n'),
    "an address that is quoted by half": (400, PROXIED + b'X-Forwarded-For: "999993653\r\n\r\n'),
    "an address that is empty": (400, PROXIED + b'X-Forwarded-For: " "\r\n\r\n'),
    "an odd length": (400, POST + b"Content-Length: two\r\n\r\n"),
    "a broken chunk": (400, CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n"),
    "a body that is too long": (413, POST + b"Content-Length: 1048577\r\n\r\n"),
    "chunks without an end": (413, CHUNKED + 17 * (b"10000\r\n" + 65536 * b" " + b"\r\n")),
    "headers that are too long": (431, POST + b"X: " + 300_000 * b"a" + b"\r\n\r\n"),
    "another coding": (501, POST + b"Transfer-Encoding: gzip\r\n\r\n"),
}
CODES = {413: "request_entity_too_large"}


@pytest.mark.parametrize(("status", "sent"), REFUSED.values(), ids=REFUSED)
def test_what_the_server_refuses_itself_has_the_form_of_any_refusal(server, status, sent):
    answer = answer_to(server, sent)
    assert_fout(answer, status, CODES.get(status, "bad_request"))
    assert answer.headers["API-version"] == "1.0.0"
    assert answer.headers["Connection"] == "close"
    assert len(answer.body) == int(answer.headers["Content-Length"])


CORS = "Access-Control-Allow-Origin"
TOO_LONG = POST + b"Content-Length: 1048577\r\n"


def test_a_page_of_another_origin_can_see_it(server):
    answer = answer_to(server, TOO_LONG + b"Origin: https://portaal.example\r\n\r\n")
    assert_fout(answer, 413, "request_entity_too_large")
    assert answer.headers[CORS] == "*"
    assert CORS not in answer_to(server, TOO_LONG + b"\r\n").headers


def test_its_type_is_a_page_at_the_address_that_was_called(server):
    fout = answer_to(server, POST + b"Content-Length: 1048577\r\n\r\n").json
    page = "/prefix/ref/fouten/RequestEntityTooLarge/"
    assert fout["type"] == f"http://api.example{page}"
    assert server.request("GET", server.origin + page).status == 200


@pytest.mark.parametrize("host", [b"", b"Host: a/b\r\n", b'Host: a"b\r\n'])
def test_without_a_good_host_its_type_is_at_the_servers_own_address(server, host):
    sent = b"POST / HTTP/1.1\r\n" + host + b"Content-Length: 1048577\r\n\r\n"
    own = f":{server.port}/prefix/ref/fouten/RequestEntityTooLarge/"
    assert answer_to(server, sent).json["type"].endswith(own)


def test_its_type_is_at_the_address_that_a_trusted_proxy_tells(server):
    sent = TOO_LONG + b"X-Forwarded-Proto: https\r\nX-Forwarded-Host: b.nl\r\n\r\n"
    kind = answer_to(server, sent).json["type"]
    assert kind == "https://b.nl/prefix/ref/fouten/RequestEntityTooLarge/"


def test_its_instance_is_in_the_log_and_what_was_sent_is_not(pserve):
    sent = b"GET / HTTP/1.1\r\nHost: a.nl\r\nachternaam \n Jansen: 1\r\n\r\n"
    answer = answer_to(pserve.server, sent)
    assert_form_of_fout(answer)
    instance = answer.json["instance"].removeprefix("urn:uuid:")
    assert answer.headers["X-Request-ID"] == instance
    log = (pserve.folder / "server.log").read_text()
    [line] = [line for line in log.splitlines() if instance in line]
    assert "status=400" in line
    assert "Bare CR or LF found in header line" in line
    assert "Jansen" not in log


EXPECT = b"Expect: 100-continue\r\n"


def test_a_body_that_is_too_long_is_refused_before_it_is_sent(server):
    answer = answer_to(server, POST + EXPECT + b"Content-Length: 1048577\r\n\r\n")
    assert_fout(answer, 413, "request_entity_too_large")


def test_a_body_that_is_not_too_long_is_asked_for(server):
    head = POST + JSON + EXPECT + b"Connection: close\r\nContent-Length: 2\r\n\r\n"
    with contextlib.closing(server.connect()) as connection:
        connection.connect()
        connection.sock.sendall(head)
        assert connection.sock.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sock.sendall(b"{}")
        assert connection.sock.recv(65536).startswith(b"HTTP/1.1 403 ")


def test_a_body_that_is_not_there_is_not_waited_for(server):
    for length in (b"", b"Content-Length: 0\r\n"):
        answer = answer_to(server, POST + EXPECT + length + b"Connection: close\r\n\r\n")
        assert_fout(answer, 403, "permission_denied")


def test_a_body_of_just_the_limit_is_read(server):
    for size, status in ((LIMIT, 400), (LIMIT + 1, 413)):
        answer = server.request(
            "POST", "/klanten", body=size * b" ", headers={"Content-Type": "application/json"}
        )
        code = {400: "parse_error", 413: "request_entity_too_large"}[status]
        assert_fout(answer, status, code)


def test_the_server_goes_on_after_each(server):
    for _, sent in REFUSED.values():
        with contextlib.closing(server.connect()) as connection:
            connection.connect()
            connection.sock.sendall(sent)
    assert server.answers()
