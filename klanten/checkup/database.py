"""The database: whether it can be read, and what waits in it to be told to others."""

import contextlib
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import transaction

from ..evolve import check_version
from ..model.errors import DatabaseForeign, DatabaseTooNew, DatabaseTooOld
from ..model.outbox import Outbox
from ..model.root import Root, stored_root
from ..settings import Settings
from ..storage import (
    OWN,
    Database,
    DatabaseUnavailable,
    UriError,
    absent,
    closed_folder,
    lost,
    may,
    open_database,
)
from .finding import Finding, right, told, wrong
from .processes import processes_with

DATABASE = "database"
"""The subject of a finding that is wrong when the database can't be opened, or not be read."""
FILE = "database file"
MEMORY = "memory"
PROCESSES = "processes"
OUTBOX = "outbox"

#: A message that waits longer was not just held up by a busy moment or a restart.
LONG = timedelta(minutes=15)
WRITTEN = (".lock", ".tmp")
"""How the names end of what stays beside the file and is written anew at each start."""
OTHERS = 0o077
"""What the mode of a file grants to others than its owner."""
REACH = "see that it runs and can be reached from here, and that zodbconn.uri is right"
RESTORE = "see that it can be reached from here all the time; if it is damaged, restore a backup"
DELIVER = (
    "see what is said of the Notificaties API, and that the server or "
    "`klanten notifications INI deliver` runs"
)


def examine_database(settings: Settings, has_receiver: bool) -> Iterator[Finding]:
    """The database and its outbox; `has_receiver`: there is a Notificaties API."""
    uri = urlsplit(settings.database_uri)
    if uri.scheme == "memory":
        yield wrong(
            MEMORY, "everything is kept in memory only", "name a file or a server in zodbconn.uri"
        )
        return
    if uri.scheme == "file":
        path = Path(uri.path)
        # a server would make a database that is not there
        if not os.path.exists(path) and (closed := closed_folder(path)):
            yield wrong(DATABASE, f"{path}: {closed}", OWN)
            return
        if what := absent(path):
            if loss := lost(path):
                yield told(DATABASE, loss, RESTORE)
                return
            yield wrong(
                DATABASE,
                f"{path}: {what}",
                "mend zodbconn.uri, or start the server, which makes a new database there",
            )
            return
        yield from _rights(path)
        yield from _processes(path)
        if loss := lost(path):
            yield told(DATABASE, loss, RESTORE)
            return
    yield from _opened(settings, has_receiver)


def _rights(path: Path) -> Iterator[Finding]:
    """Who may read the file, or what was packed away from it, and whether a server could write."""
    old = path.with_name(f"{path.name}.old")
    if any(_is_open_to_others(file) for file in (path, old)):
        yield wrong(FILE, f"{path}: others can read the klanten in it", f"chmod 600 {path}*")
    for place in _closed_to_us(path):
        yield wrong(
            FILE,
            f"{place} can't be written by this user, so that the server can't start",
            "let the user of the server own it, and run this check as that user",
        )


def _closed_to_us(path: Path) -> Iterator[Path]:
    """What the server has to write and this user can't; new files come into the folder."""
    for place in (path.parent, path, *(path.with_name(path.name + end) for end in WRITTEN)):
        if place.exists() and not may(place, os.W_OK):
            yield place


def _is_open_to_others(file: Path) -> bool:
    with contextlib.suppress(OSError):  # opening it will tell
        return bool(file.stat().st_mode & OTHERS)
    return False


def _processes(path: Path) -> Iterator[Finding]:
    """The lock keeps a second server out, but not the children of one that forks."""
    found = processes_with(path.with_name(f"{path.name}.lock"))
    if len(found) > 1:
        yield wrong(
            PROCESSES,
            f"{path} is open in {len(found)} processes: {', '.join(map(str, found))}",
            "stop them, and serve it from one process; for more than one use ZEO or PostgreSQL",
        )
    elif found:
        yield right(PROCESSES, f"{path} is open in one process, {found[0]}")


def _opened(settings: Settings, has_receiver: bool) -> Iterator[Finding]:
    try:
        database = open_database(
            settings.database_uri, read_only=True, timeout=settings.database_timeout
        )
    except (DatabaseUnavailable, UriError) as fault:
        yield told(DATABASE, fault, REACH)
        return
    with contextlib.closing(database):
        try:
            with _stored(database) as root:
                yield from _root(root, has_receiver)
        except DatabaseForeign as fault:
            yield told(DATABASE, fault, RESTORE)
        except Exception as fault:  # what a damaged file raises has no end
            yield wrong(DATABASE, f"reading fails: {type(fault).__name__}", RESTORE)


@contextlib.contextmanager
def _stored(database: Database) -> Iterator[Root | None]:
    """The tree as it is; None when no server ever made it. Nothing is written.

    Raises `DatabaseForeign`.
    """
    manager = transaction.TransactionManager(explicit=True)
    connection = database.open(manager)
    try:
        manager.begin()
        yield stored_root(connection.root())
    finally:
        manager.abort()
        connection.close()


def _root(root: Root | None, has_receiver: bool) -> Iterator[Finding]:
    if root is None:
        yield right(DATABASE, "opens, and is empty: the server fills it at its first start")
        return
    try:
        check_version(root)
    except (DatabaseTooNew, DatabaseTooOld) as fault:
        yield told(DATABASE, fault, "install the release that fits")
        return
    count = root.search({}).count
    yield right(DATABASE, f"opens, schema version {root.schema_version}, {count:,} klanten")
    yield from _outbox(root.outbox, has_receiver)


def _outbox(outbox: Outbox, has_receiver: bool) -> Iterator[Finding]:
    waiting, aside = len(outbox), sum(1 for _ in outbox.failures())
    if aside:
        yield wrong(
            OUTBOX,
            f"{aside:,} messages were put aside, because they were refused",
            "`klanten notifications INI failed` says why; `... retry` or `... drop` them",
        )
    if not has_receiver:
        yield right(OUTBOX, f"{waiting:,} messages are kept: there is no [notificaties]")
        return
    oldest = outbox.oldest()
    since = datetime.fromisoformat(oldest) if oldest else datetime.now(UTC)
    what = f"{waiting:,} messages wait, the oldest since {since:%Y-%m-%d %H:%M:%S} UTC"
    trouble = outbox.lease.trouble
    if trouble:
        yield told(OUTBOX, f"{what}. Trouble {trouble}", DELIVER)
    elif datetime.now(UTC) - since > LONG:
        yield wrong(OUTBOX, what, DELIVER)
    else:
        yield right(OUTBOX, what if waiting else "no message waits")
