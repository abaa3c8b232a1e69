"""Opening the database for a command: whatever it breaks on is one line for the operator."""

import contextlib
import logging
import traceback
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ZODB.POSException import POSError

from ..evolve import check_version
from ..model.root import Root
from ..settings import Settings
from ..storage import Database, DatabaseUnavailable, absent, file_of, lost, open_database
from ..transfer.transactions import reading
from ..upkeep.mends import mend_of

STORAGES = frozenset({"ZODB", "ZEO", "relstorage"})
MEND = "restore a backup, or start the server, which makes a new database"


@contextlib.contextmanager
def opened(settings: Settings, *, read_only: bool = False, new: bool = False) -> Iterator[Database]:
    """The database of the ini file. One in a file can be read beside the server that has it open.

    Only with `new` a file may be made, or an empty database be written to: a name that is misspelt
    is no order for a new database.

    Raises `DatabaseForeign`, and `DatabaseUnavailable`, also for what goes wrong with it later.
    """
    file = file_of(settings.database_uri)
    if file is not None:
        refuse_absent(file, new)
    opened_here = partial(open_database, settings.database_uri, timeout=settings.database_timeout)
    with quiet():
        if file is None and not (new or read_only):
            # to open an empty one for writing is to write to it
            opened_here(read_only=True).close()
        database = opened_here(read_only=read_only)
        try:
            if not (new or read_only):
                _refuse_without_klanten(database)
            yield database
        except Exception as fault:
            if not _is_of(database, fault):
                raise
            reason = " ".join(str(fault).split())
            what = f"the database fails ({type(fault).__name__}): {reason}"
            mend = mend_of(fault) or "if that does not pass, restore a backup"
            raise DatabaseUnavailable(f"zodbconn.uri: {what}; {mend}") from fault
        finally:
            # on a full disk this may fail once more, with nothing left to lose
            with contextlib.suppress(OSError):
                database.close()


def refuse_absent(file: Path, new: bool = False) -> None:
    """Refuse the file of a database that is not there, unless it may be `new`.

    Raises `DatabaseUnavailable`.
    """
    if not new and (what := absent(file)):
        loss = lost(file) or f"{file}: {what}; name the right file, {MEND}"
        raise DatabaseUnavailable(f"zodbconn.uri: {loss}")


def _refuse_without_klanten(database: Database) -> None:
    """Raises `DatabaseForeign` and `DatabaseUnavailable`."""
    with reading(database) as root:
        if root._p_jar is None:  # it was made just now, and is not kept
            what = "nothing is in the database; name the right one"
            raise DatabaseUnavailable(f"zodbconn.uri: {what}, {MEND}")


def _is_of(database: Database, fault: Exception) -> bool:
    """Whether the database failed: reading a damaged file may raise nearly anything."""
    if isinstance(fault, (POSError, *database.unavailable)):
        return True
    frames = (frame for frame, _ in traceback.walk_tb(fault.__traceback__))
    return any(frame.f_globals["__name__"].partition(".")[0] in STORAGES for frame in frames)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """What storages log of an odd file or a server is said by the error, or is nothing."""
    loggers = [logging.getLogger(name) for name in (*STORAGES, "txn")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextlib.contextmanager
def stored(settings: Settings) -> Iterator[tuple[Database, Root]]:
    """The database and the tree in it, to look at.

    Raises `DatabaseUnavailable`, `DatabaseTooNew` and `DatabaseTooOld`.
    """
    with opened(settings, read_only=True) as database, reading(database) as tree:
        check_version(tree)
        yield database, tree
