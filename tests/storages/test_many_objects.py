"""Transactions of many objects on PostgreSQL: one lock for all of them, none for each."""

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import transaction
from persistent.mapping import PersistentMapping
from ZODB.POSException import ConflictError

from klanten.storage import Database, open_database
from klanten.storage.postgresql.storage import MANY
from tests.storages.servers import Postgres, until

FEW = 3
ENOUGH = MANY + 1
"""Of so many objects the transaction has one lock."""
PAST_ALL_LOCKS = 8 * MANY
"""More than the server has room for."""

WAITING = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


@pytest.fixture
def database(postgres: Postgres) -> Iterator[Database]:
    """A database with `objects`."""
    with contextlib.closing(open_database(postgres.new_database("many"))) as database:
        with database.transaction() as connection:
            connection.root()["objects"] = [PersistentMapping() for _ in range(PAST_ALL_LOCKS)]
        yield database


class Writer:
    """A transaction that is committed step by step."""

    def __init__(self, database: Database) -> None:
        manager = transaction.TransactionManager(explicit=True)
        self.connection = database.open(transaction_manager=manager)
        self.transaction = manager.begin()

    def change(self, numbers: range, value: str) -> None:
        objects = self.connection.root()["objects"]
        for number in numbers:
            objects[number]["value"] = value

    def read(self, number: int) -> None:
        """Look at an object that must stay as it is until the commit."""
        seen = self.connection.root()["objects"][number]
        seen.get("value")
        self.connection.readCurrent(seen)

    def vote(self) -> None:
        self.connection.tpc_begin(self.transaction)
        self.connection.commit(self.transaction)
        self.connection.tpc_vote(self.transaction)

    def finish(self) -> None:
        self.connection.tpc_finish(self.transaction)

    def give_up(self) -> None:
        self.connection.abort(self.transaction)
        self.connection.tpc_abort(self.transaction)


def values(database: Database) -> list[Any]:
    with database.transaction() as connection:
        return [each.get("value") for each in connection.root()["objects"]]


def test_a_transaction_changes_more_objects_than_the_server_has_locks_for(database: Database):
    writer = Writer(database)
    writer.change(range(PAST_ALL_LOCKS), "new")
    writer.vote()
    writer.finish()
    assert set(values(database)) == {"new"}


@pytest.mark.parametrize(("first", "second"), [(FEW, ENOUGH), (ENOUGH, FEW), (ENOUGH, ENOUGH)])
def test_who_changes_many_waits_for_others_and_they_for_him(
    database: Database, postgres: Postgres, first: int, second: int
):
    """What is found out after that is as after any other wait: that they changed the same."""
    one, other = Writer(database), Writer(database)
    one.change(range(first), "one")
    other.change(range(second), "other")
    one.vote()
    with ThreadPoolExecutor() as threads:
        vote = threads.submit(other.vote)
        until(lambda: postgres.execute(WAITING), "the second one to wait")
        one.finish()
        with pytest.raises(ConflictError):
            vote.result()
    other.give_up()
    assert values(database)[:second].count("one") == min(first, second)
    assert "other" not in values(database)


def test_who_changes_many_others_keeps_them_waiting_only(database: Database, postgres: Postgres):
    one, other = Writer(database), Writer(database)
    one.change(range(ENOUGH), "one")
    other.change(range(ENOUGH, ENOUGH + FEW), "other")
    one.vote()
    with ThreadPoolExecutor() as threads:
        vote = threads.submit(other.vote)
        until(lambda: postgres.execute(WAITING), "the second one to wait")
        one.finish()
        vote.result()
    other.finish()
    assert values(database)[: ENOUGH + FEW] == ENOUGH * ["one"] + FEW * ["other"]


def test_who_read_what_another_changed_meanwhile_does_not_change_many(database: Database):
    one, other = Writer(database), Writer(database)
    one.change(range(FEW), "one")
    other.read(0)
    other.change(range(FEW, FEW + ENOUGH), "other")
    one.vote()
    one.finish()
    with pytest.raises(ConflictError):
        other.vote()
    other.give_up()
    assert "other" not in values(database)


def test_writers_of_few_do_not_wait_for_each_other(database: Database):
    one, other = Writer(database), Writer(database)
    one.change(range(FEW), "one")
    other.change(range(FEW, 2 * FEW), "other")
    one.vote()
    other.vote()
    other.finish()
    one.finish()
    assert values(database)[: 2 * FEW] == FEW * ["one"] + FEW * ["other"]
