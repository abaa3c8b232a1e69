"""From whatever went wrong to the Fout that answers it.

Everything below raises facts in its own words; here alone they get a status, a code and a Dutch
explanation, in the form of the standard (`Fout`, `ValidatieFout`).
"""

import errno
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import singledispatch
from typing import Any, NamedTuple
from uuid import uuid4

import orjson
from pyramid.config import Configurator
from pyramid.httpexceptions import (
    HTTPException,
    HTTPForbidden,
    HTTPMethodNotAllowed,
    HTTPNotAcceptable,
    HTTPNotFound,
    HTTPRequestEntityTooLarge,
    HTTPUnsupportedMediaType,
)
from pyramid.request import Request
from pyramid.response import Response
from transaction.interfaces import TransientError
from ZODB.POSException import StorageError

from .model.errors import (
    DatabaseTooNew,
    DatabaseTooOld,
    KlantnummerInUse,
    KlantUnknown,
    RegelUnknown,
    SubjectMissing,
)
from .outgoing.rights import RightsUnknown
from .representation import HostMalformed, is_host, site_url
from .schemas.faults import NON_FIELD_ERRORS, Fault, Rule, ValidationFailed
from .strictjson import NotJson

REQUEST_ID = "klanten.request_id"
OUTCOME = "klanten.outcome"
"""Where the environ of a request says what was wrong with it, for the log."""


@dataclass(frozen=True)
class Problem:
    """A kind of fault: what a `Fout` says of it, and the name of the page that explains it."""

    name: str
    status: int
    code: str
    title: str
    detail: str
    faults: tuple[Fault, ...] | None = None
    headers: dict[str, str] = field(default_factory=dict)


NOT_FOUND = Problem(
    "NotFound", 404, "not_found", "Niet gevonden.", "Op dit adres is niets te vinden."
)
METHOD_NOT_ALLOWED = Problem(
    "MethodNotAllowed",
    405,
    "method_not_allowed",
    "Methode niet toegestaan.",
    "Deze methode bestaat niet op dit adres; de header Allow noemt de methoden die er zijn.",
)
NOT_ACCEPTABLE = Problem(
    "NotAcceptable",
    406,
    "not_acceptable",
    "Geen passende weergave.",
    "Het antwoord is er alleen als application/json; de header Accept sluit dat uit.",
)
PERMISSION_DENIED = Problem(
    "PermissionDenied",
    403,
    "permission_denied",
    "Geen toestemming.",
    "Deze applicatie mag dit niet doen.",
)
UNSUPPORTED_MEDIA_TYPE = Problem(
    "UnsupportedMediaType",
    415,
    "unsupported_media_type",
    "Media type niet ondersteund.",
    "De inhoud van het verzoek moet van het type application/json zijn.",
)
PARSE_ERROR = Problem(
    "ParseError",
    400,
    "parse_error",
    "Onleesbaar verzoek.",
    "De inhoud van het verzoek is geen geldige JSON.",
)
BAD_REQUEST = Problem(
    "BadRequest",
    400,
    "bad_request",
    "Ongeldig verzoek.",
    "De server begrijpt dit verzoek niet.",
)
VALIDATION_ERROR = Problem(
    "ValidationError",
    400,
    "invalid",
    "Ongeldige gegevens.",
    "Een of meer gegevens zijn niet goed; invalidParams noemt ze.",
)
TOO_LARGE = Problem(
    "RequestEntityTooLarge",
    413,
    "request_entity_too_large",
    "Te groot.",
    "De inhoud van het verzoek is groter dan deze server aanneemt.",
)
SERVICE_UNAVAILABLE = Problem(
    "ServiceUnavailable",
    503,
    "service_unavailable",
    "Tijdelijk niet beschikbaar.",
    "De dienst kan dit verzoek nu niet afhandelen; probeer het straks opnieuw.",
    headers={"Retry-After": "5"},
)
INTERNAL_ERROR = Problem(
    "APIException",
    500,
    "error",
    "Interne fout.",
    "Er ging iets mis in de server; de beheerder vindt de oorzaak onder instance in het logboek.",
)
PROBLEMS = (
    NOT_FOUND,
    METHOD_NOT_ALLOWED,
    NOT_ACCEPTABLE,
    PERMISSION_DENIED,
    UNSUPPORTED_MEDIA_TYPE,
    PARSE_ERROR,
    BAD_REQUEST,
    VALIDATION_ERROR,
    TOO_LARGE,
    SERVICE_UNAVAILABLE,
    INTERNAL_ERROR,
)
"""Every kind of fault, for the pages that explain them."""

DISK_TROUBLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS})


# --- which fact is which problem ----------------------------------------------------------------


@singledispatch
def problem_of(fact: Exception) -> Problem:
    """The problem that a fact amounts to; a crash when nothing better is known."""
    return INTERNAL_ERROR


@problem_of.register
def _(fact: HTTPException) -> Problem:
    """A refusal of Pyramid or Cornice for which we have no words of our own."""
    if fact.status_int >= 500:
        return INTERNAL_ERROR
    return replace(BAD_REQUEST, status=fact.status_int)


@problem_of.register(HTTPNotFound)
@problem_of.register(RegelUnknown)
def _(fact: Exception) -> Problem:
    return NOT_FOUND


@problem_of.register
def _(fact: KlantUnknown) -> Problem:
    return replace(NOT_FOUND, detail="Er is geen klant met dit UUID.")


@problem_of.register
def _(fact: HTTPMethodNotAllowed) -> Problem:
    return METHOD_NOT_ALLOWED


@problem_of.register
def _(fact: HTTPNotAcceptable) -> Problem:
    return NOT_ACCEPTABLE


@problem_of.register
def _(fact: HTTPForbidden) -> Problem:
    result = fact.result
    return replace(
        PERMISSION_DENIED,
        code=getattr(result, "code", PERMISSION_DENIED.code),
        detail=getattr(result, "detail", PERMISSION_DENIED.detail),
    )


@problem_of.register
def _(fact: HTTPUnsupportedMediaType) -> Problem:
    return UNSUPPORTED_MEDIA_TYPE


@problem_of.register
def _(fact: HTTPRequestEntityTooLarge) -> Problem:
    return TOO_LARGE


@problem_of.register
def _(fact: HostMalformed) -> Problem:
    return replace(BAD_REQUEST, detail="De header Host is geen naam of adres van een server.")


@problem_of.register
def _(fact: NotJson) -> Problem:
    return PARSE_ERROR


@problem_of.register
def _(fact: ValidationFailed) -> Problem:
    return replace(VALIDATION_ERROR, faults=tuple(fact.faults))


@problem_of.register
def _(fact: KlantnummerInUse) -> Problem:
    return replace(VALIDATION_ERROR, faults=(Rule.UNIQUE.broken_at(NON_FIELD_ERRORS),))


@problem_of.register
def _(fact: SubjectMissing) -> Problem:
    return replace(VALIDATION_ERROR, faults=(Rule.SUBJECT_GIVEN.broken_at(NON_FIELD_ERRORS),))


@problem_of.register
def _(fact: TransientError) -> Problem:
    """Others changed the same things at every attempt."""
    return SERVICE_UNAVAILABLE


@problem_of.register(StorageError)
@problem_of.register(DatabaseTooNew)
@problem_of.register(DatabaseTooOld)
def database_unavailable(fact: Exception) -> Problem:
    """The database is out of reach, too busy, not of this release, or can't be written to."""
    return SERVICE_UNAVAILABLE


@problem_of.register
def _(fact: OSError) -> Problem:
    """A disk that is full or fails; anything else of the system is our own fault."""
    return SERVICE_UNAVAILABLE if fact.errno in DISK_TROUBLE else INTERNAL_ERROR


@problem_of.register
def _(fact: RightsUnknown) -> Problem:
    detail = (
        "De Autorisaties API is niet bereikbaar, dus wat deze applicatie mag is nu niet bekend; "
        "probeer het straks opnieuw."
    )
    return replace(SERVICE_UNAVAILABLE, detail=detail)


# --- the answer ---------------------------------------------------------------------------------


def request_id(request: Request) -> str:
    """The UUID of a request: `instance` in its Fout, and in the log; the same at each attempt."""
    found: str = request.environ.setdefault(REQUEST_ID, "")
    if not found:
        found = request.environ[REQUEST_ID] = str(uuid4())
    return found


class Outcome(NamedTuple):
    """What was wrong with a request, and the fact that told."""

    problem: Problem
    fact: Exception


def fout(fact: Exception, request: Request) -> Response:
    """The exception view: answers any exception with a Fout, and leaves its cause for the log."""
    environ = request.environ
    if not is_host(environ.get("HTTP_HOST", "")):
        # worse than whatever else is wrong, and no part of the URL in the answer
        fact, environ["HTTP_HOST"] = HostMalformed(), ""
    problem = problem_of(fact)
    environ[OUTCOME] = Outcome(problem, fact)
    return Response(
        fout_json(problem, environ, request_id(request)),
        status=problem.status,
        headerlist=[("Content-Type", "application/problem+json"), *problem.headers.items()],
    )


def fout_json(problem: Problem, environ: Mapping[str, Any], request_id: str) -> bytes:
    """The Fout that tells of a problem to the caller of this environ."""
    body = {
        "type": f"{site_url(environ)}/ref/fouten/{problem.name}/",
        "code": problem.code,
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "instance": f"urn:uuid:{request_id}",
    }
    if problem.faults is not None:
        body["invalidParams"] = [vars(fault) for fault in problem.faults]
    return orjson.dumps(body)


def includeme(config: Configurator) -> None:
    for kind in config.registry.database.unavailable:
        problem_of.register(kind, database_unavailable)
    # an error that a next attempt may mend is left alone, until the last attempt
    config.add_exception_view(fout, context=Exception, retryable_error=False)
