"""A ZODB database that counts, and that can do without its server."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from ZEO.Exceptions import ClientDisconnected
from ZODB import DB
from ZODB.Connection import Connection
from ZODB.POSException import ConflictError, StorageError

LOST = ClientDisconnected
"""Raised when the server went away at any moment, also in the middle of a commit."""


class DatabaseUnavailable(Exception):
    """The database can't be opened."""


class DatabaseBusy(StorageError):
    """Other writers kept the request waiting for too long."""


class PooledConnection(Connection):
    """A connection that counts, and that goes back into the pool when it can't begin.

    ZODB itself forgets about it, and what it holds in the storage stays for ever: with a server
    that is away, each request would leave some memory behind.
    """

    commits = 0
    """Transactions that wrote something, since the connection was made."""
    conflicts = 0
    """Transactions that did not, because others had changed the same things."""

    def open(self, *args: Any, **named: Any) -> None:
        try:
            super().open(*args, **named)
        except BaseException:
            self.close()
            raise

    def commit(self, transaction: Any) -> None:
        with self._counting_conflicts():
            super().commit(transaction)

    def tpc_vote(self, transaction: Any) -> None:
        with self._counting_conflicts():
            super().tpc_vote(transaction)

    def tpc_finish(self, transaction: Any) -> None:
        super().tpc_finish(transaction)
        self.commits += 1

    @contextlib.contextmanager
    def _counting_conflicts(self) -> Iterator[None]:
        try:
            yield
        except ConflictError:
            self.conflicts += 1
            raise


class Database(DB):
    """A ZODB database that knows how to do without its server."""

    klass = PooledConnection
    cut: Callable[[], None] | None = None
    """Lets all that waits for the server fail; None where there is nobody to wait for."""
    unavailable: tuple[type[Exception], ...] = ()
    """What the storage raises, beside `StorageError`, when it can't be reached."""
    helpers: tuple[Callable[[], None], ...] = ()
    """Each ends something that works for this database, and has to end before it is closed."""

    def close(self) -> None:
        """End the helpers and let go of the storage. Closing twice is fine."""
        helpers, self.helpers = self.helpers, ()
        for end in helpers:
            end()
        super().close()
