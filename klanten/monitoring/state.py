"""What the database tells of itself and of the outbox: for `/readyz` and `/metrics`.

Asked with a connection of its own and never for long, so that it can be told that the database
does not answer.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from itertools import islice
from typing import Final, NamedTuple

from pyramid.config import Configurator

from ..evolve import check_version
from ..execution import WATCHES
from ..model.outbox import SHARDS, Outbox
from ..model.root import Root
from ..patience import Watch
from ..storage import Database, tree
from .recent import Recent

AGE: Final = 1.0
FIGURES_AGE: Final = 5.0
ENOUGH: Final = 2_000
"""Messages that are counted one by one; of more, the rest is estimated from these."""


class Backlog(NamedTuple):
    """What waits in an outbox: how many messages, and the moment of the oldest as ISO 8601."""

    pending: int
    oldest: str | None


class Figures(NamedTuple):
    """The database at a moment."""

    size: int
    """In bytes."""
    klanten: int
    backlog: Backlog
    failed: int
    """Messages that were put aside; at most `ENOUGH` are counted."""
    in_trouble: bool
    """Whether something keeps messages from being delivered."""


class DatabaseState:
    """The state of a database, as it was a moment ago.

    `ready` gives the schema version; it raises what the database raises, `TimeoutError` when it
    does not answer, and `DatabaseTooNew` or `DatabaseTooOld`.
    """

    def __init__(self, database: Database, timeout: float) -> None:
        self.database = database
        self.timeout = timeout
        self.limit = Watch(timeout / WATCHES, database.cut).until if database.cut else nullcontext
        self.ready = Recent(self._version, AGE)
        self.figures = Recent(self._figures, FIGURES_AGE)

    def _version(self) -> int:
        with self._reading() as root:
            check_version(root)
            return root.schema_version

    def _figures(self) -> Figures:
        with self._reading() as root:
            outbox = root.outbox
            return Figures(
                size=self.database.getSize(),
                klanten=root.search({}).count,
                backlog=backlog(outbox),
                failed=sum(1 for _ in islice(outbox.failures(), ENOUGH)),
                in_trouble=bool(outbox.lease.trouble),
            )

    @contextmanager
    def _reading(self) -> Iterator[Root]:
        # a server that hangs is broken with after a while, as for a request: else this question
        # would still wait for it when it is back
        with (
            self.limit(time.monotonic() + self.timeout),
            tree(self.database, "look how it is") as root,
        ):
            yield root


def backlog(outbox: Outbox, enough: int = ENOUGH) -> Backlog:
    """What waits; of more than `enough` messages only some shards are counted.

    Klanten are spread evenly over the shards, so with 2,000 counted messages an estimate is some
    percents off, and the oldest message found is nearly the oldest.
    """
    counted, oldest, shard = 0, None, 0
    for lane in outbox.lanes():
        if lane.shard != shard:
            if counted > enough:
                return Backlog(counted * SHARDS // lane.shard, oldest)
            shard = lane.shard
        counted += len(lane.numbers)
        moment = outbox[lane.numbers[0]].moment
        oldest = min(oldest, moment) if oldest else moment
    return Backlog(counted, oldest)


def includeme(config: Configurator) -> None:
    registry = config.registry
    timeout = registry.settings["klanten"].database_timeout
    registry.database_state = DatabaseState(registry.database, timeout)
