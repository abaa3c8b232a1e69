"""Real servers on real sockets: the application behind waitress, and a server with subjects."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from email.message import Message
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from waitress.wasyncore import close_all

import klanten.server
from tests.ports import free_port

ANSWER_SECONDS = 60
"""How long a test waits for what must come; it fails then."""


@dataclass(frozen=True)
class Answer:
    """What a server sent."""

    status: int
    headers: Message
    body: bytes

    @cached_property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Server:
    """A server that listens at `port`; requests have these headers, and others on top of them."""

    port: int
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def root(self) -> str:
        """The root of the API."""
        return f"{self.origin}/api/v1"

    def request(
        self,
        method: str,
        url: str,
        json: Any = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Ask for a path below the root of the API (or at an absolute URL), as any client would."""
        sent = dict(self.headers)
        if json is not None:
            body = dumps(json)
            sent["Content-Type"] = "application/json"
        sent |= headers or {}
        parts = urlsplit(url if "://" in url else self.root + url)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        with contextlib.closing(self.connect()) as connection:
            # a server that has heard enough answers before everything is sent
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.request(method, target, body, sent)
            return answer_on(connection)

    def connect(self) -> http.client.HTTPConnection:
        """A connection of its own."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_SECONDS)

    def send(self, *parts: bytes) -> bytes:
        """Send raw bytes and give back all that comes until the other side hangs up.

        The bytes of a request should ask for that with `Connection: close`.
        """
        with socket.create_connection(("127.0.0.1", self.port), ANSWER_SECONDS) as connection:
            # a server that has heard enough hangs up before everything is sent
            with contextlib.suppress(ConnectionError):
                for part in parts:
                    connection.sendall(part)
            return b"".join(_received(connection))

    def answers(self) -> bool:
        """Whether the server is still there for everybody else."""
        return self.request("GET", "/klanten").status == 200


def answer_on(connection: http.client.HTTPConnection) -> Answer:
    with connection.getresponse() as response:
        return Answer(response.status, response.headers, response.read())


def _received(connection: socket.socket) -> Iterator[bytes]:
    with contextlib.suppress(ConnectionError):
        while part := connection.recv(65536):
            yield part


def dumps(value: Any) -> bytes:
    """A body of JSON."""
    return json.dumps(value).encode()


@contextlib.contextmanager
def serving(app: Any, headers: Mapping[str, str] | None = None, **options: Any) -> Iterator[Server]:
    """The application behind the server of an ini file, in threads of this process."""
    listening = socket.create_server(("127.0.0.1", 0))
    settings = {"threads": 4, "max_request_body_size": 1048576} | options
    server = klanten.server.Server(app, {"sockets": [listening], **settings}, ("*",))
    thread = threading.Thread(target=server.run, args=(ANSWER_SECONDS,), name="waitress")
    thread.start()
    try:
        yield Server(listening.getsockname()[1], headers or {})
    finally:
        server.stopping.set()
        server.waitress.pull_trigger()
        thread.join()
        server.waitress.task_dispatcher.shutdown()
        close_all(server.sockets)
        listening.close()


INI = """\
[app:main]
use = egg:klanten
{settings}

[server:main]
{options}
"""
OPTIONS = {"use": "egg:waitress#main", "threads": "4", "max_request_body_size": "1048576"}


class Pserve:
    """The application as an operator runs it: `pserve` on an ini file, in a process of its own.

    `options` are those of `[server:main]`, beside or instead of the usual ones.
    """

    program: Sequence[str | Path] = [Path(sys.executable).with_name("pserve")]

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, str],
        headers: Mapping[str, str],
        options: Mapping[str, str] = OPTIONS,
    ) -> None:
        self.folder = folder
        self.ini = folder / "server.ini"
        self.server = Server(free_port(), headers)
        options = {**OPTIONS, "listen": f"127.0.0.1:{self.server.port}", **options}
        self.ini.write_text(INI.format(settings=_lines(settings), options=_lines(options)))
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Server:
        """Start, and wait until it listens."""
        command = [*self.program, self.ini]
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=dict(os.environ)
            )
        end = time.monotonic() + ANSWER_SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            with contextlib.suppress(OSError), contextlib.closing(self.server.connect()) as there:
                there.connect()
                return self.server
            time.sleep(0.02)
        raise AssertionError((self.folder / "server.log").read_text())

    def kill(self) -> None:
        """As a power cut does."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, with_signal: int) -> None:
        if self.process is not None:
            self.process.send_signal(with_signal)
            self.process.wait(ANSWER_SECONDS)
            self.process = None


def _lines(settings: Mapping[str, str]) -> str:
    return "\n".join(f"{name} = {value}" for name, value in settings.items())


class Subjects:
    """A server whose paths are the statuses of its answers; `/hang` answers when `release()`d.

    `asked` are the paths that were asked for.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.headers: list[Message] = []
        self.hanging = threading.Semaphore(0)
        self._released = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._server.server_port}{path}"

    def release(self) -> None:
        """Let every hanging answer go, now and later."""
        self._released.set()

    def wait_for_hanging(self) -> None:
        """Wait until one more request hangs."""
        assert self.hanging.acquire(timeout=ANSWER_SECONDS)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        subjects = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                subjects.asked.append(self.path)
                subjects.headers.append(self.headers)
                if self.path == "/hang":
                    subjects.hanging.release()
                    subjects._released.wait(ANSWER_SECONDS)
                status = 200 if self.path == "/hang" else int(self.path[1:4])
                with contextlib.suppress(ConnectionError):
                    self.send_response(status)
                    self.send_header("Content-Length", "0")
                    self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Not into the output of the tests."""

        return Handler
