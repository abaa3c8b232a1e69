"""Opening the ZODB database, and one connection for each request that asks for the tree."""

import atexit
import contextlib
import errno
import inspect
import math
import os
import re
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import transaction
import zodburi
from pyramid.config import Configurator
from pyramid.request import Request
from zc.lockfile import LockError
from ZEO.ClientStorage import ClientStorage
from ZEO.Exceptions import ClientDisconnected
from ZODB import DB
from ZODB.Connection import Connection
from ZODB.FileStorage.FileStorage import FileStorageFormatError
from ZODB.POSException import ConflictError, POSError, ReadOnlyError, StorageError

from .evolve import check_version
from .loss import lost
from .model.root import Root, bootstrap
from .settings import SettingsError
from .zeo import disconnect, keep_fresh, number_anew

T = TypeVar("T")

# Counted in objects and bytes for each connection, and each thread has one: a klant takes about
# 1.5 KB and a bucket of an index 2-3 KB.
CACHE_SIZE = 50_000
CACHE_SIZE_BYTES = 256 * 1024 * 1024
# More than any sensible number of threads: ZODB only warns about a larger number.
POOL_SIZE = 64
# How often another process may come first in making a new database.
RACES = 4
# Seconds that a command waits for a server that does not answer.
TIMEOUT = 10.0

SCHEMES = "write file://, zeo:// or postgresql://"
OTHERS_OF_RELSTORAGE = ("mysql", "oracle", "sqlite")
"""Of these it has drivers too, and of none of them what klanten needs beside a storage."""

LOST = ClientDisconnected
"""Raised when the server went away at any moment, also in the middle of a commit."""
NO_LOCK = "klanten.no_lock"
"""Set in the environ of a request that waited too long for its turn to write."""


class DatabaseUnavailable(Exception):
    """The database can't be opened."""


class UriError(SettingsError):
    """The URI of the database can't be read."""


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
    uri = _with_parameters(uri, read_only, timeout, serving)
    factory, options = _resolve(uri)
    file = file_of(uri)
    if file is not None and (loss := lost(file)):
        raise DatabaseUnavailable(f"zodbconn.uri: {loss}")
    try:
        return _made(partial(_open, factory, options))
    except Exception as fault:
        raise DatabaseUnavailable(f"zodbconn.uri: {_reason(uri, fault)}") from fault


@contextlib.contextmanager
def bare_storage(uri: str) -> Iterator[Any]:
    """The storage behind a URI, without a database on it: opening one writes a first object.

    Raises `SettingsError` and `DatabaseUnavailable`.
    """
    factory, _ = _resolve(_with_parameters(uri, False, TIMEOUT, False))
    try:
        storage = factory()
    except Exception as fault:
        raise DatabaseUnavailable(f"zodbconn.uri: {_reason(uri, fault)}") from fault
    try:
        yield storage
    finally:
        storage.close()


def require_driver(uri: str) -> None:
    """Say at once, before anything is opened, that a URI can't be read or lacks its package.

    Raises `SettingsError`.
    """
    _resolve(_with_parameters(uri, False, TIMEOUT, False))


def file_of(uri: str) -> Path | None:
    """The file of a database that is one, None for a database behind a server."""
    scheme, _, rest = uri.partition("://")
    return Path(rest.partition("?")[0]) if scheme == "file" else None


def closed_folder(file: Path) -> str:
    """Which right on the folders of a file this user lacks, in words; "" for none."""
    for folder in reversed(file.parents):
        if folder.is_dir() and not may(folder, os.X_OK):
            return f"{folder} can't be entered by this user"
    if file.parent.is_dir() and not may(file.parent, os.W_OK):
        return f"{file.parent} can't be written by this user"
    return ""


def may(path: Path, right: int) -> bool:
    """Whether this user has a right of `os.access`."""
    return os.access(path, right, effective_ids=os.access in os.supports_effective_ids)


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


def _with_parameters(uri: str, read_only: bool, timeout: float, serving: bool) -> str:
    """The URI with what the caller asks for, in the words of its scheme.

    What the URI says itself stays, except that nothing else than reading can be had.
    """
    scheme, _, rest = uri.partition(":")
    if scheme == "postgres":  # RelStorage has a resolver of its own for this one
        uri, scheme = f"postgresql:{rest}", "postgresql"
    parameters: dict[str, Any] = {}
    if scheme == "zeo":
        parameters["wait_timeout"] = math.ceil(timeout)
    if scheme == "postgresql":
        parameters["timeout"] = timeout
        if serving:
            parameters["statement_timeout"] = timeout
    added = [
        f"{name}={value}"
        for name, value in parameters.items()
        if not re.search(rf"[?&]{name}=", uri)
    ]
    if read_only and scheme in ("file", "zeo", "postgresql"):
        added.append("read_only=1")
    separator = "&" if "?" in uri else "?"
    return uri + separator + "&".join(added) if added else uri


def _resolve(uri: str) -> tuple[Callable[[], Any], dict[str, Any]]:
    scheme = uri.partition(":")[0]
    if scheme in OTHERS_OF_RELSTORAGE:
        raise UriError(f"zodbconn.uri: {scheme}:// is no database for klanten; {SCHEMES}")
    try:
        factory, options = zodburi.resolve_uri(uri)
    except SettingsError as fault:
        raise UriError(str(fault)) from None
    except ModuleNotFoundError as fault:
        raise UriError(
            f"zodbconn.uri: {scheme} needs the package {fault.name}; "
            "install it with: pip install -c constraints.txt '.[postgresql]' in the checkout"
        ) from None
    except zodburi.UnknownDatabaseKeywords as fault:
        raise UriError(
            f"zodbconn.uri: {', '.join(fault.kw)} in the {scheme} URI is no known parameter; "
            "mend it or leave it out"
        ) from None
    except zodburi.NoResolverForScheme:
        raise UriError(f"zodbconn.uri: the {scheme} URI can't be read; {SCHEMES}") from None
    except Exception as fault:  # each resolver has errors of its own
        raise UriError(
            f"zodbconn.uri: the {scheme} URI can't be read ({type(fault).__name__}); "
            "write for instance file:///path/to/klanten.fs"
        ) from None
    # zodburi fills in the defaults of ZODB, so ask the URI itself what was chosen
    if "connection_cache_size" not in uri:
        options |= {"cache_size": CACHE_SIZE, "cache_size_bytes": CACHE_SIZE_BYTES}
    if "connection_pool_size" not in uri:
        options["pool_size"] = POOL_SIZE
    known = inspect.signature(DB.__init__).parameters
    return factory, {name: value for name, value in options.items() if name in known}


def _reason(uri: str, fault: Exception) -> str:
    scheme, _, path = uri.partition("://")
    if isinstance(fault, LockError):
        return (
            f"{path.partition('?')[0]} is in use by another server or command, and one process at "
            "a time can have a file open; stop that one, or use ZEO or PostgreSQL"
        )
    folder = Path(path.partition("?")[0]).parent
    if isinstance(fault, FileNotFoundError) and not folder.is_dir():
        return f"there is no folder {folder}; make it, for the user of this service"
    found = f"the {scheme} database can't be opened: "
    if scheme == "file":
        return f"{found}{path.partition('?')[0]}: {_file_reason(path, fault)}"
    return f"{found}{_line(fault)}; {_server_mend(fault)}"


def _server_mend(fault: Exception) -> str:
    if "permission denied for schema" in str(fault):  # since PostgreSQL 15 only its owner has it
        return "let the user own the database: ALTER DATABASE name OWNER TO user"
    return "mend the URI or start its server"


OWN = "let the user of this service own it, and run this as that user"
FILE_MENDS = {
    errno.ENOENT: "name the right file, or start the server, which makes a new one",
    errno.EISDIR: "name a file in it",
    errno.ENOSPC: "make room",
}


def _file_reason(path: str, fault: Exception) -> str:
    file = Path(path.partition("?")[0])
    is_ours = not os.path.exists(file) or may(file, os.R_OK | os.W_OK)
    if isinstance(fault, PermissionError) and is_ours and (closed := closed_folder(file)):
        return f"{closed}; {OWN}"
    if isinstance(fault, OSError):
        mend = FILE_MENDS.get(fault.errno or 0, "let the user of this service read and write it")
        return f"{fault.strerror or _line(fault)}; {mend}"
    if isinstance(fault, FileStorageFormatError):
        return "it is no ZODB database; name the right file, or restore a backup"
    if isinstance(fault, ReadOnlyError):  # making the first object of a new database
        return "it is empty; start the server, which fills it, or restore a backup"
    return f"it is damaged ({_line(fault)}); restore a backup"


def _line(fault: Exception) -> str:
    return " ".join(str(fault).split()) or type(fault).__name__


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


def prepare(database: Database) -> None:
    """Make the tree in a new database; refuse one of another schema version.

    Raises `DatabaseTooNew`, `DatabaseTooOld` and `DatabaseUnavailable`.
    """
    try:
        _made(partial(_prepare, database))
    except (POSError, *database.unavailable) as fault:
        raise DatabaseUnavailable(f"zodbconn.uri: the database fails: {_line(fault)}") from fault


def _prepare(database: DB) -> None:
    with tree(database, "prepare the database") as root:
        check_version(root)


def connection_of(request: Request) -> Connection:
    """A connection to the database, bound to the transaction of the request.

    Raises `DatabaseBusy` when the request should write and its turn did not come.
    """
    if request.environ.get(NO_LOCK):
        raise DatabaseBusy("no turn to write")
    connection = request.registry.database.open(transaction_manager=request.tm)

    def close(request: Request) -> None:
        # after a crash in a tween the transaction is still open: nothing of it may stay
        if "tm.active" in request.environ:
            request.tm.abort()
        connection.close()

    request.add_finished_callback(close)
    return connection


def tree_of(request: Request) -> Root:
    """`request.tree`: the stored tree, opened when first asked for."""
    root: Root = connection_of(request).root()["klanten"]
    return root


def includeme(config: Configurator) -> None:
    settings = config.registry.settings["klanten"]
    database = open_database(settings.database_uri, timeout=settings.database_timeout, serving=True)
    try:
        prepare(database)
    except BaseException:
        database.close()
        raise
    config.registry.database = database
    # a file is opened much faster after a clean end than without
    atexit.register(_close_if_alive, weakref.ref(database))
    config.add_request_method(tree_of, "tree", reify=True)


def _close_if_alive(reference: weakref.ref[Database]) -> None:
    database = reference()
    if database is not None:
        database.close()
