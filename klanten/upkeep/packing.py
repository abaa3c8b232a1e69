"""Packing: giving back the room of what was changed and deleted."""

import logging
import threading
from datetime import datetime, timedelta
from pathlib import Path

from ZODB import DB
from ZODB.FileStorage import FileStorage
from ZODB.POSException import StorageError

from ..execution import write_lock
from ..settings import TimeOfDay
from ..storage import Database, DatabaseUnavailable, tree

log = logging.getLogger(__name__)

UNDER_WAY = ("Already packing", "A pack or undo operation is in progress")
"""What a file (ZEO too) and PostgreSQL say of a second pack."""


def pack(database: DB, days: float) -> dict[str, str]:
    """Pack, while others read and write, and keep the history of so many days (where there is any).

    Returns the moment at which it was `packed`, which the database remembers too.
    Raises `DatabaseUnavailable` when another pack is under way.
    """
    _forget_index(database)
    try:
        database.pack(days=days)
    except StorageError as fault:
        if not any(told in str(fault) for told in UNDER_WAY):
            raise
        raise DatabaseUnavailable("a pack is under way already; wait for its end") from fault
    moment = datetime.now().astimezone().isoformat(timespec="seconds")
    with write_lock, tree(database, "klanten pack") as root:
        root.packed = moment
    return {"packed": moment}


def _forget_index(database: DB) -> None:
    """Remove the index of a file, which the pack writes anew when it is done.

    It remembers the length of before: after a crash in between, the packed file seems cut off.
    """
    if isinstance(database.storage, FileStorage):
        Path(f"{database.storage.getName()}.index").unlink(missing_ok=True)


class Packer:
    """Packs the database of an embedded server once a day, at a quiet hour; None for never."""

    def __init__(self, database: Database, at: TimeOfDay | None, days: float) -> None:
        self._database = database
        self._at = at
        self._days = days
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pack", daemon=True)

    def start(self) -> None:
        if self._at is not None:
            self._thread.start()

    def stop(self) -> None:
        """Don't begin another; one that runs ends with the process."""
        self._end.set()

    def _run(self) -> None:
        assert self._at is not None
        while not self._end.wait(seconds_until(self._at, datetime.now())):
            try:
                pack(self._database, self._days)
                log.info("packed the database")
            except Exception:
                # tomorrow comes another chance, and the service goes on
                log.exception("the database could not be packed")


def seconds_until(at: TimeOfDay, now: datetime) -> float:
    """How long it is until this time of the day comes again."""
    moment = now.replace(hour=at.hour, minute=at.minute, second=0, microsecond=0)
    if moment <= now:
        moment += timedelta(days=1)
    return (moment - now).total_seconds()
