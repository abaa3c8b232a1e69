"""The WSGI server of the ini file: waitress, stopped without losing a request.

`[server:main] use = egg:klanten` takes the options of waitress as they are, and two of its own:

`graceful_timeout`: seconds that requests may still take after the order to stop (default 30);
`request_timeout`: seconds in which all of a request must have come, from its first byte on
(default 60). The `channel_timeout` of waitress begins anew with each byte.

By itself waitress ends at once at a SIGTERM, whatever it is busy with. Sockets that systemd hands
over (sd_listen_fds(3)) go before `listen`; they stay open during a restart.
"""

import functools
import logging
import os
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.server import BaseWSGIServer, create_server

from .connection import Connection
from .settings import Settings, SettingsError

log = logging.getLogger(__name__)

GRACEFUL_TIMEOUT = 30.0
REQUEST_TIMEOUT = 60.0
# How long a silent connection is kept after the order to stop: its request may be under way.
SILENCE = 1.0
SYSTEMD_FIRST_SOCKET = 3
# Files that are open beside the connections of callers: the database, logs, other servers.
OTHER_FILES = 100

Application = Callable[..., Any]


def server_factory(global_config: dict[str, str], **options: Any) -> Callable[[Application], None]:
    """What PasteDeploy calls for `[server:main]`, before it makes the application.

    Settings that can't even be read, such as those with a single percent sign, end the process
    here with one line; PasteDeploy itself would show a traceback.
    """
    origins: tuple[str, ...] = ()
    try:
        if "__file__" in global_config:
            origins = Settings.from_ini(global_config["__file__"]).cors_origins
        limits = Limits(
            patience=_seconds(options, "graceful_timeout", GRACEFUL_TIMEOUT),
            request=_seconds(options, "request_timeout", REQUEST_TIMEOUT),
        )
        _allow_files(_adjustments(options).connection_limit)
    except SettingsError as reason:
        raise SystemExit(f"klanten: {reason}") from None
    return functools.partial(serve, limits=limits, origins=origins, **options)


@dataclass(frozen=True)
class Limits:
    """Seconds that requests may take: after the order to stop, and to come in."""

    patience: float = GRACEFUL_TIMEOUT
    request: float = REQUEST_TIMEOUT


def serve(
    application: Application,
    limits: Limits = Limits(),
    origins: tuple[str, ...] = (),
    **options: Any,
) -> None:
    """Serve until a SIGTERM or SIGINT, then end what was begun and return.

    A second signal ends it at once. Pages of these `origins` may see what the server refuses.
    """
    sockets = _sockets_of_systemd()
    if sockets:
        options = {"sockets": sockets} | {
            name: value for name, value in options.items() if name not in ("listen", "host", "port")
        }
    try:
        server = Server(application, options, origins)
    except OSError as fault:
        # pserve would turn a SystemExit into status 0
        sys.excepthook = _one_line
        raise CannotListen(
            f"listen in [server:main]: {fault.strerror}; stop what uses the port, or choose another"
        ) from None
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, server.stop)
    server.run(limits.request)
    left = server.finish(limits.patience)
    log.info("stopped; %s", f"requests cut off: {left}" if left else "all requests were answered")


class CannotListen(Exception):
    """The port is taken, or not for us."""


def _one_line(kind: type[BaseException], reason: BaseException, traceback: Any) -> None:
    print(f"klanten: {reason}", file=sys.stderr)


class Server:
    """waitress, with a loop that can be told to stop."""

    def __init__(
        self, application: Application, options: dict[str, Any], origins: tuple[str, ...]
    ) -> None:
        self.sockets: dict[int, Any] = {}
        self.waitress = create_server(application, map=self.sockets, **options)
        connection_class = type("Connection", (Connection,), {"cors_origins": origins})
        for listener in self._listeners():
            listener.channel_class = connection_class
        # waitress refuses what has just the size that it is told
        self.waitress.adj.max_request_body_size += 1
        self.stopping = threading.Event()

    def stop(self, number: int, frame: Any) -> None:
        """The handler of a signal that orders to stop; the same signal again ends it at once."""
        signal.signal(number, signal.SIG_DFL)
        self.stopping.set()
        next(self._listeners()).pull_trigger()

    def run(self, request_timeout: float) -> None:
        """Serve until the order to stop; refuse what takes so many seconds to come in."""
        self.waitress.print_listen("Serving on http://{}:{}")
        looked = time.monotonic()
        while not self.stopping.is_set():
            self._turn(1.0)
            now = time.monotonic()
            if now - looked >= 1.0:
                looked = now
                for connection in self._connections():
                    connection.refuse_slow(now - request_timeout)

    def finish(self, patience: float) -> int:
        """Take what already knocked, nothing after that, and answer it all.

        Returns on how many connections a request took too long.
        """
        deadline = time.monotonic() + patience
        silence = time.monotonic() + SILENCE
        for listener in list(self._listeners()):
            _accept_the_waiting(listener, self.sockets)
            wasyncore.dispatcher.close(listener)
        while any(self._connections()) and time.monotonic() < deadline:
            for connection in self._connections():
                if time.monotonic() > silence and not connection.is_busy:
                    connection.will_close = True
            self._turn(0.05)
        left = sum(1 for connection in self._connections() if connection.is_busy)
        self.waitress.task_dispatcher.shutdown(timeout=max(0, int(deadline - time.monotonic())))
        return left

    def _turn(self, seconds: float) -> None:
        wasyncore.loop(timeout=seconds, map=self.sockets, use_poll=True, count=1)

    def _listeners(self) -> Iterator[BaseWSGIServer]:
        return (each for each in self.sockets.values() if isinstance(each, BaseWSGIServer))

    def _connections(self) -> list[Connection]:
        return [each for each in self.sockets.values() if isinstance(each, Connection)]


def _accept_the_waiting(listener: BaseWSGIServer, sockets: dict[int, Any]) -> None:
    """Take the connections that the kernel has accepted for us: closing would reset them."""
    known = -1
    while len(sockets) != known:
        known = len(sockets)
        listener.handle_accept()


def _adjustments(options: dict[str, Any]) -> Adjustments:
    """The options of waitress, read; raises SettingsError for one that is wrong or unknown."""
    try:
        return Adjustments(**options)
    except ValueError as fault:
        name = next((name for name in options if _are_right(options, name)), "an option")
        raise SettingsError(
            f"{name} in [server:main]: {fault}; the options are those of waitress, "
            "graceful_timeout and request_timeout"
        ) from None


def _are_right(options: dict[str, Any], without: str) -> bool:
    try:
        Adjustments(**{name: value for name, value in options.items() if name != without})
    except ValueError:
        return False
    return True


def _allow_files(connections: int) -> None:
    """See that so many connections can be open at once; a server without a file left is no use.

    Raises SettingsError when the system won't have it.
    """
    needed = connections + OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if resource.RLIM_INFINITY != hard < needed:
        raise SettingsError(
            f"connection_limit in [server:main]: {connections} connections need {needed} open "
            f"files and {hard} are allowed; lower it, or raise LimitNOFILE of the service"
        )
    if resource.RLIM_INFINITY != soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def _sockets_of_systemd() -> list[socket.socket]:
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    count = int(os.environ["LISTEN_FDS"])
    return [
        socket.socket(fileno=number)
        for number in range(SYSTEMD_FIRST_SOCKET, SYSTEMD_FIRST_SOCKET + count)
    ]


def _seconds(options: dict[str, Any], name: str, default: float) -> float:
    """Take an option of ours out of those for waitress."""
    text = options.pop(name, default)
    try:
        return float(text)
    except ValueError:
        raise SettingsError(
            f"{name} in [server:main]: {text!r} is no number; write for instance {default:.0f}"
        ) from None
