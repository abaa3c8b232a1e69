"""The server of the ini file: how it starts, and how it stops without losing a request."""

import contextlib
import json
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from email import message_from_bytes
from pathlib import Path

import pytest

from klanten.server.options import Options
from klanten.settings import SettingsError
from tests.conftest import bearer
from tests.factories import make_klant
from tests.fouten import assert_fout
from tests.ports import free_port
from tests.rights import without_rights
from tests.servers import ANSWER_SECONDS, Answer, Server, Subjects, answer_on

INI = """\
[app:main]
use = egg:klanten
{settings}

[server:main]
use = egg:klanten
threads = 4
graceful_timeout = {patience}
{listen}
"""
Start = Callable[..., tuple[subprocess.Popen[bytes], Server]]


@pytest.fixture
def start(tmp_path: Path, settings: dict[str, str]) -> Iterator[Start]:
    """Starts `pserve` with our server, and waits until it listens."""
    processes = []

    def run(
        patience: str = "30",
        on: socket.socket | None = None,
        options: str = "",
        listen: str = "",
        until: Callable[[], bool] | None = None,
    ) -> tuple[subprocess.Popen[bytes], Server]:
        port = on.getsockname()[1] if on else free_port()
        listen = f"{listen or f'listen = 127.0.0.1:{port}'}\n{options}"
        ini = tmp_path / "server.ini"
        lines = "\n".join(f"{name} = {value}" for name, value in settings.items())
        ini.write_text(INI.format(settings=lines, patience=patience, listen=listen))
        process = subprocess.Popen(pserve(ini, on), pass_fds=[on.fileno()] if on else [])
        processes.append(process)
        server = Server(port, {"Authorization": bearer("all")})
        end = time.monotonic() + ANSWER_SECONDS
        while time.monotonic() < end and process.poll() is None:
            with contextlib.suppress(OSError):
                if (until or server.answers)():
                    break
            time.sleep(0.05)
        return process, server

    yield run
    for process in processes:
        process.kill()
        process.wait()


def pserve(ini: Path, on: socket.socket | None = None) -> list[str]:
    command = [str(Path(sys.executable).with_name("pserve")), str(ini)]
    if on is None:
        return command
    # what systemd does for a unit with a socket
    move = "import os,sys;os.dup2(int(sys.argv[1]),3);os.environ.update(LISTEN_FDS='1',"
    move += "LISTEN_PID=str(os.getpid()));os.execv(sys.argv[2],sys.argv[2:])"
    return [sys.executable, "-c", move, str(on.fileno()), *command]


def wait_until_nothing_new_is_taken(server: Server) -> None:
    end = time.monotonic() + ANSWER_SECONDS
    with contextlib.suppress(ConnectionError):
        while time.monotonic() < end:
            with contextlib.closing(server.connect()) as connection:
                connection.connect()
            time.sleep(0.05)
    assert time.monotonic() < end


def test_a_request_that_was_begun_is_answered_after_the_order_to_stop(
    start: Start, subjects: Subjects, capfd: pytest.CaptureFixture[str]
) -> None:
    process, server = start()
    answers: list[Answer] = []
    klant = make_klant(subject=subjects.url("/hang"))
    busy = threading.Thread(
        target=lambda: answers.append(server.request("POST", "/klanten", klant))
    )
    busy.start()
    subjects.wait_for_hanging()
    process.send_signal(signal.SIGTERM)
    wait_until_nothing_new_is_taken(server)
    assert process.poll() is None
    subjects.release()
    busy.join()
    assert (answers[0].status, answers[0].headers["Connection"]) == (201, "close")
    assert process.wait(ANSWER_SECONDS) == 0
    assert "stopped; all requests were answered" in last_line(capfd)


def test_what_stands_behind_a_request_that_was_begun_is_answered_too(
    start: Start, subjects: Subjects
) -> None:
    process, server = start()
    klant = json.dumps(make_klant(subject=subjects.url("/hang"))).encode()
    head = f"Host: a.nl\r\nAuthorization: {bearer('all')}\r\n".encode()
    post = b"POST /api/v1/klanten HTTP/1.1\r\nContent-Type: application/json\r\n" + head
    get = b"GET /api/v1/klanten HTTP/1.1\r\n" + head + b"\r\n"
    sent = post + f"Content-Length: {len(klant)}\r\n\r\n".encode() + klant + get + get
    answers: list[bytes] = []
    busy = threading.Thread(target=lambda: answers.append(server.send(sent)))
    busy.start()
    subjects.wait_for_hanging()
    process.send_signal(signal.SIGTERM)
    wait_until_nothing_new_is_taken(server)
    subjects.release()
    busy.join()
    assert re.findall(rb"HTTP/1.1 (\d+)", answers[0]) == [b"201", b"200", b"200"]
    assert answers[0].count(b"Connection: close") == 1


def test_a_request_that_takes_longer_than_the_patience_does_not_keep_the_server(
    start: Start, subjects: Subjects, capfd: pytest.CaptureFixture[str]
) -> None:
    process, server = start(patience="0.5")

    def give_up() -> None:
        with contextlib.suppress(OSError):
            server.request("POST", "/klanten", make_klant(subject=subjects.url("/hang")))

    busy = threading.Thread(target=give_up)
    busy.start()
    subjects.wait_for_hanging()
    process.send_signal(signal.SIGTERM)
    assert process.wait(ANSWER_SECONDS) == 0
    busy.join()
    assert "stopped; requests cut off: 1" in last_line(capfd)


def test_connections_are_counted_wherever_they_came_in(start: Start) -> None:
    ports = free_port(), free_port()
    places = " ".join(f"127.0.0.1:{port}" for port in ports)
    here, there = (Server(port, {"Authorization": bearer("all")}) for port in ports)
    start(listen=f"listen = {places}", until=here.answers)
    with contextlib.closing(here.connect()) as one, contextlib.closing(here.connect()) as two:
        for connection in (one, two):
            connection.request("GET", "/healthz")
            connection.getresponse().read()
        text = there.request("GET", f"{there.origin}/metrics").body.decode()
    assert float(re.findall(r"^klanten_server_connections (\S+)$", text, re.M)[0]) >= 3


def last_line(capfd: pytest.CaptureFixture[str]) -> str:
    """What the server logged last; its loggers are named in it."""
    line = capfd.readouterr().err.splitlines()[-1]
    assert "klanten.server" in line
    return line


def test_a_path_that_begins_with_more_than_one_slash_is_not_there(start: Start) -> None:
    _, server = start(options="url_prefix = /prefix")
    for slashes, prefix, status in (
        ("/", "prefix/", 200),
        ("//", "prefix/", 404),
        ("///", "prefix/", 404),
        ("/", "", 200),
        ("//", "", 404),
    ):
        url = f"http://127.0.0.1:{server.port}{slashes}{prefix}api/v1/klanten"
        assert server.request("GET", url).status == status


def test_an_open_connection_without_a_request_does_not_keep_the_server(start: Start) -> None:
    process, server = start()
    with contextlib.closing(server.connect()) as connection:
        connection.connect()
        process.send_signal(signal.SIGTERM)
        assert process.wait(ANSWER_SECONDS) == 0


def test_what_was_on_its_way_when_the_order_came_is_served(start: Start) -> None:
    process, server = start()
    with contextlib.closing(server.connect()) as connection:
        connection.connect()
        process.send_signal(signal.SIGTERM)
        connection.request("GET", "/api/v1/klanten", headers=server.headers)
        assert connection.getresponse().status == 200
    assert process.wait(ANSWER_SECONDS) == 0


def test_a_second_order_ends_it_at_once(start: Start, subjects: Subjects) -> None:
    process, server = start()

    def give_up() -> None:
        with contextlib.suppress(OSError):
            server.request("POST", "/klanten", make_klant(subject=subjects.url("/hang")))

    busy = threading.Thread(target=give_up)
    busy.start()
    subjects.wait_for_hanging()
    while process.poll() is None:
        process.send_signal(signal.SIGTERM)
        time.sleep(0.1)
    assert process.returncode == -signal.SIGTERM
    busy.join()


def test_a_socket_of_systemd_outlives_a_restart(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        process, server = start(on=listening)
        process.send_signal(signal.SIGTERM)
        assert process.wait(ANSWER_SECONDS) == 0
        answers: list[Answer] = []
        early = threading.Thread(target=lambda: answers.append(server.request("GET", "/klanten")))
        early.start()
        start(on=listening)
        early.join()
        assert answers[0].status == 200


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("zodbconn.uri = postgresql://a:p%40ss@h/db", ["zodbconn.uri", "server.ini", "%%"]),
        ("klanten.jwt.leaway = 5", ["klanten.jwt.leaway", "server.ini", "klanten.jwt.leeway"]),
        ("klanten.subject.timeout = soon", ["klanten.subject.timeout", "server.ini", "'soon'"]),
    ],
)
def test_a_wrong_setting_stops_the_start_with_one_line(
    tmp_path: Path, settings: dict[str, str], line: str, words: list[str]
) -> None:
    name = line.partition(" ")[0]
    lines = [f"{key} = {value}" for key, value in settings.items() if key != name] + [line]
    ini = tmp_path / "server.ini"
    ini.write_text(INI.format(settings="\n".join(lines), patience=30, listen=""))
    ended = subprocess.run(pserve(ini), capture_output=True, text=True, timeout=ANSWER_SECONDS)
    assert ended.returncode != 0
    assert len(ended.stderr.strip().splitlines()) == 1, ended.stderr
    assert all(word in ended.stderr for word in words)


@pytest.mark.parametrize(
    ("option", "line"),
    [
        ("graceful_timeout = long", "'long' is no number; write for instance 60"),
        ("request_timeout = 1m", "'1m' is no number; write for instance 60"),
        ("request_timeout = 0", "must be more than 0; "),
        ("ipv6 = maybe", "'maybe' is neither; write true or false"),
        ("thread = 4", "Unknown adjustment 'thread'; "),
        ("threads = four", "'four' is no number; write for instance 4"),
        ("threads = 0", "'0' is too small; write for instance 4"),
        ("threads = -1", "'-1' is too small; write for instance 4"),
        ("max_request_body_size = 1MiB", "'1MiB' is no number; write for instance 1073741824"),
        ("unix_socket_perms = rw", "'rw' is no number; write for instance 600"),
        ("trusted_proxy_count = 2", "trusted_proxy_count has no meaning"),
        ("connection_limit = 9999999", "9999999 connections need"),
        ("listen =", "is empty; write for instance 127.0.0.1:8080"),
        ("listen = 127.0.0.1", "'127.0.0.1' has no port; write for instance 127.0.0.1:8080"),
        ("listen = 127.0.0.1:", "'127.0.0.1:' has no port; write for instance 127.0.0.1:8080"),
        ("listen = 127.0.0.1:0", "'0' is no port of 1 to 65535; write for instance 8080"),
        ("listen = 127.0.0.1:99999", "'99999' is no port of 1 to 65535; "),
        ("listen = [::1]", "'1]' is no port of 1 to 65535; "),
        ("listen = 127.0.0.1:81 127.0.0.256:82", "'127.0.0.256:82' is no address; "),
        ("listen = 192.0.2.1:8080", "192.0.2.1:8080: Cannot assign requested address; write an "),
        ("port = 99999", "'99999' is no port of 1 to 65535; "),
        ("host = 127.0.0.256", "Invalid host/port specified; "),
        ("unix_socket = /nowhere/at/all", "/nowhere/at/all: No such file or directory; "),
    ],
)
def test_a_wrong_option_stops_the_start_with_one_line(
    tmp_path: Path, settings: dict[str, str], option: str, line: str
) -> None:
    ended = ended_with(tmp_path, settings, option)
    name = option.partition(" ")[0]
    where = f"{name} in [server:main] of {tmp_path}/server.ini: "
    assert ended.stderr.startswith(f"klanten: {where}{line}")
    assert len(ended.stderr.splitlines()) == 1
    assert ended.returncode != 0


def test_the_environment_says_where_to_listen(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server(free_port(), {"Authorization": bearer("all")})
    monkeypatch.setenv("KLANTEN_SERVER_LISTEN", f"127.0.0.1:{server.port}")
    process, _ = start(listen=f"listen = 127.0.0.1:{free_port()}", until=server.answers)
    assert process.poll() is None
    assert server.answers()


def test_a_port_that_is_taken_stops_the_start_with_one_line(
    tmp_path: Path, settings: dict[str, str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = ended_with(tmp_path, settings, f"listen = {address}")
    assert ended.stderr == (
        f"klanten: listen in [server:main] of {tmp_path}/server.ini: {address}: "
        "Address already in use; stop what uses the port, or choose another\n"
    )
    assert ended.returncode != 0


def test_a_port_that_is_for_root_is_told_with_what_to_do(tmp_path: Path) -> None:
    options = Options.read({"listen": "127.0.0.1:81"}, tmp_path / "a.ini")
    with without_rights(tmp_path), pytest.raises(SettingsError) as refusal:
        options.bound()
    assert str(refusal.value) == (
        f"listen in [server:main] of {tmp_path}/a.ini: 127.0.0.1:81: "
        "Permission denied; choose a port above 1023, as those below are for root"
    )


def test_a_server_at_a_unix_socket_answers_and_lets_only_its_user_in(
    start: Start, tmp_path: Path
) -> None:
    path = tmp_path / "klanten.socket"

    def answers() -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(ANSWER_SECONDS)
            client.connect(str(path))
            client.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
            return client.recv(4096).startswith(b"HTTP/1.0 200 ")

    process, _ = start(listen=f"unix_socket = {path}", until=answers)
    assert answers()
    assert path.stat().st_mode & 0o777 == 0o600
    process.send_signal(signal.SIGTERM)
    assert process.wait(ANSWER_SECONDS) == 0


def ended_with(
    tmp_path: Path, settings: dict[str, str], option: str
) -> subprocess.CompletedProcess[str]:
    """How a server ended that does not start with this option."""
    ini = tmp_path / "server.ini"
    lines = "\n".join(f"{name} = {value}" for name, value in settings.items())
    ini.write_text(f"[app:main]\nuse = egg:klanten\n{lines}\n\n")
    with ini.open("a") as file:
        file.write(f"[server:main]\nuse = egg:klanten\n{option}\n")
    return subprocess.run(pserve(ini), capture_output=True, text=True, timeout=ANSWER_SECONDS)


def test_connections_may_be_more_than_the_files_a_process_is_given_at_first(
    start: Start,
) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
    try:
        process, server = start(options="connection_limit = 300")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert server.answers()
    assert resource.prlimit(process.pid, resource.RLIMIT_NOFILE) == (400, before[1])


def dribble(sent: socket.socket) -> bytes:
    """Send a byte now and then until the other side has had enough, and give back what it says."""
    said = b""
    sent.settimeout(0.1)
    end = time.monotonic() + ANSWER_SECONDS
    while time.monotonic() < end:
        with contextlib.suppress(TimeoutError):
            try:
                heard = sent.recv(65536)
            except ConnectionResetError:  # it hung up while a byte was on its way
                return said
            if not heard:
                return said
            said += heard
        with contextlib.suppress(ConnectionError):
            sent.send(b" ")
    raise AssertionError("the server waited for ever")


@pytest.mark.parametrize(
    "begun",
    [
        b"GET /api/v1/klanten HTTP/1.1\r\nHost: a.example\r\nX-Slow: ",
        b"POST /api/v1/klanten HTTP/1.1\r\nHost: a.example\r\nContent-Length: 9999\r\n\r\n{",
    ],
    ids=["head", "body"],
)
def test_a_request_that_comes_too_slowly_is_refused(start: Start, begun: bytes) -> None:
    _process, server = start(options="request_timeout = 1")
    with socket.create_connection(("127.0.0.1", server.port), ANSWER_SECONDS) as slow:
        slow.sendall(begun)
        assert server.answers()
        head, _, body = dribble(slow).partition(b"\r\n\r\n")
    first, _, headers = head.partition(b"\r\n")
    assert first.endswith(b" 408 Request Timeout")
    assert b"connection: close" in headers.lower()
    answer = Answer(408, message_from_bytes(headers), body)
    assert_fout(answer, 408, "bad_request")
    assert server.answers()


def test_one_that_takes_long_to_answer_or_comes_late_is_not_refused(
    start: Start, subjects: Subjects
) -> None:
    """The time between requests of a connection, and that of the answer, do not count."""
    _process, server = start(options="request_timeout = 1")
    klant = make_klant(subject=subjects.url("/hang"))
    with contextlib.closing(server.connect()) as connection:
        connection.request("GET", "/api/v1/klanten", headers=server.headers)
        assert answer_on(connection).status == 200
        time.sleep(2.5)
        connection.request(
            "POST",
            "/api/v1/klanten",
            json.dumps(klant),
            dict(server.headers) | {"Content-Type": "application/json"},
        )
        subjects.wait_for_hanging()
        time.sleep(2.5)
        subjects.release()
        assert answer_on(connection).status == 201


def test_connection_stays_open_after_an_answer_without_a_body(start: Start) -> None:
    _process, server = start()
    known = server.request("POST", "/klanten", make_klant())
    path = "/api/v1/klanten/" + known.json["url"].rsplit("/", 1)[1]
    etag = {"If-None-Match": server.request("GET", path[7:]).headers["ETag"]}
    with contextlib.closing(server.connect()) as connection:
        connection.connect()
        mine = connection.sock
        for method, headers, status in (
            ("GET", etag, 304),
            ("HEAD", {}, 200),
            ("DELETE", {}, 204),
            ("GET", {}, 404),
        ):
            connection.request(method, path, headers=dict(server.headers) | headers)
            assert answer_on(connection).status == status
            assert connection.sock is mine


@pytest.mark.parametrize(("version", "headers"), [("1.1", "Connection: close\r\n"), ("1.0", "")])
def test_connection_closes_after_an_answer_without_a_body_when_asked_to(
    start: Start, version: str, headers: str
) -> None:
    _process, server = start()
    known = server.request("POST", "/klanten", make_klant())
    path = "/api/v1/klanten/" + known.json["url"].rsplit("/", 1)[1]
    request = f"DELETE {path} HTTP/{version}\r\nHost: localhost\r\n{headers}"
    request += f"Authorization: {server.headers['Authorization']}\r\n\r\n"
    answered = server.send(request.encode())  # until the server hangs up
    assert b" 204 " in answered
    assert b"Connection: close" in answered
