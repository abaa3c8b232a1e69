"""PostgreSQL as the database: `postgresql://` as a scheme of `zodbconn.uri`.

The URI is that of libpq (PostgreSQL documentation, 34.1.1.2), and libpq reads it: user and
password percent-encoded, several hosts, sockets, and every parameter that libpq knows. Beside
those it takes the options of RelStorage, which keeps the objects in tables, and the
`connection_*` parameters of zodburi.

    postgresql://klanten:p%40ss@db.example.nl/klanten?sslmode=verify-full&cache_local_mb=50

This module needs the extra `klanten[postgresql]` and is imported only where the scheme is used.
"""

import math
import re
import socket
import sys
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import unquote

import psycopg2
import psycopg2.errors
from psycopg2.extensions import TRANSACTION_STATUS_ACTIVE, make_dsn, parse_dsn
from relstorage.adapters.packundo import HistoryFreePackUndo
from relstorage.adapters.postgresql import PostgreSQLAdapter
from relstorage.adapters.postgresql.connmanager import Psycopg2ConnectionManager
from relstorage.options import Options
from relstorage.storage import RelStorage
from ZConfig.datatypes import stock_datatypes
from zodburi import PARAMETERS

from .patience import is_overdue
from .settings import SettingsError

# The server, and after a `?` the query. libpq would take what comes after a stray @ for a host,
# and so show a part of the password when it finds no such host.
URI = re.compile(r"(postgres(?:ql)?://(?:[^@/]*@)?[^?@]*)(?:\?(.*))?", re.DOTALL)
PARAMETER = re.compile(r"([a-z_]+)=(.*)", re.DOTALL)


def a_boolean(text: str) -> bool:
    return text == "1" or (text != "0" and bool(stock_datatypes["boolean"](text)))


a_size = stock_datatypes["byte-size"]

OPTIONS: dict[str, Callable[[str], Any]] = {
    "read_only": a_boolean,
    "keep_history": a_boolean,
    "create_schema": a_boolean,
    "revert_when_stale": a_boolean,
    "cache_local_mb": int,
    "cache_local_object_max": a_size,
    "cache_local_compression": str,
    "cache_local_dir": str,
    "cache_delta_size_limit": int,
    "cache_prefix": str,
    "commit_lock_timeout": float,
    "pack_gc": a_boolean,
    "pack_batch_timeout": float,
    "replica_conf": str,
    "ro_replica_conf": str,
    "replica_timeout": float,
}
"""The options of RelStorage that may stand in the URI, and how each is read."""

# RelStorage locks objects by their number, has -1 and -2 for itself, and leaves these.
SCHEMA_LOCK = -3
OBJECTS_LOCK = -4

# Changed objects from which a transaction does without a lock for each. A server has room for some
# thousands, of all its clients together (max_locks_per_transaction times max_connections).
MANY = 1000

LIMITS: dict[str, Callable[[str], Any]] = {"timeout": float, "statement_timeout": float}
"""Seconds until the server counts as down, and until the server ends a statement by itself."""


@dataclass(frozen=True)
class Target:
    """What a URI says, sorted by who is to hear it."""

    parameters: dict[str, str] = field(repr=False)
    """For libpq, the password among them."""
    options: dict[str, Any]
    """For RelStorage."""
    keywords: dict[str, str]
    """For the ZODB, still as texts: the `connection_*` parameters of zodburi."""


def resolve(uri: str) -> tuple[Callable[[], RelStorage], dict[str, str]]:
    """The storage behind a URI, as zodburi asks for it: how to open it, and what is for the ZODB.

    Raises `SettingsError`, with one line that holds no part of the password.
    """
    target = read(uri)

    def factory() -> RelStorage:
        adapter = _adapter(target)
        with _alone(adapter) if adapter.options.create_schema else nullcontext():
            return Storage(adapter, options=adapter.options)

    return factory, target.keywords


def read(uri: str) -> Target:
    """What a URI says. Raises `SettingsError`."""
    server, query = _split(uri)
    limits = _values(LIMITS, query)
    options = _values(OPTIONS, query)
    ours = PARAMETERS.keys() | OPTIONS.keys() | LIMITS.keys()
    parameters = _parameters(server, {name: query[name] for name in query.keys() - ours})
    if "timeout" in limits:
        options = {"commit_lock_timeout": limits["timeout"]} | options
        parameters = _client_limits(limits["timeout"], parameters) | parameters
    if "statement_timeout" in limits:
        parameters["options"] = _server_limits(limits["statement_timeout"], parameters)
    # a database that is only read may be a standby, or belong to a role that may not make tables
    options = {"keep_history": False, "create_schema": not options.get("read_only")} | options
    options |= {"name": _name(parameters), "driver": "psycopg2"}
    keywords = {name: unquote(query[name]) for name in query.keys() & PARAMETERS.keys()}
    return Target(parameters, options, keywords)


def _adapter(target: Target) -> "Adapter":
    try:
        return Adapter(make_dsn(**target.parameters), Options(**target.options))
    except (OSError, IndexError) as fault:
        raise SettingsError(f"the list of replicas can't be read: {fault}") from fault


@contextmanager
def _alone(adapter: "Adapter") -> Iterator[None]:
    """Let one process at a time make the tables: RelStorage has each that sees none make them."""
    connection, cursor = adapter.connmanager.open()
    try:
        cursor.execute("SELECT pg_advisory_lock(%s)", (SCHEMA_LOCK,))
        yield
    finally:
        adapter.connmanager.close(connection, cursor)


# --- reading the URI ----------------------------------------------------------------------------


def _split(uri: str) -> tuple[str, dict[str, str]]:
    """What stands before the query, and the parameters in the query, still percent-encoded."""
    match = URI.fullmatch(uri)
    if not match:
        raise _unreadable()
    parts = [PARAMETER.fullmatch(part) for part in (match[2] or "").split("&") if part]
    if None in parts:
        raise _unreadable()
    return match[1], {part[1]: part[2] for part in parts if part}


def _values(kinds: Mapping[str, Callable[[str], Any]], query: Mapping[str, str]) -> dict[str, Any]:
    found = {}
    for name in kinds.keys() & query.keys():
        try:
            found[name] = kinds[name](unquote(query[name]))
        except ValueError:
            raise SettingsError(
                f"zodbconn.uri: the value of {name} can't be read; mend it or leave it out"
            ) from None
    return found


def _parameters(server: str, query: Mapping[str, str]) -> dict[str, str]:
    for name, value in query.items():
        try:
            parse_dsn(f"postgresql://?{name}={value}")
        except psycopg2.ProgrammingError:
            raise SettingsError(
                f"zodbconn.uri: {name!r} is no parameter of PostgreSQL, RelStorage or zodburi, "
                "or its value can't be read; mend it or leave it out"
            ) from None
    try:
        parameters: dict[str, str] = parse_dsn(
            server + "?" + "&".join(f"{name}={value}" for name, value in query.items())
        )
    except psycopg2.ProgrammingError:
        # what libpq says of it may quote the password
        raise _unreadable() from None
    if not all(port.isdigit() for port in parameters.get("port", "").split(",") if port):
        raise _unreadable()
    return parameters


def _unreadable() -> SettingsError:
    return SettingsError(
        "zodbconn.uri: the postgresql URI can't be read; write "
        "postgresql://user:password@host:5432/database?name=value, with all signs but letters and "
        "digits in user and password percent-encoded (@ as %40)"
    )


def _name(parameters: Mapping[str, str]) -> str:
    """What the storage is called in logs."""
    return f"PostgreSQL {parameters.get('dbname', '')} at {parameters.get('host', 'localhost')}"


# --- waiting no longer than asked -----------------------------------------------------------------


def _client_limits(seconds: float, parameters: Mapping[str, str]) -> dict[str, str]:
    """How long libpq waits for the network."""
    hosts = parameters.get("host", "").count(",") + 1
    limits = {
        # it tries host after host, each this long, and counts less than 2 as 2
        "connect_timeout": max(2, math.ceil(seconds / hosts)),
        # a server that vanished is noticed while data waits to be sent ...
        "tcp_user_timeout": math.ceil(seconds * 1000),
        # ... and while an answer is waited for
        **_keepalives("keepalives", seconds),
    }
    return {name: str(limit) for name, limit in limits.items()}


def _server_limits(seconds: float, parameters: Mapping[str, str]) -> str:
    """How long the server waits, as the libpq parameter `options`.

    A client that hangs or vanishes in the middle of a commit holds a lock that all writers need.
    """
    milliseconds = math.ceil(seconds * 1000)
    limits = {
        "statement_timeout": milliseconds,
        "idle_in_transaction_session_timeout": milliseconds,
        **_keepalives("tcp_keepalives", seconds),
    }
    # of a setting that is given twice the server takes the last
    return " ".join(
        [*(f"-c {name}={limit}" for name, limit in limits.items()), parameters.get("options", "")]
    ).rstrip()


def _keepalives(name: str, seconds: float) -> dict[str, int]:
    """TCP looks whether the other side is there, and gives up after so many seconds of silence."""
    return {
        f"{name}_idle": max(1, math.ceil(seconds / 2)),
        f"{name}_interval": max(1, math.ceil(seconds / 6)),
        f"{name}_count": 3,
    }


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
