"""A line of a file: a klant as the API shows it, with `uuid` in place of `url`.

Without `uuid` the one at the end of `url` counts: it comes from another Klanten API.
"""

import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..model import fields
from ..model.fields import Field
from ..model.klant import Body
from ..schemas.faults import NON_FIELD_ERRORS, Fault, ValidationFailed
from ..schemas.klant import KlantSchemas, SubjectExists

log = logging.getLogger(__name__)

UUID = "uuid"
URL = "url"
IDENTIFICATIE = "subjectIdentificatie"

_UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_NO_UUID = Fault(UUID, "invalid", "Dit is geen UUID van versie 4, met streepjes.")
_NO_URL = Fault(URL, "invalid", "Dit is geen URL van een klant: zij eindigt niet op een UUID.")
_SHOWN = re.compile(r"[A-Za-z_.]{1,60}")


@dataclass(frozen=True, slots=True)
class Line:
    """A line as it was read: its JSON value, or why it can't be read."""

    number: int
    """Counted from 1; in a table the header is number 1, as in a spreadsheet."""
    value: Any = None
    fault: Fault | None = None


class Reject(NamedTuple):
    """What is wrong with a line. A line may have several."""

    number: int
    fault: Fault
    uuid: str = ""
    """Of the klant, where that is a better name than the number."""

    def as_dict(self) -> dict[str, Any]:
        """As it is written down for the operator."""
        number, fault, uuid = self
        named = {"number": number} | ({"uuid": uuid} if uuid else {})
        return named | {"field": fault.name, "code": fault.code, "reason": fault.reason}

    def __str__(self) -> str:
        number, fault, uuid = self
        return f"{uuid or number}: {fault.name}: {fault.code} ({fault.reason})"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A line that holds a right klant."""

    number: int
    uuid: str | None
    value: Body
    """As it was read."""
    sent: Body
    """Checked and cleaned, as the fields of a new klant."""


def unknown_fields(line: Line) -> set[str]:
    """The fields of a line, with dots where they are nested, that are no part of the standard."""
    if not isinstance(line.value, dict):
        return set()
    kind = line.value.get("subjectType")
    identity = fields.IDENTIFICATIE.get(kind) if isinstance(kind, str) else None
    known = (*fields.KLANT, identity) if identity else fields.KLANT
    return {name for name in _unknown(known, line.value) if name not in (UUID, IDENTIFICATIE)}


def _unknown(known: Iterable[Field], value: Mapping[str, Any], above: str = "") -> Iterator[str]:
    named = {field.name: field for field in known}
    for name, member in value.items():
        if name not in named:
            yield above + name
        elif named[name].fields and isinstance(member, dict):
            yield from _unknown(named[name].fields, member, f"{above}{name}.")


def shown(name: str) -> str:
    """A name that a file gives, as the log may have it: one that is no word may be anything."""
    return name if _SHOWN.fullmatch(name) else "names that are no words"


def tell_of_unknown(what: str, names: Iterable[str]) -> None:
    """Tell the operator which of the fields or columns of a file are left out, if any."""
    if told := ", ".join(dict.fromkeys(map(shown, names))):
        log.warning("%s that are not known are left out: %s", what, told)


def unreadable(number: int, reason: str) -> Line:
    """A line of which nothing can be made."""
    return Line(number, fault=Fault(NON_FIELD_ERRORS, "parse_error", reason))


def is_uuid(value: Any) -> bool:
    """Whether this is the uuid of a klant in its canonical spelling: of version 4."""
    return isinstance(value, str) and _UUID4.fullmatch(value) is not None


class Checker:
    """Reads lines with the schemas of the API.

    Every line must be a klant that could be created, also when it will only change one: so what
    is right does not depend on what is stored.
    """

    def __init__(self, schemas: KlantSchemas, subject_exists: SubjectExists) -> None:
        self.schemas = schemas
        self.subject_exists = subject_exists

    def check(self, line: Line) -> Candidate | list[Reject]:
        """What the line holds, or all that is wrong with it."""
        try:
            return self._candidate(line)
        except ValidationFailed as failed:
            return [Reject(line.number, fault) for fault in failed.faults]

    def changes(self, candidate: Candidate, subject_type: str | None) -> Body:
        """The fields, checked and cleaned, for a stored klant of this type.

        Raises `ValidationFailed`, for instance when the line has another type.
        """
        if candidate.sent.get("subjectType") == subject_type:
            return candidate.sent
        value = _without_null(candidate.value)
        sent = self.schemas.update(value, subject_type, self.subject_exists)
        return _with_null(sent, candidate.value, subject_type)

    def _candidate(self, line: Line) -> Candidate:
        if line.fault:
            raise ValidationFailed([line.fault])
        value = _without_null(line.value)
        uuid, faults = _identity(value)
        try:
            sent = self.schemas.create(value, self.subject_exists)
        except ValidationFailed as failed:
            raise ValidationFailed([*faults, *failed.faults]) from None
        if faults:
            raise ValidationFailed(faults)
        sent = _with_null(sent, line.value, sent.get("subjectType"))
        return Candidate(line.number, uuid, line.value, sent)


def _identity(value: Any) -> tuple[str | None, list[Fault]]:
    """The uuid that a line gives, None without one; and what is wrong with it."""
    if not isinstance(value, dict):
        return None, []
    if UUID in value:
        given, fault = value[UUID], _NO_UUID
    elif value.get(URL):
        given, fault = str(value[URL]).rpartition("/")[2], _NO_URL
    else:
        return None, []
    uuid = given.lower() if isinstance(given, str) else given
    return (uuid, []) if is_uuid(uuid) else (None, [fault])


def _without_null(value: Any) -> Any:
    """The value without a null that the API shows, yet does not take."""
    if isinstance(value, dict) and value.get(IDENTIFICATIE, ...) is None:
        return {name: member for name, member in value.items() if name != IDENTIFICATIE}
    return value


def _with_null(sent: Body, value: Body, subject_type: str | None) -> Body:
    if subject_type is not None and value.get(IDENTIFICATIE, ...) is None:
        return sent | {IDENTIFICATIE: None}
    return sent
