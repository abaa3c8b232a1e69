"""Rounds of delivery on a real database, to an API that does as it is told."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from ZODB.MappingStorage import MappingStorage
from ZODB.POSException import ConflictError

from klanten import delivery as module
from klanten.delivery import Delivery, ailments, lease, outage
from klanten.model.audittrail import Actie, Bewerking
from klanten.model.klant import Klant
from klanten.model.outbox import Message
from klanten.outgoing.notificaties import Reaction, Verdict
from klanten.storage import Database, prepare, tree

PATIENCE = 60
DELIVERED = Reaction(Verdict.DELIVERED)
FAILED = Reaction(Verdict.FAILED, "500")


class Api:
    """A Notificaties API; `sent` are the klanten of the messages that it was sent, in order."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.reaction: Callable[[Message], Reaction] = lambda message: DELIVERED

    def publish(self, message: Message) -> Reaction:
        self.sent.append(message.klant)
        return self.reaction(message)


@pytest.fixture(autouse=True)
def _brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PAUSE_SECONDS", "JOIN_SECONDS", "POLL_SECONDS", "DATABASE_SECONDS"):
        monkeypatch.setattr(module, name, 0.01)
    monkeypatch.setattr(lease, "RENEW_SECONDS", 0.05)
    monkeypatch.setattr(module, "RENEW_SECONDS", 0.05)
    for one in (outage, ailments):
        monkeypatch.setattr(one, "backoff", lambda failures: 0.03)


@pytest.fixture
def _short_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "LEASE_SECONDS", 1.0)


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def database() -> Iterator[Database]:
    """One that other processes may have open, too, as far as the delivery knows."""
    with closing(Database(MappingStorage())) as database:
        prepare(database)
        yield database


@pytest.fixture
def start(database: Database, api: Api) -> Iterator[Callable[[], Delivery]]:
    """Starts a delivery, as in a process of its own."""
    started = []

    def starter() -> Delivery:
        delivery = Delivery(database, api)
        delivery.start()
        started.append(delivery)
        return delivery

    yield starter
    for delivery in started:
        delivery.stop()


def write(database: Database, uuid: str, changes: int = 1) -> None:
    """Change a klant so many times."""
    klant = Klant(uuid, {})
    with tree(database) as root:
        for version in range(1, changes + 1):
            klant.version = version
            bewerking = Bewerking(Actie.UPDATE, datetime.now(UTC), "https://klanten.example/api")
            root.outbox.put(klant, {"subjectType": None}, bewerking)


def seen(database: Database, look: Callable[[Any], Any]) -> Any:
    with tree(database) as root:
        return look(root.outbox)


def until(done: Callable[[], Any]) -> None:
    end = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < end
        time.sleep(0.005)


def until_empty(database: Database) -> None:
    until(lambda: seen(database, len) == 0)


def test_what_other_processes_write_is_found(database, api, start):
    start()
    write(database, "a")
    until_empty(database)
    assert api.sent == ["a"]


def test_database_of_a_newer_release_is_left_alone(database, api, start, caplog):
    with tree(database) as root:
        root.schema_version += 1
    write(database, "a")
    start()
    until(lambda: "DatabaseTooNew" in caplog.text)
    assert (api.sent, seen(database, len)) == ([], 1)


def test_delivery_goes_on_after_a_long_silence(database, api, start, monkeypatch):
    monkeypatch.setattr(lease, "LEASE_SECONDS", 0.1)
    delivery = start()
    write(database, "a")
    until_empty(database)
    until(lambda: not delivery._claim.holds)
    write(database, "b")
    until_empty(database)
    assert api.sent == ["a", "b"]


def test_of_two_who_could_deliver_one_does(database, api, start):
    for _ in range(2):
        start()
    for number in range(40):
        write(database, f"klant {number}")
    until_empty(database)
    assert sorted(api.sent) == sorted(f"klant {number}" for number in range(40))


@pytest.mark.usefixtures("_short_lease")
def test_the_lease_is_kept_while_an_api_takes_its_time(database, api, start):
    release = threading.Event()

    def slowly(message: Message) -> Reaction:
        assert release.wait(PATIENCE)
        return DELIVERED

    api.reaction = slowly
    first = start()
    write(database, "a")
    until(lambda: api.sent)
    start()
    beat = seen(database, lambda outbox: outbox.lease.beat)
    until(lambda: seen(database, lambda outbox: outbox.lease.beat) > beat + 24)
    assert seen(database, lambda outbox: outbox.lease.holder) == first._claim.name
    release.set()
    until_empty(database)
    assert api.sent == ["a"]


@pytest.mark.usefixtures("_short_lease")
def test_the_lease_is_kept_during_an_outage(database, api, start, monkeypatch):
    monkeypatch.setattr(outage, "backoff", lambda failures: 1000)
    api.reaction = lambda message: FAILED
    first = start()
    write(database, "a")
    until(lambda: api.sent)
    start()
    beat = seen(database, lambda outbox: outbox.lease.beat)
    until(lambda: seen(database, lambda outbox: outbox.lease.beat) > beat + 24)
    assert seen(database, lambda outbox: outbox.lease.holder) == first._claim.name
    assert api.sent == ["a"]


@pytest.mark.usefixtures("_short_lease")
def test_whoever_lost_the_lease_sends_nothing_more(database, api, start):
    went_on = threading.Event()

    def robbed(message: Message) -> Reaction:
        with tree(database) as root:
            root.outbox.lease.holder = "another"
            root.outbox.lease.beat += 1
        time.sleep(0.3)
        went_on.set()
        return DELIVERED

    api.reaction = robbed
    start()
    write(database, "a", changes=5)
    assert went_on.wait(PATIENCE)
    # what was sent is removed, and the rest is sent when the other is thought to be dead
    until(lambda: seen(database, len) == 4)
    assert len(api.sent) == 1
    api.reaction = lambda message: DELIVERED
    until_empty(database)
    assert len(api.sent) == 5


def test_a_lease_that_can_not_be_kept_costs_and_doubles_no_message(
    database, api, start, monkeypatch
):
    failed = threading.Event()

    @contextmanager
    def tree_or_not(database: Database, note: str) -> Iterator[Any]:
        if note == "keep the lease" and not failed.is_set():
            failed.set()
            raise OSError
        with tree(database, note) as root:
            yield root

    def slowly(message: Message) -> Reaction:
        assert failed.wait(PATIENCE)
        time.sleep(0.1)
        return DELIVERED

    monkeypatch.setattr(module, "tree", tree_or_not)
    api.reaction = slowly
    write(database, "a", changes=3)
    start()
    until_empty(database)
    assert api.sent == ["a"] * 3


def test_a_removal_that_meets_a_conflict_sends_nothing_twice(database, api, start, monkeypatch):
    met = [ConflictError(), ConflictError()]

    @contextmanager
    def tree_or_conflict(database: Database, note: str) -> Iterator[Any]:
        with tree(database, note) as root:
            yield root
            if met and note == "notifications delivered":
                raise met.pop()

    monkeypatch.setattr(module, "tree", tree_or_conflict)
    write(database, "a", changes=3)
    start()
    until_empty(database)
    assert met == []
    assert api.sent == ["a", "a", "a"]


def test_a_claim_that_meets_a_conflict_sends_nothing(database, api, start, monkeypatch):
    met = [ConflictError()]

    @contextmanager
    def tree_or_conflict(database: Database, note: str) -> Iterator[Any]:
        with tree(database, note) as root:
            yield root
            if met and root.outbox.lease.holder:
                met.clear()
                assert api.sent == []
                raise ConflictError

    monkeypatch.setattr(module, "tree", tree_or_conflict)
    write(database, "a")
    start()
    until_empty(database)
    assert api.sent == ["a"]


def test_a_slow_api_does_not_keep_what_was_delivered_from_being_removed(
    database, api, start, monkeypatch
):
    monkeypatch.setattr(module, "ROUND_SECONDS", 0.05)

    def slowly(message: Message) -> Reaction:
        time.sleep(0.03)
        return DELIVERED

    api.reaction = slowly
    write(database, "a", changes=20)
    start()
    until(lambda: 0 < seen(database, len) < 20)
    until_empty(database)
    assert api.sent == ["a"] * 20


def test_a_klant_that_is_changed_all_the_time_leaves_room_for_others(database, api, start):
    write(database, "busy", changes=200)
    for number in range(10):
        write(database, f"klant {number}")
    start()
    until_empty(database)
    assert len(api.sent) == 210
    last_of_others = max(at for at, klant in enumerate(api.sent) if klant != "busy")
    assert last_of_others < 100


def test_more_than_a_round_is_delivered_in_several(database, api, start, monkeypatch):
    monkeypatch.setattr(module, "ROUND_MESSAGES", 10)
    for number in range(45):
        write(database, f"klant {number}")
    start()
    until_empty(database)
    assert sorted(api.sent) == sorted(f"klant {number}" for number in range(45))


def test_what_failed_is_forgotten_when_nothing_waits(database, api, start):
    api.reaction = lambda message: FAILED
    delivery = start()
    write(database, "a")
    until(lambda: delivery._ailments._known)
    with tree(database) as root:
        for number in list(root.outbox):
            root.outbox.discard(number)
    until(lambda: not delivery._ailments._known)


def test_a_delivery_that_never_began_can_be_stopped(database, api):
    Delivery(database, api).stop()


def test_a_mistake_of_ours_is_shown_in_full(database, api, start, caplog):
    api.reaction = lambda message: 1 // 0
    start()
    write(database, "a")
    until(lambda: caplog.records)
    api.reaction = lambda message: DELIVERED
    until_empty(database)
    [record] = [record for record in caplog.records if record.name == "klanten.delivery"]
    assert record.exc_info[0] is ZeroDivisionError
