#!/usr/bin/env python3
"""Replay the recorded exchanges of the standard against a server of our own.

    .venv/bin/python .ci/replay.py [--cases FOLDER] [TOPIC ...]

Starts a server with pserve on a free port, with a database in a temporary folder and the
clients that the recordings ask for, and stops it at the end. The exit status is that of the
replay: 0 when every step passed.
"""

import argparse
import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
CASES = CHECKOUT.parent / "shared" / "conformance"
START_SECONDS = 60

# What each client of the recordings may do.
SCOPES = {
    "all": "*",
    "scopes": "klanten.lezen klanten.aanmaken klanten.bijwerken klanten.verwijderen "
    "audittrails.lezen",
    "lezen": "klanten.lezen",
    "aanmaken": "klanten.aanmaken",
    "bijwerken": "klanten.bijwerken",
    "verwijderen": "klanten.verwijderen",
    "audit": "audittrails.lezen",
    "split": "klanten.lezen klanten.aanmaken",
    "none": "",
    "othercomponent": "",  # scopes for another component count for nothing here
}

INI = """\
[app:main]
use = egg:klanten
zodbconn.uri = file://%(here)s/klanten.fs
klanten.clients = clients.ini
klanten.subject.allow_networks = 127.0.0.0/8 ::1/128

[server:main]
use = egg:klanten
listen = 127.0.0.1:{port}
threads = 4
max_request_body_size = 1048576

[loggers]
keys = root, waitress_queue

[handlers]
keys = console

[formatters]
keys = text

[logger_root]
level = INFO
handlers = console

[logger_waitress_queue]
level = ERROR
handlers =
qualname = waitress.queue

[handler_console]
class = StreamHandler
args = (sys.stderr,)
formatter = text

[formatter_text]
format = %(asctime)s %(levelname)s [%(name)s] %(message)s
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=Path, default=CASES, help="folder with replay.py")
    parser.add_argument("topics", nargs="*", metavar="TOPIC", help="only these (default: all)")
    arguments = parser.parse_args()
    # so that the server is stopped too when this program is
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    if not (arguments.cases / "replay.py").is_file():
        sys.exit(f"{arguments.cases}: no recorded exchanges there; give their folder with --cases")
    known = {file.stem: file for file in sorted(arguments.cases.glob("cases/*.json"))}
    if unknown := set(arguments.topics) - set(known):
        sys.exit(f"no such topic: {', '.join(unknown)}; the topics are {', '.join(known)}")
    files = [known[topic] for topic in arguments.topics or known]
    with tempfile.TemporaryDirectory(prefix="klanten-") as folder, server(Path(folder)) as base:
        return replay(arguments.cases, base, Path(folder) / "clients.json", files)


def replay(cases: Path, base: str, clients: Path, files: list[Path]) -> int:
    print(f"Replaying {len(files)} topics against {base} ...", flush=True)
    command = [sys.executable, cases / "replay.py", "--base", base, "--config", clients, *files]
    # the folder of the recordings may be read-only
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, env=environment, check=False).returncode


@contextlib.contextmanager
def server(folder: Path) -> Iterator[str]:
    """A running server with all its files in the folder; gives the root of its API."""
    write_clients(folder)
    port = free_port()
    (folder / "server.ini").write_text(INI.format(port=port))
    pserve = Path(sys.executable).with_name("pserve")
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(
            [pserve, folder / "server.ini"], stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        wait_for(port, process, folder / "server.log")
        yield f"http://127.0.0.1:{port}/api/v1"
        if process.poll() is not None:
            sys.exit("the server ended during the replay:\n" + last_lines(folder / "server.log"))
    finally:
        stop(process)


def write_clients(folder: Path) -> None:
    """The same clients twice: for the server, and for the program that calls it."""
    # 64 bytes: enough for HS512, which some of the recordings sign with
    secret = {name: secrets.token_hex(32) for name in SCOPES}
    sections = [
        f"[conf-{name}]\nsecret = {secret[name]}\nlabel = Conformance {name}\nscopes = {scopes}\n"
        for name, scopes in SCOPES.items()
    ]
    (folder / "clients.ini").write_text("\n".join(sections))
    (folder / "clients.ini").chmod(0o600)
    clients = {name: {"client_id": f"conf-{name}", "secret": secret[name]} for name in SCOPES}
    (folder / "clients.json").write_text(json.dumps(clients))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    sys.exit("the server did not start:\n" + last_lines(log))


def last_lines(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-40:])


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


if __name__ == "__main__":
    sys.exit(main())
