"""Carries the outbox to the Notificaties API: after commit, and never on the time of a request.

A message is delivered at least once. It is removed in a transaction after its delivery, so that a
process that is killed in between delivers it again; in normal running nothing is delivered twice.
The messages of one klant are sent in order, those of several klanten at the same time.

Rounds follow each other: what waits is read in one transaction, sent with none, and removed in
another, many messages at a time. What goes wrong is either a matter of the API (then everything
waits, and one message at a time tries whether it is back), or of one message (then it waits on its
own, or is put aside, and the others go on). See `outage` and `ailments`.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TypeAlias

from pyramid.config import Configurator
from pyramid.events import ApplicationCreated
from pyramid.registry import Registry
from pyramid.request import Request
from pyramid.response import Response
from ZODB.FileStorage import FileStorage
from ZODB.POSException import ConflictError, StorageError

from ..evolve import check_version
from ..execution import WRITES, write_lock
from ..model.errors import DatabaseTooNew, DatabaseTooOld
from ..model.outbox import Message, Outbox
from ..model.root import Root
from ..outgoing.notificaties import Notificaties, Reaction, Verdict
from ..storage import Database, tree
from .ailments import Ailments, Diagnosis
from .lease import RENEW_SECONDS, Claim
from .outage import Outage

log = logging.getLogger(__name__)

# Messages sent at the same time.
WORKERS = 8
# A killed process delivers at most a round again.
ROUND_MESSAGES = 200
ROUND_SECONDS = 5.0
# How long those who send have to get it done, before another one joins them: every thread that
# runs takes time from those that answer requests.
JOIN_SECONDS = 0.25
# Of one klant in one round, so that one that is changed all the time leaves room for others.
LANE_MESSAGES = 20
# What is written in this time after a round shares the next one and its transactions; after a full
# round enough waits already.
PAUSE_SECONDS = 0.5
# How often messages of other processes are looked for.
POLL_SECONDS = 1.0
# How long to leave a database alone that does not work.
DATABASE_SECONDS = 5.0
# How long the end of the process waits for messages that are on their way.
STOP_SECONDS = 12.0

EXPECTED = (StorageError, DatabaseTooNew, DatabaseTooOld)

Errand: TypeAlias = list[tuple[str, Message]]
"""Messages of one klant, in order, each with its number."""
Report: TypeAlias = tuple[str, Reaction]


class Delivery:
    """Delivers what waits in the outbox of a database, for as long as it runs."""

    def __init__(self, database: Database, notificaties: Notificaties) -> None:
        self._database = database
        self._notificaties = notificaties
        # a FileStorage is locked: whoever had it open before is gone
        self._claim = Claim(alone=isinstance(database.storage, FileStorage))
        self._outage = Outage()
        self._ailments = Ailments()
        self._dealt_with: dict[str, str] = {}
        """Number -> why it was put aside, "" for delivered; not yet in the database."""
        self._told = ""
        self._shard = 0
        self._round_ends = 0.0
        self._broken: type[Exception] | None = None
        self._news = threading.Event()
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    # --- its life -------------------------------------------------------------------------------

    def start(self) -> None:
        """Run in a thread of this process, until `stop`.

        To be called in the process that serves: neither the thread nor an open database survives
        a fork, so a server that forks its workers must load the application after it does.
        """
        self._thread = threading.Thread(target=self.run, name="notifications", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Something was written: look soon. Costs next to nothing, and waits for nothing."""
        if not self._news.is_set():
            self._news.set()

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """Send nothing more, and wait for what is on its way, but not for longer than this."""
        self._end.set()
        self._news.set()
        if self._thread is not None:
            self._thread.join(seconds)

    def run(self) -> None:
        """Deliver until `stop` is called by another thread."""
        with ThreadPoolExecutor(WORKERS, "notification") as workers:
            while not self._is_ending():
                self._step_safely(workers)
        with suppress(Exception):
            self._settle()
            with self._tree("end of delivery") as root:
                self._claim.release(root.outbox.lease)

    @contextmanager
    def _tree(self, note: str) -> Iterator[Root]:
        with tree(self._database, note) as root:
            check_version(root)
            yield root

    def _is_ending(self) -> bool:
        # daemon threads live on for a while when the interpreter ends, but can't use others then
        return self._end.is_set() or not threading.main_thread().is_alive()

    def _step_safely(self, workers: ThreadPoolExecutor) -> None:
        """One step and the pause after it; whatever goes wrong, another will follow."""
        try:
            pause = self._step(workers)
            self._broken = None
        except ConflictError:
            self._claim.forget()
            pause = PAUSE_SECONDS
        except Exception as fault:
            self._claim.forget()
            self._complain(fault)
            pause = DATABASE_SECONDS
        self._end.wait(pause)

    def _complain(self, fault: Exception) -> None:
        """Once for each kind of fault: a database may be away for long."""
        if type(fault) is self._broken or self._is_ending():
            return
        self._broken = type(fault)
        expected = isinstance(fault, (*EXPECTED, *self._database.unavailable))
        log.error(
            "notifications wait, the database fails: %s",
            type(fault).__name__,
            exc_info=None if expected else fault,
        )

    # --- one step -------------------------------------------------------------------------------

    def _step(self, workers: ThreadPoolExecutor) -> float:
        """Do what there is to do; the seconds to wait before the next step."""
        self._settle()
        rest = self._outage.remaining()
        if rest:
            self._keep_lease()
            return min(rest, RENEW_SECONDS / 2)
        errands = self._take_errands()
        if not errands:
            return self._wait_for_news()
        self._carry(errands, workers)
        self._settle()
        is_full = sum(map(len, errands)) >= ROUND_MESSAGES
        return 0.0 if is_full else PAUSE_SECONDS

    def _wait_for_news(self) -> float:
        self._news.wait(POLL_SECONDS)
        self._news.clear()
        return 0.0

    def _keep_lease(self) -> None:
        """Show that somebody is looking after what waits; the claim tells whether that worked."""
        if self._claim.is_due:
            try:
                with self._tree("keep the lease") as root:
                    self._claim.take(root.outbox.lease)
            except Exception:  # the next step will meet it again
                self._claim.forget()

    def _settle(self) -> None:
        """Remove from the outbox what was dealt with, all in one transaction.

        Writers of this process wait for that, as they do for each other; so they never conflict.
        """
        if not self._dealt_with and self._told == self._outage.trouble:
            return
        moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        with write_lock, self._tree("notifications delivered") as root:
            for number, reason in self._dealt_with.items():
                if reason:
                    root.outbox.put_aside(number, reason, moment)
                else:
                    root.outbox.discard(number)
            if root.outbox.lease.trouble != self._outage.trouble:
                root.outbox.lease.trouble = self._outage.trouble
        self._told = self._outage.trouble
        self._log_put_aside()
        self._dealt_with.clear()

    def _log_put_aside(self) -> None:
        """One line for all: an API that refuses one message may well refuse every message."""
        aside = [(number, reason) for number, reason in self._dealt_with.items() if reason]
        if aside:
            log.warning("%d notifications put aside, such as %s: %s", len(aside), *aside[0])

    # --- what to send ---------------------------------------------------------------------------

    def _take_errands(self) -> list[Errand]:
        """What is to be sent now, by this process."""
        with self._tree("take the lease") as root:
            outbox = root.outbox
            if not self._claim.is_free(outbox.lease):
                return []
            errands = self._probe(outbox) if self._outage.is_on else self._round(outbox)
            if errands:
                self._claim.take(outbox.lease)
            elif not outbox:
                self._ailments.clear()
        return errands

    def _round(self, outbox: Outbox) -> list[Errand]:
        """As many messages as a round may have; the next round goes on behind them."""
        errands: list[Errand] = []
        count = 0
        for lane in outbox.lanes(self._shard, LANE_MESSAGES):
            numbers = list(self._sendable(lane.numbers))
            if numbers:
                errands.append([(number, outbox[number]) for number in numbers])
            count += len(numbers)
            self._shard = lane.shard
            if count >= ROUND_MESSAGES:
                break
        return errands

    def _probe(self, outbox: Outbox) -> list[Errand]:
        """One message to try the API with: one that did not fail yet, else not for the longest."""
        best, best_failed_at = None, float("inf")
        for lane in outbox.lanes(self._shard, LANE_MESSAGES):
            for number in self._candidates(lane.numbers):
                failed_at = self._ailments.failed_at(number)
                if failed_at < best_failed_at:
                    best, best_failed_at = number, failed_at
            if not best_failed_at:
                break
        return [[(best, outbox[best])]] if best is not None else []

    def _sendable(self, lane: list[str]) -> Iterator[str]:
        """The messages of a klant that may be sent now, in order."""
        for number in lane:
            if number in self._dealt_with:
                continue
            if not self._ailments.rests(number):
                yield number
            elif not self._ailments.is_passed_by(number):
                return

    def _candidates(self, lane: list[str]) -> Iterator[str]:
        """The messages of a klant that may try the API: only the first, unless it is hopeless."""
        for number in self._sendable(lane):
            yield number
            if not self._ailments.is_passed_by(number):
                return

    # --- a round --------------------------------------------------------------------------------

    def _carry(self, errands: list[Errand], workers: ThreadPoolExecutor) -> None:
        """Send all this, and learn from how it is taken.

        Another worker joins in for as long as there is something left to begin with: an API that
        answers at once needs few, and each costs.
        """
        self._round_ends = time.monotonic() + ROUND_SECONDS
        waiting, reports = deque(errands), list[Report]()
        begun: list[Future[None]] = []
        running: set[Future[None]] = set()
        while running or (waiting and self._goes_on()):
            joins = bool(waiting) and len(running) < WORKERS and self._goes_on()
            if joins:
                begun.append(workers.submit(self._work, waiting, reports))
                running.add(begun[-1])
            running = wait(running, JOIN_SECONDS if joins else RENEW_SECONDS / 2).not_done
            self._keep_lease()
        self._learn(reports)
        for work in begun:
            work.result()

    def _goes_on(self) -> bool:
        """Whether another message may be sent in this round."""
        in_time = time.monotonic() < self._round_ends
        return in_time and self._claim.holds and not self._is_ending()

    def _work(self, waiting: deque[Errand], reports: list[Report]) -> None:
        """Run errands as long as there are any; the first message that fails ends the round."""
        while waiting and self._goes_on():
            with suppress(IndexError):  # another worker was faster
                self._run_errand(waiting.popleft(), reports)

    def _run_errand(self, errand: Errand, reports: list[Report]) -> None:
        """Send the messages of a klant one by one, until one does not get through."""
        for number, message in errand:
            if not self._goes_on():
                return
            reaction = self._notificaties.publish(message)
            reports.append((number, reaction))
            if reaction.verdict in (Verdict.BUSY, Verdict.FAILED):
                self._round_ends = 0.0
            if reaction.verdict not in (Verdict.DELIVERED, Verdict.REFUSED):
                return

    def _learn(self, reports: list[Report]) -> None:
        """Take note of what was sent, in the order in which it was answered."""
        failed: list[tuple[int, Report]] = []
        for number, reaction in reports:
            if not self._take_note(number, reaction):
                failed.append((self._ailments.passed, (number, reaction)))
        # by now it is known which of them others passed
        ill = [reaction for passed, report in failed for reaction in self._blame(passed, report)]
        if ill:
            self._outage.failed(ill[-1].reason, max(reaction.retry_after for reaction in ill))

    def _take_note(self, number: str, reaction: Reaction) -> bool:
        """Learn from how a message was taken; False when it failed."""
        match reaction.verdict:
            case Verdict.DELIVERED:
                self._dealt_with[number] = ""
                self._ailments.passes(number)
            case Verdict.REFUSED:
                self._dealt_with[number] = reaction.reason
                self._ailments.passes(number)
            case Verdict.EARLY:
                self._ailments.came_early(number)
            case _:
                return False
        self._outage.ended()
        return True

    def _blame(self, passed: int, report: Report) -> list[Reaction]:
        """The reaction to a message that failed, when it tells something of the API."""
        number, reaction = report
        if reaction.verdict is Verdict.BUSY:
            return [reaction]
        diagnosis = self._ailments.failed(number, passed, reaction.answered)
        if diagnosis is Diagnosis.HOPELESS:
            self._dealt_with[number] = f"{reaction.reason}, again and again while others passed"
            self._ailments.forget(number)
        return [reaction] if diagnosis is Diagnosis.API else []


# --- inside the server --------------------------------------------------------------------------


def wake_tween(
    handler: Callable[[Request], Response], registry: Registry
) -> Callable[[Request], Response]:
    """Tells the delivery of what was committed: it lies outside the transaction."""
    wake = registry.delivery.wake

    def tween(request: Request) -> Response:
        response = handler(request)
        if request.environ["REQUEST_METHOD"] in WRITES and response.status_int < 300:
            wake()
        return response

    return tween


def includeme(config: Configurator) -> None:
    registry = config.registry
    service = registry.services.notificaties
    registry.delivery = None
    if service is None or not registry.settings["klanten"].deliver_notifications:
        return
    registry.delivery = Delivery(registry.database, Notificaties(registry.door, service))
    registry.database.helpers += (registry.delivery.stop,)
    config.add_tween("klanten.delivery.wake_tween", over="pyramid_tm.tm_tween_factory")
    config.add_subscriber(lambda event: registry.delivery.start(), ApplicationCreated)
