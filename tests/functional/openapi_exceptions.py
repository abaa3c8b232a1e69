"""Hooks for schemathesis: what the OAS alone does not say of the Klanten API.

A body that the OAS allows may still break a rule that no OAS can express, and some that it forbids
are taken on purpose. Each exception below is one such rule, with the reason; what falls under none
of them is a failure.
"""

import os
import re
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import schemathesis
from schemathesis.core.failures import AcceptedNegativeData, Failure
from schemathesis.openapi.checks import (
    JsonSchemaError,
    MissingHeaderNotRejected,
    RejectedPositiveData,
    UndefinedStatusCode,
)

# --- right values where the OAS only says what they look like -----------------------------------

THERE = {name: os.environ.get(f"FUZZ_{name.upper()}", "") for name in ("klant_uuid", "uuid")}
"""A klant that is there, and a line of its trail, by the names of the parameters of their path."""

RIGHT = {
    "bronorganisatie": "517439943",
    "inpBsn": "517439943",
    "innNnpId": "517439943",
    "inpANummer": "1234567890",
}


@schemathesis.hook
def map_path_parameters(context: Any, path_parameters: Any) -> Any:
    """Ask for the klant that is there; another may be removed."""
    label = context.operation.label
    if not path_parameters or label.startswith("DELETE"):
        return path_parameters
    there = THERE if "audittrail" in label else {"uuid": THERE["klant_uuid"]}
    return {
        name: there[name] if _is_uuid(value) else value for name, value in path_parameters.items()
    }


def _is_uuid(value: Any) -> bool:
    try:
        return bool(UUID(value))
    except (ValueError, AttributeError, TypeError):
        return False


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    """Put right numbers in place of short texts, so that more bodies come past those."""
    if isinstance(body, dict):
        return {name: _right(name, map_body(context, value)) for name, value in body.items()}
    return body


@schemathesis.hook
def map_query(context: Any, query: Any) -> Any:
    """Likewise for the filter that is validated."""
    return {name: _right(name, value) for name, value in query.items()} if query else query


def _right(name: str, value: Any) -> Any:
    replaceable = name in RIGHT and isinstance(value, str) and 0 < len(value) < 10
    return RIGHT[name] if replaceable else value


# --- the exceptions -----------------------------------------------------------------------------

Excuse = Callable[[Failure, Any, Any], bool]
EXCEPTIONS: list[Excuse] = []


@schemathesis.hook
def filter_failure(context: Any, failure: Failure, case: Any, response: Any) -> bool:
    """Keep a failure that is no exception."""
    return not any(excused(failure, case, response) for excused in EXCEPTIONS)


def exception(excused: Excuse) -> Excuse:
    EXCEPTIONS.append(excused)
    return excused


@exception
def a_missing_token_is_403(failure: Failure, case: Any, response: Any) -> bool:
    """Each refused token is a 403 in the standard, never a 401."""
    return isinstance(failure, MissingHeaderNotRejected) and response.status_code == 403


@exception
def what_is_not_there_is_404(failure: Failure, case: Any, response: Any) -> bool:
    """A page past the end and the trail of no klant are 404; the OAS forgot to say so."""
    forgotten = {"GET /klanten", "GET /klanten/{klant_uuid}/audittrail"}
    return (
        isinstance(failure, UndefinedStatusCode)
        and response.status_code == 404
        and case.operation.label in forgotten
    )


@exception
def what_is_known_is_304(failure: Failure, case: Any, response: Any) -> bool:
    """If-None-Match is in the OAS; the answer to a match is only in the text of the standard."""
    return isinstance(failure, UndefinedStatusCode) and response.status_code == 304


@exception
def what_was_not_given_is_empty(failure: Failure, case: Any, response: Any) -> bool:
    """The standard shows "" where nothing was given, whatever form a value must have."""
    return (
        isinstance(failure, JsonSchemaError)
        and failure.instance == ""
        and failure.schema_path[-1] == "format"
    )


@exception
def there_was_nothing_before_a_new_klant(failure: Failure, case: Any, response: Any) -> bool:
    """`oud` is null in the line of a creation; the OAS only says so in its text."""
    return (
        isinstance(failure, JsonSchemaError)
        and failure.instance is None
        and failure.instance_path[-2:] == ["wijzigingen", "oud"]
    )


@exception
def a_patch_asks_for_nothing(failure: Failure, case: Any, response: Any) -> bool:
    """The OAS has the body of PUT here too, but a part of a klant may be sent."""
    taken = isinstance(failure, AcceptedNegativeData) and case.method == "PATCH"
    return (
        taken and re.search(r"Missing required property: \w+$", failure.message, re.M) is not None
    )


@exception
def a_klantnummer_may_be_left_out(failure: Failure, case: Any, response: Any) -> bool:
    """The text of the standard comes before its OAS (kla-001)."""
    taken = isinstance(failure, AcceptedNegativeData)
    return taken and "Missing required property: klantnummer" in failure.message


@exception
def no_body_needs_no_media_type(failure: Failure, case: Any, response: Any) -> bool:
    """A body of no bytes is an empty object, which changes nothing."""
    taken = isinstance(failure, AcceptedNegativeData | MissingHeaderNotRejected)
    return taken and case.method == "PATCH" and not response.request.body


@exception
def a_text_is_trimmed_and_then_measured(failure: Failure, case: Any, response: Any) -> bool:
    """White space around a text is no part of it."""
    too_long = isinstance(failure, AcceptedNegativeData) and "`maxLength`" in failure.message
    return too_long and any(text != text.strip() for text in _texts(case.body))


@exception
def a_media_type_was_sent_after_all(failure: Failure, case: Any, response: Any) -> bool:
    """schemathesis leaves it out now and then, and its client puts it back."""
    blamed = "parameter `Content-Type` in header" in failure.message
    sent = response.request.headers.get("Content-Type", [""])
    return isinstance(failure, AcceptedNegativeData) and blamed and "application/json" in sent


@exception
def an_empty_filter_is_none(failure: Failure, case: Any, response: Any) -> bool:
    taken = isinstance(failure, AcceptedNegativeData) and case.operation.label == "GET /klanten"
    return taken and "" in (case.query or {}).values()


@exception
def nul_is_in_no_text(failure: Failure, case: Any, response: Any) -> bool:
    """Neither in a body nor in a filter: no database that speaks SQL could hold it."""
    codes = {code for _, code in _faults_of(response)}
    refused = isinstance(failure, RejectedPositiveData)
    return refused and "null_characters_not_allowed" in codes


@exception
def what_is_no_json_has_no_faults(failure: Failure, case: Any, response: Any) -> bool:
    """A body that can't be read is answered with a Fout, although the OAS has one form for 400."""
    return isinstance(failure, JsonSchemaError) and _fout(response)["code"] == "parse_error"


RULES = {
    # the eleven test, and the form of these numbers
    ("bronorganisatie", "only-digits"),
    ("bronorganisatie", "invalid-length"),
    ("bronorganisatie", "invalid"),
    ("subjectIdentificatie.inpBsn", "only-digits"),
    ("subjectIdentificatie.inpBsn", "invalid-length"),
    ("subjectIdentificatie.inpBsn", "invalid"),
    ("subjectIdentificatie.innNnpId", "only-digits"),
    ("subjectIdentificatie.innNnpId", "invalid-length"),
    ("subjectIdentificatie.innNnpId", "invalid"),
    # the hosts of URLs and mail addresses are plausible ones
    ("websiteUrl", "invalid"),
    ("emailadres", "invalid"),
    # a subject can be fetched, and is (kla-002)
    ("subject", "invalid"),
    ("subject", "bad-url"),
    # kla-001
    ("nonFieldErrors", "unique"),
    # a new klant names its subject
    ("nonFieldErrors", "invalid-subject"),
    # the type of a klant is fixed
    ("subjectType", "wijzigen-niet-toegelaten"),
}


@exception
def rules_that_no_oas_can_express(failure: Failure, case: Any, response: Any) -> bool:
    faults = _faults_of(response)
    return isinstance(failure, RejectedPositiveData) and bool(faults) and faults <= RULES


def _texts(value: Any) -> Iterator[str]:
    """All texts in some JSON but the names of members."""
    match value:
        case str():
            yield value
        case dict():
            yield from _texts(list(value.values()))
        case list():
            for member in value:
                yield from _texts(member)


def _fout(response: Any) -> dict[str, Any]:
    return response.json() if response.status_code >= 400 else {}


def _faults_of(response: Any) -> set[tuple[str, str]]:
    return {(fault["name"], fault["code"]) for fault in _fout(response).get("invalidParams", ())}
