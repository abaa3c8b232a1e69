"""A klant, stored as the JSON that is served.

The body is kept as bytes, without `url` since that depends on the host that is asked: serving it
is then a matter of joining bytes, and a stored record knows nothing of classes. In the database
they are packed: a third of the size, for a third more time to load one that is not in memory.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from persistent import Persistent

from .fields import IDENTIFICATIE, KLANT, Field, empty
from .packing import pack, unpack

Body = dict[str, Any]
"""A klant as the API shows it, without `url`."""


class Klant(Persistent):
    """One klant: its body, its place in the lists and the newest line of its audittrail.

    `docid` is its number in the indexes, `version` counts its changes (a new klant has 1).
    """

    regel: Any = None
    version = 0

    def __init__(self, uuid: str, body: Body) -> None:
        self.uuid = uuid
        self.docid = -1
        self.body = body

    @property
    def body(self) -> Body:
        """The body as a fresh dict; assign a whole new one to change it."""
        found: Body = orjson.loads(self.json)
        return found

    @body.setter
    def body(self, body: Body) -> None:
        # orjson shrinks a large buffer in place: a kept result would occupy all of it
        self.json = bytes(memoryview(orjson.dumps(body)))

    def __getstate__(self) -> dict[str, Any]:
        """What is stored; ZODB asks for it at a commit."""
        state: dict[str, Any] = super().__getstate__()
        return state | {"json": pack(state["json"])}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """What was stored; ZODB calls it at the first use after a load."""
        super().__setstate__(state | {"json": unpack(state["json"])})

    def clear(self) -> None:
        """Forget everything: the klant is deleted.

        Written, and not only unlinked, so that a change of this klant by another process is a
        conflict and can't merge with the deletion.
        """
        self.json = b"{}"
        self.regel = None


def new_body(sent: Mapping[str, Any]) -> Body:
    """The body of a new klant of which the consumer sent these fields, checked and cleaned."""
    return changed_body(empty(KLANT), sent)


def changed_body(body: Body, sent: Mapping[str, Any]) -> Body:
    """The body after PUT or PATCH: what was not sent stays, nested objects merge, lists don't.

    `body` is left as it is. A klant with a type always shows `subjectIdentificatie`.
    """
    changed = _merged(KLANT, body, sent)
    if changed["subjectType"] is not None:
        identificatie = IDENTIFICATIE[changed["subjectType"]]
        stored, new = body.get(identificatie.name), sent.get(identificatie.name)
        changed[identificatie.name] = _merged_value(identificatie, stored, new)
    return changed


def names_subject(body: Body) -> bool:
    """Whether a klant names its subject or identifies one, as a new one must."""
    return bool(body["subject"] or body.get("subjectIdentificatie"))


def _merged(fields: Iterable[Field], stored: Body, sent: Mapping[str, Any]) -> Body:
    changes = {
        field.name: _merged_value(field, stored[field.name], sent[field.name])
        for field in fields
        if field.name in sent
    }
    return stored | changes


def _merged_value(field: Field, stored: Any, sent: Any) -> Any:
    if not field.fields:
        return sent
    if not sent:  # null and {} change nothing
        return stored
    return _merged(field.fields, stored or empty(field.fields), sent)
