"""ETag, If-None-Match and HEAD, on the wire: the tests read every byte that a server sends.

How a tag is compared is in tests/unit/test_tweens.py.
"""

from typing import Any
from urllib.parse import urlsplit

import pytest
import webtest

from tests.factories import make_klant, make_person
from tests.servers import Server, serving


@pytest.fixture(scope="module")
def app(shared_app: webtest.TestApp) -> webtest.TestApp:
    """Shared: no test here looks at a klant of another."""
    return shared_app


@pytest.fixture
def klant(server: Server) -> Any:
    return server.request("POST", "/klanten", make_person()).json


@pytest.fixture
def regel(server: Server, klant: Any) -> str:
    """The URL of a line of the audittrail."""
    [line] = server.request("GET", klant["url"] + "/audittrail").json
    return f"{klant['url']}/audittrail/{line['uuid']}"


Raw = tuple[bytes, dict[str, str], bytes]


def raw(server: Server, method: str, url: str, **headers: str) -> Raw:
    """Status line, headers by name in lower case, and every byte that comes after them."""
    sent = {"Host": f"127.0.0.1:{server.port}", **server.headers, "Connection": "close"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
    parts = urlsplit(url if "://" in url else server.root + url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    answer = server.send(f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *fields = head.split(b"\r\n")
    found = [field.decode("latin-1").partition(": ") for field in fields]
    by_name = {name.lower(): value for name, _, value in found}
    assert len(by_name) == len(found)
    return status, by_name, body


def etag_of(server: Server, url: str, **headers: str) -> str:
    return raw(server, "GET", url, **headers)[1]["etag"]


# --- which answers have a tag -------------------------------------------------------------------


def test_a_klant_and_a_line_have_a_strong_tag(server, klant, regel):
    for url in (klant["url"], regel):
        tag = etag_of(server, url)
        assert tag[0] == tag[-1] == '"'
        assert len(tag) > 10


def test_lists_writes_and_refusals_have_none(server, klant):
    for method, url in (
        ("GET", "/klanten"),
        ("GET", klant["url"] + "/audittrail"),
        ("GET", klant["url"][:-1]),
        ("PATCH", klant["url"]),
        ("GET", server.root + "/openapi.json"),
    ):
        status, headers, _ = raw(server, method, url, If_None_Match="*")
        assert not status.startswith(b"HTTP/1.1 304")
        assert "etag" not in headers


# --- when a tag stays the same ------------------------------------------------------------------


def test_the_tag_is_the_same_for_the_same_bytes_in_every_process(server, klant, regel, app):
    with serving(app.app, server.headers) as another:
        host = {"Host": f"127.0.0.1:{server.port}"}
        for url in (klant["url"], regel):
            assert etag_of(another, url, **host) == etag_of(server, url)


def test_the_tag_is_the_same_after_a_restart(make_app, token):
    def tags() -> list[str]:
        app = make_app()
        with serving(app.app, {"Authorization": token("all"), "Host": "x.nl"}) as server:
            [klant] = server.request("GET", "/klanten").json["results"] or [
                server.request("POST", "/klanten", make_klant()).json
            ]
            place = urlsplit(klant["url"]).path
            [line] = server.request("GET", f"{server.origin}{place}/audittrail").json
            found = [place, f"{place}/audittrail/{line['uuid']}"]
            tags = [etag_of(server, server.origin + each, Host="x.nl") for each in found]
        app.app.registry.database.close()
        return tags

    assert tags() == tags()


def test_a_change_gives_another_tag_and_a_change_back_the_old_one(server, klant):
    tags = [etag_of(server, klant["url"])]
    for functie in ("other", klant["functie"]):
        server.request("PATCH", klant["url"], {"functie": functie})
        tags.append(etag_of(server, klant["url"]))
    assert tags[0] != tags[1]
    assert tags[0] == tags[2]


def test_another_host_has_another_tag(server, klant, regel):
    for url in (klant["url"], regel):
        here, there = (etag_of(server, url, Host=host) for host in ("a.nl", "b.nl"))
        assert here != there
        for host, tag, status in (("a.nl", here, b"304"), ("b.nl", here, b"200")):
            answer, _, _ = raw(server, "GET", url, Host=host, If_None_Match=tag)
            assert answer.split()[1] == status


def test_two_klanten_have_two_tags(server, klant):
    other = server.request("POST", "/klanten", make_klant()).json
    assert etag_of(server, klant["url"]) != etag_of(server, other["url"])


# --- If-None-Match ------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_match_is_answered_without_a_body(server, klant, regel, method):
    for url in (klant["url"], regel):
        tag = etag_of(server, url)
        for header in (tag, f"W/{tag}", "*", f'"a", {tag}, "b"'):
            status, headers, body = raw(server, method, url, If_None_Match=header)
            assert status.startswith(b"HTTP/1.1 304 ")
            assert headers["etag"] == tag
            assert headers["api-version"] == "1.0.0"
            assert "HEAD" in headers["allow"]
            assert body == b""
            assert "content-length" not in headers
            assert "content-type" not in headers


def test_no_match_is_answered_whole(server, klant, regel):
    for url in (klant["url"], regel):
        tag = etag_of(server, url)
        for header in ('"other"', tag.strip('"'), "", 'W/"*"'):
            status, headers, body = raw(server, "GET", url, If_None_Match=header)
            assert status.startswith(b"HTTP/1.1 200 ")
            assert headers["etag"] == tag
            assert int(headers["content-length"]) == len(body) > 0


def test_tags_in_several_headers_count_together(server, klant):
    tag = etag_of(server, klant["url"])
    request = (
        f"GET {urlsplit(klant['url']).path} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
        f"Authorization: {server.headers['Authorization']}\r\nConnection: close\r\n"
        f'If-None-Match: "other"\r\nIf-None-Match: {tag}\r\n\r\n'
    )
    assert server.send(request.encode()).startswith(b"HTTP/1.1 304 ")


def test_a_tag_of_before_a_change_matches_no_more(server, klant):
    tag = etag_of(server, klant["url"])
    server.request("PATCH", klant["url"], {"functie": "other"})
    assert raw(server, "GET", klant["url"], If_None_Match=tag)[0].startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("header", ["*", '"x"'])
def test_who_may_not_read_is_told_nothing_by_a_tag(server, klant, token, header):
    tag = etag_of(server, klant["url"])
    for authorization in (token("none"), "Bearer x"):
        status, headers, _ = raw(
            server,
            "GET",
            klant["url"],
            If_None_Match=f"{header}, {tag}" if header != "*" else header,
            Authorization=authorization,
        )
        assert status.startswith(b"HTTP/1.1 403 ")
        assert "etag" not in headers


def test_a_star_does_not_match_what_is_not_there(server, klant):
    server.request("DELETE", klant["url"])
    assert raw(server, "GET", klant["url"], If_None_Match="*")[0].startswith(b"HTTP/1.1 404 ")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_a_tag_stops_no_write(server, klant, method):
    sent = make_klant() if method != "DELETE" else None
    answer = server.request(method, klant["url"], sent, headers={"If-None-Match": "*"})
    assert answer.status in (200, 204)


def test_a_range_is_not_honoured(server, klant):
    status, _, body = raw(server, "GET", klant["url"], Range="bytes=0-1")
    assert status.startswith(b"HTTP/1.1 200 ")
    assert len(body) > 2


# --- HEAD ---------------------------------------------------------------------------------------


def test_head_has_the_headers_of_get_and_no_body(server, klant, regel):
    places = ("/klanten", klant["url"], klant["url"] + "/audittrail", regel)
    others = ("/openapi.json", "/schema/openapi.yaml", server.origin + "/ref/fouten/NotFound/")
    for url in (*places, *others):
        for headers in ({}, {"Origin": "https://portaal.example"}):
            status, of_get, body = raw(server, "GET", url, **headers)
            assert status.startswith(b"HTTP/1.1 200 ")
            assert int(of_get["content-length"]) == len(body)
            assert (status, without_date(of_get), b"") == head(server, url, **headers)


def test_head_of_a_refusal_has_the_headers_of_get_and_no_body(server, klant):
    for url, headers in (
        ("/klanten", {"Authorization": "x"}),
        ("/klanten", {"Accept": "text/html"}),
        ("/klanten?subjectType=x", {}),
        ("/klanten?page=9", {}),
        ("/klanten/x", {}),
        ("/nothing", {}),
    ):
        status, of_get, body = raw(server, "GET", url, **headers)
        assert int(of_get["content-length"]) == len(body)
        assert (status, without_date(of_get), b"") == head(server, url, **headers)


def test_a_connection_goes_on_after_a_head(server, klant):
    connection = server.connect()
    for method in ("HEAD", "GET", "HEAD", "GET"):
        connection.request(method, urlsplit(klant["url"]).path, headers=dict(server.headers))
        with connection.getresponse() as response:
            assert response.status == 200
            assert bool(response.read()) == (method == "GET")
    connection.close()


def head(server: Server, url: str, **headers: str) -> Raw:
    status, found, body = raw(server, "HEAD", url, **headers)
    return status, without_date(found), body


def without_date(headers: dict[str, str]) -> dict[str, str]:
    return {name: headers[name] for name in headers if name not in ("date", "x-request-id")}
