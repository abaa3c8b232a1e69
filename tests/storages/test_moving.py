"""Backups and copies: of a file and of PostgreSQL, put back and compared."""

import calendar
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import webtest
from click.testing import CliRunner, Result

from klanten.cli import klanten
from tests.factories import make_klant, make_person
from tests.storages.servers import Postgres, Zeo, until

KLANTEN = Path(sys.executable).with_name("klanten")
MakeApp = Callable[..., webtest.TestApp]


def ini(folder: Path, settings: dict[str, str], uri: str) -> str:
    path = folder / f"{abs(hash(uri))}.ini"
    lines = dict(settings) | {"zodbconn.uri": uri.replace("%", "%%")}
    text = "\n".join(f"{name} = {value}" for name, value in lines.items())
    path.write_text(f"[app:main]\nuse = egg:klanten\n{text}\n")
    return str(path)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(klanten, list(arguments))


def fill(app: webtest.TestApp) -> str:
    url = app.post_json("/api/v1/klanten", make_person()).json["url"]
    app.patch_json(url, {"achternaam": "Bakker"})
    for _ in range(20):
        app.post_json("/api/v1/klanten", make_klant())
    app.delete(app.post_json("/api/v1/klanten", make_klant()).json["url"])
    return str(url)


def contents(app: webtest.TestApp, url: str) -> object:
    return app.get("/api/v1/klanten").json, app.get(f"{url}/audittrail").json


@pytest.fixture
def file(tmp_path: Path) -> str:
    return f"file://{tmp_path}/one.fs"


def test_a_file_goes_to_postgresql_and_back(
    make_app: MakeApp, tmp_path: Path, settings: dict[str, str], file: str, postgres: Postgres
) -> None:
    first = make_app(zodbconn__uri=file)
    url = fill(first)
    before = contents(first, url)
    first.app.registry.database.close()
    there = postgres.new_database("moving")
    copied = run("copy-database", ini(tmp_path, settings, file), there, "--json")
    assert copied.exit_code == 0, copied.output
    assert json.loads(copied.stdout)["klanten"] == 21
    assert json.loads(copied.stdout)["regels"] == 22
    second = make_app(zodbconn__uri=there)
    assert contents(second, url) == before
    second.post_json("/api/v1/klanten", make_klant())
    after = contents(second, url)
    second.app.registry.database.close()
    back = f"file://{tmp_path}/two.fs"
    assert run("copy-database", ini(tmp_path, settings, there), back).exit_code == 0
    assert run("verify", ini(tmp_path, settings, back)).exit_code == 0
    assert contents(make_app(zodbconn__uri=back), url) == after


def test_a_copy_goes_to_an_empty_database_only(
    make_app: MakeApp, tmp_path: Path, settings: dict[str, str], file: str
) -> None:
    for uri in (file, f"file://{tmp_path}/two.fs"):
        fill(make_app(zodbconn__uri=uri))
    refused = run("copy-database", ini(tmp_path, settings, file), f"file://{tmp_path}/two.fs")
    assert refused.exit_code == 3  # both are served
    other = f"file://{tmp_path}/three.fs"
    served = make_app(zodbconn__uri=other)
    served.app.registry.database.close()
    own = ini(tmp_path, settings, other)
    refused = run("copy-database", own, other)
    assert refused.exit_code == 2


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs a command that gets a Ctrl-C when it tells for the third time how far it is."""

    def interrupted(*arguments: str) -> Result:
        counts = iter(range(3))

        def show(*told: object) -> None:
            if next(counts, None) is None:
                raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr("klanten.cli.output.Meter.show", show)
            return run(*arguments)

    return interrupted


def test_an_interrupted_copy_to_a_file_leaves_none(
    make_app: MakeApp,
    tmp_path: Path,
    settings: dict[str, str],
    file: str,
    interrupted: Callable[..., Result],
) -> None:
    app = make_app(zodbconn__uri=file)
    fill(app)
    app.app.registry.database.close()
    own, target = ini(tmp_path, settings, file), f"file://{tmp_path}/two.fs"
    (tmp_path / "two.fs.partial").write_bytes(b"of a copy that was killed")
    result = interrupted("copy-database", own, target)
    assert (result.exit_code, result.output) == (130, "Interrupted.\n")
    assert not list(tmp_path.glob("two.fs*"))
    assert run("copy-database", own, target).exit_code == 0
    assert {path.name for path in tmp_path.glob("two.fs*")} == {"two.fs", "two.fs.index"}


def test_an_interrupted_copy_to_a_server_is_told_to_be_in_part(
    make_app: MakeApp,
    tmp_path: Path,
    settings: dict[str, str],
    file: str,
    postgres: Postgres,
    interrupted: Callable[..., Result],
) -> None:
    app = make_app(zodbconn__uri=file)
    fill(app)
    app.app.registry.database.close()
    own, target = ini(tmp_path, settings, file), postgres.new_database("part")
    result = interrupted("copy-database", own, target)
    assert (result.exit_code, result.stdout) == (130, "")
    assert result.stderr.splitlines() == [
        "TARGET is no whole copy: empty it, and let nobody use it.",
        "Interrupted.",
    ]
    assert "there is something" in run("copy-database", own, target).stderr


def test_a_file_is_backed_up_while_it_is_served_and_put_back(
    make_app: MakeApp, tmp_path: Path, settings: dict[str, str], file: str
) -> None:
    app = make_app(zodbconn__uri=file)
    url = fill(app)
    folder = str(tmp_path / "backups")
    whole = run("backup", ini(tmp_path, settings, file), folder, "--json")
    assert whole.exit_code == 0, whole.output
    assert json.loads(whole.stdout)["file"].endswith(".fs")
    assert run("backup", ini(tmp_path, settings, file), folder).stdout.strip() == "nothing new"
    app.patch_json(url, {"achternaam": "Slager"})
    added = json.loads(run("backup", ini(tmp_path, settings, file), folder, "--json").stdout)
    assert added["file"].endswith(".deltafs")
    assert 0 < added["size"] < json.loads(whole.stdout)["size"]
    before = contents(app, url)

    elsewhere = ini(tmp_path, settings, f"file://{tmp_path}/new/place.fs")
    restored = run("restore", elsewhere, folder)
    assert restored.exit_code == 0, restored.output
    assert restored.stdout.startswith(f"restored {Path(added['file']).name}, ")
    assert run("verify", elsewhere).exit_code == 0
    drilled = make_app(zodbconn__uri=f"file://{tmp_path}/new/place.fs")
    assert contents(drilled, url) == before
    again = run("restore", elsewhere, folder)
    assert again.exit_code == 2
    assert "already" in again.stderr


def test_postgresql_is_backed_up_while_it_is_served_and_put_back(
    make_app: MakeApp,
    tmp_path: Path,
    settings: dict[str, str],
    postgres: Postgres,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", str(postgres.programs), prepend=":")
    here, there = postgres.new_database("backed"), postgres.new_database("restored")
    app = make_app(zodbconn__uri=here)
    url = fill(app)
    folder = str(tmp_path / "backups")
    made = run("backup", ini(tmp_path, settings, here), folder)
    assert made.exit_code == 0, made.output
    restored = run("restore", ini(tmp_path, settings, there), folder)
    assert restored.exit_code == 0, restored.output
    [dump] = Path(folder).iterdir()
    assert restored.output.startswith(f"restored {dump.name}, ")
    assert contents(make_app(zodbconn__uri=there), url) == contents(app, url)
    again = run("restore", ini(tmp_path, settings, there), folder)
    assert again.exit_code == 2
    assert "not empty" in again.stderr


def test_backups_of_postgresql_are_named_by_the_clock_that_is_never_put_back(
    make_app: MakeApp,
    tmp_path: Path,
    settings: dict[str, str],
    postgres: Postgres,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """UTC, and no two alike: the newest is the last by name."""
    monkeypatch.setenv("PATH", str(postgres.programs), prepend=":")
    # five hours behind
    monkeypatch.setenv("TZ", "EST5")
    uri = postgres.new_database("named")
    make_app(zodbconn__uri=uri)
    own, backups = ini(tmp_path, settings, uri), tmp_path / "backups"
    before = time.time()
    command = [KLANTEN, "backup", own, backups, "--json"]
    outputs = [subprocess.run(command, capture_output=True, check=True).stdout for _ in range(2)]
    made = [Path(json.loads(output)["file"]) for output in outputs]
    assert made == sorted(backups.iterdir())
    for path in made:
        moment = time.strptime(path.stem, "klanten-%Y-%m-%d-%H-%M-%S")
        assert int(before) <= calendar.timegm(moment) <= time.time()


@pytest.mark.parametrize("command", ["backup", "stats", "verify", "export", "pack", "reindex"])
def test_a_database_of_postgresql_without_klanten_is_told_as_such(
    tmp_path: Path, settings: dict[str, str], postgres: Postgres, command: str
) -> None:
    name = f"none{command}"
    own = ini(tmp_path, settings, postgres.new_database(name))
    place = tmp_path / "place.jsonl"
    result = run(command, own, *([str(place)] if command in ("backup", "export") else []))
    assert result.exit_code == 3
    assert result.stderr == (
        "Error: zodbconn.uri: there is no database of klanten in this one of PostgreSQL yet; start "
        "the server, which makes it, or restore a backup\n"
    )
    assert not (place.is_dir() and list(place.iterdir()))
    assert postgres.execute("SELECT 1 FROM pg_tables WHERE schemaname = 'public'", name) == []


def test_what_can_not_be_backed_up_or_put_back_is_told_in_one_line(
    tmp_path: Path, settings: dict[str, str], zeo: Zeo, file: str, postgres: Postgres
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    on_file, on_zeo = ini(tmp_path, settings, file), ini(tmp_path, settings, zeo.uri)
    on_postgres = ini(tmp_path, settings, postgres.new_database("nothing"))
    for arguments, words in [
        (("backup", on_zeo, str(empty)), "ZEO"),
        (("restore", on_file, str(empty)), "no backup of a file"),
        (("restore", on_postgres, str(empty)), "no backup of PostgreSQL"),
        (("restore", on_file, str(tmp_path / "nowhere")), "no such folder"),
    ]:
        result = run(*arguments)
        assert result.exit_code == 2, result.output
        assert words in result.stderr
        assert len(result.stderr.strip().splitlines()) == 1


def with_another_password(uri: str) -> str:
    return re.sub(r":[^:@]+@", ":wrong@", uri)


def with_another_name(uri: str) -> str:
    return re.sub(r"/\w+$", "/nowhere", uri)


def with_another_port(uri: str) -> str:
    return re.sub(r":\d+/", ":9/", uri)


@pytest.mark.parametrize(
    "command", ["stats", "verify", "export", "import", "pack", "migrate", "backup", "restore"]
)
@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (with_another_password, "password authentication failed"),
        (with_another_name, '"nowhere" does not exist; make it, for that user: createdb'),
        (with_another_port, "Connection refused"),
    ],
)
def test_postgresql_that_can_not_be_reached_is_told_in_one_line(
    tmp_path: Path,
    settings: dict[str, str],
    postgres: Postgres,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    spoil: Callable[[str], str],
    told: str,
) -> None:
    monkeypatch.setenv("PATH", str(postgres.programs), prepend=":")
    (tmp_path / "in.jsonl").write_text("")
    (tmp_path / "backups").mkdir()
    (tmp_path / "backups" / "one.dump").write_text("")
    arguments = {
        "export": [str(tmp_path / "out.jsonl")],
        "import": [str(tmp_path / "in.jsonl")],
        "backup": [str(tmp_path / "backups")],
        "restore": [str(tmp_path / "backups")],
    }
    here = spoil(postgres.new_database("reached"))
    # as a process of its own: what a library logs is seen only there
    words = [command, ini(tmp_path, settings, here), *arguments.get(command, [])]
    result = subprocess.run([KLANTEN, *words], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (3, "")
    [line] = result.stderr.splitlines()
    assert line.startswith("Error: zodbconn.uri: ")
    assert told in line
    assert not (tmp_path / "out.jsonl").exists()
    assert [path.name for path in (tmp_path / "backups").iterdir()] == ["one.dump"]


def test_check_tells_of_postgresql_that_can_not_be_reached_in_its_table_alone(
    tmp_path: Path, settings: dict[str, str], postgres: Postgres
) -> None:
    here = with_another_port(postgres.new_database("reached"))
    words = ["check", ini(tmp_path, settings, here), "--json"]
    result = subprocess.run([KLANTEN, *words], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (3, "")
    assert "Connection refused" in result.stdout


def no_password(uri: str) -> str:
    return re.sub(r":[^:@]+@", ":%@", uri)


@pytest.mark.parametrize(
    ("spoil", "told", "status"),
    [
        (with_another_password, "password authentication failed", 3),
        (no_password, "can't be read", 2),
        (lambda uri: "file:///nowhere/at/all/klanten.fs", "there is no folder", 3),
        (lambda uri: "nothing://", "can't be read", 2),
    ],
)
def test_a_target_of_a_copy_that_can_not_be_used_is_told_as_such(
    make_app: MakeApp,
    tmp_path: Path,
    settings: dict[str, str],
    postgres: Postgres,
    file: str,
    spoil: Callable[[str], str],
    told: str,
    status: int,
) -> None:
    make_app(zodbconn__uri=file).app.registry.database.close()
    target = spoil(postgres.new_database("target"))
    result = run("copy-database", ini(tmp_path, settings, file), target)
    assert (result.exit_code, result.stdout) == (status, "")
    [line] = result.stderr.splitlines()
    assert line.startswith("Error: TARGET: ")
    assert told in line
    assert "TARGET" in run("copy-database", "--help").stdout


def test_memory_is_no_target_of_a_copy(
    make_app: MakeApp, tmp_path: Path, settings: dict[str, str], file: str
) -> None:
    make_app(zodbconn__uri=file).app.registry.database.close()
    result = run("copy-database", ini(tmp_path, settings, file), "memory://")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "Error: TARGET: what is only in memory is no copy; name a file or a server\n"
    )


@pytest.mark.parametrize(
    "command", ["pack", "copy-database", "reindex", "migrate", "verify", "stats", "export"]
)
def test_an_empty_postgresql_is_no_database_of_klanten(
    tmp_path: Path, settings: dict[str, str], postgres: Postgres, command: str
) -> None:
    arguments = {
        "copy-database": [f"file://{tmp_path}/copy.fs"],
        "export": [str(tmp_path / "out.jsonl")],
    }
    own = ini(tmp_path, settings, postgres.new_database("empty"))
    result = run(command, own, *arguments.get(command, []))
    assert (result.exit_code, result.stdout) == (3, "")
    [line] = result.stderr.splitlines()
    assert line.startswith("Error: zodbconn.uri: ")
    assert not list(tmp_path.glob("copy.fs*"))


def test_a_target_that_is_not_empty_is_named(
    make_app: MakeApp, tmp_path: Path, settings: dict[str, str], file: str, postgres: Postgres
) -> None:
    there, other = postgres.new_database("taken"), f"file://{tmp_path}/other.fs"
    for uri in (file, there, other):
        make_app(zodbconn__uri=uri).app.registry.database.close()
    for uri, name in ((there, "PostgreSQL taken at 127.0.0.1"), (other, f"{tmp_path}/other.fs")):
        result = run("copy-database", ini(tmp_path, settings, file), uri)
        assert result.exit_code == 2
        assert result.stderr == (
            f"Error: TARGET: there is something in {name} already; make a new one\n"
        )


def stand_in(folder: Path, script: str) -> str:
    """A PATH on which a script stands in for pg_dump."""
    program = folder / "bin" / "pg_dump"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return f"{program.parent}:{os.environ['PATH']}"


def test_a_killed_backup_of_postgresql_takes_pg_dump_along_and_leaves_nothing_for_long(
    make_app: MakeApp,
    tmp_path: Path,
    settings: dict[str, str],
    postgres: Postgres,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    uri = postgres.new_database("killed")
    make_app(zodbconn__uri=uri)
    own, backups = ini(tmp_path, settings, uri), tmp_path / "backups"
    path = stand_in(tmp_path, f"echo $$ > {tmp_path}/pid; exec yes")
    backup = subprocess.Popen([KLANTEN, "backup", own, backups], env=os.environ | {"PATH": path})
    until(lambda: any(part.stat().st_size for part in backups.glob("*.partial")), "a part")
    backup.send_signal(signal.SIGKILL)
    backup.wait()
    pid = (tmp_path / "pid").read_text().strip()
    until(lambda: not is_alive(pid), "the end of pg_dump")
    [part] = backups.iterdir()
    monkeypatch.setenv("PATH", str(postgres.programs), prepend=":")
    done = subprocess.run([KLANTEN, "backup", own, backups], capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stderr == f"a backup was cut off; what it left is removed: {part.name}\n"
    [made] = backups.iterdir()
    assert (made.suffix, made.stat().st_mode & 0o777) == (".dump", 0o600)


def is_alive(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_pg_dump_that_is_older_than_the_server_is_told_with_what_to_install(
    make_app: MakeApp,
    tmp_path: Path,
    settings: dict[str, str],
    postgres: Postgres,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = "pg_dump: error: aborting because of server version mismatch"
    monkeypatch.setenv("PATH", stand_in(tmp_path, f"echo '{words}' >&2; exit 1"))
    uri = postgres.new_database("newer")
    make_app(zodbconn__uri=uri)
    own = ini(tmp_path, settings, uri)
    result = run("backup", own, str(tmp_path / "backups"))
    assert result.exit_code == 2
    assert result.stderr == (
        f"Error: pg_dump: {words}; install a pg_dump of the major version of the server, or newer\n"
    )
    assert not list((tmp_path / "backups").iterdir())
