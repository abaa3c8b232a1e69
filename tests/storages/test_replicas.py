"""A primary PostgreSQL and a standby that follows it: loads from the one, failover to the other."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from klanten.storage import DatabaseUnavailable, open_database
from tests.factories import make_klant
from tests.faults.site import Site, prepared
from tests.servers import Answer, Server
from tests.storages.servers import Postgres, Standby, until

DATABASE = "replicas"


@pytest.fixture
def primary() -> Iterator[Postgres]:
    """A server that keeps the role of klanten waiting until a standby shows what it wrote."""
    with Postgres() as server:
        server.new_database(DATABASE)
        server.execute("ALTER ROLE klanten SET synchronous_commit = remote_apply")
        yield server
        # to stop in peace it would wait for the standby
        server.kill()


@pytest.fixture
def standby(primary: Postgres) -> Iterator[Standby]:
    with Standby(primary) as server:
        wait_for_standbys(primary, "*")
        until(lambda: following(primary) == ["sync"], "the standby")
        yield server


def wait_for_standbys(primary: Postgres, names: str) -> None:
    primary.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{names}'")
    primary.execute("SELECT pg_reload_conf()")


def following(primary: Postgres) -> list[str]:
    return [state for (state,) in primary.execute("SELECT sync_state FROM pg_stat_replication")]


@pytest.fixture
def uri(primary: Postgres, standby: Standby) -> str:
    """Whichever of the two takes writes."""
    alone = urlsplit(primary.new_database(DATABASE))
    hosts = f"{alone.netloc},127.0.0.1:{standby.port}"
    return prepared(alone._replace(netloc=hosts, query="target_session_attrs=read-write").geturl())


@pytest.fixture
def reading_uri(uri: str, primary: Postgres, standby: Standby, tmp_path: Path) -> str:
    """The same, and loads from the standby while that is there."""
    replicas = tmp_path / "replicas"
    replicas.write_text(f"127.0.0.1:{standby.port}\n127.0.0.1:{primary.port}\n")
    return f"{uri}&ro_replica_conf={replicas}"


MakeSite = Callable[[str], Site]


@pytest.fixture
def make_site(tmp_path: Path, settings: dict[str, str]) -> Iterator[MakeSite]:
    """Starts two servers of ours on a URI."""
    with contextlib.ExitStack() as running:
        yield lambda uri: running.enter_context(
            Site(tmp_path, settings | {"zodbconn.uri": uri}, processes=2)
        )


@pytest.fixture
def site(make_site: MakeSite, reading_uri: str) -> Site:
    """Two servers that load from the standby."""
    return make_site(reading_uri)


def connected_for(server: Postgres) -> set[str]:
    """What our servers have connections for."""
    rows = server.execute(
        "SELECT DISTINCT application_name FROM pg_stat_activity "
        f"WHERE datname = '{DATABASE}' AND pid <> pg_backend_pid()"
    )
    return {name for (name,) in rows}


def create(server: Server) -> Answer:
    return server.request("POST", "/klanten", make_klant(klantnummer=...))


def assert_unavailable(answer: Answer) -> None:
    assert answer.status == 503
    assert answer.json["code"] == "service_unavailable"
    assert answer.headers["Retry-After"].isdigit()


# --- loads from the standby ---------------------------------------------------------------------


def test_loads_go_to_the_standby_and_see_at_once_what_was_acknowledged(
    site: Site, primary: Postgres, standby: Standby
):
    site.load.run(400)
    assert connected_for(standby) == {"RS: Load"}
    assert connected_for(primary) == {"RS: Store"}
    site.assert_nothing_lost()
    assert site.load.refused == 0


def test_a_write_is_acknowledged_only_when_the_standby_shows_it(site: Site, standby: Standby):
    server = site.servers[0]
    created = create(server).json
    standby.execute("SELECT pg_wal_replay_pause()")
    assert_unavailable(create(server))
    assert server.request("GET", created["url"]).json == created
    standby.execute("SELECT pg_wal_replay_resume()")
    assert create(server).status == 201


def test_without_the_standby_the_primary_does_all(site: Site, primary: Postgres, standby: Standby):
    server = site.servers[0]
    url = create(server).json["url"]
    standby.kill()
    assert server.request("GET", url).status == 200
    assert_unavailable(create(server))
    wait_for_standbys(primary, "")
    assert until(lambda: create(server).status == 201, "the primary alone")
    assert connected_for(primary) == {"RS: Load", "RS: Store"}


def test_a_list_of_replicas_that_is_not_there_is_told_without_the_password():
    uri = "postgresql://klanten:secret@db.example.nl/klanten?ro_replica_conf=/nowhere/replicas"
    with pytest.raises(DatabaseUnavailable, match=r"list of replicas.*/nowhere/replicas") as told:
        open_database(uri)
    assert "secret" not in str(told.value)


# --- failover to the standby --------------------------------------------------------------------


@pytest.mark.parametrize(("loads", "read"), [("primary", 503), ("standby", 200)])
def test_nothing_is_lost_when_the_standby_is_promoted(
    loads: str,
    read: int,
    make_site: MakeSite,
    uri: str,
    reading_uri: str,
    primary: Postgres,
    standby: Standby,
):
    site = make_site(uri if loads == "primary" else reading_uri)
    load = site.load
    with load.running():
        load.wait_for(60)
        primary.kill()
        load.wait_for(5, lambda: load.tally["POST 503"])
        load.wait_for(5, lambda: load.tally[f"GET {read}"])
        standby.promote()
        load.wait_for(60)
    site.assert_nothing_lost()
    assert connected_for(standby) == {"RS: Load", "RS: Store"}
    assert load.broken == 0
    assert site.is_up
