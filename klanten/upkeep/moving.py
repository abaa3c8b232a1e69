"""Moving a database to another storage, whole, and proving that all of it arrived."""

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

from ZODB import DB

from ..model.audittrail import Audittrail
from ..model.root import Root
from ..transfer.transactions import reading
from .differences import klanten_of

Progress = Callable[[int], None]


class CopyFailed(Exception):
    """The copy is not the same, or could not be begun; the text is one line."""


class Counted:
    """The transactions of a storage, counted as they pass."""

    def __init__(self, storage: Any, progress: Progress) -> None:
        self._storage = storage
        self._progress = progress

    def iterator(self) -> Iterator[Any]:
        for count, transaction in enumerate(self._storage.iterator(), 1):
            self._progress(count)
            yield transaction

    def __len__(self) -> int:
        return len(self._storage)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)


def copy(source: Any, target: Any, progress: Progress = lambda count: None) -> None:
    """Copy every object of a storage to one in which nothing is yet. Raises `CopyFailed`."""
    if not _is_empty(target):
        name = target.getName()
        raise CopyFailed(f"TARGET: there is something in {name} already; make a new one")
    target.copyTransactionsFrom(Counted(source, progress))


def _is_empty(storage: Any) -> bool:
    found = storage.iterator()
    empty = next(iter(found), None) is None
    # that of a file keeps it open; that of ZEO can't be closed
    getattr(found, "close", lambda: None)()
    return empty


def digest(database: DB, progress: Progress = lambda count: None) -> dict[str, Any]:
    """How many `klanten` and `regels` there are, and a `checksum` over all of both."""
    with reading(database) as root:
        return _digest(root, progress)


def _digest(root: Root, progress: Progress) -> dict[str, Any]:
    """The same for equal klanten and trails, whatever the storage and the order in it."""
    checksum, klanten, regels = 0, 0, 0
    for _, _, klant in klanten_of(root):
        summary = hashlib.sha256(klant.uuid.encode() + klant.json)
        for regel in Audittrail(klant).newest_first():
            summary.update(repr(sorted(regel.content.items(), key=str)).encode())
            regels += 1
        checksum = (checksum + int.from_bytes(summary.digest())) % 2**256
        klanten += 1
        progress(klanten)
    return {"klanten": klanten, "regels": regels, "checksum": f"{checksum:064x}"}
