"""`klanten first-run`: what is made, what stays, what is refused."""

import json
import re
import shlex
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from klanten.cli import klanten
from klanten.cli.first_run import eleven_proof
from tests.ports import free_port


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


@pytest.fixture
def ini(tmp_path) -> Path:
    return an_ini(tmp_path, listen=f"127.0.0.1:{free_port()}")


def an_ini(folder: Path, listen: str, database: str = "file://%(here)s/var/data/k.fs") -> Path:
    path = folder / "development.ini"
    path.write_text(
        f"[app:main]\nuse = egg:klanten\nzodbconn.uri = {database}\n"
        f"klanten.clients = var/clients.ini\n\n[server:main]\nlisten = {listen}\n"
    )
    return path


def first_run(ini: Path) -> Result:
    return CliRunner().invoke(klanten, ["first-run", str(ini)])


def test_first_run_makes_the_folders_and_the_clients_file(ini):
    assert first_run(ini).exit_code == 0
    assert (ini.parent / "var" / "data" / "k.fs").is_file()
    assert "[demo]" in (ini.parent / "var" / "clients.ini").read_text()


def test_first_run_keeps_the_clients_file_that_is_there(ini):
    first_run(ini)
    clients = (ini.parent / "var" / "clients.ini").read_bytes()
    assert first_run(ini).exit_code == 0
    assert (ini.parent / "var" / "clients.ini").read_bytes() == clients


def test_first_run_with_a_database_elsewhere_makes_no_folder_for_it(tmp_path):
    ini = an_ini(tmp_path, f"127.0.0.1:{free_port()}", database="zeo://localhost:8100/")
    assert first_run(ini).exit_code == 0
    assert [made.name for made in (tmp_path / "var").iterdir()] == ["clients.ini"]


def test_first_run_prints_a_line_for_curl_with_a_whole_klant(ini):
    [line] = [line for line in first_run(ini).stdout.splitlines() if line.startswith("curl ")]
    words = shlex.split(line)
    klant = json.loads(words[words.index("-d") + 1])
    assert klant["websiteUrl"]
    assert klant["subjectIdentificatie"]["inpBsn"].startswith("9999")
    assert re.fullmatch(r"\d{9}", klant["bronorganisatie"])


def test_first_run_understands_an_ipv6_address(tmp_path):
    port = free_port()
    ini = an_ini(tmp_path, listen=f"[::1]:{port}")
    result = first_run(ini)
    assert result.exit_code == 0
    assert f"http://[::1]:{port}/api/v1" in result.stdout


def refusal(result: Result) -> str:
    assert (result.exit_code, result.stdout) == (2, "")
    [line] = result.stderr.splitlines()
    return line


def test_first_run_on_a_taken_port_makes_nothing(tmp_path, taken_port):
    ini = an_ini(tmp_path, listen=f"127.0.0.1:{taken_port}")
    assert f"127.0.0.1:{taken_port}: Address already in use; " in refusal(first_run(ini))
    assert not (tmp_path / "var").exists()


def test_first_run_on_an_address_of_another_machine_is_refused(tmp_path):
    ini = an_ini(tmp_path, listen="192.0.2.1:6543")
    assert "192.0.2.1:6543: Cannot assign requested address; " in refusal(first_run(ini))


def test_first_run_needs_an_address(tmp_path):
    ini = an_ini(tmp_path, "")
    ini.write_text(ini.read_text().replace("listen = ", f"unix_socket = {tmp_path}/k.sock"))
    assert "listen in [server:main]" in refusal(first_run(ini))
    assert not (tmp_path / "k.sock").exists()


def test_first_run_without_the_demo_client_names_the_file_and_the_section(ini):
    (ini.parent / "var").mkdir()
    (ini.parent / "var" / "clients.ini").write_text("[balie]\nsecret = abc\n")
    assert "clients.ini: there is no section [demo]" in refusal(first_run(ini))


def test_first_run_where_no_folder_can_be_made_names_it(ini):
    (ini.parent / "var").write_text("a file is in the way")
    assert refusal(first_run(ini)).startswith(f"Error: {ini.parent / 'var'}")


@pytest.mark.parametrize("start", ["8", "9999"])
def test_numbers_pass_the_eleven_test(start):
    number = eleven_proof(start)
    weights = (9, 8, 7, 6, 5, 4, 3, 2, -1)
    assert number.startswith(start)
    assert sum(map(int.__mul__, weights, map(int, number))) % 11 == 0
