"""`make serve` as a stranger meets it, and every line of the README's tour, on a real server."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.ports import free_port

CHECKOUT = Path(__file__).parents[2]
START_SECONDS = 60


class Serving(NamedTuple):
    """A `make serve` that listens, and what it printed before."""

    output: str
    folder: Path


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def checkout(tmp_path_factory, port) -> Path:
    """A checkout with the environment of this test, that serves on a free port."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("Makefile", "setup.py", "constraints.txt"):
        shutil.copy2(CHECKOUT / name, folder)
    ini = (CHECKOUT / "development.ini").read_text()
    assert "127.0.0.1:6543" in ini
    (folder / "development.ini").write_text(ini.replace("127.0.0.1:6543", f"127.0.0.1:{port}"))
    (folder / ".venv").mkdir()
    (folder / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    return folder


@contextlib.contextmanager
def make_serve(folder: Path, port: int) -> Iterator[Serving]:
    """Run `make serve` until the server listens; it is interrupted at the end, as with Ctrl-C."""
    log = folder / "make.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            # the environment counts as made
            ["make", "--assume-old=.venv/served", "serve"],
            cwd=folder,
            env={name: os.environ[name] for name in os.environ if name not in ("MAKEFLAGS",)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_for(port, process, log)
        yield Serving(log.read_text(), folder)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        process.wait(30)


def wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    pytest.fail(f"the server did not start:\n{log.read_text()}")


@pytest.fixture(scope="module")
def serving(checkout, port) -> Iterator[Serving]:
    with make_serve(checkout, port) as serving:
        yield serving


def in_the_shell(script: str, folder: Path) -> str:
    """What a script prints; every command in it must succeed."""
    done = subprocess.run(
        ["bash", "-e", "-u", "-o", "pipefail", "-c", script],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def printed_line(output: str, start: str) -> str:
    [line] = [line for line in output.splitlines() if line.startswith(start)]
    return line


# --- make serve ---------------------------------------------------------------------------------


def test_make_serve_prints_the_address_of_the_api(serving, port):
    assert printed_line(serving.output, "Klanten API").split()[-1] == (
        f"http://127.0.0.1:{port}/api/v1"
    )


def test_the_printed_line_creates_a_klant(serving, port):
    klant = json.loads(in_the_shell(printed_line(serving.output, "curl "), serving.folder))
    assert klant["url"].startswith(f"http://127.0.0.1:{port}/api/v1/klanten/")
    assert klant["subjectIdentificatie"]["geslachtsnaam"] == "Jansen"


def test_the_printed_token_opens_the_list(serving, port):
    [token] = re.findall(r"^(eyJ\S+)$", serving.output, re.MULTILINE)
    script = f"curl -sS -H 'Authorization: Bearer {token}' http://127.0.0.1:{port}/api/v1/klanten"
    assert "results" in json.loads(in_the_shell(script, serving.folder))


def test_the_printed_command_makes_another_token(serving):
    command = printed_line(serving.output, "Token ").partition("another: ")[2]
    assert re.fullmatch(r"eyJ\S+\n", in_the_shell(command, serving.folder))


def test_make_serve_keeps_its_secrets_to_the_owner(serving):
    assert stat.S_IMODE((serving.folder / "var").stat().st_mode) == 0o700
    assert stat.S_IMODE((serving.folder / "var" / "clients.ini").stat().st_mode) == 0o600


def test_make_serve_starts_without_a_warning(serving):
    assert not re.search(r"warning|error|traceback", serving.output, re.IGNORECASE)


def test_make_serve_on_a_taken_port_says_so_in_one_line(serving, port):
    done = subprocess.run(
        [Path(sys.executable).with_name("klanten"), "first-run", "development.ini"],
        cwd=serving.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"Error: listen in [server:main] of {serving.folder}/development.ini: 127.0.0.1:{port}: "
        "Address already in use; stop what uses the port, or choose another\n"
    )


def test_a_second_make_serve_finds_what_the_first_made(tmp_path, checkout):
    folder, port = tmp_path / "checkout", free_port()
    shutil.copytree(checkout, folder, symlinks=True, ignore=shutil.ignore_patterns("var"))
    ini = folder / "development.ini"
    ini.write_text(re.sub(r"listen = \S+", f"listen = 127.0.0.1:{port}", ini.read_text()))
    with make_serve(folder, port) as first:
        curl = printed_line(first.output, "curl ")
        url = json.loads(in_the_shell(curl, folder))["url"]
        clients = (folder / "var" / "clients.ini").read_bytes()
    with make_serve(folder, port) as second:
        assert (folder / "var" / "clients.ini").read_bytes() == clients
        [token] = re.findall(r"^(eyJ\S+)$", second.output, re.MULTILINE)
        script = f"curl -sS -H 'Authorization: Bearer {token}' {url}"
        assert json.loads(in_the_shell(script, folder))["url"] == url


# --- the tour of the README ---------------------------------------------------------------------


def tour() -> list[str]:
    """The pieces of shell in the README, in the order of the tour."""
    return re.findall(r"^```sh\n(.*?)^```$", (CHECKOUT / "README.md").read_text(), re.S | re.M)


@pytest.fixture(scope="module")
def answers(serving, port) -> list[str]:
    """What each piece of the tour prints, pasted one after the other into one shell."""
    end = "--- the end of a piece ---"
    script = "".join(f"{piece}\necho; echo '{end}'\n" for piece in tour())
    assert "127.0.0.1:6543" in script
    printed = in_the_shell(script.replace("127.0.0.1:6543", f"127.0.0.1:{port}"), serving.folder)
    return [answer.strip() for answer in printed.split(end)][:-1]


def klant_in(answer: str) -> dict[str, Any]:
    klant = json.loads(answer)
    assert klant["subjectIdentificatie"]["inpBsn"] == "999993653"
    return klant


def test_the_tour_gets_a_token_without_a_word(answers):
    assert answers[0] == ""


def test_the_tour_creates_a_klant(answers, port):
    assert re.fullmatch(rf"http://127\.0\.0\.1:{port}/api/v1/klanten/[0-9a-f-]{{36}}", answers[1])


def test_the_tour_finds_the_klant_by_its_bsn(answers):
    page = json.loads(answers[2])
    assert [klant["url"] for klant in page["results"]] == [answers[1]]


def test_the_tour_changes_the_klant(answers):
    assert klant_in(answers[3])["emailadres"] == "jansen@example.nl"


def test_the_tour_keeps_an_etag(answers):
    assert re.fullmatch(r'"[^"]+"', answers[4])


def test_the_tour_reads_the_klant_again_without_a_change(answers):
    assert answers[5] == "304"


def test_the_tour_reads_the_audittrail(answers):
    lines = json.loads(answers[6])
    assert [line["actie"] for line in lines] == ["create", "partial_update"]
    assert lines[1]["toelichting"] == "Told us by telephone"


def test_the_tour_writes_all_klanten_to_a_file_and_makes_a_backup(answers):
    exported, made = answers[7].splitlines()
    assert re.match(r"[1-9]\d* klanten written", exported)
    assert re.match(r"var/backup/.*\.fs, ", made)


def test_the_tour_puts_the_backup_back_and_finds_nothing_new_in_the_file(answers):
    restored, verified, imported = answers[8].splitlines()
    assert restored.startswith("restored 20")
    assert re.fullmatch(r"[1-9]\d* klanten, 0 differences", verified)
    assert " 0 created, 0 updated, " in imported


def test_the_tour_puts_the_backup_back_another_time(answers, serving):
    restored, *_ = in_the_shell(tour()[8], serving.folder).splitlines()
    assert restored.startswith("restored 20")


def test_the_tour_deletes_the_klant(answers):
    assert answers[9] == "204"
    assert len(answers) == 10
