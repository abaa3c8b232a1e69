"""The WSGI server of the ini file: waitress, stopped without losing a request.

By itself waitress ends at once at a SIGTERM, whatever it is busy with. Sockets that systemd hands
over (sd_listen_fds(3)) go before `listen`; they stay open during a restart.
"""

import functools
import logging
import os
import resource
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.server import BaseWSGIServer, create_server

from ..settings import Settings, SettingsError
from .connection import Connection, connection_class
from .options import Options
from .options.environment import WHERE
from .options.places import error
from .threads import Threads

log = logging.getLogger(__name__)

# How long a silent connection is kept after the order to stop: its request may be under way.
SILENCE = 1.0
SYSTEMD_FIRST_SOCKET = 3
# Files that are open beside the connections of callers: the database, logs, other servers.
OTHER_FILES = 100

Application = Callable[..., Any]


def server_factory(global_config: dict[str, str], **given: str) -> Callable[[Application], None]:
    """What PasteDeploy calls for `[server:main]`, before it makes the application.

    Settings that can't even be read, such as those with a single percent sign, end the process
    here with one line; PasteDeploy itself would show a traceback. So does an address that can't be
    had: what ends `serve` would be status 0 to pserve.
    """
    file = global_config.get("__file__")
    try:
        origins = Settings.from_ini(file).cors_origins if file else ()
        options = Options.read(given, file)
        _allow_files(options)
        sockets = _sockets_of_systemd() or options.bound()
    except SettingsError as reason:
        raise SystemExit(f"klanten: {reason}") from None
    return functools.partial(serve, options=options, sockets=sockets, origins=origins)


def serve(
    application: Application,
    options: Options,
    sockets: list[socket.socket],
    origins: tuple[str, ...] = (),
) -> None:
    """Serve until a SIGTERM or SIGINT, then end what was begun and return.

    A second signal ends it at once. Pages of these `origins` may see what the server refuses.
    """
    others = {name: text for name, text in options.waitress.items() if name not in WHERE}
    server = Server(application, others | {"sockets": sockets}, origins)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, server.stop)
    server.run(options.request_timeout)
    left = server.finish(options.graceful_timeout)
    log.info("stopped; %s", f"requests cut off: {left}" if left else "all requests were answered")


class Server:
    """waitress, with a loop that can be told to stop."""

    def __init__(
        self, application: Application, options: dict[str, Any], origins: tuple[str, ...]
    ) -> None:
        self.sockets: dict[int, Any] = {}
        threads = Threads(Adjustments(**options).threads)
        self.waitress = create_server(application, map=self.sockets, _dispatcher=threads, **options)
        self.connection_class = connection_class(origins)
        for listener in self._listeners():
            listener.channel_class = self.connection_class
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
        self.connection_class.is_last = True
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


def _allow_files(options: Options) -> None:
    """See that so many connections can be open at once; a server without a file left is no use.

    Raises SettingsError when the system won't have it.
    """
    connections = options.adjustments.connection_limit
    needed = connections + OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if resource.RLIM_INFINITY != hard < needed:
        raise error(
            "connection_limit",
            f"{connections} connections need {needed} open files and {hard} are allowed; "
            "lower it, or raise LimitNOFILE of the service",
            options.file,
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
