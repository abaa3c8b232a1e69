"""Mending the ways to the klanten from the tree that owns them, while everybody reads on."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from ZODB import DB

from ..execution import write_lock
from ..model.catalog import index_keys
from ..model.fields import index_entries
from ..model.klant import Klant
from ..model.root import Root
from ..transfer.transactions import Transactions, in_parts, reading
from .differences import Difference, differences, document_at, is_owned, keys_of

# So long writers of this process wait at a time.
BATCH = 200

Mend = Callable[[Root, Difference], None]


def mend(database: DB, progress: Callable[[int], None] = lambda count: None) -> dict[str, int]:
    """Look for differences, and mend those that a rebuild from the tree can mend.

    Each is looked at anew in the transaction that mends it: meanwhile others write. Returns how
    many were `mended` and `left` (a broken audittrail stays as evidence).
    """
    counts = {"mended": 0, "left": 0}
    transactions = Transactions(database, "klanten reindex")
    try:
        with reading(database) as root:
            for batch in _batches(differences(root, progress)):
                fixable = [each for each in batch if each.where in MENDS]
                with write_lock:
                    in_parts(lambda part: _mend_all(transactions, part), fixable)
                counts["mended"] += len(fixable)
                counts["left"] += len(batch) - len(fixable)
    finally:
        transactions.close()
    return counts


def _batches(found: Iterable[Difference]) -> Iterator[list[Difference]]:
    rest = iter(found)
    while batch := list(islice(rest, BATCH)):
        yield batch


def _mend_all(transactions: Transactions, found: list[Difference]) -> None:
    with transactions.one() as root:
        for difference in found:
            MENDS[difference.where](root, difference)


def _mend_uuid(root: Root, difference: Difference) -> None:
    klant = _owner(root, difference)
    if klant is not None:
        root.uuids[klant.uuid] = klant
        return
    stray = root.uuids.get(difference.key)
    if stray is not None and not (stray.uuid == difference.key and is_owned(root, stray)):
        del root.uuids[difference.key]


def _mend_document(root: Root, difference: Difference) -> None:
    """A klant that lost its docid is given a new one: a slot is never filled again."""
    klant = _owner(root, difference)
    if klant is not None and document_at(root, klant.docid) is not klant:
        keys = index_keys(index_entries(klant.body))
        root.catalog.mend(klant.docid, keys, keys_of(root, klant.docid))
        klant.docid = root.documents.add(klant)
        root.catalog.mend(klant.docid, set(), keys)
        return
    docid = int(difference.key)
    stray = document_at(root, docid)
    if stray is not None and not (stray.docid == docid and is_owned(root, stray)):
        root.documents.remove(docid)


def _owner(root: Root, difference: Difference) -> Klant | None:
    return root.numbered(*difference.owner) if difference.owner else None


def _mend_index(root: Root, difference: Difference) -> None:
    number, key = difference.key.split(" ", 1)
    docid = int(number)
    right = key in keys_of(root, docid)
    root.catalog.mend(docid, set() if right else {key}, {key} if right else set())


MENDS: dict[str, Mend] = {
    "uuids": _mend_uuid,
    "documents": _mend_document,
    "index": _mend_index,
}
