"""RelStorage on PostgreSQL, where it has to do something else than by itself."""

import socket
import sys
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import psycopg2
import psycopg2.errors
from psycopg2.extensions import TRANSACTION_STATUS_ACTIVE, make_dsn
from relstorage.adapters.packundo import HistoryFreePackUndo
from relstorage.adapters.postgresql import PostgreSQLAdapter
from relstorage.adapters.postgresql.connmanager import Psycopg2ConnectionManager
from relstorage.storage import RelStorage

from ...patience import is_overdue

# RelStorage locks objects by their number, has -1 and -2 for itself, and leaves these.
SCHEMA_LOCK = -3
OBJECTS_LOCK = -4

# Changed objects from which a transaction does without a lock for each. A server has room for some
# thousands, of all its clients together (max_locks_per_transaction times max_connections).
MANY = 1000


class ConnectionManager(Psycopg2ConnectionManager):
    """Opens the connections to the server, and knows those that are open."""

    _db_connect_with_isolation: Callable[..., Any]

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._opened: weakref.WeakSet[Any] = weakref.WeakSet()
        self._lock = threading.Lock()
        if self.options.ro_replica_conf:
            connect = self._db_connect_with_isolation
            self._db_connect_with_isolation = partial(_connect_reader_anywhere, connect)

    def open(self, *args: Any, **named: Any) -> tuple[Any, Any]:
        if is_overdue():
            # a line was cut: waiting once more, for another one, would be for nothing
            raise psycopg2.OperationalError("no time left to connect")
        connection, cursor = super().open(*args, **named)
        with self._lock:
            self._opened.add(connection)
        return connection, cursor

    def cut(self) -> None:
        """End every statement that waits for the server: it raises as when the server goes away.

        For a server that took a statement and says nothing more; libpq itself would wait for ever.
        """
        with self._lock:
            opened = list(self._opened)
        for connection in opened:
            # one may be closed by its own thread at any moment
            with suppress(psycopg2.Error, OSError):
                if connection.info.transaction_status == TRANSACTION_STATUS_ACTIVE:
                    _hang_up(connection.fileno())


def _connect_reader_anywhere(
    connect: Callable[..., Any], dsn: str, *, read_only: bool, **named: Any
) -> Any:
    """Connect; who only reads takes a replica, whatever server the URI asks for."""
    if read_only:
        dsn = make_dsn(dsn, target_session_attrs="any")
    return connect(dsn, read_only=read_only, **named)


def _hang_up(line: int) -> None:
    # the family plays no part in a shutdown
    with socket.fromfd(line, socket.AF_UNIX, socket.SOCK_STREAM) as wire:
        wire.shutdown(socket.SHUT_RDWR)


class PackUndo(HistoryFreePackUndo):
    """Packs as often as asked.

    RelStorage 4.3 keeps the references of each object between packs, and fails at the next one when
    many objects changed: it may add the new ones before it takes the old ones away (its issue 482).
    """

    def _add_refs_for_oids(
        self, load_batcher: Any, store_batcher: Any, oids: Any, get_references: Any
    ) -> int:
        # one message for all of these objects: it begins with what is to be taken away
        store_batcher.row_limit = store_batcher.size_limit = sys.maxsize
        found: int = super()._add_refs_for_oids(load_batcher, store_batcher, oids, get_references)
        store_batcher.flush()
        return found


LOCK = """
SELECT large, CASE
    WHEN large THEN pg_advisory_xact_lock(%s) ELSE pg_advisory_xact_lock_shared(%s)
END
FROM (SELECT %s + count(*) > %s AS large FROM temp_store WHERE prev_tid <> 0) AS counted
"""
CONFLICTS = """
SELECT zoid, current.tid, NULL::BIGINT, NULL::BYTEA
FROM object_state current
JOIN unnest(%s::BIGINT[], %s::BIGINT[]) AS seen (zoid, tid) USING (zoid)
WHERE current.tid <> seen.tid
UNION ALL
SELECT zoid, current.tid, stored.prev_tid, current.state
FROM object_state current JOIN temp_store stored USING (zoid)
WHERE current.tid <> stored.prev_tid
"""


class Adapter(PostgreSQLAdapter):
    """RelStorage on PostgreSQL; it shows itself without its DSN, which holds the password."""

    connmanager: Any

    def _create(self) -> None:
        # else RelStorage commits twice, and the log of the server has a warning for every write
        self.driver.supports_multiple_statement_execute = False
        if self.connmanager is None:
            self.connmanager = ConnectionManager(self.driver, dsn=self._dsn, options=self.options)
        super()._create()
        if not self.keep_history:
            self.packundo = PackUndo(
                self.driver,
                connmanager=self.connmanager,
                runner=self.runner,
                locker=self.locker,
                options=self.options,
            )

    def _best_lock_objects_and_detect_conflicts(self, cursor: Any, read: dict[int, int]) -> Any:
        """Lock what a transaction writes and has read (number -> tid); what others wrote meanwhile.

        One that changes many objects locks them all, and everybody else a share of all.
        """
        if self.keep_history:
            return super()._best_lock_objects_and_detect_conflicts(cursor, read)
        cursor.execute(LOCK, (OBJECTS_LOCK, OBJECTS_LOCK, len(read), MANY))
        if not cursor.fetchone()[0]:
            return super()._best_lock_objects_and_detect_conflicts(cursor, read)
        # a statement of its own, so that it sees what was committed while this waited
        cursor.execute(CONFLICTS, (list(read), list(read.values())))
        return cursor.fetchall()

    def __str__(self) -> str:
        return f"<Adapter of {self.options.name}>"

    __repr__ = __str__


class Storage(RelStorage):
    """RelStorage that says how it fails, and can be told to."""

    unavailable = (
        psycopg2.OperationalError,
        psycopg2.InterfaceError,
        # of a server that became a standby, at the first and at a later statement
        psycopg2.errors.FeatureNotSupported,
        psycopg2.errors.ReadOnlySqlTransaction,
    )

    def cut(self) -> None:
        """Let all that waits for the server fail."""
        self._adapter.connmanager.cut()
