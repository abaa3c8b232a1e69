"""Verifying, mending and packing a database: beside the server that has it open, and alone."""

import json
import os
import resource
import stat
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import webtest
from click.testing import CliRunner, Result

from klanten.cli import klanten
from klanten.model.root import Root
from klanten.settings import TimeOfDay
from klanten.storage import open_database, tree
from klanten.upkeep.control import Control, TaskFailed, ask, socket_of
from klanten.upkeep.packing import seconds_until
from tests.factories import make_klant, make_person

Run = Callable[..., Result]
Change = Callable[[Root], object]


@pytest.fixture
def ini(tmp_path: Path, settings: dict[str, str]) -> Path:
    path = tmp_path / "klanten.ini"
    lines = "\n".join(f"{name} = {value}" for name, value in settings.items())
    path.write_text(f"[app:main]\nuse = egg:klanten\n{lines}\n")
    return path


@pytest.fixture
def run(ini: Path) -> Run:
    """Runs a command on the ini file."""

    def command(name: str, *arguments: str) -> Result:
        return CliRunner().invoke(klanten, [name, str(ini), *arguments])

    return command


@pytest.fixture
def filled(app: webtest.TestApp) -> webtest.TestApp:
    """A served database with klanten that were made, changed, moved and deleted."""
    url = app.post_json("/api/v1/klanten", make_person()).json["url"]
    app.patch_json(url, {"achternaam": "Bakker"})
    app.patch_json(url, {"klantnummer": "ANDERS", "bronorganisatie": "000000000"})
    for _ in range(12):
        app.post_json("/api/v1/klanten", make_klant())
    app.delete(app.post_json("/api/v1/klanten", make_klant()).json["url"])
    return app


def spoil(app: webtest.TestApp, change: Change) -> None:
    with tree(app.app.registry.database) as root:
        change(root)


def some_klant(root: Root) -> Any:
    klant = root.numbered("000000000", "ANDERS")
    assert klant is not None
    return klant


def forget_uuid(root: Root) -> None:
    del root.uuids[some_klant(root).uuid]


def keep_a_stray_uuid(root: Root) -> None:
    root.uuids["a-stray"] = some_klant(root)


def forget_document(root: Root) -> None:
    root.documents.remove(some_klant(root).docid)


def keep_a_stray_document(root: Root) -> None:
    root.documents.add(some_klant(root))


def forget_index(root: Root) -> None:
    klant = some_klant(root)
    root.catalog.change(klant.docid, {"achternaam": "Bakker"}, {})


def keep_a_stray_index(root: Root) -> None:
    root.catalog.change(some_klant(root).docid, {}, {"achternaam": "Visser"})


def index_what_is_not_there(root: Root) -> None:
    root.catalog.add(999, {"achternaam": "Niemand"})


MENDABLE = [
    forget_uuid,
    keep_a_stray_uuid,
    forget_document,
    keep_a_stray_document,
    forget_index,
    keep_a_stray_index,
    index_what_is_not_there,
]


def test_a_database_in_use_is_whole(filled: webtest.TestApp, run: Run) -> None:
    result = run("verify", "--json")
    assert json.loads(result.stdout) == {"klanten": 13, "differences": []}
    assert result.exit_code == 0


@pytest.mark.parametrize("change", MENDABLE)
def test_what_is_not_right_is_found_and_mended(
    filled: webtest.TestApp, run: Run, change: Change
) -> None:
    spoil(filled, change)
    found = run("verify", "--json")
    assert found.exit_code == 1
    assert json.loads(found.stdout)["differences"]
    mended = run("reindex")
    assert mended.exit_code == 0, mended.output
    assert "0 are left" in mended.stdout
    assert run("verify").exit_code == 0
    listed = filled.get("/api/v1/klanten", {"achternaam": "Bakker"}).json
    assert listed["count"] == 1
    assert filled.get(listed["results"][0]["url"]).json["klantnummer"] == "ANDERS"


def test_everything_that_can_be_derived_is_made_again(filled: webtest.TestApp, run: Run) -> None:
    def lose_everything(root: Root) -> None:
        for klant in list(root.uuids.values()):
            del root.uuids[klant.uuid]
        for docid, _ in list(root.documents.items()):
            root.documents.remove(docid)
        for key, _ in list(root.catalog.items()):
            del root.catalog._index[key]

    spoil(filled, lose_everything)
    assert run("reindex").exit_code == 0
    assert run("verify").exit_code == 0
    assert filled.get("/api/v1/klanten").json["count"] == 13


def test_a_broken_audittrail_is_told_and_left(filled: webtest.TestApp, run: Run) -> None:
    def lose_a_line(root: Root) -> None:
        klant = some_klant(root)
        klant.regel.vorige = klant.regel.vorige.vorige

    spoil(filled, lose_a_line)
    assert "audittrail" in run("verify").stdout
    result = run("reindex")
    assert "1 are left" in result.stdout
    assert result.exit_code == 1


def test_a_klant_at_a_wrong_place_and_a_message_of_nothing_are_told(
    filled: webtest.TestApp, run: Run
) -> None:
    def misplace(root: Root) -> None:
        klant = some_klant(root)
        root.organisaties["000000000"]["ELDERS"] = klant
        root.outbox._put(f"{klant.uuid}/00000099", ("http://x", "update", "", "now"))

    spoil(filled, misplace)
    found = run("verify").stdout
    assert "tree 000000000/ELDERS" in found
    assert "outbox" in found


def test_many_differences_are_counted_and_the_first_are_shown(
    filled: webtest.TestApp, run: Run
) -> None:
    def spoil_much(root: Root) -> None:
        for number in range(300):
            root.catalog.add(1000 + number, {})

    spoil(filled, spoil_much)
    shown = run("verify").stdout.splitlines()
    assert shown[-2:] == ["... and 200 more; --json shows them all", "13 klanten, 300 differences"]


def test_an_interrupted_command_ends_with_a_status_of_its_own(
    filled: webtest.TestApp, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*told: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("klanten.cli.output.Meter.show", interrupt)
    result = run("verify")
    assert (result.exit_code, result.output) == (130, "Interrupted.\n")


def test_a_served_database_is_packed_by_its_server(filled: webtest.TestApp, run: Run) -> None:
    before = filled.app.registry.database.getSize()
    result = run("pack", "--days", "0", "--json")
    assert result.exit_code == 0, result.output
    assert filled.app.registry.database.getSize() < before
    assert json.loads(run("stats", "--json").stdout)["lastPack"]
    assert filled.get("/api/v1/klanten").json["count"] == 13


@pytest.mark.parametrize("days", ["-1", "36501", "inf", "nan", "many"])
def test_days_that_nobody_can_count_back_are_wrong_usage(run: Run, days: str) -> None:
    result = run("pack", "--days", days)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--days" in result.stderr


def test_a_century_of_history_can_be_kept(filled: webtest.TestApp, run: Run) -> None:
    assert run("pack", "--days", "36500").exit_code == 0


def test_a_server_goes_on_with_a_pack_whose_command_is_interrupted(
    filled: webtest.TestApp, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*asked: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("klanten.cli.upkeep.ask", interrupt)
    result = run("pack")
    assert result.exit_code == 130
    assert result.output.startswith("Interrupted. The server that has ")
    assert result.output.endswith("klanten.fs open goes on with it.\n")


def test_a_second_pack_is_told_of_the_first(
    filled: webtest.TestApp, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = filled.app.registry.database.storage
    monkeypatch.setattr(storage, "_pack_is_in_progress", True)
    result = run("pack")
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.endswith(
        "klanten.fs open: a pack is under way already; wait for its end\n"
    )


def test_a_full_disk_of_the_server_is_told_with_what_to_do(
    filled: webtest.TestApp, run: Run
) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, most))
    try:
        result = run("pack", "--days", "0")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    assert (result.exit_code, result.stdout) == (3, "")
    [line] = result.stderr.splitlines()
    assert "klanten.fs open: OSError: [Errno 27] File too large; make room" in line


def test_a_database_that_nobody_serves_is_packed_and_mended_by_the_command(
    filled: webtest.TestApp, run: Run
) -> None:
    spoil(filled, forget_index)
    filled.app.registry.database.close()
    assert run("pack").exit_code == 0
    assert "1 differences are mended" in run("reindex").stdout
    assert run("verify").exit_code == 0


def test_only_its_owner_may_use_the_socket(filled: webtest.TestApp, tmp_path: Path) -> None:
    path = socket_of(tmp_path / "klanten.fs")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    filled.app.registry.database.close()
    assert not path.exists()


def test_a_socket_that_a_killed_server_left_is_no_server(
    filled: webtest.TestApp, run: Run, tmp_path: Path
) -> None:
    database = filled.app.registry.database
    control = Control(socket_of(tmp_path / "left.fs"), database)
    control.server_close()
    os.rename(socket_of(tmp_path / "left.fs"), tmp_path / "klanten.fs.socket.left")
    database.close()
    os.rename(tmp_path / "klanten.fs.socket.left", socket_of(tmp_path / "klanten.fs"))
    assert run("pack").exit_code == 0


@pytest.mark.parametrize(
    ("task", "options"), [("paint", {}), ("pack", {}), ("pack", {"days": "many"}), ("retry", {})]
)
def test_a_task_that_can_not_be_done_is_an_error_and_the_server_goes_on(
    filled: webtest.TestApp, tmp_path: Path, task: str, options: dict[str, Any]
) -> None:
    with pytest.raises(TaskFailed):
        ask(socket_of(tmp_path / "klanten.fs"), task, options, lambda done: None)
    assert filled.get("/api/v1/klanten").json["count"] == 13


def test_a_long_path_has_a_socket_too(
    make_app: Callable[..., webtest.TestApp], tmp_path: Path
) -> None:
    folder = tmp_path / ("a" * 100) / ("b" * 100)
    folder.mkdir(parents=True)
    make_app(zodbconn__uri=f"file://{folder}/klanten.fs")
    answer = ask(socket_of(folder / "klanten.fs"), "reindex", {}, lambda done: None)
    assert answer == {"mended": 0, "left": 0}


@pytest.mark.parametrize(
    ("now", "hours"), [((2, 30), 1), ((3, 30), 24), ((4, 30), 23), ((0, 0), 3.5)]
)
def test_the_next_pack_is_at_the_time_of_day(now: tuple[int, int], hours: float) -> None:
    assert seconds_until(TimeOfDay(3, 30), datetime(2026, 11, 24, *now)) == hours * 3600


def test_migrating_a_database_of_this_release_has_nothing_to_do(
    filled: webtest.TestApp, run: Run
) -> None:
    filled.app.registry.database.close()
    result = run("migrate", "--json")
    assert json.loads(result.stdout) == {"steps": [], "schemaVersion": 1}


def test_a_database_of_a_newer_release_is_refused(filled: webtest.TestApp, run: Run) -> None:
    spoil(filled, lambda root: setattr(root, "schema_version", 99))
    filled.app.registry.database.close()
    for command in ("migrate", "verify"):
        result = run(command)
        assert result.exit_code == 3
        assert "99" in result.stderr


def test_a_dry_run_of_migrate_works_beside_the_server(filled: webtest.TestApp, run: Run) -> None:
    assert run("migrate", "--dry-run").stdout == "schema version 1, nothing to do\n"


def test_migrate_with_nothing_to_do_leaves_the_server_alone(
    filled: webtest.TestApp, run: Run
) -> None:
    result = run("migrate")
    assert (result.exit_code, result.stdout) == (0, "schema version 1, nothing to do\n")


def test_a_file_that_is_closed_cleanly_has_its_index(
    filled: webtest.TestApp, tmp_path: Path
) -> None:
    filled.app.registry.database.close()
    with_index = (tmp_path / "klanten.fs.index").stat().st_mtime
    assert with_index >= (tmp_path / "klanten.fs").stat().st_mtime - 1
    open_database(f"file://{tmp_path}/klanten.fs").close()
