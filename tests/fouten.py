"""What every refusal looks like: the Fout and ValidatieFout of the standard."""

import re
from typing import Any
from uuid import UUID

import webtest

from tests.servers import Answer

FOUT = {"type", "code", "title", "status", "detail", "instance"}


def assert_fout(
    answer: webtest.TestResponse | Answer, status: int, code: str, *faults: tuple[str, str]
) -> None:
    """The answer is a refusal of this status and code, with exactly these (name, code) faults."""
    found = status_of(answer), answer.json["code"], sorted(faults_of(answer))
    assert found == (status, code, sorted(faults))
    assert_form_of_fout(answer)


def assert_form_of_fout(answer: webtest.TestResponse | Answer) -> None:
    """The answer has the one form that all refusals have, whatever they are about."""
    fout = answer.json
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert fout.keys() == FOUT | ({"invalidParams"} if fout["code"] == "invalid" else set())
    assert fout["status"] == status_of(answer)
    assert all(isinstance(fout[name], str) and fout[name] for name in FOUT - {"status"})
    assert re.fullmatch(r"https?://[^/].*/ref/fouten/[A-Za-z]+/", fout["type"])
    assert UUID(fout["instance"].removeprefix("urn:uuid:")).version == 4
    for fault in fout.get("invalidParams", ()):
        assert fault.keys() == {"name", "code", "reason"}
        assert fault["reason"]


def faults_of(answer: webtest.TestResponse | Answer) -> list[tuple[str, str]]:
    """Name and code of each entry in `invalidParams`."""
    return [(fault["name"], fault["code"]) for fault in answer.json.get("invalidParams", ())]


def codes_of(answer: Any) -> list[str]:
    return [code for _, code in faults_of(answer)]


def status_of(answer: webtest.TestResponse | Answer) -> int:
    status: int = answer.status if isinstance(answer, Answer) else answer.status_int
    return status
