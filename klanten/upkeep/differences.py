"""Whether the ways to a klant agree: tree, uuids, documents, index, audittrails and outbox.

The tree of organisations owns the klanten; the rest is compared with it.
"""

from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ..model.audittrail import Actie, Audittrail
from ..model.catalog import index_keys
from ..model.fields import index_entries
from ..model.klant import Klant
from ..model.postings import Selection
from ..model.root import Root

# Objects are let go of now and then: a walk of everything would keep everything in memory.
BREATH = 5_000
MASK = 2**64 - 1

Progress = Callable[[int], None]


@dataclass(frozen=True)
class Difference:
    """A place where a database is not whole. `where` is the structure, `key` the place in it."""

    where: str
    key: str
    what: str
    owner: tuple[str, str] | None = None
    """Where the klant stands in the tree that lacks something, None for what is too much."""


def differences(root: Root, progress: Progress = lambda count: None) -> Iterator[Difference]:
    """Every difference in a database, seen in one snapshot; `progress` is told klanten done."""
    expected = Sums()
    yield from _tree_differences(root, expected, progress)
    yield from _uuid_differences(root)
    yield from _document_differences(root)
    yield from index_differences(root, expected)
    yield from _outbox_differences(root)


def klanten_of(root: Root) -> Iterator[tuple[str, str, Klant]]:
    """Every klant in the tree with its place: bronorganisatie and klantnummer."""
    count = 0
    for bronorganisatie, organisatie in root.organisaties.items():
        for klantnummer, klant in organisatie.items():
            yield bronorganisatie, klantnummer, klant
            count += 1
            if not count % BREATH:
                breathe(root)


def breathe(root: Root) -> None:
    """Let go of unchanged objects beyond the size of the cache."""
    root._p_jar.cacheGC()


def is_readable(persistent: Any) -> bool:
    """Whether an object can be loaded: its record may be gone, or be damaged."""
    try:
        persistent._p_activate()
    except Exception:  # what a damaged record raises has no end
        return False
    return True


def is_owned(root: Root, klant: Klant) -> bool:
    """Whether a klant stands in the tree at the place that its body names."""
    body = klant.body
    return bool(body) and root.numbered(body["bronorganisatie"], body["klantnummer"]) is klant


# --- the tree and what hangs on each klant ------------------------------------------------------


def _tree_differences(root: Root, expected: "Sums", progress: Progress) -> Iterator[Difference]:
    for count, (bronorganisatie, klantnummer, klant) in enumerate(klanten_of(root), 1):
        owner = (bronorganisatie, klantnummer)
        if not is_readable(klant):
            yield Difference("records", "/".join(owner), "the klant can't be read")
            progress(count)
            continue
        body = klant.body
        if (body.get("bronorganisatie"), body.get("klantnummer")) != owner:
            yield Difference("tree", "/".join(owner), "the klant names another place")
            continue
        if root.uuids.get(klant.uuid) is not klant:
            yield Difference("uuids", klant.uuid, "the klant is not found by its uuid", owner)
        if document_at(root, klant.docid) is not klant:
            what = "the klant is not found by its docid"
            yield Difference("documents", str(klant.docid), what, owner)
        for key in index_keys(index_entries(body)):
            expected.add(klant.docid, key)
        yield from _trail_differences(klant)
        progress(count)


def _trail_differences(klant: Klant) -> Iterator[Difference]:
    """A chain that ends in the klant as it is: `oud` of a line is `nieuw` of the one before."""
    newest = klant.body
    for regel in Audittrail(klant).newest_first():
        if not is_readable(regel):
            yield Difference("records", klant.uuid, "a line of the audittrail can't be read")
            return
        changes = regel.content["wijzigingen"]
        if changes["nieuw"] != newest:
            what = f"does not lead to what follows in the trail of {klant.uuid}"
            yield Difference("audittrail", regel.uuid, what)
        newest = changes["oud"]
    if klant.regel is not None and newest is not None:
        yield Difference("audittrail", klant.uuid, "does not begin with the creation")


def document_at(root: Root, docid: int) -> Klant | None:
    """The klant with this docid, None when there is none."""
    try:
        return root.documents[docid]
    except KeyError:
        return None


# --- the other ways ----------------------------------------------------------------------------


def _uuid_differences(root: Root) -> Iterator[Difference]:
    for uuid, klant in root.uuids.items():
        if not is_readable(klant):
            yield Difference("records", uuid, "leads to a klant that can't be read")
        elif klant.uuid != uuid or not is_owned(root, klant):
            yield Difference("uuids", uuid, "leads to a klant that is not in the tree")


def _document_differences(root: Root) -> Iterator[Difference]:
    for docid, klant in root.documents.items():
        if not is_readable(klant):
            yield Difference("records", str(docid), "leads to a klant that can't be read")
        elif klant.docid != docid or not is_owned(root, klant):
            yield Difference("documents", str(docid), "leads to a klant that is not in the tree")


def _outbox_differences(root: Root) -> Iterator[Difference]:
    for number in root.outbox:
        message = root.outbox[number]
        if message.actie != Actie.DESTROY and not _may_tell_of(root, message.klant, number):
            yield Difference("outbox", number, "tells of a change that was not made")


def _may_tell_of(root: Root, uuid: str, number: str) -> bool:
    """Whether a klant has, or had before it was deleted, the version that a message names."""
    klant = root.uuids.get(uuid)
    return klant is None or int(number.rpartition("/")[2]) <= klant.version


# --- the index ----------------------------------------------------------------------------------


class Sums:
    """For each docid the sum of the hashes of its keys: an index is compared in one walk.

    A million klanten have fourteen million keys; their sums take 8 MB.
    """

    def __init__(self) -> None:
        self._sums = array("Q")

    def add(self, docid: int, key: str) -> None:
        missing = docid + 1 - len(self._sums)
        if missing > 0:
            self._sums.extend(array("Q", [0]) * missing)
        # the hash of "" is 0, and would not be missed
        self._sums[docid] = (self._sums[docid] + hash((key,))) & MASK

    def unlike(self, other: "Sums") -> set[int]:
        """The docids whose keys are not the same in both."""
        size = max(len(self._sums), len(other._sums))
        padded = (sums._sums + array("Q", [0]) * (size - len(sums._sums)) for sums in (self, other))
        mine, theirs = padded
        return {docid for docid in range(size) if mine[docid] != theirs[docid]}


def index_differences(root: Root, expected: Sums) -> Iterator[Difference]:
    """Where the index has a docid too many, or lacks one."""
    found = Sums()
    for key, docid in _entries(root):
        found.add(docid, key)
    wrong = found.unlike(expected)
    if not wrong:
        return
    there: dict[int, set[str]] = {docid: set() for docid in wrong}
    for key, docid in _entries(root):
        if docid in wrong:
            there[docid].add(key)
    for docid in sorted(wrong):
        klant = document_at(root, docid)
        if klant is not None and not is_readable(klant):
            continue  # nobody knows what its keys should be
        yield from _docid_differences(root, docid, there[docid])


def _docid_differences(root: Root, docid: int, there: set[str]) -> Iterator[Difference]:
    right = keys_of(root, docid)
    for key in sorted(right - there):
        yield Difference("index", f"{docid} {key}", "is missing")
    for key in sorted(there - right):
        yield Difference("index", f"{docid} {key}", "should not be there")


def keys_of(root: Root, docid: int) -> set[str]:
    """The keys under which a docid should be found."""
    klant = document_at(root, docid)
    if klant is None or not is_owned(root, klant):
        return set()
    return index_keys(index_entries(klant.body))


def _entries(root: Root) -> Iterator[tuple[str, int]]:
    for count, (key, posting) in enumerate(_postings(root), 1):
        for docid in Selection([posting]):
            yield key, docid
        if not count % BREATH:
            breathe(root)


def _postings(root: Root) -> Iterator[tuple[str, Any]]:
    return root.catalog.items()
