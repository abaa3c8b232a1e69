"""What each page shows."""

import secrets
from importlib import metadata

from pyramid.httpexceptions import HTTPNotFound
from pyramid.request import Request
from pyramid.response import Response

from ..errors import NOT_FOUND, OUTCOME, PERMISSION_DENIED, PROBLEMS, VALIDATION_ERROR, Outcome
from ..kanalen import KANALEN
from ..representation import api_root
from ..schemas.faults import Rule
from ..scopes import Scope
from ..security import ASKER_REFUSED
from ..tokens import Reason
from ..tweens import API_VERSION
from .files import is_there
from .policy import TRYING, drawing
from .rendering import page

RELEASE = metadata.version("klanten")
UNSAID = "[...]"
"""In a text about something in the request."""

CODES = {
    PERMISSION_DENIED.name: [
        (PERMISSION_DENIED.code, PERMISSION_DENIED.detail),
        *((reason.code, reason.detail.format(claim=UNSAID)) for reason in Reason),
        (ASKER_REFUSED.code, ASKER_REFUSED.detail),
    ],
    VALIDATION_ERROR.name: [(rule.code, rule.reason.format(limit=UNSAID)) for rule in Rule],
}
"""Kind of fault -> the codes that it can have, with what each can say."""


def home(request: Request) -> Response:
    """What this is, and where to go from here."""
    return page(
        request, "home", release=RELEASE, api_version=API_VERSION, api_root=api_root(request)
    )


def documentation(request: Request) -> Response:
    """The OAS document for people; a checkout that was not built has nothing to draw it with."""
    if not is_there("redoc.standalone.js"):
        return page(request, "undrawn")
    nonce = secrets.token_urlsafe(16)
    return page(request, "documentation", policy=drawing(nonce), cacheable=False, nonce=nonce)


def trial(request: Request) -> Response:
    """A form for each operation, which sends the request from the browser."""
    return page(request, "trial", policy=TRYING)


def fouten(request: Request) -> Response:
    """Every kind of fault."""
    return page(request, "fouten", problems=PROBLEMS)


def fout(request: Request) -> Response:
    """One kind of fault: the page behind the `type` of a Fout."""
    for problem in PROBLEMS:
        if problem.name == request.matchdict["name"]:
            return page(request, "fout", problem=problem, codes=CODES.get(problem.name, ()))
    raise HTTPNotFound


def scopes(request: Request) -> Response:
    """What a caller may be allowed to do."""
    return page(request, "scopes", scopes=Scope)


def kanalen(request: Request) -> Response:
    """Where others are told of what happened."""
    return page(request, "kanalen", kanalen=KANALEN)


def missing(fact: HTTPNotFound, request: Request) -> Response:
    """Nothing there: for whoever follows a wrong link outside the API."""
    request.environ[OUTCOME] = Outcome(NOT_FOUND, fact)
    return page(request, "missing", status=404, problem=NOT_FOUND)
