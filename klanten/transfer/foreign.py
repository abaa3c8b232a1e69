"""What another Klanten API shows, in the words of this one."""

from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from ..model.klant import Body
from . import lines
from .lines import Line

REGEL = (
    "applicatieId",
    "applicatieWeergave",
    "gebruikersId",
    "gebruikersWeergave",
    "actie",
    "actieWeergave",
    "toelichting",
    "resourceWeergave",
)
"""The texts of a line of an audittrail that are kept as they are."""


def line_of(number: int, item: Any) -> Line:
    """A klant of a list as a line of a file: the last part of its URL is its uuid."""
    value = dict(item) if isinstance(item, dict) else {}
    value[lines.UUID] = _uuid(str(value.pop("url", "")).rstrip("/").rpartition("/")[2])
    return Line(number, value)


def uuid_of(line: Line) -> str:
    """The uuid of such a line; empty when it has none."""
    uuid: str | None = line.value[lines.UUID]
    return uuid or ""


def regel_content(regel: Any) -> Body | None:
    """A line of an audittrail as it is stored, None when it is none.

    One tells when a change was made, and what the klant became. What is left out holds the URLs of
    the source. Other servers name themselves in `bron` in ways that are no part of the standard.
    """
    if not isinstance(regel, dict):
        return None
    uuid, moment = _uuid(str(regel.get("uuid"))), regel.get("aanmaakdatum")
    changes = regel.get("wijzigingen")
    if not uuid or not _is_moment(moment) or not isinstance(changes, dict):
        return None
    status, new = regel.get("resultaat"), _without_url(changes.get("nieuw"))
    content = {
        "uuid": uuid,
        "bron": "kc",
        **{name: str(regel.get(name) or "") for name in REGEL},
        "resultaat": status if type(status) is int and 0 < status < 1000 else 200,
        "aanmaakdatum": moment,
        "wijzigingen": {"oud": _without_url(changes.get("oud")), "nieuw": new},
        "logrecordId": "",
    }
    return content if new and _can_be_stored(content) else None


def _is_moment(text: Any) -> bool:
    try:
        datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return False
    return True


def _can_be_stored(content: Body) -> bool:
    """Whether no integer is of more than 64 bits, and nothing is nested too deep."""
    try:
        orjson.dumps(content)
    except orjson.JSONEncodeError:
        return False
    return True


def _uuid(text: str) -> str | None:
    """In the canonical spelling; None when this is no UUID."""
    try:
        return str(UUID(text))
    except ValueError:
        return None


def _without_url(body: Any) -> Body | None:
    if not isinstance(body, dict):
        return None
    return {name: member for name, member in body.items() if name != "url"}
