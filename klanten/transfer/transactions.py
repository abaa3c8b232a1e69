"""Transactions of many changes: committed one after another, or only rehearsed."""

import contextlib
import itertools
from collections.abc import Callable, Iterator
from typing import TypeVar

import transaction
from ZODB import DB
from ZODB.POSException import ConflictError
from ZODB.utils import p64

from ..model.root import Root, bootstrap

T = TypeVar("T")
R = TypeVar("R")

# Nobody can wait for a moment without other writers.
ATTEMPTS = 5


@contextlib.contextmanager
def reading(database: DB) -> Iterator[Root]:
    """The tree as it is now, also where nothing can be written: what is done to it won't stay."""
    manager = transaction.TransactionManager(explicit=True)
    with contextlib.closing(database.open(transaction_manager=manager)) as connection:
        manager.begin()
        try:
            yield bootstrap(connection.root())
        finally:
            manager.abort()


class Transactions:
    """A connection that writes; a context, like a file."""

    def __init__(self, database: DB, note: str) -> None:
        self._manager = transaction.TransactionManager(explicit=True)
        self._connection = database.open(transaction_manager=self._manager)
        self._note = note

    @contextlib.contextmanager
    def one(self) -> Iterator[Root]:
        """The tree in a transaction, committed at the end."""
        self._manager.begin().note(self._note)
        try:
            yield bootstrap(self._connection.root())
            self._manager.commit()
        except BaseException:
            self._manager.abort()
            raise

    def pause(self) -> None:
        """Put what was changed aside, so that memory does not grow with the transaction."""
        self._manager.savepoint(optimistic=True)

    def close(self) -> None:
        self._connection.close()


class Rehearsal(Transactions):
    """A connection that does everything but commit, also to a database that can only be read.

    All that is changed stays in one transaction, which is given up in the end.
    """

    def __init__(self, database: DB, note: str) -> None:
        super().__init__(database, note)
        # numbers of objects that nobody else will ever see, while a storage gives out none to
        # those who can only read
        numbers = itertools.count(1 << 62)
        self._connection.new_oid = lambda: p64(next(numbers))
        self._manager.begin()

    @contextlib.contextmanager
    def one(self) -> Iterator[Root]:
        yield bootstrap(self._connection.root())
        self.pause()

    def close(self) -> None:
        self._manager.abort()
        super().close()


def in_parts(attempt: Callable[[list[T]], R], items: list[T]) -> list[R]:
    """What came of the items: of all in one transaction, or of some in each where others write.

    A large transaction touches nearly everything, and so hardly gets by another writer; its parts
    do. Raises ConflictError when a single item never does.
    """
    for left in reversed(range(ATTEMPTS)):
        try:
            return [attempt(items)]
        except ConflictError:
            if len(items) > 1:
                break
            if not left:
                raise
    middle = len(items) // 2
    return in_parts(attempt, items[:middle]) + in_parts(attempt, items[middle:])
