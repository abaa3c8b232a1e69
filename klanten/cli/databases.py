"""Opening the database for a command: whatever it breaks on is one line for the operator."""

import contextlib
import logging
import traceback
from collections.abc import Iterator

from ZODB.POSException import POSError

from ..evolve import check_version
from ..model.root import Root
from ..settings import Settings
from ..storage import Database, DatabaseUnavailable, open_database
from ..transfer.transactions import reading

STORAGES = frozenset({"ZODB", "ZEO", "relstorage"})


@contextlib.contextmanager
def opened(settings: Settings, *, read_only: bool = False) -> Iterator[Database]:
    """The database of the ini file. One in a file can be read beside the server that has it open.

    Raises `DatabaseUnavailable`, also for what goes wrong with the database later.
    """
    with _only_our_words():
        database = open_database(
            settings.database_uri, read_only=read_only, timeout=settings.database_timeout
        )
        try:
            yield database
        except Exception as fault:
            if not _is_of(database, fault):
                raise
            reason = " ".join(str(fault).split())
            raise DatabaseUnavailable(
                f"zodbconn.uri: the database fails ({type(fault).__name__}): {reason}"
            ) from fault
        finally:
            database.close()


def _is_of(database: Database, fault: Exception) -> bool:
    """Whether the database failed: reading a damaged file may raise nearly anything."""
    if isinstance(fault, (POSError, *database.unavailable)):
        return True
    frames = (frame for frame, _ in traceback.walk_tb(fault.__traceback__))
    return any(frame.f_globals["__name__"].partition(".")[0] in STORAGES for frame in frames)


@contextlib.contextmanager
def _only_our_words() -> Iterator[None]:
    """What ZODB logs of an odd file is said by the error, or is nothing for an operator."""
    logger = logging.getLogger("ZODB")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextlib.contextmanager
def stored(settings: Settings) -> Iterator[tuple[Database, Root]]:
    """The database and the tree in it, to look at.

    Raises `DatabaseUnavailable`, `DatabaseTooNew` and `DatabaseTooOld`.
    """
    with opened(settings, read_only=True) as database, reading(database) as tree:
        check_version(tree)
        yield database, tree
