"""Notifications that wait to be delivered to the Notificaties API.

A message is put in by the transaction of the change that it tells of, so that both commit or
neither does. It is delivered later, by somebody else.
"""

from collections.abc import Iterator

import orjson
from persistent import Persistent

from .audittrail import Bewerking
from .klant import Body, Klant
from .sharded import Sharded

class Outbox(Persistent):
    """Message number -> message, by klant.

    The number of a message is the uuid of its klant and the version that the change gave it:
    unique without a counter, and in order for one klant whatever the clocks say. A message is
    plain bytes in a bucket, so a delivered one leaves nothing behind.
    """

    def __init__(self) -> None:
        self.messages: Sharded[bytes] = Sharded(256)

    def put(self, klant: Klant, body: Body, bewerking: Bewerking) -> None:
        """Tell that a klant, now with this body (its last one on a deletion), was changed."""
        message = {
            "klant": f"{bewerking.api_root}/klanten/{klant.uuid}",
            "actie": bewerking.actie,
            "subjectType": body["subjectType"] or "",
            "aanmaakdatum": bewerking.timestamp,
        }
        key = f"{klant.uuid}/{klant.version:08d}"
        self.messages[key] = bytes(memoryview(orjson.dumps(message)))

    def __iter__(self) -> Iterator[str]:
        return iter(self.messages)

    def __contains__(self, key: str) -> bool:
        return key in self.messages

__all__ = ["Actie", "Outbox"]
