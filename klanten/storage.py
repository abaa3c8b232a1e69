"""Opening the ZODB database, and one connection for each request that asks for the tree."""

import contextlib
import inspect
from collections.abc import Iterator
from typing import Any

import transaction
import zodburi
from pyramid.config import Configurator
from pyramid.request import Request
from ZODB import DB
from ZODB.Connection import Connection

from .evolve import check_version
from .model.root import Root, bootstrap
from .settings import SettingsError

# Counted in objects and bytes for each connection, and each thread has one: a klant takes about
# 1.5 KB and a bucket of an index 2-3 KB.
CACHE_SIZE = 60_000
CACHE_SIZE_BYTES = 256 * 1024 * 1024
# More than any sensible number of threads: ZODB only warns about a larger number.
POOL_SIZE = 64


class DatabaseUnavailable(Exception):
    """The database can't be opened."""


def open_database(uri: str) -> DB:
    """The database behind a zodburi URI.

    Raises `SettingsError` when the URI can't be read and `DatabaseUnavailable`, with one line of
    explanation, when what it names can't be opened.
    """
    factory, options = _resolve(uri)
    try:
        storage = factory()
    except Exception as fault:
        reason = " ".join(str(fault).split()) or type(fault).__name__
        raise DatabaseUnavailable(f"the database can't be opened: {reason}") from fault
    return DB(storage, **options)


def _resolve(uri: str) -> tuple[Any, dict[str, Any]]:
    try:
        factory, options = zodburi.resolve_uri(uri)
    except Exception as fault:  # each resolver has errors of its own
        scheme = uri.partition(":")[0]
        raise SettingsError(
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


def prepare(database: DB) -> None:
    """Make the tree in a new database; refuse one of another schema version.

    Raises `DatabaseTooNew` and `DatabaseTooOld`.
    """
    with tree(database, "prepare the database") as root:
        check_version(root)


def connection_of(request: Request) -> Connection:
    """A connection to the database, bound to the transaction of the request."""
    connection = request.registry.database.open(transaction_manager=request.tm)

    def close(request: Request) -> None:
        # after a crash in a tween the transaction may still be open: nothing of it may stay
        with contextlib.suppress(transaction.interfaces.NoTransaction):
            request.tm.abort()
        connection.close()

    request.add_finished_callback(close)
    return connection


def tree_of(request: Request) -> Root:
    """`request.tree`: the stored tree, opened when first asked for."""
    root: Root = connection_of(request).root()["klanten"]
    return root


def includeme(config: Configurator) -> None:
    database = open_database(config.registry.settings["klanten"].database_uri)
    prepare(database)
    config.registry.database = database
    config.add_request_method(tree_of, "tree", reify=True)
