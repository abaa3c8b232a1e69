"""docid -> object, and the giving out of docids without a counter.

A counter in the database would be written by every create, and so make every two of them
conflict. Here a process fills a segment of 64 docids that nobody else fills. It makes one when
it has none, or a full one, inside the transaction of the create; when that transaction does not
commit, the process forgets the segment, which another process may have made instead. So docids
rise within a process, and nearly so over several; a restart wastes at most 63 of them.

A docid is never given out again, because an index entry that was left behind would then point
to a stranger: an object that is removed leaves its slot, holding None. The last slot of a
segment tells how far it was filled, and the last segment how many there are. An emptied slot is
a few bytes, and merges with every other change to its segment, where taking away the first slot
or the last one left does not.

Callers hold the process-wide write lock from before their snapshot until after the commit.
Without it nothing breaks, but two threads would write the same docid and one try again.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

from BTrees.LOBTree import LOBTree, LOBucket
from persistent import Persistent

D = TypeVar("D")

SEGMENT_BITS = 6
NOWHERE = -1

_filling: WeakKeyDictionary[Any, int] = WeakKeyDictionary()
"""By database (`ZODB.DB`) the segment that this process fills, while no transaction does."""


class Documents(Persistent, Generic[D]):
    """Persistent objects by docid, in the order in which they were added."""

    def __init__(self) -> None:
        self._segments = LOBTree()

    def add(self, document: D) -> int:
        """Store an object and return the docid it is found by from now on."""
        number = self._segment_to_fill()
        segment = self._segments[number]
        docid: int = segment.maxKey() + 1 if segment else number << SEGMENT_BITS
        segment[docid] = document
        return docid

    def remove(self, docid: int) -> None:
        """Let go of an object. Raises KeyError when there is none."""
        segment = self._segments[docid >> SEGMENT_BITS]
        if segment[docid] is None:
            raise KeyError(docid)
        segment[docid] = None

    def __getitem__(self, docid: int) -> D:
        document: D | None = self._segments[docid >> SEGMENT_BITS][docid]
        if document is None:
            raise KeyError(docid)
        return document

    def fetch(self, docids: Iterable[int]) -> list[D]:
        """The objects of these docids, in this order; read in two requests to a storage that can.

        Raises KeyError when there is no object for a docid.
        """
        docids = list(docids)
        numbers = {docid >> SEGMENT_BITS for docid in docids}
        segments = {number: self._segments[number] for number in numbers}
        self._prefetch(segments.values())
        documents = [segments[docid >> SEGMENT_BITS][docid] for docid in docids]
        if None in documents:
            raise KeyError(docids[documents.index(None)])
        self._prefetch(documents)
        return documents

    def items(self) -> Iterator[tuple[int, D]]:
        """All docids, each with its object."""
        for segment in self._segments.values():
            for docid, document in segment.items():
                if document is not None:
                    yield docid, document

    def _segment_to_fill(self) -> int:
        """The segment of this transaction, else of this process, else a new one."""
        if self._p_jar is None:
            # not stored yet, so nobody else can be filling it
            return self._roomy(self._last())
        database, transaction = self._p_jar.db(), self._p_jar.transaction_manager.get()
        try:
            known = transaction.data(self)
        except KeyError:
            known = NOWHERE
        number = self._roomy(_filling.pop(database, NOWHERE) if known == NOWHERE else known)
        if number != known:
            transaction.set_data(self, number)
            transaction.addAfterCommitHook(_go_on_filling, (database, number))
        return number

    def _roomy(self, number: int) -> int:
        """This segment, or a new one when it is full or not there."""
        segment = self._segments.get(number)
        if segment is None or segment.maxKey() + 1 >> SEGMENT_BITS != number:
            number = self._last() + 1
            self._segments[number] = LOBucket()
        return number

    def _last(self) -> int:
        number: int = self._segments.maxKey() if self._segments else NOWHERE
        return number

    def _prefetch(self, objects: Iterable[Any]) -> None:
        """Read what is not loaded yet in one request; what is not stored yet is loaded."""
        ghosts = {each._p_oid for each in objects if each._p_changed is None}
        if len(ghosts) > 1:
            self._p_jar.prefetch(ghosts)


def _go_on_filling(committed: bool, database: Any, number: int) -> None:
    if committed:
        _filling[database] = number
