"""What the services have in common: `Accept`, and the headers that tell of a change."""

import pytest
from pyramid.request import Request

from klanten.api.service import accepts_json, header


@pytest.mark.parametrize(
    "accept",
    [
        None,
        "application/json",
        "APPLICATION/Json",
        " application/json ",
        "application/*",
        "*/*",
        "text/html, application/json",
        "text/html;q=0.9, */*;q=0.1",
        "text/html, image/gif, *; q=.2, */*; q=.2",
        "application/json;version=1",
        "application/json; charset=utf-8; indent=4",
        "application/json;q=0.001",
        "application/json;q=1.0",
        "application/json, */*;q=0",
        "application/json;q=0.1, application/*;q=0",
        "application/*, */*;q=0",
        "application/problem+json, application/json",
        "nonsense, application/json",
        ",, application/json ,",
        'application/json;a="b, text/html"',
        'application/json;a=";q=0;"',
        'application/json;a="an unclosed one',
        "application/json;rq=0",
        "application/json;q=0.0001",
    ],
)
def test_json_is_accepted(accept):
    assert accepts_json(accept)


@pytest.mark.parametrize(
    "accept",
    [
        "",
        " ",
        ",",
        "*",
        "application",
        "json",
        "application/",
        "/json",
        "application json",
        "text/html",
        "text/*",
        "application/xml, text/html",
        "application/problem+json",
        "application/jsonx",
        "*/json",
        "application/json;q=0",
        "application/json; Q=0.000",
        "application/json ; q=0.",
        "application/json;a=b;q=0;c=d",
        'application/json;a="\\";";q=0',
        "application/json;q=0, */*",
        "application/*;q=0, */*",
        "*/*;q=0",
        "text/html, */*;q=0.0",
        'text/html;a=", application/json"',
        'text/html;a="unclosed, application/json',
        "application/j\xe9son",
    ],
)
def test_json_is_excluded(accept):
    assert not accepts_json(accept)


@pytest.mark.parametrize("part", ['"a', '\\"', ";", " ", ",", "/", "a/b;", ";q=0", '"\\'])
def test_no_header_that_fits_in_a_request_takes_long(part):
    """A pattern that looks back would go on for years here."""
    assert not accepts_json("text/html;" + part * (250_000 // len(part)))


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        (b"plain", "plain"),
        ("caf\xe9 \u20ac \U0001f600".encode(), "caf\xe9 \u20ac \U0001f600"),
        ("caf\xe9".encode("latin-1"), "caf\xe9"),
        ("caf\xe9".encode() + b"\xff", "caf\xc3\xa9\xff"),
        (b"\xed\xa0\x80", "\xed\xa0\x80"),
        (b"a\0b", "ab"),
        (b"", ""),
    ],
)
def test_a_header_is_read_as_utf8_else_as_latin_1_without_nul(sent, text):
    request = Request.blank("/")
    request.environ["HTTP_X_AUDIT_TOELICHTING"] = sent.decode("latin-1")
    assert header(request, "X-Audit-Toelichting") == text


def test_a_header_that_is_not_there_is_empty():
    assert header(Request.blank("/"), "X-Audit-Toelichting") == ""
