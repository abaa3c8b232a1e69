"""The WSGI server of the ini file: waitress, stopped without losing a request.

`[server:main] use = egg:klanten` takes the options of waitress as they are, and one of its own:

`graceful_timeout`: seconds that requests may still take after the order to stop (default 30).

By itself waitress ends at once at a SIGTERM, whatever it is busy with. Sockets that systemd hands
over (sd_listen_fds(3)) go before `listen`; they stay open during a restart.
"""

import functools
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.server import BaseWSGIServer, create_server
from waitress.task import WSGITask

from .refusals import Refusal
from .settings import Settings, SettingsError

log = logging.getLogger(__name__)

GRACEFUL_TIMEOUT = 30.0
# How long a silent connection is kept after the order to stop: its request may be under way.
SILENCE = 1.0
SYSTEMD_FIRST_SOCKET = 3

Application = Callable[..., Any]


def server_factory(global_config: dict[str, str], **options: Any) -> Callable[[Application], None]:
    """What PasteDeploy calls for `[server:main]`, before it makes the application.

    Settings that can't even be read, such as those with a single percent sign, end the process
    here with one line; PasteDeploy itself would show a traceback.
    """
    try:
        if "__file__" in global_config:
            Settings.from_ini(global_config["__file__"])
        patience = _seconds(options.pop("graceful_timeout", GRACEFUL_TIMEOUT))
    except SettingsError as reason:
        raise SystemExit(f"klanten: {reason}") from None
    return functools.partial(serve, patience=patience, **options)


def serve(application: Application, patience: float = GRACEFUL_TIMEOUT, **options: Any) -> None:
    """Serve until a SIGTERM or SIGINT, then end what was begun and return.

    A second signal ends it at once.
    """
    sockets = _sockets_of_systemd()
    if sockets:
        options = {"sockets": sockets} | {
            name: value for name, value in options.items() if name not in ("listen", "host", "port")
        }
    try:
        server = Server(application, options)
    except OSError as fault:
        raise SystemExit(
            f"klanten: the server of [server:main] can't listen: {fault.strerror}; "
            "stop what uses the port, or choose another"
        ) from None
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, server.stop)
    server.run()
    left = server.finish(patience)
    log.info("stopped; %s", f"requests cut off: {left}" if left else "all requests were answered")


class Server:
    """waitress, with a loop that can be told to stop."""

    def __init__(self, application: Application, options: dict[str, Any]) -> None:
        self.sockets: dict[int, Any] = {}
        self.waitress = create_server(application, map=self.sockets, **options)
        for listener in self._listeners():
            listener.channel_class = Channel
        # waitress refuses what has just the size that it is told
        self.waitress.adj.max_request_body_size += 1
        self.stopping = threading.Event()

    def stop(self, number: int, frame: Any) -> None:
        """The handler of a signal that orders to stop; the same signal again ends it at once."""
        signal.signal(number, signal.SIG_DFL)
        self.stopping.set()
        next(self._listeners()).pull_trigger()

    def run(self) -> None:
        """Serve until the order to stop."""
        self.waitress.print_listen("Serving on http://{}:{}")
        while not self.stopping.is_set():
            self._turn(1.0)

    def finish(self, patience: float) -> int:
        """Take what already knocked, nothing after that, and answer it all.

        Returns on how many connections a request took too long.
        """
        deadline = time.monotonic() + patience
        silence = time.monotonic() + SILENCE
        for listener in list(self._listeners()):
            _accept_the_waiting(listener, self.sockets)
            wasyncore.dispatcher.close(listener)
        while any(self._channels()) and time.monotonic() < deadline:
            for channel in self._channels():
                _close_when_idle(channel, time.monotonic() > silence)
            self._turn(0.05)
        left = sum(1 for channel in self._channels() if _is_busy(channel))
        self.waitress.task_dispatcher.shutdown(timeout=max(0, int(deadline - time.monotonic())))
        return left

    def _turn(self, seconds: float) -> None:
        wasyncore.loop(timeout=seconds, map=self.sockets, use_poll=True, count=1)

    def _listeners(self) -> Iterator[BaseWSGIServer]:
        return (each for each in self.sockets.values() if isinstance(each, BaseWSGIServer))

    def _channels(self) -> list[HTTPChannel]:
        return [each for each in self.sockets.values() if isinstance(each, HTTPChannel)]


class Parts(list[bytes]):
    """Takes what would be sent on a channel."""

    def __init__(self, channel: Any) -> None:
        super().__init__()
        self.server = channel.server
        self.write_soon = self.append


class Task(WSGITask):
    """Sends the head of an answer and the first part of its body as one.

    To send is to let go of the interpreter, and to wait for the other threads to have it back:
    with four of them at work that takes as long as making the answer.
    """

    channel: Any
    request: Any

    def write(self, data: bytes) -> None:
        if self.wrote_header:
            super().write(data)
            return
        channel, parts = self.channel, Parts(self.channel)
        self.channel = parts
        try:
            super().write(data)
        finally:
            self.channel = channel
        channel.write_soon(b"".join(parts))

    def set_close_on_finish(self) -> None:
        """Close the connection after this answer, and say so; waitress asks for that.

        It does so for every answer without a length: also for 204 and 304, which have none
        (RFC 9112 6.3), so that their clients would have to connect again each time.
        """
        wanted = self.request.headers.get("CONNECTION", "").lower() == "close"
        if self.has_body or wanted or self.version == "1.0":
            super().set_close_on_finish()


class Channel(HTTPChannel):
    """A connection to a client."""

    task_class = Task
    error_task_class = Refusal


def _accept_the_waiting(listener: BaseWSGIServer, sockets: dict[int, Any]) -> None:
    """Take the connections that the kernel has accepted for us: closing would reset them."""
    known = -1
    while len(sockets) != known:
        known = len(sockets)
        listener.handle_accept()


def _close_when_idle(channel: HTTPChannel, silence: bool) -> None:
    """Close a connection on which nothing is going on, once it was silent for long enough."""
    if silence and not _is_busy(channel):
        channel.will_close = True


def _is_busy(channel: HTTPChannel) -> bool:
    """Whether a request is read, at work, or answered there."""
    return bool(channel.requests or channel.request or channel.total_outbufs_len)


def _sockets_of_systemd() -> list[socket.socket]:
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    count = int(os.environ["LISTEN_FDS"])
    return [
        socket.socket(fileno=number)
        for number in range(SYSTEMD_FIRST_SOCKET, SYSTEMD_FIRST_SOCKET + count)
    ]


def _seconds(text: str | float) -> float:
    try:
        return float(text)
    except ValueError:
        raise SettingsError(
            f"graceful_timeout in [server:main]: {text!r} is no number; write for instance 30"
        ) from None
