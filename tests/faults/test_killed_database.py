"""The server of the database is killed, with all its processes, while two servers of ours write."""

from collections.abc import Iterator

import pytest

from tests.faults.conftest import MakeSite
from tests.faults.site import Site, any_moment, prepared
from tests.storages.conftest import Store


@pytest.fixture
def site(make_site: MakeSite, store: Store) -> Site:
    return make_site({"zodbconn.uri": prepared(store.uri)}, processes=2)


def test_what_was_acknowledged_survives_the_death_of_the_database(
    site: Site, store: Store, rounds: Iterator[int]
):
    for _ in rounds:
        with site.load.running():
            site.load.wait_for(60)
            any_moment()
            store.server.kill()
            site.load.wait_for(1, lambda: site.load.refused)
            store.server.start()
            site.load.wait_for(20)
        site.assert_nothing_lost()
    assert site.load.broken == 0
    assert site.is_up
