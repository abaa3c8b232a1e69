"""Klanten that leave for a file."""

from collections.abc import Iterable, Iterator, Mapping
from typing import BinaryIO

from ..model.klant import Klant
from ..model.root import Root
from ..storage import DatabaseUnavailable
from .batches import batches
from .formats import Format

CHUNK = 1_000


def selected(tree: Root, filters: Mapping[str, str]) -> Iterator[Klant]:
    """The klanten that have all these values, in the order of the list; memory stays bounded."""
    for docids in batches(tree.search(filters), CHUNK):
        yield from found(tree, docids)
        tree._p_jar.cacheGC()


def found(tree: Root, docids: Iterable[int]) -> list[Klant]:
    """The klanten of these docids. Raises `DatabaseUnavailable` when the index is broken."""
    try:
        return tree.fetch(docids)
    except KeyError:
        raise DatabaseUnavailable(
            "the index names a klant that is not there; run `klanten reindex` with this ini file"
        ) from None


def export(tree: Root, filters: Mapping[str, str], format: Format, to: BinaryIO) -> Iterator[int]:
    """Write the klanten; yields how many it has written, now and then and at the end."""
    count = 0
    with format.packed(to) as stream:
        stream.write(format.layout.head)
        for count, klant in enumerate(selected(tree, filters), 1):
            stream.write(format.layout.line(klant))
            if count % CHUNK == 0:
                yield count
    yield count
