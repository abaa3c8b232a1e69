"""Export and import as an operator runs them: processes of their own, beside a server or not."""

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from klanten.storage import open_database
from klanten.transfer.transactions import reading
from tests.factories import make_klant, make_person
from tests.operator import Operator, only_line
from tests.servers import ANSWER_SECONDS

KLANTEN = Path(sys.executable).with_name("klanten")
SMALL_BATCHES = """
import sys
import klanten.transfer.importing as importing
from klanten.cli import klanten
importing.BATCH = 50
klanten()
"""


@pytest.fixture
def operator(tmp_path: Path, new_database: Path) -> Operator:
    return Operator(tmp_path / "service", new_database)


def klanten(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(KLANTEN), *map(str, arguments)], capture_output=True, text=True, check=False, **options
    )


@pytest.fixture
def served(server, tmp_path):
    """The ini file of a database in a file that is being served, with a few klanten."""
    for klant in (make_person(), make_klant(adres={"huisletter": ""}), make_klant()):
        assert server.request("POST", "/klanten", json=klant).status == 201
    ini = tmp_path / "served.ini"
    ini.write_text(
        f"[app:main]\nuse = egg:klanten\nzodbconn.uri = file://{tmp_path}/klanten.fs\n"
        f"klanten.clients = {tmp_path}/clients.ini\n"
    )
    return ini


# --- what the API holds comes back --------------------------------------------------------------


def test_all_that_the_api_can_hold_comes_back_with_its_address(server, served, operator, tmp_path):
    """A klant that an update left without a subject, and one that never had a type, as well."""
    [*_, last] = server.request("GET", "/klanten").json["results"]
    emptied = {"subjectIdentificatie": {"geslachtsnaam": ""}, "emailadres": "x@example.nl"}
    assert server.request("PATCH", last["url"], json=emptied).status == 200
    subject = "https://subjecten.example.nl/1"
    lines = tmp_path / "subject.jsonl"
    lines.write_text(
        "".join(
            json.dumps(make_klant(**klant)) + "\n"
            for klant in (
                {"subjectType": None, "subjectIdentificatie": ..., "subject": subject},
                {"subjectIdentificatie": None, "subject": subject},
                {
                    "subjectIdentificatie": None,
                    "uuid": "6a107b75-677f-4cbd-8c22-af58be6521cc",
                },
            )
        )
    )
    exported = tmp_path / "api.csv.zst"
    assert klanten("export", served, exported).returncode == 0
    assert klanten("import", operator.ini, exported).returncode == 0
    assert klanten("import", operator.ini, lines).returncode == 0
    before = operator.klanten()
    assert len(before) == 6
    for name in ("all.jsonl", "all.csv"):
        first, second = tmp_path / f"1.{name}", tmp_path / f"2.{name}"
        assert operator.run("export", first).exit_code == 0
        operator.lose_database()
        assert operator.run("import", first).exit_code == 0
        assert operator.run("export", second).exit_code == 0
        assert first.read_bytes() == second.read_bytes()
        assert operator.klanten() == before
    served_now = server.request("GET", "/klanten").json["results"]
    assert [klant["url"].rpartition("/")[2] for klant in served_now] == [
        klant["uuid"] for klant in before[:3]
    ]


# --- beside a server ----------------------------------------------------------------------------


def test_the_table_of_the_documentation_is_taken_in(operator, tmp_path):
    text = (Path(__file__).parents[2] / "docs" / "operate.md").read_text()
    [table] = re.findall(r"```text\n(bronorganisatie,.*?)```", text, re.DOTALL)
    example = tmp_path / "example.csv"
    example.write_text(table)
    done = operator.run("import", example, "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["created"] == 3


def test_commands_that_only_read_work_beside_the_server(served, server, tmp_path):
    done = klanten("export", served, "-", "--format", "jsonl")
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 3)
    assert json.loads(klanten("stats", served, "--json").stdout)["klanten"] == 3
    assert klanten("duplicates", served).returncode == 0
    lines = tmp_path / "new.jsonl"
    lines.write_text(json.dumps(make_klant()) + "\n")
    rehearsed = klanten("import", served, lines, "--dry-run", "--json")
    assert json.loads(rehearsed.stdout)["created"] == 1
    assert server.request("GET", "/klanten").json["count"] == 3


def test_import_into_a_database_that_is_served_is_refused_in_one_line(served, server, tmp_path):
    lines = tmp_path / "new.jsonl"
    lines.write_text(json.dumps(make_klant()) + "\n")
    done = klanten("import", served, lines)
    assert (done.returncode, done.stdout) == (3, "")
    [line] = done.stderr.splitlines()
    assert "in use by another server or command" in line
    assert "stop that one" in line
    assert server.answers()


# --- streams that are full or closed -----------------------------------------------------------


def redirected(redirection: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """A command of which the shell redirects a stream."""
    command = ["sh", "-c", f'exec "$0" "$@" {redirection}', str(KLANTEN), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "command",
    [["stats"], ["stats", "--json"], ["verify"], ["check"], ["check", "--json"], ["token", "balie"]]
    + [["export", "-", "--format", name] for name in ("jsonl", "csv.gz", "jsonl.zst")],
    ids=" ".join,
)
def test_a_full_disk_for_standard_output_is_one_line(operator, command):
    (operator.folder / "clients.ini").write_text(f"[balie]\nsecret = {'s' * 40}\nscopes = *\n")
    operator.fill(*(make_klant() for _ in range(20)))
    name, *options = command
    done = redirected("> /dev/full", name, operator.ini, *options)
    assert (done.returncode, done.stderr) == (
        2,
        "Error: standard output can't be written: No space left on device\n",
    )


def test_whoever_has_read_enough_of_an_export_hears_nothing(operator):
    operator.fill(*(make_klant() for _ in range(500)))
    done = redirected("| head -n 1", "export", operator.ini, "-", "--format", "jsonl")
    assert (len(done.stdout.splitlines()), done.stderr) == (1, "")


def test_a_stream_that_is_closed_is_one_line(operator):
    exported = redirected(">&-", "export", operator.ini, "-", "--format", "jsonl")
    assert (exported.returncode, exported.stderr) == (2, "Error: standard output is closed.\n")
    imported = redirected("<&-", "import", operator.ini, "-", "--format", "jsonl")
    assert (imported.returncode, imported.stderr) == (2, "Error: standard input is closed.\n")


def test_rejected_lines_that_nobody_can_be_told_of_stop_no_import(operator):
    lines = operator.file("k.jsonl", [make_klant(websiteUrl=""), make_klant()])
    done = redirected("2> /dev/full", "import", operator.ini, lines, "--json")
    assert done.returncode == 1
    summary = json.loads(done.stdout)
    assert (summary["created"], summary["rejected"]) == (1, 1)


def test_what_nobody_wants_to_hear_is_no_fault(operator):
    lines = operator.file("one.jsonl", [make_klant()])
    assert redirected(">&- 2>&-", "import", operator.ini, lines).returncode == 0
    assert redirected(">&-", "stats", operator.ini).returncode == 0
    assert redirected(">&-", "check", operator.ini).stderr == ""


# --- stopped halfway ----------------------------------------------------------------------------


def count(operator: Operator) -> int:
    with (
        contextlib.closing(
            open_database(f"file://{operator.database}", read_only=True)
        ) as database,
        reading(database) as root,
    ):
        return root.search({}).count


@contextlib.contextmanager
def importing(operator: Operator, fifo: Path, **options: object) -> Iterator[subprocess.Popen]:
    """An import in batches of fifty, from a pipe."""
    os.mkfifo(fifo)
    command = [sys.executable, "-c", SMALL_BATCHES, "import", str(operator.ini), str(fifo)]
    process = subprocess.Popen(
        [*command, "--format", "jsonl"], **({"stderr": subprocess.PIPE} | options)
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stderr:
            process.stderr.close()


@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_an_import_that_is_stopped_is_simply_run_again(operator, tmp_path, stop):
    nameless = {"klantnummer": ...}
    lines = [make_klant(achternaam=f"N{n}", **(nameless if n % 2 else {})) for n in range(130)]
    whole = operator.file("whole.jsonl", lines)
    pipe = tmp_path / "pipe"
    with importing(operator, pipe) as process, pipe.open("wb") as writing:
        writing.writelines(whole.read_bytes().splitlines(keepends=True)[:120])
        writing.flush()
        end = time.monotonic() + ANSWER_SECONDS
        while count(operator) < 100 and time.monotonic() < end:
            time.sleep(0.05)
        process.send_signal(stop)
        _, stderr = process.communicate(timeout=ANSWER_SECONDS)
    if stop == signal.SIGINT:
        assert process.returncode == 130
        assert stderr == (
            b"Interrupted. The first 100 lines are done; run it again for the others.\n"
        )
    assert count(operator) == 100
    summary = operator.json("import", whole)
    assert (summary["created"], summary["skipped"]) == (30, 100)
    names = [klant["achternaam"] for klant in operator.klanten()]
    assert names == [f"N{n}" for n in range(130)]


# --- on a terminal ------------------------------------------------------------------------------


def test_a_long_import_shows_how_far_it_is_on_a_terminal(operator, tmp_path):
    ours, theirs = pty.openpty()
    environ = os.environ | {"TERM": "xterm", "COLUMNS": "120"}
    lines = [make_klant() for _ in range(60)]
    content = operator.file("lines.jsonl", lines).read_bytes()
    with importing(operator, tmp_path / "pipe", stderr=theirs, env=environ) as process:
        os.close(theirs)
        with (tmp_path / "pipe").open("wb") as pipe:
            pipe.write(content)
            pipe.flush()
            shown = b""
            while b"50 klanten" not in shown or b"a second" not in shown:
                shown += os.read(ours, 4096)
        assert process.wait(ANSWER_SECONDS) == 0
    os.close(ours)
    assert count(operator) == 60


# --- a database that is broken ------------------------------------------------------------------


@pytest.mark.parametrize("command", ["export", "import", "stats", "duplicates"])
def test_a_damaged_database_is_told_of_in_one_line(operator, command, tmp_path):
    start = operator.database.stat().st_size
    operator.fill(*(make_klant() for _ in range(200)))
    content = bytearray(operator.database.read_bytes())
    # most of what the last transaction wrote, but for its two ends
    margin = (len(content) - start) // 16
    content[start + margin : -margin] = b"\xff" * (len(content) - start - 2 * margin)
    operator.database.write_bytes(content)
    lines = operator.file("one.jsonl", [make_person()])
    files = {"export": [tmp_path / "out.jsonl"], "import": [lines]}
    line = only_line(operator.run(command, *files.get(command, [])), 3)
    assert line.startswith("Error: zodbconn.uri: the database fails")
    assert not (tmp_path / "out.jsonl").exists()


@pytest.mark.parametrize("command", ["import", "stats"])
def test_a_file_that_is_no_database_is_told_of_in_one_line(operator, command):
    lines = operator.file("one.jsonl", [make_person()])
    operator.database.write_bytes(b"this is no database")
    done = klanten(command, operator.ini, *([lines] if command == "import" else []))
    assert (done.returncode, done.stdout) == (3, "")
    [line] = done.stderr.splitlines()
    assert line.startswith("Error: zodbconn.uri: ")
    assert operator.database.read_bytes() == b"this is no database"
