"""What is done to every answer on its way out: the headers of the API, and conditional requests."""

import hashlib
import re
from collections.abc import Callable

from pyramid.config import Configurator
from pyramid.registry import Registry
from pyramid.request import Request
from pyramid.response import Response
from pyramid.tweens import INGRESS

from .representation import API_PREFIX

Handler = Callable[[Request], Response]

API_VERSION = "1.0.0"
NO_GUESSES = ("X-Content-Type-Options", "nosniff")
CORS_REQUEST_HEADERS = (
    "Authorization, Content-Type, If-None-Match, X-Audit-Toelichting, X-NLX-Logrecord-ID, "
    "X-NLX-Request-User-Id, X-Request-ID"
)
CORS_ANSWER_HEADERS = "API-version, Allow, ETag, Location, X-OAS-Version, X-Request-ID"
PREFLIGHT_SECONDS = "86400"
OF_A_BODY = frozenset({"Content-Type", "Content-Length", "Content-Encoding"})
# A member of a list (RFC 9110 8.8.3 and 5.6.1); a value without quotes is no tag
ENTITY_TAG = re.compile(r'(?:^|,)[ \t]*(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")[ \t]*(?=,|$)')


def headers_tween(handler: Handler, registry: Registry) -> Handler:
    """`API-version` below the root of the API, `Allow` on its resources, and CORS.

    And for all: that a browser must not guess what the body is.
    """
    allow = registry.allow
    origins = registry.settings["klanten"].cors_origins
    depends_on_origin = bool(origins) and origins != ("*",)

    def tween(request: Request) -> Response:
        response = handler(request)
        headers = response.headerlist
        if NO_GUESSES not in headers:
            headers.append(NO_GUESSES)
        if is_below_api(request.environ["PATH_INFO"]):
            headers.append(("API-version", API_VERSION))
        route = getattr(request, "matched_route", None)
        if route is not None and route.name in allow:
            headers.append(("Allow", allow[route.name]))
        if depends_on_origin:
            headers.append(("Vary", "Origin"))
        if origins and "HTTP_ORIGIN" in request.environ:
            _share(request, response, origins)
        return response

    return tween


def is_below_api(path: str) -> bool:
    return path.startswith(API_PREFIX) and path[len(API_PREFIX) :][:1] in ("", "/")


def is_preflight(request: Request) -> bool:
    """Whether a browser asks what a page of another origin may send (Fetch standard, CORS)."""
    environ = request.environ
    return (
        environ["REQUEST_METHOD"] == "OPTIONS"
        and "HTTP_ORIGIN" in environ
        and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ
    )


def sharing_headers(origin: str, origins: tuple[str, ...]) -> list[tuple[str, str]]:
    """What lets a page of an allowed origin see an answer; cookies play no part."""
    if origins == ("*",):
        origin = "*"
    elif origin not in origins:
        return []
    return [
        ("Access-Control-Allow-Origin", origin),
        ("Access-Control-Expose-Headers", CORS_ANSWER_HEADERS),
    ]


def _share(request: Request, response: Response, origins: tuple[str, ...]) -> None:
    headers = response.headers
    shared = sharing_headers(request.environ["HTTP_ORIGIN"], origins)
    headers.update(shared)
    if shared and is_preflight(request):
        headers["Access-Control-Allow-Methods"] = headers.get("Allow", "")
        headers["Access-Control-Allow-Headers"] = CORS_REQUEST_HEADERS
        headers["Access-Control-Max-Age"] = PREFLIGHT_SECONDS


def conditional_tween(handler: Handler, registry: Registry) -> Handler:
    """ETag and If-None-Match (RFC 9110 13.1.2) on the operations that have them.

    The tag is taken over exactly the bytes that are sent, so another host or prefix gives another
    one, and every process gives the same. It lies outside the transaction: what it sees is final.
    """

    def tween(request: Request) -> Response:
        response = handler(request)
        if getattr(request, "cacheable", False) and response.status_int == 200:
            etag = f'"{hashlib.sha256(response.body).hexdigest()[:32]}"'
            if _matches(request.environ.get("HTTP_IF_NONE_MATCH"), etag):
                # not a new one, which costs more than what it replaces
                response.status = "304 Not Modified"
                response.headerlist = [
                    header for header in response.headerlist if header[0] not in OF_A_BODY
                ]
                response.app_iter = [b""]
            response.headerlist.append(("ETag", etag))
        return response

    return tween


def _matches(header: str | None, etag: str) -> bool:
    """Weak comparison, as If-None-Match asks."""
    if header is None or header == etag:  # what nearly all send
        return header == etag
    return header.strip() == "*" or etag in ENTITY_TAG.findall(header)


def includeme(config: Configurator) -> None:
    config.add_tween("klanten.tweens.conditional_tween", over="pyramid_tm.tm_tween_factory")
    config.add_tween(
        "klanten.tweens.headers_tween", under=INGRESS, over="klanten.tweens.conditional_tween"
    )
