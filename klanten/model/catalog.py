"""The index behind the list filters: which docids have which value.

Every filter compares for equality, so one map of "filter=value" to a posting serves them all,
and needs no order. Only the differences are written: a change that leaves a field as it was
does not touch its entry, where it could meet another writer.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Set

from persistent import Persistent

from .postings import Posting, Selection, add, remove, store
from .sharded import Sharded

ALL = ""
"""The key of the posting of all docids."""

Pause = Callable[[], None]
"""Called now and then in the middle of much work; a savepoint there bounds the memory."""
PAUSE_AFTER = 20_000
"""Entries that are written between two pauses, most of them in a leaf of its own."""


def go_on() -> None:
    """The pause of a change that is small."""


class Catalog(Persistent):
    """Docids by the values of their filters.

    What goes with a docid are its `entries`: the value of each filter, by the filter's name.
    An empty value is as good as none and is never indexed.
    """

    def __init__(self, shards: int = 1024) -> None:
        self._index: Sharded[Posting] = Sharded(shards)

    def add(self, docid: int, entries: Mapping[str, str]) -> None:
        """Index a docid that is new here."""
        self._write(docid, set(), index_keys(entries))

    def add_all(self, entries: Mapping[int, Mapping[str, str]], pause: Pause = go_on) -> None:
        """Index many docids that are new here, leaf by leaf.

        Docid by docid, nearly every entry is in another leaf than the one before.
        """
        found = defaultdict(list)
        for docid, values in entries.items():
            for key in index_keys(values):
                found[key].append(docid)
        for count, key in enumerate(self._index.in_order(found), 1):
            old = new = self._index.get(key)
            for docid in found.pop(key):
                new = add(new, docid)
            store(self._index, key, old, new)
            if count % PAUSE_AFTER == 0:
                pause()

    def change(self, docid: int, old: Mapping[str, str], new: Mapping[str, str]) -> None:
        """Index what is different about a docid."""
        self._write(docid, _keys(old), _keys(new))

    def remove(self, docid: int, entries: Mapping[str, str]) -> None:
        """Forget a docid that was indexed with these entries."""
        self._write(docid, index_keys(entries), set())

    def search(self, filters: Mapping[str, str]) -> Selection:
        """The docids that have all these values; without filters all docids.

        An empty value finds nothing: it is not indexed.
        """
        keys = [_key(*each) for each in filters.items()] or [ALL]
        postings = [self._index.get(key) for key in keys]
        # a value that nobody has ends the search before a common one is read
        return Selection([None] if None in postings else postings)

    def mend(self, docid: int, old: Set[str], new: Set[str]) -> None:
        """Take a docid from the keys that only the old ones have, and put it at the new ones."""
        self._write(docid, old, new)

    def items(self) -> Iterator[tuple[str, Posting]]:
        """All entries, "filter=value" or `ALL`, each with its posting."""
        return self._index.items()

    def _write(self, docid: int, old: Set[str], new: Set[str]) -> None:
        for key in old - new:
            posting = self._index.get(key)
            store(self._index, key, posting, remove(posting, docid))
        for key in new - old:
            posting = self._index.get(key)
            store(self._index, key, posting, add(posting, docid))


def index_keys(entries: Mapping[str, str]) -> set[str]:
    """The keys under which a docid with these entries stands in the index."""
    return {ALL} | _keys(entries)


def _keys(entries: Mapping[str, str]) -> set[str]:
    return {_key(name, value) for name, value in entries.items() if value}


def _key(name: str, value: str) -> str:
    return f"{name}={value}"
