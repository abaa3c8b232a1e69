"""The embedded file: one process at a time, readers beside it, a disk that is full."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import webtest
from ZODB.POSException import ReadOnlyError

from klanten.storage import DatabaseUnavailable, open_database, tree
from tests.factories import make_klant
from tests.storages.whole import assert_whole

KLANTEN = "/api/v1/klanten"


@pytest.fixture
def app(make_app: Callable[..., webtest.TestApp]) -> webtest.TestApp:
    """The application on a file."""
    return make_app()


@pytest.fixture
def uri(settings: dict[str, str]) -> str:
    return settings["zodbconn.uri"]


def test_a_second_server_ends_in_one_line(
    app: webtest.TestApp, make_app: Callable[..., webtest.TestApp], uri: str
):
    with pytest.raises(SystemExit) as told:
        make_app()
    text = str(told.value)
    assert text.startswith("klanten: zodbconn.uri in ")
    assert f"{uri.removeprefix('file://')} is in use by" in text
    assert "\n" not in text
    app.post_json(KLANTEN, make_klant(), status=201)


def test_a_file_is_free_again_when_its_server_was_killed(uri: str, settings: dict[str, str]):
    script = (
        "import json, os, signal, sys, klanten\n"
        "klanten.main(None, **json.loads(sys.argv[1]))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, json.dumps(settings)], check=False)
    assert killed.returncode == -9
    open_database(uri).close()


def test_a_file_whose_pack_was_killed_at_its_end_is_not_taken_for_cut_off(uri: str):
    script = (
        "import os, sys\n"
        "from ZODB.FileStorage import FileStorage\n"
        "from klanten.storage import open_database, tree\n"
        "from klanten.upkeep.packing import pack\n"
        "for _ in range(2):\n"
        "    database = open_database(sys.argv[1])\n"
        "    with tree(database) as root:\n"
        "        root.secret = b'x' * 100_000 + os.urandom(8)\n"
        "    database.close()\n"
        "database = open_database(sys.argv[1])\n"
        "FileStorage._save_index = lambda storage: os._exit(9)\n"
        "pack(database, 0)\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, uri], check=False)
    assert killed.returncode == 9
    file = Path(uri.removeprefix("file://"))
    assert file.stat().st_size < file.with_name("klanten.fs.old").stat().st_size
    open_database(uri).close()


def test_a_served_file_is_read_as_it_is_at_that_moment(app: webtest.TestApp, uri: str):
    app.post_json(KLANTEN, make_klant())
    database = open_database(uri, read_only=True)
    app.post_json(KLANTEN, make_klant())
    with tree(database) as root:
        assert len(assert_whole(root)) == 1
    database.close()


def test_a_served_file_is_not_written_by_a_reader(app: webtest.TestApp, uri: str):
    database = open_database(uri, read_only=True)
    with pytest.raises(ReadOnlyError), tree(database) as root:
        root.schema_version = 7
    database.close()
    app.get(KLANTEN)


def test_a_file_is_read_whole_at_any_moment_of_writing(app: webtest.TestApp, uri: str):
    done = threading.Event()

    def write() -> None:
        while not done.is_set():
            app.post_json(KLANTEN, make_klant())

    writer = threading.Thread(target=write)
    writer.start()
    found = []
    for _ in range(10):
        database = open_database(uri, read_only=True)
        with tree(database) as root:
            found.append(len(assert_whole(root)))
        database.close()
    done.set()
    writer.join()
    assert found == sorted(found)


def test_a_file_that_is_not_there_is_not_made_by_a_reader(tmp_path: Path):
    with pytest.raises(DatabaseUnavailable, match="No such file"):
        open_database(f"file://{tmp_path}/other.fs", read_only=True)
    assert not (tmp_path / "other.fs").exists()


FULL_DISK = """
import json, os, resource, sys
import webob, klanten

settings, authorization, klant, rooms = json.loads(sys.argv[1])
path = settings["zodbconn.uri"].removeprefix("file://")
app = klanten.main(None, **settings)

def send(method, url, **sent):
    headers = {"Authorization": authorization, "Content-Type": "application/json"}
    request = webob.Request.blank(url, method=method, headers=headers, **sent)
    return request.get_response(app).status_int

def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

answers = []
for room in rooms:
    limit(os.path.getsize(path) + room)
    while (status := send("POST", "/api/v1/klanten", json=klant)) == 201:
        pass
    answers += [status, send("POST", "/api/v1/klanten", json=klant), send("GET", "/api/v1/klanten")]
    limit(resource.RLIM_INFINITY)
    answers += [send("POST", "/api/v1/klanten", json=klant), send("GET", "/api/v1/klanten")]
print(json.dumps(answers), flush=True)
os._exit(0)  # as if killed: nothing is put right at the end
"""


def test_a_full_disk_is_a_503_until_there_is_room_again(
    uri: str, settings: dict[str, str], token: Callable[..., str]
):
    rooms = [0, 100, 1_000, 5_000, 10_000]
    given = json.dumps([settings, token("all"), make_klant(klantnummer=...), rooms])
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, given], check=True, stdout=subprocess.PIPE
    )
    assert json.loads(done.stdout) == [503, 503, 200, 201, 200] * len(rooms)
    database = open_database(uri)
    with tree(database) as root:
        assert len(assert_whole(root)) >= len(rooms)
    database.close()
