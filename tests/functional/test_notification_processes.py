"""Notifications across processes: servers that are killed, two on one database, the commands."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from klanten.cli import klanten
from tests.conftest import SECRET as CLIENT_SECRET
from tests.conftest import bearer
from tests.factories import make_klant, make_person
from tests.neighbours.notificaties import Notificaties
from tests.neighbours.server import CLIENT_ID, PATIENCE, SECRET, status
from tests.servers import Pserve
from tests.storages.servers import Postgres, Zeo, until

COMMAND = Path(sys.executable).with_name("klanten")
BSN = "999993653"
LOGGING = """
[loggers]
keys = root, klanten
[handlers]
keys = console
[formatters]
keys = text
[logger_root]
level = WARNING
handlers = console
[logger_klanten]
level = INFO
handlers =
qualname = klanten
[handler_console]
class = StreamHandler
args = (sys.stderr,)
formatter = text
[formatter_text]
format = %(asctime)s %(levelname)s [%(name)s] %(message)s
"""


@pytest.fixture
def nrc() -> Iterator[Notificaties]:
    """The Notificaties API; whatever it is asked must be right by its standard."""
    with Notificaties().with_kanaal() as nrc:
        yield nrc
    assert nrc.wrong == []


@pytest.fixture
def services_file(tmp_path: Path, nrc: Notificaties) -> Path:
    path = tmp_path / "services.ini"
    path.write_text(
        f"[notificaties]\napi_root = {nrc.api_root}\nclient_id = {CLIENT_ID}\nsecret = {SECRET}\n"
    )
    path.chmod(0o600)
    return path


@pytest.fixture
def make_server(
    tmp_path: Path, settings: dict[str, str], services_file: Path
) -> Iterator[Callable[..., Pserve]]:
    """Makes servers in processes of their own. No log of theirs ever holds a secret."""
    made: list[Pserve] = []

    def make(**overrides: str) -> Pserve:
        folder = tmp_path / f"server{len(made)}"
        folder.mkdir()
        changed = {name.replace("__", "."): value for name, value in overrides.items()}
        given = settings | {"klanten.services": str(services_file)} | changed
        given = {name: value.replace("%", "%%") for name, value in given.items()}
        server = Pserve(folder, given, {"Authorization": bearer("all")})
        server.ini.write_text(server.ini.read_text() + LOGGING)
        made.append(server)
        return server

    yield make
    for server in made:
        server.kill()
    for log in tmp_path.glob("*/*.log"):
        assert_nothing_secret(log.read_text())


def assert_nothing_secret(text: str) -> None:
    found = [word for word in (SECRET, CLIENT_SECRET, "Bearer", "eyJ", BSN) if word in text]
    assert found == []


def create(pserve: Pserve, **fields: Any) -> str:
    """The URL of a new klant."""
    answer = pserve.server.request("POST", "/klanten", make_klant(**fields))
    assert answer.status == 201
    url: str = answer.json["url"]
    return url


def command(ini: Path, *arguments: str, status: int = 0) -> str:
    """What `klanten notifications` prints."""
    result = CliRunner().invoke(klanten, ["notifications", str(ini), *arguments])
    assert result.exit_code == status, result.output
    assert_nothing_secret(result.output)
    return result.output


def found(ini: Path, name: str = "status") -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(command(ini, name, "--json"))
    return answer


# --- a server on a file -------------------------------------------------------------------------


def test_a_server_that_is_killed_while_it_delivers_tells_everything_at_least_once(make_server, nrc):
    pserve = make_server()
    pserve.start()
    nrc.mood_for = lambda message: nrc.hang if len(nrc.attempts) > 20 else None
    with ThreadPoolExecutor(4) as pool:
        urls = list(pool.map(lambda _: create(pserve), range(150)))
    nrc.wait_for_hanging()
    pserve.kill()
    assert len(nrc.messages) < 150
    nrc.mood_for = lambda message: None
    pserve.start()
    until(lambda: found(pserve.ini)["pending"] == 0, "an empty outbox")
    assert set(nrc.acties()) == set(urls)
    # only what was on its way is told twice
    assert len(nrc.messages) <= 150 + 20


def test_a_server_that_is_stopped_while_the_api_hangs_ends_without_a_word(make_server, nrc):
    pserve = make_server()
    pserve.start()
    nrc.mood = nrc.hang
    create(pserve)
    nrc.wait_for_hanging()
    pserve.process.send_signal(signal.SIGINT)
    nrc.release()
    pserve.process.wait(PATIENCE)
    log = (pserve.folder / "server.log").read_text()
    assert "Traceback" not in log
    assert "WARNING" not in log


def test_a_dead_api_leaves_a_line_or_two_in_the_log(make_server, nrc):
    pserve = make_server()
    nrc.down()
    pserve.start()
    person = make_person()
    person["subjectIdentificatie"]["inpBsn"] = BSN
    assert pserve.server.request("POST", "/klanten", person).status == 201
    for _ in range(50):
        create(pserve)
    log = pserve.folder / "server.log"
    until(lambda: "not accepted" in log.read_text(), "a line in the log")
    nrc.up()
    nrc.wait_for_messages(51)
    until(lambda: "accepted again" in log.read_text(), "a line in the log")
    text = log.read_text()
    assert text.count("klanten.delivery") == 2
    assert "Traceback" not in text
    # the attempts themselves are seldom, too
    assert text.count("Connection refused") < 10


def test_an_operator_looks_at_a_running_server(make_server, nrc):
    pserve = make_server()
    pserve.start()
    # a 400 in the second of the message may be a matter of clocks
    nrc.clock_ahead = 1
    nrc.mood_for = lambda message: status(400 if message["actie"] == "create" else 500)
    url = create(pserve)
    assert pserve.server.request("PATCH", url, {"functie": "smid"}).status == 200
    seen = until(
        lambda: (now := found(pserve.ini)) and now["failed"] and now["trouble"] and now,
        "a message put aside and another in trouble",
    )
    assert (seen["pending"], seen["failed"], seen["notificaties"]) == (1, 1, nrc.api_root)
    assert str(pserve.process.pid) in seen["holder"]
    assert seen["trouble"].endswith(": 500")
    [failed] = found(pserve.ini, "failed")["failed"]
    assert failed["number"].startswith(url.rpartition("/")[2])
    nrc.mood_for = lambda message: None
    assert json.loads(command(pserve.ini, "retry", "--all", "--json")) == {"retried": 1}
    nrc.wait_for_messages(2)
    assert set(nrc.acties()[url]) == {"create", "partial_update"}
    until(lambda: found(pserve.ini)["pending"] == 0, "an empty outbox")
    assert found(pserve.ini)["failed"] == 0


# --- several processes --------------------------------------------------------------------------


@pytest.fixture
def zeo() -> Iterator[Zeo]:
    with Zeo() as server:
        yield server


@pytest.fixture(params=["zeo", "postgresql"])
def shared_uri(request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty database that several processes can have open."""
    with Zeo() if request.param == "zeo" else Postgres() as server:
        yield server.uri if request.param == "zeo" else server.new_database("klanten")


@contextlib.contextmanager
def delivering(ini: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`klanten notifications INI deliver`; it must end when it is told to."""
    with (ini.parent / "deliver.log").open("ab") as log:
        process = subprocess.Popen(
            [COMMAND, "notifications", ini, "deliver"], stdout=log, stderr=log, env=os.environ
        )
    try:
        yield process
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.wait()


def test_a_process_of_its_own_delivers_for_a_server(make_server, zeo, nrc):
    pserve = make_server(zodbconn__uri=zeo.uri, klanten__notifications__deliver="false")
    pserve.start()
    before = create(pserve)
    with delivering(pserve.ini) as process:
        nrc.wait_for_messages(1)
        after = create(pserve)
        nrc.wait_for_messages(2)
        until(lambda: found(pserve.ini)["pending"] == 0, "an empty outbox")
        assert str(process.pid) in found(pserve.ini)["holder"]
    assert nrc.acties() == {before: ["create"], after: ["create"]}
    assert found(pserve.ini)["holder"] is None
    assert "Traceback" not in (pserve.folder / "deliver.log").read_text()


def test_two_processes_on_one_database_double_nothing(make_server, shared_uri, nrc):
    servers = [make_server(zodbconn__uri=shared_uri) for _ in range(2)]
    for pserve in servers:
        pserve.start()

    def write(number: int) -> str:
        """The path of a klant that was created and changed."""
        pserve = servers[number % 2]
        url = create(pserve)
        assert pserve.server.request("PATCH", url, {"functie": "smid"}).status == 200
        return url

    with ThreadPoolExecutor(8) as pool:
        urls = list(pool.map(write, range(60)))
    nrc.wait_for_messages(120)
    until(lambda: found(servers[0].ini)["pending"] == 0, "an empty outbox")
    assert nrc.acties() == {url: ["create", "partial_update"] for url in urls}
    assert len(nrc.attempts) == 120


def test_another_process_takes_over_from_one_that_is_killed(make_server, zeo, nrc):
    servers = [make_server(zodbconn__uri=zeo.uri) for _ in range(2)]
    for pserve in servers:
        pserve.start()
    nrc.mood = nrc.hang
    urls = [create(pserve) for pserve in servers]
    nrc.wait_for_hanging()
    holder = found(servers[0].ini)["holder"]
    [dead] = [one for one in servers if str(one.process.pid) == holder.split(":")[1]]
    dead.kill()
    nrc.mood = None
    nrc.wait_for_messages(2)
    assert set(nrc.acties()) == set(urls)
    for pserve in servers:
        assert "Traceback" not in (pserve.folder / "server.log").read_text()
