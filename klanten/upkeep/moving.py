"""Moving a database to another storage, whole, and proving that all of it arrived."""

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ZODB import DB

from ..model.audittrail import Audittrail
from ..model.root import Root
from ..storage import absent, bare_storage, file_of
from ..transfer.transactions import reading
from .differences import klanten_of

Progress = Callable[[int], None]

PARTIAL = ".partial"
"""Behind the name of a file while it is copied to."""


class CopyFailed(Exception):
    """The copy is not the same, or could not be begun; the text is one line."""


class Counted:
    """The transactions of a storage, counted as they pass."""

    def __init__(self, storage: Any, progress: Progress) -> None:
        self._storage = storage
        self._progress = progress

    def iterator(self) -> Iterator[Any]:
        with _iterated(self._storage) as transactions:
            for count, transaction in enumerate(transactions, 1):
                self._progress(count)
                yield transaction

    def __len__(self) -> int:
        return len(self._storage)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)


@contextlib.contextmanager
def place(uri: str) -> Iterator[str]:
    """The URI to copy to. A file gets its own name at the end: there is a whole one, or none.

    Raises `CopyFailed`, `SettingsError` and `DatabaseUnavailable`.
    """
    file = file_of(uri)
    if file is None:
        yield uri
        return
    if not absent(file):
        raise _filled(str(file))
    file = file.resolve()  # a link stays one
    partial = file.with_name(file.name + PARTIAL)
    _, mark, parameters = uri.partition("?")
    here = f"file://{partial}{mark}{parameters}"
    with bare_storage(f"{here}{'&' if mark else '?'}create=1"):
        pass  # nothing is in it, also where a copy was killed
    try:
        yield here
        for end in (".index", ""):
            _beside(partial, end).replace(_beside(file, end))
    finally:
        for end in ("", ".index", ".tmp", ".lock"):
            _beside(partial, end).unlink(missing_ok=True)


def _beside(file: Path, end: str) -> Path:
    return file.with_name(file.name + end)


def require_place(target: Any) -> None:
    """Raises `CopyFailed` when a storage can't take a copy, or when there is something in it."""
    if not hasattr(target, "copyTransactionsFrom"):
        raise CopyFailed("TARGET: what is only in memory is no copy; name a file or a server")
    if not _is_empty(target):
        raise _filled(target.getName())


def _filled(name: str) -> CopyFailed:
    return CopyFailed(f"TARGET: there is something in {name} already; make a new one")


def copy(source: Any, target: Any, progress: Progress = lambda count: None) -> None:
    """Copy every object of a storage to one in which nothing is yet."""
    target.copyTransactionsFrom(Counted(source, progress))


def _is_empty(storage: Any) -> bool:
    with _iterated(storage) as transactions:
        return next(iter(transactions), None) is None


@contextlib.contextmanager
def _iterated(storage: Any) -> Iterator[Any]:
    """The transactions of a storage: that of a file keeps it open, that of ZEO can't be closed."""
    transactions = storage.iterator()
    try:
        yield transactions
    finally:
        getattr(transactions, "close", lambda: None)()


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
