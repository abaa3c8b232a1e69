"""No connection to the database is left: in the pool of ZODB, or at PostgreSQL."""

import contextlib
from collections.abc import Iterator

import psycopg2

from tests.faults.conftest import MakeSite
from tests.faults.site import prepared
from tests.storages.servers import Postgres


@contextlib.contextmanager
def all_taken(postgres: Postgres) -> Iterator[None]:
    """Another program holds each connection that PostgreSQL has left."""
    taken = []
    try:
        with contextlib.suppress(psycopg2.OperationalError):
            while True:
                taken.append(postgres.connect())
        yield
    finally:
        for connection in taken:
            connection.close()


def test_postgresql_without_a_connection_left_is_a_503_until_there_is_one(
    make_site: MakeSite, postgres: Postgres, rounds: Iterator[int]
):
    site = make_site({"zodbconn.uri": prepared(postgres.new_database("pool"))}, processes=2)
    for turn in rounds:
        if turn:
            # a server that is at work has all that it needs
            site.stop()
            site.start()
        with all_taken(postgres), site.load.running():
            site.load.wait_for(20, lambda: site.load.refused)
        with site.load.running():
            site.load.wait_for(40)
        site.assert_nothing_lost()
    assert site.load.broken == 0


def test_a_pool_that_is_too_small_costs_nobody_an_answer(
    make_site: MakeSite, settings: dict[str, str], rounds: Iterator[int]
):
    uri = settings["zodbconn.uri"] + "?connection_pool_size=1"
    site = make_site({"zodbconn.uri": uri}, threads="8")
    for _ in rounds:
        site.load.run(150)
        site.assert_nothing_lost()
    assert site.load.refused == 0
