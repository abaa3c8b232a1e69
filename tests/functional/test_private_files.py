"""Files with personal data are for their owner only, whatever the umask of who starts us."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import webtest

from tests.factories import make_klant
from tests.operator import Operator

EVERYTHING = ("klanten.fs", "klanten.fs.index", "klanten.fs.lock", "klanten.fs.tmp")


def open_to_others(folder: Path) -> list[str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path.name for path in files if stat.S_IMODE(path.stat().st_mode) & 0o077)


def test_what_a_server_makes_is_private(
    tmp_path: Path, make_app: Callable[..., webtest.TestApp]
) -> None:
    folder = tmp_path / "database"
    folder.mkdir()
    app = make_app(zodbconn__uri=f"file://{folder}/klanten.fs")
    app.post_json("/api/v1/klanten", make_klant())
    app.app.registry.database.pack()
    app.app.registry.database.close()
    assert {path.name for path in folder.iterdir()} > set(EVERYTHING)
    assert open_to_others(folder) == []


def test_what_commands_make_is_private(tmp_path: Path, new_database: Path) -> None:
    operator = Operator(tmp_path / "operator", new_database)
    for name in EVERYTHING[:2]:
        (operator.folder / name).unlink()
    lines = operator.file("klanten.jsonl", [make_klant(), {}])
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert operator.run("import", lines, "--rejects", elsewhere / "bad.jsonl").exit_code == 1
    made = set(operator.folder.glob("klanten.fs*"))
    assert operator.run("backup", elsewhere / "backups").exit_code == 0
    assert operator.run("copy-database", f"file://{elsewhere}/copy.fs").exit_code == 0
    for path in made:
        path.unlink()
    assert operator.run("restore", elsewhere / "backups").exit_code == 0
    assert len(operator.klanten()) == 1
    assert not {"klanten.fs", "klanten.fs.index"} & set(open_to_others(operator.folder))
    assert open_to_others(elsewhere) == []


def test_a_command_leaves_the_umask_as_it_was(tmp_path: Path, new_database: Path) -> None:
    Operator(tmp_path / "operator", new_database).run("stats")
    assert os.umask(0o022) == 0o022
