"""How a command reaches the server that has the file of the database open.

The server listens on a Unix socket beside the file, mode 0600 and only for its own user. A command
sends one line of JSON, a task and its options; the server answers with lines: how far it is, and in
the end the result or why there is none.
"""

import contextlib
import json
import logging
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingMixIn, UnixStreamServer
from typing import Any

from ..storage import Database, DatabaseUnavailable
from .mends import mend_of
from .tasks import TASKS

log = logging.getLogger(__name__)

LONGEST_LINE = 10 * 1024 * 1024
# How soon an order to stop is seen: a server that is stopped, and each test, waits for it.
STOP_SECONDS = 0.05
# How often a command is told how far its task is.
NEWS_SECONDS = 0.5
# A silent peer is given up; a task itself may take hours, with news now and then.
TIMEOUT = 30.0
PEER = struct.Struct("3i")


class TaskFailed(Exception):
    """The server could not do the task; the text is one line."""


def socket_of(file: Path) -> Path:
    """The socket beside the file of a database."""
    return file.with_name(file.name + ".socket")


@contextlib.contextmanager
def address_of(path: Path) -> Iterator[str]:
    """The socket as an address: those of Unix sockets are short, so by way of its folder."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


# --- the command --------------------------------------------------------------------------------


def ask(
    path: Path, task: str, options: dict[str, Any], progress: Callable[[int], None]
) -> dict[str, Any]:
    """What the server at this socket answers to a task.

    Raises `ConnectionError` or `FileNotFoundError` when no server is there, and `TaskFailed`.
    """
    with address_of(path) as address, socket.socket(socket.AF_UNIX) as wire:
        wire.settimeout(TIMEOUT)
        wire.connect(address)
        wire.sendall(json.dumps({"task": task, "options": options}).encode() + b"\n")
        with wire.makefile("rb") as answers:
            for line in answers:
                answer = json.loads(line)
                if "result" in answer:
                    return dict(answer["result"])
                if "error" in answer:
                    raise TaskFailed(answer["error"])
                progress(answer["done"])
    raise TaskFailed("the server ended before the task did")


# --- the server ---------------------------------------------------------------------------------


class Control(ThreadingMixIn, UnixStreamServer):
    """Takes tasks for the database of this process, until it is closed."""

    daemon_threads = True

    def __init__(self, path: Path, database: Database) -> None:
        self.path = path
        self.database = database
        # whoever had it open before is gone: this process holds the lock of the file
        path.unlink(missing_ok=True)
        with address_of(path) as address:
            super().__init__(address, Conversation)
        path.chmod(0o600)
        self._thread = threading.Thread(
            target=self.serve_forever, args=(STOP_SECONDS,), name="control", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
        self.path.unlink(missing_ok=True)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Only this user, and root, may ask."""
        peer = request.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER.size)
        return PEER.unpack(peer)[1] in (0, os.geteuid())


class Conversation(StreamRequestHandler):
    """One command that asks for one task."""

    server: Control
    timeout = TIMEOUT

    def handle(self) -> None:
        try:
            question = json.loads(self.rfile.readline(LONGEST_LINE))
            task = TASKS[question["task"]]
            log.info("a command asks for %s", question["task"])
            news = News(self._send)
            with news:
                result = task(self.server.database, news.note, question["options"])
            self._send({"result": result})
        except Exception as fault:
            log.exception("a task for a command failed")
            with contextlib.suppress(OSError):
                self._send({"error": _told(fault)})

    def _send(self, answer: dict[str, Any]) -> None:
        self.wfile.write(json.dumps(answer).encode() + b"\n")


def _told(fault: Exception) -> str:
    """A fault in one line, with what to do about it where that is known."""
    if isinstance(fault, DatabaseUnavailable):
        return str(fault)
    reason = f"{type(fault).__name__}: {' '.join(str(fault).split())}"
    mend = mend_of(fault)
    return f"{reason}; {mend}" if mend else reason


class News:
    """Tells the command, now and then, how far its task is, and so that somebody is there."""

    def __init__(self, send: Callable[[dict[str, Any]], None]) -> None:
        self._send = send
        self._done = 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._tell, name="news", daemon=True)

    def note(self, done: int) -> None:
        self._done = done

    def __enter__(self) -> "News":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _tell(self) -> None:
        # a command that was interrupted does not end its task
        with contextlib.suppress(OSError):
            while not self._end.wait(NEWS_SECONDS):
                self._send({"done": self._done})
