"""A database that an earlier release wrote is migrated, read as it was, and served and written."""

import contextlib
import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import webtest

import klanten
from klanten import evolve
from klanten.model.root import SCHEMA_VERSION, Root
from klanten.storage import open_database, tree
from tests.conftest import bearer, new_clients_file
from tests.consistency import assert_consistent
from tests.factories import make_klant
from tests.operator import Operator, only_line

RELEASES = sorted(
    path for path in Path(__file__).parent.iterdir() if (path / "klanten.fs.gz").exists()
)
API = "/api/v1/klanten"


class Upgrade(Operator):
    """An operator with the database of an earlier release, and this release installed."""

    def __init__(self, folder: Path, new_database: Path, release: Path) -> None:
        super().__init__(folder, new_database)
        self.database.with_name("klanten.fs.index").unlink()
        self.database.write_bytes(gzip.decompress((release / "klanten.fs.gz").read_bytes()))
        self.told = json.loads(gzip.decompress((release / "contents.json.gz").read_bytes()))
        new_clients_file(folder)

    @contextlib.contextmanager
    def served(self) -> Iterator[webtest.TestApp]:
        """The server; a start that is refused raises SystemExit."""
        router = klanten.main(
            {"__file__": str(self.ini)},
            **{
                "zodbconn.uri": f"file://{self.database}",
                "klanten.clients": str(self.folder / "clients.ini"),
            },
        )
        with contextlib.closing(router.registry.database):
            yield webtest.TestApp(router, extra_environ={"HTTP_AUTHORIZATION": bearer("all")})

    @contextlib.contextmanager
    def tree(self) -> Iterator[Root]:
        with (
            contextlib.closing(open_database(f"file://{self.database}")) as database,
            tree(database) as root,
        ):
            yield root


@pytest.fixture(params=RELEASES, ids=lambda release: release.name)
def upgrade(request: pytest.FixtureRequest, tmp_path: Path, new_database: Path) -> Upgrade:
    return Upgrade(tmp_path / "upgrade", new_database, request.param)


def test_there_is_a_database_of_a_release() -> None:
    assert RELEASES


def test_the_database_of_an_earlier_release_is_migrated_and_whole(upgrade: Upgrade) -> None:
    planned = upgrade.json("migrate", "--dry-run")
    done = upgrade.json("migrate")
    assert done["steps"] == planned["steps"]
    assert done["schemaVersion"] == SCHEMA_VERSION
    assert upgrade.json("migrate")["steps"] == []
    found = upgrade.json("verify")
    assert (found["klanten"], found["differences"]) == (len(upgrade.told["klanten"]), [])
    outbox = upgrade.json("stats")["outbox"]
    assert {name: outbox[name] for name in ("pending", "failed")} == upgrade.told["outbox"]


def test_all_that_an_earlier_release_wrote_is_served_as_it_was(upgrade: Upgrade) -> None:
    upgrade.json("migrate")
    with upgrade.served() as app:
        assert app.get(API).json["results"] == upgrade.told["klanten"]
        for klant in upgrade.told["klanten"]:
            assert app.get(klant["url"]).json == klant
            trail = app.get(f"{klant['url']}/audittrail").json
            assert trail == upgrade.told["audittrails"][klant["url"]]
        app.get(upgrade.told["gone"], status=404)


def test_what_an_earlier_release_wrote_is_found_changed_and_removed(upgrade: Upgrade) -> None:
    upgrade.json("migrate")
    klant, other = upgrade.told["klanten"][0], upgrade.told["klanten"][1]
    with upgrade.served() as app:
        for name in ("bronorganisatie", "klantnummer"):
            found = app.get(API, {name: klant[name]}).json["results"]
            assert klant in found
        app.patch_json(klant["url"], {"achternaam": "Na de upgrade"})
        trail = app.get(f"{klant['url']}/audittrail").json
        assert trail[:-1] == upgrade.told["audittrails"][klant["url"]]
        assert trail[-1]["wijzigingen"]["oud"] == klant
        taken = {name: other[name] for name in ("bronorganisatie", "klantnummer")}
        app.post_json(API, make_klant(**taken), status=400)
        app.post_json(API, make_klant(klantnummer=...))
        app.delete(other["url"])
        assert app.get(API).json["count"] == len(upgrade.told["klanten"])
    with upgrade.tree() as root:
        assert_consistent(root, messages_are_kept=False)


# --- a release to come --------------------------------------------------------------------------


def capitals(root: Root) -> None:
    """Write each bedrijfsnaam in capitals."""
    for klant in list(root.uuids.values()):
        klant.body = klant.body | {"bedrijfsnaam": klant.body["bedrijfsnaam"].upper()}


@pytest.fixture
def next_release(monkeypatch: pytest.MonkeyPatch) -> None:
    """This release, with a step from the schema version of today to the next."""
    monkeypatch.setattr(evolve, "SCHEMA_VERSION", SCHEMA_VERSION + 1)
    monkeypatch.setitem(evolve.STEPS, SCHEMA_VERSION + 1, capitals)


@pytest.mark.usefixtures("next_release")
def test_the_next_release_serves_only_after_migrate(upgrade: Upgrade) -> None:
    before = upgrade.database.read_bytes()
    with pytest.raises(SystemExit, match="klanten migrate"), upgrade.served():
        pass
    for command in ("stats", "verify", "reindex", "pack"):
        assert "run `klanten migrate` with this ini file" in only_line(upgrade.run(command), 3)
    plan = upgrade.run("migrate", "--dry-run")
    assert plan.stdout.splitlines() == [
        f"{SCHEMA_VERSION + 1}  Write each bedrijfsnaam in capitals.",
        f"schema version {SCHEMA_VERSION}",
    ]
    assert upgrade.database.read_bytes() == before
    assert upgrade.json("migrate") == {
        "steps": [{"version": SCHEMA_VERSION + 1, "does": "Write each bedrijfsnaam in capitals."}],
        "schemaVersion": SCHEMA_VERSION + 1,
    }
    with upgrade.served() as app:
        names = [klant["bedrijfsnaam"] for klant in app.get(API).json["results"]]
    assert names == [klant["bedrijfsnaam"].upper() for klant in upgrade.told["klanten"]]
    assert any(names)


def test_this_release_refuses_what_the_next_one_wrote(
    upgrade: Upgrade, monkeypatch: pytest.MonkeyPatch
) -> None:
    with upgrade.tree() as root:
        root.schema_version = SCHEMA_VERSION + 1
    before = upgrade.database.read_bytes()
    with pytest.raises(SystemExit, match="install the release that wrote it"), upgrade.served():
        pass
    for command in ("stats", "verify", "reindex", "pack", "migrate"):
        assert "install the release that wrote it" in only_line(upgrade.run(command), 3)
    assert upgrade.database.read_bytes() == before


@pytest.mark.usefixtures("next_release")
def test_a_step_that_fails_leaves_the_database_as_it_was(
    upgrade: Upgrade, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(root: Root) -> None:
        """Write each bedrijfsnaam in capitals."""
        capitals(root)
        raise ZeroDivisionError

    monkeypatch.setitem(evolve.STEPS, SCHEMA_VERSION + 1, fail)
    before = upgrade.database.read_bytes()
    assert isinstance(upgrade.run("migrate").exception, ZeroDivisionError)
    assert upgrade.database.read_bytes() == before


# --- how they are made --------------------------------------------------------------------------


def test_the_next_database_can_be_made_and_is_small(tmp_path: Path) -> None:
    from tests.releases.make import make

    database, told = make(tmp_path)
    assert len(gzip.compress(database)) < 100_000
    assert {klant["subjectType"] for klant in told["klanten"]} == {
        None,
        "natuurlijk_persoon",
        "niet_natuurlijk_persoon",
        "vestiging",
    }
    assert max(map(len, told["audittrails"].values())) > 3
    assert told["outbox"]["failed"] == 1
