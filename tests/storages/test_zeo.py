"""What a ZEO server and its clients have to get right between them."""

from collections.abc import Iterator

import pytest
import transaction
from persistent.mapping import PersistentMapping
from ZODB.Connection import Connection

from klanten.storage import Database, open_database, prepare, tree
from tests.storages.servers import Zeo, until


@pytest.fixture
def two(zeo: Zeo) -> Iterator[tuple[Database, Database]]:
    """Two clients of one server, as two processes are."""
    first, second = open_database(zeo.uri), open_database(zeo.uri)
    prepare(first)
    yield first, second
    first.close()
    second.close()


def opened(database: Database) -> Connection:
    return database.open(transaction.TransactionManager(explicit=True))


def test_a_client_sees_what_another_just_committed(two: tuple[Database, Database]):
    first, second = two
    for number in range(50):
        with tree(first) as root:
            root.mark = number
        with tree(second) as root:
            assert root.mark == number


def test_numbers_of_new_objects_are_not_given_twice_when_the_server_was_killed(
    zeo: Zeo, two: tuple[Database, Database]
):
    one, other = map(opened, two)
    with one.transaction_manager:
        one.root()["before"] = PersistentMapping()
    zeo.kill()
    zeo.start()
    for database in two:
        until(database.storage.is_connected, "the server")
    with other.transaction_manager:
        other.root()["theirs"] = PersistentMapping()
    with one.transaction_manager:
        theirs = one.root()["theirs"]
        assert not theirs
        one.root()["ours"] = ours = PersistentMapping()
    assert ours._p_oid != theirs._p_oid
    one.close()
    other.close()
