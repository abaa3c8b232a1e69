"""A real database in a file: only there do two connections merge or conflict."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from transaction import TransactionManager
from ZODB import DB
from ZODB.Connection import Connection
from ZODB.FileStorage import FileStorage

Change = Callable[[Any], Any]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[DB]:
    with closing(DB(FileStorage(str(tmp_path / "Data.fs")))) as database:
        yield database


@pytest.fixture
def connection(database: DB) -> Iterator[Connection]:
    with closing(database.open(TransactionManager())) as connection:
        yield connection
        connection.transaction_manager.abort()


@pytest.fixture
def stored(connection: Connection) -> Callable[[Any], Any]:
    """Commits an object as `root()["it"]` and gives it back, still connected."""

    def store(it: Any) -> Any:
        connection.root()["it"] = it
        connection.transaction_manager.commit()
        return it

    return store


@pytest.fixture
def write_at_once(database: DB, connection: Connection) -> Callable[..., Any]:
    """Applies changes to the stored object, each to the same snapshot; commits one by one.

    Gives back what is stored then. Raises ConflictError where they cannot be merged.
    """

    def write(*changes: Change) -> Any:
        with ExitStack() as stack:
            managers = []
            for change in changes:
                manager = TransactionManager()
                writer = stack.enter_context(closing(database.open(manager)))
                stack.callback(manager.abort)
                change(writer.root()["it"])
                managers.append(manager)
            for manager in managers:
                manager.commit()
        connection.transaction_manager.begin()
        return connection.root()["it"]

    return write


@pytest.fixture
def loads(connection: Connection) -> Callable[[Callable[[], Any]], int]:
    """Counts the objects that a call reads from the storage."""

    def count(call: Callable[[], Any]) -> int:
        connection.getTransferCounts(clear=True)
        call()
        return connection.getTransferCounts()[0]

    return count
