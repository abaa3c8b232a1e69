"""The database servers, and the application on them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import webtest

from tests.storages.servers import Postgres, Server, Zeo

# Seconds, of `klanten.database.timeout`: short, because the tests wait for it.
TIMEOUT = 1


@pytest.fixture(scope="session")
def _postgres() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


@pytest.fixture
def postgres(_postgres: Postgres) -> Iterator[Postgres]:
    """A PostgreSQL server that runs, also when the test before this one killed it."""
    if _postgres.process is None:
        _postgres.start()
    yield _postgres
    _postgres.resume()


@pytest.fixture
def zeo() -> Iterator[Zeo]:
    """A ZEO server with an empty database."""
    with Zeo() as server:
        yield server


@dataclass
class Store:
    """An empty database on a server: where it is, and what serves it."""

    uri: str
    server: Server


@pytest.fixture(params=["zeo", "postgresql"])
def store(request: pytest.FixtureRequest) -> Store:
    """An empty database on ZEO, and one on PostgreSQL."""
    if request.param == "zeo":
        server = request.getfixturevalue("zeo")
        return Store(server.uri, server)
    server = request.getfixturevalue("postgres")
    return Store(server.new_database("store"), server)


@pytest.fixture
def app(store: Store, make_app: Callable[..., webtest.TestApp]) -> webtest.TestApp:
    """The application on `store`; it waits for `TIMEOUT` seconds."""
    return make_app(**{"zodbconn.uri": store.uri, "klanten.database.timeout": str(TIMEOUT)})
