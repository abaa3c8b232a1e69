"""The headers that every answer gets, and the decision about a 304."""

import hashlib
from typing import Any

import pytest
from pyramid.request import Request
from pyramid.response import Response

from klanten.tweens import conditional_tween, is_below_api, is_preflight

BODY = b'{"url":"http://localhost/api/v1/klanten/1"}'


def answer(
    if_none_match: str | None = None, status: int = 200, cacheable: bool = True, body: bytes = BODY
) -> Response:
    """What the tween makes of an answer with this body."""
    request = Request.blank("/")
    if if_none_match is not None:
        request.environ["HTTP_IF_NONE_MATCH"] = if_none_match
    request.cacheable = cacheable
    return conditional_tween(lambda _: Response(body, status=status), Any)(request)


ETAG = answer().headers["ETag"]


def test_the_tag_is_strong_and_taken_over_the_bytes_that_are_sent():
    assert f'"{hashlib.sha256(BODY).hexdigest()[:32]}"' == ETAG


def test_every_other_byte_gives_another_tag():
    assert answer(body=BODY + b" ").headers["ETag"] != ETAG


@pytest.mark.parametrize(
    "header",
    [
        ETAG,
        f"W/{ETAG}",
        "*",
        " * ",
        f'"other", {ETAG}',
        f'{ETAG}, "other"',
        f'W/"other",{ETAG}',
        f'"other"\t,\tW/{ETAG}\t,"more"',
        f'"", {ETAG}',
        f'"a,b", {ETAG}',
        f"nonsense, {ETAG}",
        f", ,{ETAG},",
        f'"\xe9", {ETAG}',
    ],
)
def test_a_header_that_names_the_tag_matches(header):
    response = answer(header)
    assert response.status_int == 304
    assert response.body == b""
    assert dict(response.headers) == {"ETag": ETAG}


@pytest.mark.parametrize(
    "header",
    [
        "",
        '"other"',
        'W/"other"',
        ETAG.strip('"'),
        f"W/{ETAG.strip(chr(34))}",
        ETAG.upper() if ETAG.upper() != ETAG else '"X"',
        f'"{ETAG}"',
        ETAG[:-1],
        ETAG[1:],
        f"'{ETAG[1:-1]}'",
        f"x{ETAG}",
        f"{ETAG}x",
        f'"other" {ETAG}',
        f"w/{ETAG}",
        f"W/ {ETAG}",
        '"*"',
        '*, "other"',
        "**",
        f'"{ETAG[1:-1]}, "',
    ],
)
def test_a_header_that_does_not_name_the_tag_does_not_match(header):
    response = answer(header)
    assert response.status_int == 200
    assert response.body == BODY
    assert response.headers["ETag"] == ETAG


@pytest.mark.parametrize(("status", "cacheable"), [(200, False), (404, True), (403, True)])
def test_nothing_else_has_a_tag(status, cacheable):
    response = answer("*", status, cacheable)
    assert response.status_int == status
    assert "ETag" not in response.headers


@pytest.mark.parametrize("path", ["/api/v1", "/api/v1/", "/api/v1/klanten", "/api/v1/nothing"])
def test_the_root_and_what_is_below_it_are_the_api(path):
    assert is_below_api(path)


@pytest.mark.parametrize("path", ["", "/", "/api", "/api/v10", "/api/v1x/", "/API/v1", "//api/v1"])
def test_all_else_is_not_the_api(path):
    assert not is_below_api(path)


PREFLIGHT = {"Origin": "https://portaal.example", "Access-Control-Request-Method": "GET"}


def test_a_preflight_is_asked_with_options_by_an_origin_for_a_method():
    assert is_preflight(Request.blank("/", method="OPTIONS", headers=PREFLIGHT))


@pytest.mark.parametrize(
    ("method", "headers"),
    [("GET", PREFLIGHT), *(("OPTIONS", {name: "x"}) for name in PREFLIGHT), ("OPTIONS", {})],
)
def test_nothing_less_is_a_preflight(method, headers):
    assert not is_preflight(Request.blank("/", method=method, headers=headers))
