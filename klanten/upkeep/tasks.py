"""The tasks that change a database, by the name under which a running server takes them."""

import contextlib
from collections.abc import Callable
from typing import Any

from ZODB.POSException import ConflictError

from ..evolve import check_version
from ..execution import write_lock
from ..model.outbox import Outbox
from ..storage import Database, DatabaseUnavailable, tree
from ..transfer.transactions import reading
from .mending import mend
from .packing import pack

# A deliverer may change the same messages at the same moment.
ATTEMPTS = 10

Progress = Callable[[int], None]
Task = Callable[[Database, Progress, dict[str, Any]], dict[str, Any]]


def reindex(database: Database, progress: Progress, options: dict[str, Any]) -> dict[str, Any]:
    _require_ours(database)
    return dict(mend(database, progress))


def pack_now(database: Database, progress: Progress, options: dict[str, Any]) -> dict[str, Any]:
    _require_ours(database)
    return dict(pack(database, float(options["days"])))


def retry(database: Database, progress: Progress, options: dict[str, Any]) -> dict[str, Any]:
    """Let messages that were put aside be delivered after all: these `numbers`, or all."""
    return {"retried": _changed(database, lambda outbox: outbox.retry(_numbers(outbox, options)))}


def drop(database: Database, progress: Progress, options: dict[str, Any]) -> dict[str, Any]:
    """Forget messages that were put aside: these `numbers`, or all; with `waiting` the rest too."""

    def forget(outbox: Outbox) -> int:
        dropped = outbox.drop(_numbers(outbox, options))
        waiting = list(outbox) if options.get("waiting") else []
        return dropped + sum(map(outbox.discard, waiting))

    return {"dropped": _changed(database, forget)}


def _require_ours(database: Database) -> None:
    """Raises `DatabaseForeign`, `DatabaseTooNew` and `DatabaseTooOld`."""
    with reading(database) as root:
        check_version(root)


def _changed(database: Database, change: Callable[[Outbox], int]) -> int:
    """What a change of the outbox returns, once it is committed; others may deliver meanwhile."""
    for _ in range(ATTEMPTS):
        with (
            contextlib.suppress(ConflictError),
            write_lock,
            tree(database, "klanten notifications") as root,
        ):
            check_version(root)
            return change(root.outbox)
    raise DatabaseUnavailable("others change the same messages all the time; try again")


def _numbers(outbox: Outbox, options: dict[str, Any]) -> list[str]:
    if options.get("all"):
        return [failure.number for failure in outbox.failures()]
    return list(options["numbers"])


TASKS: dict[str, Task] = {
    "pack": pack_now,
    "reindex": reindex,
    "retry": retry,
    "drop": drop,
}
