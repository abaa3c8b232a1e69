"""Opening a database, and the tree in it."""

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar

import transaction
from ZEO.ClientStorage import ClientStorage
from ZODB import DB
from ZODB.POSException import ConflictError, POSError

from ..evolve import check_version
from ..model.root import Root, bootstrap
from .database import Database, DatabaseUnavailable
from .faults import in_line, reason
from .loss import lost
from .uri import file_of, resolve, with_parameters
from .zeo import disconnect, keep_fresh, number_anew

T = TypeVar("T")

# How often another process may come first in making a new database.
RACES = 4
# Seconds that a command waits for a server that does not answer.
TIMEOUT = 10.0


def open_database(
    uri: str, *, read_only: bool = False, timeout: float = TIMEOUT, serving: bool = False
) -> Database:
    """The database behind a zodburi URI.

    `read_only` opens a file beside the server that has it open, as it is at this moment. Within
    about `timeout` seconds a server that does not answer is given up; for `serving`, a statement
    that takes longer is given up too.

    Raises `SettingsError` when the URI can't be read and `DatabaseUnavailable`, with one line of
    explanation, when what it names can't be opened.
    """
    uri = with_parameters(uri, read_only, timeout, serving)
    factory, options = resolve(uri)
    file = file_of(uri)
    if file is not None and (loss := lost(file)):
        raise DatabaseUnavailable(f"zodbconn.uri: {loss}")
    try:
        return _made(partial(_open, factory, options))
    except Exception as fault:
        raise DatabaseUnavailable(f"zodbconn.uri: {reason(uri, fault)}") from fault


@contextlib.contextmanager
def bare_storage(uri: str) -> Iterator[Any]:
    """The storage behind a URI, without a database on it: opening one writes a first object.

    Raises `SettingsError` and `DatabaseUnavailable`.
    """
    factory, _ = resolve(with_parameters(uri, False, TIMEOUT, False))
    try:
        storage = factory()
    except Exception as fault:
        raise DatabaseUnavailable(f"zodbconn.uri: {reason(uri, fault)}") from fault
    try:
        yield storage
    finally:
        storage.close()


def require_driver(uri: str) -> None:
    """Say at once, before anything is opened, that a URI can't be read or lacks its package.

    Raises `SettingsError`.
    """
    resolve(with_parameters(uri, False, TIMEOUT, False))


def _made(make: Callable[[], T]) -> T:
    """What is made in a new database, at the next try when another process just made it too."""
    for _ in range(RACES):
        with contextlib.suppress(ConflictError):
            return make()
    return make()


def _open(factory: Callable[[], Any], options: dict[str, Any]) -> Database:
    storage = factory()
    try:
        if isinstance(storage, ClientStorage):
            keep_fresh(storage)
            number_anew(storage)
            storage.cut = partial(disconnect, storage)
        database = Database(storage, **options)
    except BaseException:
        storage.close()
        raise
    database.cut = getattr(storage, "cut", None)
    database.unavailable = getattr(storage, "unavailable", ())
    return database


@contextlib.contextmanager
def tree(database: DB, note: str = "") -> Iterator[Root]:
    """The tree in a transaction of its own, committed at the end; for commands and start-up."""
    manager = transaction.TransactionManager(explicit=True)
    connection = database.open(transaction_manager=manager)
    try:
        with manager as begun:
            begun.note(note)
            yield bootstrap(connection.root())
    finally:
        connection.close()


def prepare(database: Database) -> bool:
    """Make the tree in a new database; refuse one of another schema version.

    Returns whether it was new. Raises `DatabaseTooNew`, `DatabaseTooOld` and `DatabaseUnavailable`.
    """
    try:
        return _made(partial(_prepare, database))
    except (POSError, *database.unavailable) as fault:
        raise DatabaseUnavailable(f"zodbconn.uri: the database fails: {in_line(fault)}") from fault


def _prepare(database: DB) -> bool:
    with tree(database, "prepare the database") as root:
        check_version(root)
        return root._p_jar is None
