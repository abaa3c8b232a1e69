"""Servers to be measured, each in processes of its own."""

import contextlib
import os
import secrets
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from klanten.clients import Client
from klanten.tokens import make_token
from tests.ports import free_port

CLIENT = "benchmarks"
START_SECONDS = 120
TICKS = os.sysconf("SC_CLK_TCK")
CHECKOUT = Path(__file__).parent.parent

# As production.ini, without a proxy in front.
INI = """\
[app:main]
use = {application}
{settings}

[server:main]
use = {server}
listen = 127.0.0.1:{port}
threads = {threads}
max_request_body_size = 1048576

[loggers]
keys = root, klanten, waitress_queue, conflict_resolution

[handlers]
keys = console

[formatters]
keys = lines

[logger_root]
level = WARNING
handlers = console

[logger_klanten]
level = INFO
handlers =
qualname = klanten

[logger_waitress_queue]
level = ERROR
handlers =
qualname = waitress.queue

[logger_conflict_resolution]
level = CRITICAL
handlers =
qualname = ZODB.ConflictResolution

[handler_console]
class = StreamHandler
args = (sys.stderr,)
formatter = lines

[formatter_lines]
class = klanten.logs.Formatter
"""


class Server:
    """A server that runs; its log is a file beside its ini file."""

    def __init__(
        self, ini: Path, command: Sequence[str | Path], port: int, token: str = ""
    ) -> None:
        self.port = port
        self.token = token
        self.log = ini.with_suffix(".log")
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env=os.environ | {"PYTHONPATH": python_path(), "BENCHMARK_INI": str(ini)},
            )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Any:
        """The answer to a GET, read to its end as `.body`. Raises OSError."""
        sent = {"Authorization": f"Bearer {self.token}", "Host": "localhost", **(headers or {})}
        with urllib.request.urlopen(
            urllib.request.Request(self.url + path, headers=sent), timeout=60
        ) as answer:
            answer.body = answer.read()
            return answer

    def figures(self) -> dict[str, float]:
        """The figures of /metrics that have no labels."""
        lines = self.get("/metrics").body.decode().splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if line[0] != "#" and "{" not in line)
        return {name: float(value) for name, value in pairs}

    def cpu(self) -> float:
        """Seconds of processor time that all processes of the server took until now."""
        return sum(_cpu(pid) for pid in _family(self.process.pid))

    def rss(self) -> int:
        """Bytes of memory of the processes of the server."""
        return sum(_rss(pid) for pid in _family(self.process.pid))

    def wait_until_it_answers(self, path: str) -> None:
        end = time.monotonic() + START_SECONDS
        while self.process.poll() is None and time.monotonic() < end:
            with contextlib.suppress(OSError):
                self.get(path)
                return
            time.sleep(0.05)
        raise RuntimeError(f"the server did not start: {self.log.read_text()[-2000:]}")

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def python_path() -> str:
    """So that a server finds what this process found."""
    return os.pathsep.join([str(CHECKOUT), *filter(None, sys.path)])


class Clients:
    """The clients file that all servers have, and a token for them."""

    def __init__(self, folder: Path) -> None:
        secret = secrets.token_hex(32)
        self.file = folder / "clients.ini"
        self.file.write_text(f"[{CLIENT}]\nsecret = {secret}\nlabel = {CLIENT}\nscopes = *\n")
        self.file.chmod(0o600)
        self.token = make_token(Client(CLIENT, secret, CLIENT, None))


class Place:
    """A folder of a run, where its servers have their files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clients = Clients(folder)

    @contextlib.contextmanager
    def base(self, threads: int = 4) -> Iterator[Server]:
        """The bare stack."""
        ini, port = self._ini("base", threads, {}, "call:benchmarks.base:main", "egg:waitress")
        with _running(Server(ini, [_program("pserve"), ini], port), "/klanten/0") as server:
            yield server

    @contextlib.contextmanager
    def klanten(
        self, name: str, uri: str, *, threads: int = 4, kind: str = "waitress", **settings: str
    ) -> Iterator[Server]:
        """This application on a database, under a server of some kind."""
        given = {
            "zodbconn.uri": uri.replace("%", "%%"),
            "klanten.clients": self.clients.file,
            "klanten.log.format": "json",
            "klanten.subject.allow_networks": "127.0.0.0/8",
            **{f"klanten.{name.replace('__', '.')}": value for name, value in settings.items()},
        }
        ini, port = self._ini(name, threads, given, "egg:klanten", "egg:klanten")
        command = COMMANDS[kind](ini, port, threads)
        with _running(Server(ini, command, port, self.clients.token), "/readyz") as server:
            yield server

    def _ini(
        self, name: str, threads: int, settings: Mapping[str, Any], application: str, server: str
    ) -> tuple[Path, int]:
        ini, port = self.folder / f"{name}.ini", free_port()
        lines = "\n".join(f"{name} = {value}" for name, value in settings.items())
        text = INI.format(
            application=application, server=server, settings=lines, port=port, threads=threads
        )
        ini.write_text(text)
        return ini, port


@contextlib.contextmanager
def _running(server: Server, path: str) -> Iterator[Server]:
    try:
        server.wait_until_it_answers(path)
        yield server
    finally:
        server.stop()


def _program(name: str) -> Path:
    return Path(sys.executable).with_name(name)


def _pserve(ini: Path, port: int, threads: int) -> list[str | Path]:
    return [_program("pserve"), ini]


def _gunicorn(ini: Path, port: int, threads: int) -> list[str | Path]:
    options = [*("--threads", f"{threads}"), *("--bind", f"127.0.0.1:{port}"), "--log-level=error"]
    return [sys.executable, "-m", "gunicorn", *options, "benchmarks.wsgi:application"]


def _granian(ini: Path, port: int, threads: int) -> list[str | Path]:
    options = ["--interface=wsgi", f"--port={port}", f"--blocking-threads={threads}"]
    options += ["--log-level=error", "--no-ws"]
    return [sys.executable, "-m", "granian", *options, "benchmarks.wsgi:application"]


COMMANDS = {"waitress": _pserve, "gunicorn": _gunicorn, "granian": _granian}


def _family(pid: int) -> list[int]:
    """A process and all that came from it."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(each for child in children for each in _family(int(child)))]


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _rss(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
