"""The docids that share a value: small when they are few, exact to merge when they are many.

A *posting* is a tuple of at most eight docids, or a `Bitmap`, which maps the number of a chunk to
the docids within: by the same rule a tuple of at most eight, or a `Chunk` of bits. One rule on
two levels. Most values belong to a few klanten and cost a few bytes beside
their key; a value that a million klanten share is 122 chunks of a kilobyte, of which a new
klant writes one. Plain sets in a BTree would have to be walked docid by docid to combine them;
bits are combined and counted 8,192 at a time.

Nothing turns back from bits into a tuple: a value that was common before will be so again.
"""

import re
from bisect import bisect
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, TypeAlias, TypeVar

from BTrees.LOBTree import LOBTree
from persistent import Persistent
from ZODB.POSException import ConflictError

FEW = 8
CHUNK_BITS = 13
CHUNK_MASK = (1 << CHUNK_BITS) - 1

ONE = re.compile("1")


class Chunk(Persistent):
    """Which of 8,192 neighbouring docids are there: an integer, at most 1 KB when stored."""

    bits = 0

    def add(self, offset: int) -> None:
        self.bits |= 1 << offset

    def remove(self, offset: int) -> None:
        self.bits &= ~(1 << offset)

    def __bool__(self) -> bool:
        return self.bits != 0

    def _p_resolveConflict(
        self, old: dict[str, int], committed: dict[str, int], new: dict[str, int]
    ) -> dict[str, int]:
        """Keep the bits that either writer flipped; ZODB calls this with the stored states.

        A chunk without bits is no longer in its bitmap, so what was merged with it, or what it
        was merged to, would be lost: a conflict, as is a bit that both flipped.
        """
        theirs = old["bits"] ^ committed["bits"]
        ours = old["bits"] ^ new["bits"]
        merged = old["bits"] ^ theirs ^ ours
        if theirs & ours or not (committed["bits"] and new["bits"] and merged):
            raise ConflictError
        return {"bits": merged}


class Bitmap(LOBTree):
    """Number of a chunk -> the docids in it, each less the first one of the chunk.

    With nodes of the usual size, larger than those of the index: a leaf is written for the
    first nine docids of a chunk and not for the thousands after, and a query reads every one.
    """

    def add(self, docid: int) -> None:
        number, offset = docid >> CHUNK_BITS, docid & CHUNK_MASK
        part = self.get(number)
        store(self, number, part, _add(part, offset, Chunk))

    def remove(self, docid: int) -> None:
        number, offset = docid >> CHUNK_BITS, docid & CHUNK_MASK
        part = self.get(number)
        store(self, number, part, _remove(part, offset))


Few: TypeAlias = tuple[int, ...]
Part: TypeAlias = Few | Chunk
Posting: TypeAlias = Few | Bitmap
Many = TypeVar("Many", Chunk, Bitmap)


def add(posting: Posting | None, docid: int) -> Posting:
    """The posting with this docid in it: the same object when that is a bitmap."""
    return _add(posting, docid, Bitmap)


def remove(posting: Posting | None, docid: int) -> Posting | None:
    """The posting without this docid; None when nothing is left."""
    return _remove(posting, docid)


def contains(posting: Posting | None, docid: int) -> bool:
    """Whether a docid is in a posting."""
    bits = _bits(_parts(posting).get(docid >> CHUNK_BITS))
    return bool(bits >> (docid & CHUNK_MASK) & 1)


def store(postings: Any, key: Any, old: Posting | Part | None, new: Posting | Part | None) -> None:
    """Write what changed about one key of a map. What changed in place is written already."""
    if new is None and old is not None:
        del postings[key]
    elif new != old:
        postings[key] = new


class Selection:
    """The docids that are in all of these postings, rising."""

    def __init__(self, postings: Iterable[Posting | None]) -> None:
        """Combine one or more postings, the smallest first: where it ends, the others do."""
        smallest, *others = sorted(map(_parts, postings), key=len)
        self._chunks: dict[int, int] = {}
        for number, part in smallest.items():
            bits = _bits(part)
            for other in others:
                bits = bits and bits & _bits(other.get(number))
            self._chunks[number] = bits

    @property
    def count(self) -> int:
        """How many docids there are."""
        return sum(map(int.bit_count, self._chunks.values()))

    def docids(self, offset: int, limit: int) -> list[int]:
        """At most `limit` docids, after skipping `offset`."""
        return list(islice(self._after(offset), limit))

    def __iter__(self) -> Iterator[int]:
        return self._after(0)

    def _after(self, skip: int) -> Iterator[int]:
        for number, bits in self._chunks.items():
            size = bits.bit_count()
            if skip < size:
                yield from map((number << CHUNK_BITS).__add__, _offsets(bits, skip))
            skip = max(0, skip - size)


def _add(posting: Few | Many | None, docid: int, many: type[Many]) -> Few | Many:
    if isinstance(posting, many):
        posting.add(docid)
        return posting
    docids = tuple(sorted({*(posting or ()), docid}))
    if len(docids) <= FEW:
        return docids
    grown = many()
    for each in docids:
        grown.add(each)
    return grown


def _remove(posting: Few | Many | None, docid: int) -> Few | Many | None:
    if isinstance(posting, Chunk | Bitmap):
        posting.remove(docid)
        return posting or None
    return tuple(each for each in posting or () if each != docid) or None


def _parts(posting: Posting | None) -> Mapping[int, Part]:
    """Any posting by chunk, as a bitmap is."""
    if isinstance(posting, Bitmap):
        return posting
    parts: dict[int, Part] = {}
    for docid in posting or ():
        number = docid >> CHUNK_BITS
        parts[number] = _add(parts.get(number), docid & CHUNK_MASK, Chunk)
    return parts


def _bits(part: Part | None) -> int:
    return part.bits if isinstance(part, Chunk) else sum(1 << offset for offset in part or ())


def _offsets(bits: int, skip: int) -> Iterator[int]:
    """Where the bits are, from the lowest up, without the first few."""
    digits = bin(bits)[:1:-1]
    # counting finds the place in some 13 steps; with nothing to skip there is none to find
    start = skip and bisect(range(len(digits)), skip, key=lambda end: digits.count("1", 0, end + 1))
    return map(re.Match.start, ONE.finditer(digits, start))
