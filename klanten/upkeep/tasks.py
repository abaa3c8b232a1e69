"""The tasks that change a database, by the name under which a running server takes them."""

from collections.abc import Callable
from typing import Any

from ..execution import write_lock
from ..model.outbox import Outbox
from ..storage import Database, tree
from .mending import mend
from .packing import pack

Progress = Callable[[int], None]
Task = Callable[[Database, Progress, dict[str, Any]], dict[str, Any]]


def reindex(database: Database, progress: Progress, options: dict[str, Any]) -> dict[str, Any]:
    return dict(mend(database, progress))


def pack_now(database: Database, progress: Progress, options: dict[str, Any]) -> dict[str, Any]:
    return dict(pack(database, float(options["days"])))


def retry(database: Database, progress: Progress, options: dict[str, Any]) -> dict[str, Any]:
    """Let messages that were put aside be delivered after all: these `numbers`, or all."""
    with write_lock, tree(database, "klanten notifications") as root:
        return {"retried": root.outbox.retry(_numbers(root.outbox, options))}


def drop(database: Database, progress: Progress, options: dict[str, Any]) -> dict[str, Any]:
    """Forget messages that were put aside: these `numbers`, or all; with `waiting` the rest too."""
    with write_lock, tree(database, "klanten notifications") as root:
        outbox = root.outbox
        dropped = outbox.drop(_numbers(outbox, options))
        waiting = list(outbox) if options.get("waiting") else []
        return {"dropped": dropped + sum(map(outbox.discard, waiting))}


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
