"""From whatever went wrong to the Fout that answers it."""

import re
from typing import Any
from uuid import UUID

import orjson
import pytest
from pyramid import httpexceptions
from pyramid.request import Request
from transaction.interfaces import TransientError
from ZODB.POSException import ConflictError, POSKeyError, StorageError

from klanten import errors
from klanten.model import errors as broken_rules
from klanten.outgoing.rights import RightsUnknown
from klanten.schemas.faults import Fault, ValidationFailed
from klanten.storage import DatabaseBusy
from klanten.strictjson import NotJson

FAULTS = [Fault("adres.huisnummer", "invalid", "Reden."), Fault("klantnummer", "blank", "Reden.")]
FACTS: list[tuple[Exception, int, str]] = [
    (httpexceptions.HTTPNotFound(), 404, "not_found"),
    (broken_rules.KlantUnknown("1"), 404, "not_found"),
    (broken_rules.RegelUnknown("1"), 404, "not_found"),
    (httpexceptions.HTTPMethodNotAllowed(), 405, "method_not_allowed"),
    (httpexceptions.HTTPNotAcceptable(), 406, "not_acceptable"),
    (httpexceptions.HTTPForbidden(), 403, "permission_denied"),
    (httpexceptions.HTTPUnsupportedMediaType(), 415, "unsupported_media_type"),
    (httpexceptions.HTTPRequestEntityTooLarge(), 413, "request_entity_too_large"),
    (NotJson("here"), 400, "parse_error"),
    (ValidationFailed(FAULTS), 400, "invalid"),
    (broken_rules.KlantnummerInUse("1"), 400, "invalid"),
    (broken_rules.SubjectMissing(), 400, "invalid"),
    (httpexceptions.HTTPBadRequest(), 400, "bad_request"),
    (httpexceptions.HTTPConflict(), 409, "bad_request"),
    (httpexceptions.HTTPBadGateway(), 500, "error"),
    (TransientError(), 503, "service_unavailable"),
    (ConflictError(), 503, "service_unavailable"),
    (StorageError("no answer"), 503, "service_unavailable"),
    (DatabaseBusy("others write"), 503, "service_unavailable"),
    (RightsUnknown("balie"), 503, "service_unavailable"),
    (OSError(28, "No space left on device"), 503, "service_unavailable"),
    (FileNotFoundError(2, "No such file"), 500, "error"),
    (POSKeyError(b"12345678"), 500, "error"),
    (ZeroDivisionError(), 500, "error"),
    (RecursionError(), 500, "error"),
]


def name_of(value: object) -> str | None:
    return type(value).__name__ if isinstance(value, Exception) else None


def fout(fact: Exception, **environ: Any) -> Any:
    request = Request.blank("/api/v1/klanten?bsn=123456782", base_url="https://example.nl/prefix")
    request.environ |= environ
    return errors.fout(fact, request)


@pytest.mark.parametrize(("fact", "status", "code"), FACTS, ids=name_of)
def test_every_fact_is_answered_in_one_form(fact, status, code):
    response = fout(fact)
    body = orjson.loads(response.body)
    instance = body.pop("instance")
    faults = body.pop("invalidParams", None)
    assert response.status_int == body["status"] == status
    assert response.headers["Content-Type"] == "application/problem+json"
    assert body.keys() == {"type", "code", "title", "status", "detail"}
    assert body["code"] == code
    assert body["title"]
    assert body["detail"]
    assert re.fullmatch(r"https://example\.nl/prefix/ref/fouten/[A-Za-z]+/", body["type"])
    assert UUID(instance.removeprefix("urn:uuid:")).version == 4
    assert (faults is not None) == (code == "invalid")


@pytest.mark.parametrize(("fact", "status", "code"), FACTS, ids=name_of)
def test_every_type_has_a_page(app, fact, status, code):
    place = orjson.loads(fout(fact).body)["type"].removeprefix("https://example.nl/prefix")
    assert app.get(place).content_type == "text/html"


def test_every_broken_rule_of_the_model_has_an_answer():
    of_a_request = {
        fact
        for fact in vars(broken_rules).values()
        if isinstance(fact, type) and not fact.__name__.startswith("Database")
    }
    assert of_a_request <= {type(fact) for fact, _, _ in FACTS}


def test_faults_are_shown_in_their_order():
    assert orjson.loads(fout(ValidationFailed(FAULTS)).body)["invalidParams"] == [
        {"name": "adres.huisnummer", "code": "invalid", "reason": "Reden."},
        {"name": "klantnummer", "code": "blank", "reason": "Reden."},
    ]


@pytest.mark.parametrize(
    ("fact", "code"),
    [
        (broken_rules.KlantnummerInUse("1"), "unique"),
        (broken_rules.SubjectMissing(), "invalid-subject"),
    ],
)
def test_a_rule_about_the_whole_klant_is_broken_by_no_field(fact, code):
    [fault] = orjson.loads(fout(fact).body)["invalidParams"]
    assert (fault["name"], fault["code"]) == ("nonFieldErrors", code)
    assert fault["reason"]


def test_who_may_try_again_is_told_when():
    assert int(fout(TransientError()).headers["Retry-After"]) > 0


def test_the_instance_is_the_same_at_each_attempt_and_another_for_each_request():
    environ: dict[str, Any] = {}
    first, second = (Request.blank("/") for _ in range(2))
    first.environ, second.environ = environ, environ
    assert errors.request_id(first) == errors.request_id(second)
    assert errors.request_id(first) != errors.request_id(Request.blank("/"))


# --- what is left for the log -------------------------------------------------------------------


@pytest.mark.parametrize(("fact", "status", "code"), FACTS, ids=name_of)
def test_the_cause_is_left_for_the_log(fact, status, code):
    request = Request.blank("/api/v1/klanten")
    errors.fout(fact, request)
    problem, cause = request.environ[errors.OUTCOME]
    assert (problem.status, problem.code) == (status, code)
    assert cause is fact
