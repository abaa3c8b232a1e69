"""Backups of a database in a file: the whole with repozo, and then what was added."""

from pathlib import Path

from persistent.TimeStamp import TimeStamp
from ZODB.scripts import repozo

from .failure import BackupFailed
from .moment import await_new_second, named
from .pieces import WHOLE, gap, newest_piece

# Bytes: what a FileStorage begins with, and the number of a transaction.
HEAD, TID = 4, 8


def save(file: Path, folder: Path, full: bool) -> None:
    """Make a backup of a file in a folder; of a half one nothing stays.

    Raises `BackupFailed`.
    """
    await_new_second(folder)
    before = set(folder.iterdir())
    if _is_younger(file, folder):
        raise BackupFailed(
            f"{folder}: the newest backup there is older than all that is in {file}, and so of "
            "another database, perhaps of one that was lost; give another folder"
        )
    full = full or gap(folder) != ""
    try:
        _repozo("-B", "-r", str(folder), "-f", str(file), *(["-F"] if full else []))
    except BaseException:
        for half in set(folder.iterdir()) - before:
            half.unlink()
        raise


def recover(folder: Path, file: Path) -> Path:
    """Put the newest backup of a folder back; the last piece of it.

    Raises `BackupFailed`.
    """
    if file.exists():
        raise BackupFailed(f"{file}: there is a database already; move it away first")
    if what := gap(folder):
        raise BackupFailed(
            f"{what}; nothing was changed; have all pieces as they were, or give another folder"
        )
    if not any(folder.glob(f"*{WHOLE}")):
        raise BackupFailed(f"{folder}: there is no backup of a file in it; give another folder")
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        _repozo("-R", "-w", "-r", str(folder), "-o", str(file))
    except BaseException:
        file.with_name(file.name + ".part").unlink(missing_ok=True)
        raise
    if not _newest_whole(folder).with_suffix(".index").exists():
        # then what stands beside the file is of the one that is gone
        file.with_name(file.name + ".index").unlink(missing_ok=True)
    return newest_piece(folder)


def _is_younger(file: Path, folder: Path) -> bool:
    """Whether a database begins after the newest backup in a folder.

    One that was begun anew would follow the backups of the one before, and be the newest of them.
    """
    if not any(folder.glob(f"*{WHOLE}")):
        return False
    first = _first_transaction(file)
    if len(first) < TID or first == _first_transaction(_newest_whole(folder)):
        return False  # where a clock was ahead, one and the same
    return named(TimeStamp(first).timeTime()) > newest_piece(folder).stem


def _newest_whole(folder: Path) -> Path:
    return max(folder.glob(f"*{WHOLE}"))


def _first_transaction(file: Path) -> bytes:
    """The number of the first transaction, which is its moment; shorter where there is none."""
    with file.open("rb") as content:
        content.seek(HEAD)
        return content.read(TID)


def _repozo(*arguments: str) -> None:
    try:
        repozo.main(list(arguments))
    except SystemExit as end:
        if isinstance(end.__context__, OSError):
            raise end.__context__ from None
        if end.code:
            raise BackupFailed(f"repozo: {end.code}; nothing was changed") from None
    except OSError:
        raise
    except Exception as fault:  # what a damaged backup raises has no end
        reason = " ".join(str(fault).split())
        raise BackupFailed(
            f"repozo fails ({type(fault).__name__}): {reason}; try an older backup"
        ) from fault
