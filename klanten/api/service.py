"""What the services have in common: how they are declared, negotiated and read."""

import contextlib
import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import cornice
from pyramid.httpexceptions import (
    HTTPMethodNotAllowed,
    HTTPNotAcceptable,
    HTTPRequestEntityTooLarge,
    HTTPUnsupportedMediaType,
)
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED

from .. import strictjson
from ..execution import answer, request_body
from ..model.audittrail import Actie, Bewerking
from ..representation import api_root
from ..traversal import Top
from ..tweens import is_preflight

JSON = "application/json"


class Service(cornice.Service):
    """A path of the standard, reached by traversal.

    Each operation names itself (`operation`, as in the OAS), its scope (`permission`), and
    whether it can be cached (`cacheable`).
    """

    def __init__(self, name: str, path: str, description: str) -> None:
        super().__init__(
            name,
            path,
            description=description,
            depth=2,
            factory=Top,
            way=path,
        )

    def close(self) -> None:
        """Add OPTIONS, last in `Allow`, when all operations are there."""
        self.add_view("OPTIONS", options, permission=NO_PERMISSION_REQUIRED)


def options(request: Request) -> Response:
    """A preflight is answered without a token; no other use of OPTIONS is part of the API."""
    if not is_preflight(request):
        raise HTTPMethodNotAllowed
    return Response(status=200, headerlist=[("Content-Length", "0")])


View = Callable[[Any, Request], Response]


def operation_view(view: View, info: Any) -> View:
    """View deriver: names the operation, and refuses an `Accept` that excludes JSON.

    It lies around the check of the permission: 406 comes before 403.
    """
    operation = info.options.get("operation")
    if operation is None:
        return view
    cacheable = info.options.get("cacheable", False)

    def negotiated(context: Any, request: Request) -> Response:
        request.operation = operation
        request.cacheable = cacheable
        if not accepts_json(request.environ.get("HTTP_ACCEPT")):
            raise HTTPNotAcceptable
        return view(context, request)

    return negotiated


operation_view.options = ("operation", "cacheable")  # type: ignore[attr-defined]

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_MEDIA_RANGE = re.compile(rf"\s*({_TOKEN})/({_TOKEN})\s*(;.*)?", re.DOTALL)
_QUALITY_ZERO = re.compile(r";\s*q\s*=\s*0(?:\.0{0,3})?\s*(?:;|$)", re.IGNORECASE)
# An unclosed one takes in the rest: looking for its end from every quote would take for ever.
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_PREFERENCE = (("application", "json"), ("application", "*"), ("*", "*"))


@lru_cache(maxsize=256)
def accepts_json(accept: str | None) -> bool:
    """Whether an `Accept` header allows JSON (RFC 9110 12.5.1).

    The most specific range decides; parameters but `q` are ignored. A header without a range that
    can be read allows nothing.
    """
    if accept is None:
        return True
    allowed: dict[tuple[str, str], bool] = {}
    for part in _QUOTED.sub("", accept).split(","):
        if found := _MEDIA_RANGE.fullmatch(part):
            media_range = (found[1].lower(), found[2].lower())
            quality = not _QUALITY_ZERO.search(found[3] or "")
            allowed[media_range] = allowed.get(media_range, False) or quality
    return next((allowed[choice] for choice in _PREFERENCE if choice in allowed), False)


def json_body(request: Request) -> Any:
    """The body of a request as a JSON value; no bytes at all count as `{}`.

    Raises `HTTPRequestEntityTooLarge`, `HTTPUnsupportedMediaType` and `NotJson`.
    """
    body = request_body(request)
    if len(body) > request.registry.settings["klanten"].body_max_size:
        raise HTTPRequestEntityTooLarge
    if not body:
        return {}
    media_type = request.environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
    if media_type != JSON:
        raise HTTPUnsupportedMediaType
    return strictjson.loads(body)


def subject_exists(request: Request, url: str) -> bool:
    """`request.subject_exists(url)`: kla-002, asked while nothing is held.

    Raises `Question` the first time.
    """
    found: bool = answer(
        request, ("subject", url), lambda: request.registry.subject_check.exists(url)
    )
    return found


def json_response(body: bytes, status: str | None = None, **headers: str) -> Response:
    """An answer of JSON that is already bytes; 200 unless another status line is given."""
    return Response(body, status=status, headerlist=[("Content-Type", JSON), *headers.items()])


def bewerking(request: Request, actie: Actie) -> Bewerking:
    """What the request tells of the change it makes, for the audittrail and the notification.

    Values are cut at the lengths of the OAS, never refused.
    """
    caller, rights = request.caller, request.rights
    return Bewerking(
        actie=actie,
        moment=datetime.now(UTC),
        api_root=api_root(request),
        applicatie_id=rights.applicatie_id,
        applicatie_weergave=rights.applicatie_label,
        gebruikers_id=(caller.user_id or header(request, "X-NLX-Request-User-Id"))[:255],
        gebruikers_weergave=caller.user_representation[:255],
        toelichting=header(request, "X-Audit-Toelichting"),
        logrecord_id=header(request, "X-NLX-Logrecord-ID")[:255],
    )


def header(request: Request, name: str) -> str:
    """The text of a header: its bytes as UTF-8, or as Latin-1 where they are none; no NUL."""
    text: str = request.environ.get("HTTP_" + name.upper().replace("-", "_"), "")
    with contextlib.suppress(UnicodeError):
        text = text.encode("latin-1").decode()
    return text.replace("\0", "")
