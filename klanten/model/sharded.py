"""A map that many processes can insert into at the same time.

An insert in a BTree checks that the inner nodes on its path are still as they were read. When a
leaf splits, an inner node changes, and every other writer in that tree gets a conflict, also
when it came with a key that has nothing to do with it. A `Sharded` spreads its keys over a
fixed number of trees, so that two writers rarely meet in one.

A commit writes whole nodes, and one klant touches many trees: small nodes save bytes.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, Generic, TypeVar
from zlib import crc32

from BTrees.OOBTree import OOBTree
from persistent import Persistent

V = TypeVar("V")


class SmallTree(OOBTree):
    """A tree of small nodes.

    Its name is stored, and a ZEO server imports it to merge what two processes wrote.
    """

    max_leaf_size = 15
    max_internal_size = 30


class Sharded(Persistent, Generic[V]):
    """A map of texts, without order and without a length.

    Fill in the type of the values in an annotation only: `Sharded[Klant](16)` would store the
    annotation in the object.
    """

    def __init__(self, shards: int) -> None:
        """Make this many trees, a power of two. Another number later means a new map."""
        if shards < 1 or shards & (shards - 1):
            raise ValueError(f"not a power of two: {shards}")
        self._trees = tuple(SmallTree() for _ in range(shards))

    @property
    def trees(self) -> tuple[Any, ...]:
        """All trees, always in the same order."""
        return self._trees

    def tree(self, key: str) -> Any:
        """The tree that a key belongs in; `hash()` would differ from process to process."""
        return self._trees[self._number(key)]

    def get(self, key: str, default: V | None = None) -> V | None:
        """The value of a key, or the default when the key is not there."""
        value: V | None = self.tree(key).get(key, default)
        return value

    def __getitem__(self, key: str) -> V:
        value: V = self.tree(key)[key]
        return value

    def __setitem__(self, key: str, value: V) -> None:
        self.tree(key)[key] = value

    def update(self, values: Mapping[str, V]) -> None:
        """Set many keys, leaf by leaf."""
        for key in self.in_order(values):
            self[key] = values[key]

    def in_order(self, keys: Iterable[str]) -> list[str]:
        """The keys as they are stored, tree by tree: who follows them meets each leaf once."""
        return sorted(keys, key=lambda key: (self._number(key), key))

    def __delitem__(self, key: str) -> None:
        del self.tree(key)[key]

    def __contains__(self, key: str) -> bool:
        return key in self.tree(key)

    def __iter__(self) -> Iterator[str]:
        return chain.from_iterable(self._trees)

    def keys(self) -> Iterator[str]:
        """All keys, in no useful order."""
        return iter(self)

    def values(self) -> Iterator[V]:
        """All values, in the order of the keys."""
        return chain.from_iterable(tree.values() for tree in self._trees)

    def items(self) -> Iterator[tuple[str, V]]:
        """All keys, each with its value."""
        return chain.from_iterable(tree.items() for tree in self._trees)

    def _number(self, key: str) -> int:
        return crc32(key.encode()) & (len(self._trees) - 1)
