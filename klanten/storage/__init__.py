"""The ZODB database, and one connection to it for each request that asks for the tree.

Others import from here; what is in the modules is theirs.
"""

import atexit
import logging
import weakref

from pyramid.config import Configurator
from pyramid.request import Request
from ZODB.Connection import Connection

from ..evolve import check_version
from ..model.root import Root
from .database import (
    LOST,
    Database,
    DatabaseBusy,
    DatabaseUnavailable,
    PooledConnection,
)
from .faults import OWN, WITHOUT_TABLES, closed_folder, may, server_mend
from .loss import absent, lost
from .opening import bare_storage, open_database, prepare, require_driver, tree
from .uri import UriError, file_of

__all__ = [
    "LOST",
    "NO_LOCK",
    "OWN",
    "WITHOUT_TABLES",
    "Database",
    "DatabaseBusy",
    "DatabaseUnavailable",
    "PooledConnection",
    "UriError",
    "absent",
    "bare_storage",
    "closed_folder",
    "file_of",
    "includeme",
    "lost",
    "may",
    "open_database",
    "prepare",
    "require_driver",
    "server_mend",
    "tree",
]

log = logging.getLogger(__name__)

NO_LOCK = "klanten.no_lock"
"""Set in the environ of a request that waited too long for its turn to write."""


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
    """`request.tree`: the stored tree, opened when first asked for.

    Raises `DatabaseTooNew`, as at the start, when it was migrated under a server that still runs.
    """
    root: Root = connection_of(request).root()["klanten"]
    check_version(root)
    return root


def includeme(config: Configurator) -> None:
    settings = config.registry.settings["klanten"]
    database = open_database(settings.database_uri, timeout=settings.database_timeout, serving=True)
    try:
        is_new = prepare(database)
    except BaseException:
        database.close()
        raise
    if is_new:  # or the right one is lost, or not the one that is named
        place = file_of(settings.database_uri) or "the server of zodbconn.uri"
        log.warning("there was no database, and a new one was made: %s", place)
    config.registry.database = database
    # a file is opened much faster after a clean end than without
    atexit.register(_close_if_alive, weakref.ref(database))
    config.add_request_method(tree_of, "tree", reify=True)


def _close_if_alive(reference: weakref.ref[Database]) -> None:
    database = reference()
    if database is not None:
        database.close()
