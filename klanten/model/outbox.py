"""Notifications that wait to be delivered to the Notificaties API.

A message is put in by the transaction of the change that it tells of, so that both commit or
neither does. It is delivered later, by somebody else.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import orjson
from persistent import Persistent

from .audittrail import Bewerking
from .klant import Body, Klant
from .sharded import Sharded

@dataclass(frozen=True)
class Message:
    """That a klant was changed. Holds nothing personal: whoever wants to know more asks."""

    klant: str
    """The uuid of the klant."""
    api_root: str
    """Root of the API, as the request that made the change saw it."""
    actie: str
    subject_type: str
    """Empty for a klant without a type."""
    moment: str
    """When, as ISO 8601 in UTC."""


class Outbox(Persistent):
    """Message number -> message.

    The number of a message is the uuid of its klant and the version that the change gave it:
    unique without a counter, and in order for one klant whatever the clocks say. A message is a
    few plain bytes in a bucket, so a delivered one leaves nothing behind.
    """

    def __init__(self) -> None:
        self._messages: Sharded[bytes] = Sharded(256)

    def put(self, klant: Klant, body: Body, bewerking: Bewerking) -> None:
        """Tell that a klant, now with this body (its last one on a deletion), was changed."""
        content = (
            bewerking.api_root,
            bewerking.actie,
            body["subjectType"] or "",
            bewerking.timestamp,
        )
        number = f"{klant.uuid}/{klant.version:08d}"
        self._messages[number] = bytes(memoryview(orjson.dumps(content)))

    def __iter__(self) -> Iterator[str]:
        """The numbers of all messages; sorted, those of one klant are in order."""
        return iter(self._messages)

    def __getitem__(self, number: str) -> Message:
        klant = number.partition("/")[0]
        return Message(klant, *orjson.loads(self._messages[number]))

    def __delitem__(self, number: str) -> None:
        del self._messages[number]
