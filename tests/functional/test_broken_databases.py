"""Every command on a database that is broken: one line, the right exit status, no harm done."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from klanten import main, told
from klanten.cli import ENDINGS, Commands
from klanten.model.root import SCHEMA_VERSION, Root
from klanten.storage import DatabaseUnavailable, open_database, tree
from tests.factories import make_klant
from tests.operator import Operator, only_line
from tests.rights import closed, without_rights

READING = ("stats", "verify", "duplicates", "export", "status", "failed", "backup", "rehearse")
WRITING = ("pack", "reindex", "migrate", "retry", "drop", "copy-database")
FILLING = ("import", "copy-from")
COMMANDS = (*READING, *WRITING, *FILLING)

pytestmark = [
    # ZODB leaves a file open that it does not accept.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def operator(tmp_path: Path, new_database: Path) -> Operator:
    """With some klanten, and a file of more of them."""
    operator = Operator(tmp_path / "operator", new_database)
    operator.fill(*(make_klant() for _ in range(30)))
    operator.file("more.jsonl", [make_klant()])
    (operator.folder / "clients.ini").write_text("")
    return operator


def run(operator: Operator, command: str) -> Result:
    """A command with all that it needs."""
    elsewhere = operator.folder.parent
    if command in ("status", "failed", "retry", "drop"):
        options = {"retry": ["--all"], "drop": ["--all", "--yes"]}.get(command, [])
        return operator.run("notifications", command, *options)
    if command == "rehearse":
        return operator.run("import", operator.folder / "more.jsonl", "--dry-run")
    arguments = {
        "import": [operator.folder / "more.jsonl"],
        "export": [elsewhere / "out.csv"],
        "backup": [elsewhere / "backups"],
        "copy-database": [f"file://{elsewhere}/copy.fs"],
        "copy-from": ["http://127.0.0.1:9/api/v1"],
    }
    return operator.run(
        command, *arguments.get(command, []), env={"KLANTEN_SOURCE_TOKEN": "a.token"}
    )


def contents(operator: Operator) -> dict[str, bytes]:
    """What belongs to the database; a lock and the work file of ZODB hold nothing."""
    return {
        path.name: path.read_bytes()
        for path in operator.folder.glob("klanten.fs*")
        if path.is_file() and path.suffix not in (".lock", ".tmp")
    }


# --- a file that is no whole database -----------------------------------------------------------


def remove(file: Path) -> None:
    file.unlink()
    file.with_name("klanten.fs.index").unlink()


def lose(file: Path) -> None:
    """All but the index, as where a disk is not mounted or somebody removed too little."""
    file.unlink()


def empty(file: Path) -> None:
    remove(file)
    file.write_bytes(b"")


def empty_beside_the_index(file: Path) -> None:
    file.write_bytes(b"")


def overwrite(file: Path) -> None:
    remove(file)
    file.write_text("not a database at all\n" * 100)


def cut_off(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def spoil_without_index(file: Path) -> None:
    content = bytearray(file.read_bytes())
    margin = len(content) // 16
    content[margin:-margin] = b"\xff" * (len(content) - 2 * margin)
    file.write_bytes(content)
    file.with_name("klanten.fs.index").unlink()


def replace_by_folder(file: Path) -> None:
    remove(file)
    file.mkdir()


def kill_at_the_end_of_a_pack(file: Path) -> None:
    """Between the two renames with which ZODB ends it."""
    file.with_name("klanten.fs.pack").write_bytes(file.read_bytes())
    file.rename(file.with_name("klanten.fs.old"))


BREAKS: list[tuple[Callable[[Path], None], str, str]] = [
    (remove, "there is no such file", "name the right file"),
    (lose, "klanten.fs is away, and its index is not", "put it back"),
    (empty, "it is empty", "restore a backup"),
    (empty_beside_the_index, "was cut off: it had at least", "restore a backup"),
    (overwrite, "no ZODB database", "name the right file"),
    (cut_off, "was cut off: it had at least", "restore a backup"),
    (spoil_without_index, "it is damaged", "restore a backup"),
    (replace_by_folder, "Is a directory", "name a file in it"),
    (kill_at_the_end_of_a_pack, "a pack was killed at its end", "rename"),
]

MAY_BEGIN_ANEW = {
    "import": (remove, empty),
    "copy-from": (remove, empty),
    "rehearse": (remove, empty),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(("spoil", "what", "mend"), BREAKS)
def test_a_file_that_is_no_database_is_told_and_left(
    operator: Operator, command: str, spoil: Callable[[Path], None], what: str, mend: str
) -> None:
    spoil(operator.database)
    before = contents(operator)
    if spoil in MAY_BEGIN_ANEW.get(command, ()):
        return  # that is tested below
    line = only_line(run(operator, command), 3)
    assert line.startswith("Error: zodbconn.uri: ")
    assert str(operator.database) in line
    assert what in line
    assert mend in line
    assert contents(operator) == before
    assert not (operator.folder.parent / "out.csv").exists()
    assert not list(operator.folder.parent.glob("copy.fs"))


@pytest.mark.usefixtures("without_driver")
def test_a_missing_driver_is_told_before_a_file_in_use(operator: Operator) -> None:
    with contextlib.closing(open_database(f"file://{operator.database}")):
        line = only_line(operator.run("copy-database", "postgresql://user@host/name"), 2)
    assert "pip install -c constraints.txt '.[postgresql]' in the checkout" in line


@pytest.mark.parametrize("command", ["import", "rehearse"])
def test_only_what_fills_a_database_makes_a_new_one(operator: Operator, command: str) -> None:
    remove(operator.database)
    run(operator, command)
    assert operator.database.exists() is (command != "rehearse")


@pytest.mark.parametrize(("spoil", "what", "mend"), BREAKS)
def test_check_ends_with_three_when_the_database_can_not_be_opened(
    operator: Operator, spoil: Callable[[Path], None], what: str, mend: str
) -> None:
    (operator.folder / "clients.ini").chmod(0o600)
    spoil(operator.database)
    found = operator.json("check", exit_code=3)
    [fault] = [one for one in found["findings"] if one["subject"] == "database"]
    assert found["ok"] is False
    assert fault["state"] == "wrong"
    assert what in fault["what"]
    assert fault["mend"]


def test_what_is_left_of_a_file_is_no_way_out(operator: Operator) -> None:
    cut_off(operator.database)
    assert only_line(operator.run("stats"), 3).endswith("; restore a backup")


def test_the_server_refuses_what_is_left_of_a_file_in_the_same_words(operator: Operator) -> None:
    cut_off(operator.database)
    before = contents(operator)
    told = only_line(operator.run("stats"), 3).removeprefix("Error: zodbconn.uri: ")
    with pytest.raises(SystemExit) as end:
        main(
            {"__file__": str(operator.ini)},
            **{
                "zodbconn.uri": f"file://{operator.database}",
                "klanten.clients": str(operator.folder / "clients.ini"),
            },
        )
    assert str(end.value) == f"klanten: zodbconn.uri in {operator.ini}: {told}"
    assert contents(operator) == before


def test_what_a_crash_left_half_written_is_no_loss(operator: Operator) -> None:
    with operator.database.open("ab") as file:
        file.write(b"half of a transaction")
    assert operator.run("verify").exit_code == 0
    assert operator.run("import", operator.folder / "more.jsonl").exit_code == 0
    assert len(operator.klanten()) == 31


def test_an_index_that_is_damaged_is_made_again(operator: Operator) -> None:
    operator.database.with_name("klanten.fs.index").write_bytes(b"no index")
    assert operator.run("verify").exit_code == 0


OWN = "let the user of this service own it, and run this as that user"


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("klanten.fs", "Permission denied; let the user of this service read and write it"),
        (".", "{folder} can't be entered by this user; " + OWN),
    ],
)
def test_what_this_user_may_not_read_is_told_with_what_to_do(
    operator: Operator, command: str, name: str, reason: str
) -> None:
    folder = in_a_folder(operator)
    with closed(folder / name), without_rights(operator.folder):
        line = only_line(run(operator, command), 3)
    assert f"{folder / 'klanten.fs'}: {reason.format(folder=folder)}" in line


def in_a_folder(operator: Operator) -> Path:
    """Gives the database a folder of its own."""
    folder = operator.folder / "data"
    folder.mkdir()
    for path in operator.folder.glob("klanten.fs*"):
        path.rename(folder / path.name)
    operator.ini.write_text(operator.ini.read_text().replace("klanten.fs", "data/klanten.fs"))
    return folder


@pytest.mark.parametrize(("mode", "right"), [(0o600, "entered"), (0o555, "written")])
def test_a_folder_in_which_no_database_can_be_made_is_told(
    operator: Operator, mode: int, right: str
) -> None:
    folder = in_a_folder(operator)
    remove(folder / "klanten.fs")
    what = f"{folder / 'klanten.fs'}: {folder} can't be {right} by this user"
    with closed(folder, mode), without_rights(operator.folder):
        found = operator.json("check", exit_code=3)["findings"]
        with pytest.raises(DatabaseUnavailable) as refusal:
            open_database(f"file://{folder}/klanten.fs")
    [fault] = [one for one in found if one["subject"] == "database"]
    assert (fault["what"], fault["mend"]) == (what, OWN)
    assert f"{what}; {OWN}" in str(refusal.value)


@pytest.mark.parametrize("name", ["klanten.fs", "klanten.fs.lock", "."])
def test_check_finds_what_the_server_could_not_write(operator: Operator, name: str) -> None:
    clients = operator.folder / "clients.ini"
    place = operator.folder / name
    with without_rights(operator.folder):
        user = os.geteuid()
    for path in (operator.folder, *operator.folder.iterdir()):
        os.chown(path, user, -1)
    clients.write_text("[balie]\nsecret = a secret of more than thirty-two bytes\nscopes = *\n")
    clients.chmod(0o600)
    operator.database.chmod(0o600)
    with without_rights(operator.folder):
        assert operator.run("check").exit_code == 0
        place.chmod(0o500 if place.is_dir() else 0o400)
        try:
            found = operator.json("check", exit_code=1)["findings"]
        finally:
            place.chmod(0o700)
    [fault] = [one for one in found if one["state"] == "wrong"]
    assert fault["subject"] == "database file"
    assert fault["what"].startswith(f"{place.resolve()} can't be written by this user")


@pytest.mark.parametrize("place", ["rejects", "file", "export", "backup", "restore", "ca-bundle"])
def test_a_place_where_this_user_may_not_look_is_told_in_one_line(
    operator: Operator, tmp_path: Path, place: str
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    there = closed / "there.jsonl"
    arguments = {
        "rejects": ["import", operator.folder / "more.jsonl", "--rejects", there],
        "file": ["import", there],
        "export": ["export", there],
        "backup": ["backup", there],
        "restore": ["restore", there],
        "ca-bundle": ["copy-from", "https://127.0.0.1:9/api/v1", "--ca-bundle", there],
    }[place]
    for path in operator.folder.glob("klanten.fs*"):
        path.chmod(0o666)
    closed.chmod(0)
    try:
        with without_rights(operator.folder):
            done = operator.run(str(arguments[0]), *arguments[1:])
    finally:
        closed.chmod(0o700)
    assert (done.exit_code, done.stdout) == (2, "")
    line = done.stderr.splitlines()[-1]  # click has the usage before a wrong option
    assert len(done.stderr.splitlines()) == (4 if place == "ca-bundle" else 1)
    assert str(there) in line
    assert "Permission denied" in line


# --- a database that is not ours to read --------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_a_database_of_something_else_is_refused(operator: Operator, command: str) -> None:
    with another_root(operator) as root:
        del root["klanten"]
        root["application"] = "something else"
    before = contents(operator)
    if command == "backup":  # it takes everything as it is
        assert run(operator, command).exit_code == 0
        return
    line = only_line(run(operator, command), 3)
    assert "holds something else than klanten" in line
    assert contents(operator) == before


def test_a_database_with_another_tree_of_klanten_is_refused(operator: Operator) -> None:
    with another_root(operator) as root:
        root["klanten"] = {}
    assert "something else" in only_line(operator.run("stats"), 3)
    assert operator.run("check").exit_code == 3


@pytest.mark.parametrize("command", COMMANDS)
def test_a_database_of_a_newer_release_is_refused(operator: Operator, command: str) -> None:
    with another_root(operator) as root:
        root["klanten"].schema_version = SCHEMA_VERSION + 1
    before = contents(operator)
    if command in ("backup", "copy-database"):  # they take everything as it is
        assert run(operator, command).exit_code == 0
        return
    line = only_line(run(operator, command), 3)
    assert f"schema version {SCHEMA_VERSION + 1}" in line
    assert "install the release" in line
    assert contents(operator) == before


@contextlib.contextmanager
def another_root(operator: Operator) -> Any:
    uri = f"file://{operator.database}"
    with (
        contextlib.closing(open_database(uri)) as database,
        database.transaction() as connection,
    ):
        yield connection.root()


# --- damage to a part ---------------------------------------------------------------------------


def test_a_klant_whose_record_is_gone_is_found_and_named(
    operator: Operator, tmp_path: Path
) -> None:
    lost = operator.klanten()[3]
    forget_record(operator, lambda root: root.find(lost["uuid"]))
    found = operator.json("verify", exit_code=1)
    place = f"{lost['bronorganisatie']}/{lost['klantnummer']}"
    assert [(one["where"], one["key"]) for one in found["differences"]] == [
        ("records", place),
        ("records", lost["uuid"]),
        ("records", "3"),
    ]
    before = operator.database.read_bytes()
    assert operator.json("reindex", exit_code=1) == {"mended": 0, "left": 3}
    assert operator.database.read_bytes() == before
    line = only_line(operator.run("export", tmp_path / "out.jsonl"), 3)
    assert "the database fails (POSKeyError)" in line
    assert "restore a backup" in line
    assert operator.run("stats").exit_code == 0


def test_a_line_of_an_audittrail_whose_record_is_gone_is_found(operator: Operator) -> None:
    uuid = operator.klanten()[3]["uuid"]
    forget_record(operator, lambda root: root.find(uuid).regel)
    found = operator.json("verify", exit_code=1)
    assert found["differences"] == [
        {
            "where": "records",
            "key": uuid,
            "what": "a line of the audittrail can't be read",
            "owner": None,
        }
    ]
    assert len(operator.klanten()) == 30


def forget_record(operator: Operator, choose: Callable[[Root], Any]) -> None:
    """Let the index of the file know no record of an object, as when it was overwritten."""
    with contextlib.closing(open_database(f"file://{operator.database}")) as database:
        with tree(database) as root:
            oid = choose(root)._p_oid
        del database.storage._index[oid]


# --- a disk without room ------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["import", "pack", "migrate", "reindex"])
def test_a_full_disk_is_told_and_the_database_stays_as_it_was(
    operator: Operator, command: str
) -> None:
    before = operator.klanten()
    arguments = [operator.folder / "more.jsonl"] if command == "import" else []
    # more than pack and the others need as work files, less than a change of this database
    done = on_a_full_disk(operator, 4_096, command, *arguments)
    assert "Traceback" not in done.stderr
    if done.returncode:
        assert done.returncode == 3
        [line] = done.stderr.splitlines()
        assert line.startswith("Error: zodbconn.uri: ")
        assert "File too large; make room" in line
    else:
        assert command in ("migrate", "reindex")  # there was nothing to write
    assert operator.run("verify").exit_code == 0
    assert operator.klanten() == before


@pytest.mark.parametrize("command", ["backup", "restore", "export"])
def test_what_does_not_fit_on_a_disk_is_told_and_leaves_nothing_half(
    operator: Operator, command: str, tmp_path: Path
) -> None:
    backups = tmp_path / "backups"
    if command == "restore":
        assert operator.run("backup", backups).exit_code == 0
        for path in operator.folder.glob("klanten.fs*"):
            path.unlink()
    target = tmp_path / "out.jsonl" if command == "export" else backups
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    done = on_a_full_disk(operator, 4_096, command, target)
    assert (done.returncode, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    assert "File too large" in line
    made = {path for path in tmp_path.rglob("*") if path.is_file()} - before
    assert made == set()


def on_a_full_disk(
    operator: Operator, room: int, command: str, *arguments: object
) -> subprocess.CompletedProcess[str]:
    """A command for which no file can grow beyond `room` bytes."""
    script = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "from klanten.cli import klanten\n"
        "_, most = resource.getrlimit(resource.RLIMIT_FSIZE)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)), most))\n"
        "try:\n"
        "    klanten()\n"
        "finally:  # what was measured of it has room\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))\n"
    )
    words = [str(room), command, str(operator.ini), *map(str, arguments)]
    return subprocess.run(
        [sys.executable, "-c", script, *words], capture_output=True, text=True, check=False
    )


# --- how commands end ---------------------------------------------------------------------------


@pytest.mark.parametrize("known", ENDINGS)
def test_a_kind_of_a_known_fault_ends_like_it(known: type[Exception]) -> None:
    kind = type("Kind", (known,), {})

    @click.command()
    def fail() -> None:
        raise kind("what is wrong")

    result = CliRunner().invoke(Commands(commands={"fail": fail}), ["fail"])
    assert result.exit_code == ENDINGS[known].exit_code
    assert result.stderr == f"Error: {told(kind('what is wrong'))}\n"
