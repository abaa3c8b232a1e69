"""Notifications that wait to be delivered to the Notificaties API.

A message is put in by the transaction of the change that it tells of, so that both commit or
neither does. It is delivered later, by somebody else (`klanten.delivery`).

Messages are kept whether or not there is a Notificaties API to deliver them to: an operator may
connect one later. Nothing is thrown away by itself. A message takes about 160 bytes in a packed
database, a tenth of what its klant and audittrail take, so a database without a receiver grows by
it, but not out of proportion; `klanten notifications INI status` tells how many there are, and
`... drop --all` removes them.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, groupby, islice
from typing import Any, NamedTuple

import orjson
from BTrees.OOBTree import OOBTree
from persistent import Persistent

from .audittrail import Bewerking
from .klant import Body, Klant
from .sharded import Sharded

SHARDS = 256
GUARD = ""
"""A key that stays in every tree: what two processes wrote can't be merged when it leaves a tree
empty, and a tree of an outbox would be empty most of the time."""


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

    @property
    def url(self) -> str:
        """The address of the klant."""
        return f"{self.api_root}/klanten/{self.klant}"


class Failure(NamedTuple):
    """A message that was put aside."""

    number: str
    message: Message
    reason: str
    moment: str
    """When it was put aside, as ISO 8601 in UTC."""


class Lane(NamedTuple):
    """The numbers of the messages of one klant, in order, and the shard that they are in."""

    shard: int
    numbers: list[str]


class Lease(Persistent):
    """Which process delivers, as that process tells the others.

    There are no moments in it, since clocks differ: a holder that is alive raises `beat` now and
    then while there is something to deliver, and whoever sees the same beat for long enough, by
    its own clock, may take over. Two who do so at once meet in a conflict: this object is never
    merged.
    """

    holder = ""
    """Empty when nobody delivers."""
    beat = 0
    trouble = ""
    """What keeps messages from being delivered, for the operator; empty when nothing does."""


class Outbox(Persistent):
    """Message number -> message.

    The number of a message is the uuid of its klant and the version that the change gave it:
    unique without a counter, and in order for one klant whatever the clocks say. All messages of a
    klant are in one tree. A message is a few plain bytes in a leaf, so a delivered one leaves
    nothing behind.
    """

    def __init__(self) -> None:
        self._messages: Sharded[bytes] = Sharded(SHARDS)
        for tree in self._messages.trees:
            tree[GUARD] = b""
        self._failed: OOBTree[str, bytes] = OOBTree({GUARD: b""})
        self.lease = Lease()

    def put(self, klant: Klant, body: Body, bewerking: Bewerking) -> None:
        """Tell that a klant, now with this body (its last one on a deletion), was changed."""
        content = (
            bewerking.api_root,
            bewerking.actie,
            body["subjectType"] or "",
            bewerking.timestamp,
        )
        self._put(f"{klant.uuid}/{klant.version:08d}", content)

    def __iter__(self) -> Iterator[str]:
        """The numbers of all messages that wait; sorted, those of one klant are in order."""
        return chain.from_iterable(map(_numbers, self._messages.trees))

    def __len__(self) -> int:
        """How many messages wait; reads all of them."""
        return sum(len(tree) for tree in self._messages.trees) - SHARDS

    def __bool__(self) -> bool:
        return any(True for _ in self)

    def __contains__(self, number: str) -> bool:
        return number in self._tree(number)

    def __getitem__(self, number: str) -> Message:
        return _message(number, orjson.loads(self._tree(number)[number]))

    def lanes(self, start: int = 0, length: int | None = None) -> Iterator[Lane]:
        """Each klant with its first `length` messages, from this shard on and round to it again."""
        trees = self._messages.trees
        for shard in chain(range(start, SHARDS), range(start)):
            for _, numbers in groupby(_numbers(trees[shard]), _klant_in):
                yield Lane(shard, list(islice(numbers, length)))

    def oldest(self) -> str | None:
        """The moment of the oldest message that waits; reads all of them."""
        return min((self[number].moment for number in self), default=None)

    def discard(self, number: str) -> bool:
        """Remove a message that waits; whether there was one."""
        return self._tree(number).pop(number, None) is not None

    def put_aside(self, number: str, reason: str, moment: str) -> None:
        """Take a message that can't be delivered out of the way; none of this number is fine."""
        stored = self._tree(number).pop(number, None)
        if stored is not None:
            self._failed[number] = orjson.dumps((orjson.loads(stored), reason, moment))

    def failures(self) -> Iterator[Failure]:
        """The messages that were put aside."""
        for number, stored in self._failed.items(GUARD, excludemin=True):
            content, reason, moment = orjson.loads(stored)
            yield Failure(number, _message(number, content), reason, moment)

    def retry(self, numbers: Iterable[str]) -> int:
        """Let messages that were put aside be delivered after all; how many there were of them."""
        found = [number for number in numbers if number in self._failed and number != GUARD]
        for number in found:
            self._put(number, orjson.loads(self._failed.pop(number))[0])
        return len(found)

    def drop(self, numbers: Iterable[str]) -> int:
        """Forget messages that were put aside; how many there were of them."""
        return sum(bool(self._failed.pop(number, None)) for number in numbers if number != GUARD)

    def _put(self, number: str, content: Iterable[str]) -> None:
        # orjson shrinks a large buffer in place: a kept result would occupy all of it
        self._tree(number)[number] = bytes(memoryview(orjson.dumps(content)))

    def _tree(self, number: str) -> Any:
        return self._messages.tree(_klant_in(number))


def _klant_in(number: str) -> str:
    return number.partition("/")[0]


def _numbers(tree: Any) -> Iterator[str]:
    return iter(tree.keys(GUARD, excludemin=True))


def _message(number: str, content: Iterable[str]) -> Message:
    return Message(_klant_in(number), *content)
