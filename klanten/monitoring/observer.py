"""Each request as the operator sees it: its id, one line in the log, and the figures about it.

This is the outermost ring, around all attempts of a request, so that what it tells is how the
request ended. What it needs to know of the inside lies in the request and in its environ.
"""

import logging
import random
import re
import time
from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

from pyramid.config import Configurator
from pyramid.interfaces import IExecutionPolicy, IRouter
from pyramid.registry import Registry
from pyramid.request import Request
from pyramid.response import Response
from pyramid.tweens import INGRESS

from .. import logs
from ..errors import OUTCOME, REQUEST_ID, Outcome
from ..execution import ANSWERS, RETRIES, WAITED
from ..outgoing.rights import RightsUnknown
from ..tokens import claimed_client_id
from ..traversal import UUID_FORM
from . import meters

log = logging.getLogger("klanten.access")

Handler = Callable[[Request], Response]

REQUEST: Final = "klanten.request"
QUIET_ROUTES: Final = frozenset({"healthz", "readyz", "metrics"})
"""Asked for every few seconds by programs."""
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
NONE: Final = "-"
UNSAFE: Final = re.compile(r"[^\x20-\x7e]")
MAX_FOREIGN: Final = 64


class Observer:
    """An execution policy around another one."""

    def __init__(self, inner: Callable[[dict[str, Any], IRouter], Response]) -> None:
        self.inner = inner

    def __call__(self, environ: dict[str, Any], router: IRouter) -> Response:
        begun = time.perf_counter()
        theirs = environ.get("HTTP_X_REQUEST_ID")
        ours = environ[REQUEST_ID] = (theirs and canonical(theirs)) or new_request_id()
        reset = logs.current_request.set(ours)
        try:
            response = self.inner(environ, router)
            response.headerlist.append(("X-Request-ID", ours))
            _note(environ, response.status_int, time.perf_counter() - begun, None)
            return response
        except Exception as fault:  # nothing should come here; the server answers with 500
            _note(environ, 500, time.perf_counter() - begun, fault)
            raise
        finally:
            logs.current_request.reset(reset)


def canonical(request_id: str) -> str | None:
    """A UUID in its usual spelling; None for what is none."""
    return str(UUID(request_id)) if UUID_FORM.fullmatch(request_id) else None


def new_request_id() -> str:
    """A random UUID (RFC 9562, version 4); the class UUID takes several times as long.

    It is no secret. Asking the system for random bytes would let go of the interpreter, and wait
    for the other threads to have it back.
    """
    digits = f"{random.getrandbits(128):032x}"
    variant = VARIANTS[digits[16]]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


VARIANTS: Final = {digit: "89ab"[int(digit, 16) % 4] for digit in "0123456789abcdef"}


def leave_request_tween(handler: Handler, registry: Registry) -> Handler:
    """Shows each request, while it lasts, to the ring around its attempts."""

    def tween(request: Request) -> Response:
        request.environ[REQUEST] = request
        return handler(request)

    return tween


# --- what is told of a request ------------------------------------------------------------------


def _note(
    environ: dict[str, Any], status: int, seconds: float, fault: BaseException | None
) -> None:
    # taken out of the environ, since they refer to it
    outcome = environ.pop(OUTCOME, None)
    known = vars(environ.pop(REQUEST)) if REQUEST in environ else {}
    route = known.get("matched_route")
    operation = known.get("operation") or (route.name if route else NONE)
    caller = known.get("caller")
    _count(environ, operation, status, seconds)
    if caller is None:
        if outcome:
            _note_refusal(environ, known, outcome)
    elif caller.client.scopes is None:
        asked = ("rights", caller.client_id) in environ.get(ANSWERS, ())
        meters.RIGHTS.labels("asked" if asked else "kept").inc()
    level = _level(status, operation)
    if log.isEnabledFor(level):
        fields = {
            "operation": operation,
            "client_id": caller.client_id if caller else NONE,
            "status": status,
            "duration_ms": round(seconds * 1000, 2),
            "method": _method(environ),
            "path": f"/{route.pattern.lstrip('/')}" if route else NONE,
        }
        _add_rare(fields, environ, outcome)
        crash = fault or (outcome.fact if outcome and status == 500 else None)
        logs.write(log, level, "request", fields, crash)


def _level(status: int, operation: str) -> int:
    if status >= 500:
        return logging.ERROR
    return logging.DEBUG if operation in QUIET_ROUTES and status < 400 else logging.INFO


def _method(environ: dict[str, Any]) -> str:
    method: str = environ["REQUEST_METHOD"]
    return method if method in METHODS else "other"


def _add_rare(fields: dict[str, Any], environ: dict[str, Any], outcome: Outcome | None) -> None:
    """What is not true of most requests."""
    if outcome:
        fields["code"] = outcome.problem.code
        if outcome.problem.faults:
            fields["faults"] = [f"{each.name}: {each.code}" for each in outcome.problem.faults]
        if outcome.problem.status == 503:
            fields["cause"] = logs.kind_and_text(outcome.fact, logs.first_line(outcome.fact))
    if RETRIES in environ:
        fields["retries"] = environ[RETRIES]
    theirs = environ.get("HTTP_X_REQUEST_ID")
    if theirs and not UUID_FORM.fullmatch(theirs):
        fields["x_request_id"] = UNSAFE.sub("?", theirs[:MAX_FOREIGN])


def _note_refusal(environ: dict[str, Any], known: dict[str, Any], outcome: Outcome) -> None:
    """Nobody that we know asked for an operation."""
    if isinstance(outcome.fact, RightsUnknown):
        meters.RIGHTS.labels("unknown").inc()
    elif outcome.problem.status == 403 and "operation" in known:
        code = outcome.problem.code
        meters.REFUSED_TOKENS.labels(code).inc()
        fields = {
            "code": code,
            "claimed_client_id": claimed_client_id(environ.get("HTTP_AUTHORIZATION")) or NONE,
            "remote_address": UNSAFE.sub("?", environ.get("REMOTE_ADDR", NONE)[:MAX_FOREIGN]),
            "operation": known["operation"],
        }
        logs.write(logs.SECURITY, logging.WARNING, "token refused", fields)


# --- figures ------------------------------------------------------------------------------------


def _count(environ: dict[str, Any], operation: str, status: int, seconds: float) -> None:
    meters.REQUESTS.add(operation, status, seconds)
    if WAITED in environ:
        meters.WRITE_LOCK_SECONDS.observe(environ[WAITED])
    if RETRIES in environ:
        meters.RETRIES.inc(environ[RETRIES])


def includeme(config: Configurator) -> None:
    config.add_tween(
        "klanten.monitoring.observer.leave_request_tween",
        under=INGRESS,
        over="klanten.tweens.headers_tween",
    )
    registry = config.registry

    def surround() -> None:
        inner = registry.getUtility(IExecutionPolicy)
        registry.registerUtility(Observer(inner), IExecutionPolicy)
        # so that the first failure is a change, and not the begin of a series
        for service in registry.cornice_services.values():
            for _, _, options in service.definitions:
                if operation := options.get("operation"):
                    meters.REQUESTS.begin(operation, 500)
                    meters.REQUESTS.begin(operation, 503)

    # after the rooms did what they do
    config.action(None, surround, order=1)
