"""`/healthz`: the process is alive. `/readyz`: it can serve, as far as the database goes.

For anyone, since they tell nothing else and cost next to nothing. A process that is alive but not
ready should get no requests; there is no use in killing it.
"""

from typing import Any, Final

import orjson
from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPMethodNotAllowed
from pyramid.request import Request
from pyramid.response import Response

from ..errors import OUTCOME, SERVICE_UNAVAILABLE, Outcome
from ..model.errors import DatabaseTooNew, DatabaseTooOld

PATIENCE: Final = 2.0
"""Seconds that `/readyz` takes at most, whatever the limit for requests is."""
HEADERS: Final = (("Content-Type", "application/json"), ("Cache-Control", "no-store"))


def healthz(request: Request) -> Response:
    """Answers as long as there is a thread to do so; nothing else is looked at."""
    return _answer(200, status="ok")


def readyz(request: Request) -> Response:
    """Whether the database answers, with the schema of this release."""
    try:
        schema = request.registry.database_state.ready.get(PATIENCE)
    except (DatabaseTooNew, DatabaseTooOld) as fault:
        return _unavailable(request, fault, str(fault))
    except TimeoutError as fault:
        return _unavailable(request, fault, "the database does not answer in time")
    except Exception as fault:
        return _unavailable(request, fault, "the database can't be reached")
    return _answer(200, status="ok", schema=schema)


def _unavailable(request: Request, fault: Exception, reason: str) -> Response:
    # what the database said may be about its server; that is for the log alone
    request.environ[OUTCOME] = Outcome(SERVICE_UNAVAILABLE, fault)
    return _answer(503, status="unavailable", reason=reason)


def _answer(code: int, **content: Any) -> Response:
    return Response(orjson.dumps(content), status=code, headerlist=list(HEADERS))


def add_page(config: Configurator, name: str, view: Any) -> None:
    """Let a view answer GET and HEAD at `/name`, and no other method."""
    config.add_route(name, f"/{name}")
    config.add_view(view, route_name=name, request_method="GET")
    config.add_view(refuse_method, route_name=name)
    config.registry.allow[name] = "GET, HEAD"


def refuse_method(request: Request) -> Response:
    raise HTTPMethodNotAllowed


def includeme(config: Configurator) -> None:
    add_page(config, "healthz", healthz)
    add_page(config, "readyz", readyz)
