"""Backups of a database: of a file with repozo, of PostgreSQL with pg_dump.

Both are made while the server runs. A folder holds any number of backups; what is put back is the
newest, and only in an empty place.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ...storage import file_of
from .failure import BackupFailed
from .file import recover, save
from .leftovers import remove_leftovers
from .pieces import ADDED, WHOLE
from .postgresql import DUMP, dump, load

__all__ = ["BackupFailed", "backup", "restore"]

BACKUPS = (WHOLE, ADDED, DUMP)


def backup(uri: str, folder: Path, full: bool = False) -> dict[str, Any]:
    """Make a backup of the database behind a URI.

    Of a file the first is whole, and the next ones hold what was added, unless `full`, or the file
    was packed, or something is missing in the folder. What a backup that was killed left behind is
    removed. Returns the `file` that was made, None when nothing was added, and its `size`.
    Raises `BackupFailed`.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _alone(folder) as alone:
        if alone:
            remove_leftovers(folder)
        return _made(uri, folder, full)


def _made(uri: str, folder: Path, full: bool) -> dict[str, Any]:
    before = set(folder.iterdir())
    file = file_of(uri)
    if file is not None:
        save(file, folder, full)
    else:
        dump(uri, folder)
    made = [path for path in sorted(set(folder.iterdir()) - before) if path.suffix in BACKUPS]
    return {
        "file": str(made[0]) if made else None,
        "size": made[0].stat().st_size if made else 0,
    }


@contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Keep other backups out of a folder; gives whether that can be done: not on every network.

    Raises `BackupFailed` when one is at work there.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield _locked(handle, folder)
    finally:
        os.close(handle)


def _locked(handle: int, folder: Path) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BackupFailed(
            f"{folder}: another backup is being made there; wait for it, or give another folder"
        ) from None
    except OSError:
        return False
    return True


def restore(uri: str, folder: Path) -> dict[str, Any]:
    """Put the newest backup of a folder back, where no database is yet.

    Returns the `backup`, the last of its files, and the `size` of what came of it (of PostgreSQL,
    of the backup). Raises `BackupFailed`.
    """
    if not folder.is_dir():
        raise BackupFailed(f"{folder}: there is no such folder; give one that `backup` filled")
    file = file_of(uri)
    newest = load(uri, folder) if file is None else recover(folder, file)
    return {"backup": str(newest), "size": (file or newest).stat().st_size}
