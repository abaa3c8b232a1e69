"""One call to another server: how its socket is opened, and how it ends in time."""

import selectors
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from functools import cache
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, TypeVar

from .addresses import AddressRule
from .location import DEFAULT_PORTS, Location

T = TypeVar("T")


class AddressRefused(OSError):
    """The host has no address that we may connect to."""


class Exchange:
    """The time that a call may take, whatever the other side does.

    A timeout of a socket counts for each read, so a server that sends a byte now and then would
    never reach it. Therefore another thread waits for the end and then cuts the connection.
    """

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        self._lock = threading.Lock()
        self._abandoned = False
        self._wire: socket.socket | None = None

    def remaining(self) -> float:
        """Seconds left. Raises TimeoutError when there are none."""
        left = self._end - time.monotonic()
        if self._abandoned or left <= 0:
            raise TimeoutError
        return left

    @contextmanager
    def watching(self, connected: socket.socket) -> Iterator[None]:
        """While this lasts, the connection is cut when the exchange is abandoned."""
        connected.settimeout(self.remaining())
        # A descriptor of our own: TLS takes the socket apart while another thread may need it.
        with socket.fromfd(connected.fileno(), connected.family, connected.type) as wire:
            self._watch(wire)
            try:
                self.remaining()
                yield
            finally:
                self._watch(None)

    def abandon(self) -> None:
        """Nobody waits any longer: whoever is busy with this exchange is to stop."""
        with self._lock:
            self._abandoned = True
            if self._wire:
                with suppress(OSError):
                    self._wire.shutdown(socket.SHUT_RDWR)

    def _watch(self, wire: socket.socket | None) -> None:
        with self._lock:
            self._wire = wire


def bounded(places: threading.Semaphore, seconds: float, task: Callable[[Exchange], T]) -> T:
    """What the task returns or raises; TimeoutError when that takes longer than these seconds.

    Waiting for a place counts, and so does DNS: a lookup cannot be cut off, so the task has a
    thread of its own, which keeps its place until the resolver gives up. That thread is a daemon:
    it does not keep the application from ending.
    """
    exchange = Exchange(seconds)
    if not places.acquire(timeout=seconds):
        raise TimeoutError
    outcome: Future[T] = Future()

    def work() -> None:
        try:
            outcome.set_result(task(exchange))
        except BaseException as failure:
            outcome.set_exception(failure)
        finally:
            places.release()

    try:
        threading.Thread(target=work, name="outgoing", daemon=True).start()
    except RuntimeError:  # the machine has no more threads
        places.release()
        raise
    try:
        return outcome.result(exchange.remaining())
    finally:
        exchange.abandon()


class Wire(socket.socket):
    """A socket on which all reads together take no longer than the exchange that it serves.

    Of writes, of setting up a connection and of TLS a timeout bounds the whole by itself.
    """

    exchange: Exchange

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        self.settimeout(self.exchange.remaining())
        return super().recv_into(buffer, nbytes, flags)


class SecureWire(ssl.SSLSocket):
    """A `Wire` with TLS around it."""

    exchange: Exchange

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        self.settimeout(self.exchange.remaining())
        return super().recv_into(buffer, nbytes, flags)


class Connection(HTTPConnection):
    """HTTP over a socket that is connected already; it never opens one by itself.

    So nothing looks the host up for a second time, after its address was checked.
    """

    auto_open = 0

    def __init__(self, location: Location, connected: Wire | SecureWire) -> None:
        super().__init__(location.host, location.port)
        self.default_port = DEFAULT_PORTS[location.scheme]
        self.sock = self._wire = connected

    def serve(self, exchange: Exchange) -> None:
        """Take no longer than this exchange, from now on. Raises TimeoutError when it is over."""
        self._wire.exchange = exchange
        self._wire.settimeout(exchange.remaining())

    @property
    def is_open(self) -> bool:
        """Whether it can be used again: the other side has neither hung up nor spoken."""
        if self.sock is None:
            return False
        with selectors.PollSelector() as selector:
            selector.register(self.sock, selectors.EVENT_READ)
            return not selector.select(timeout=0)


def open_connection(
    location: Location, exchange: Exchange, may_connect: AddressRule, ca_bundle: Path | None
) -> Connection:
    """A connection to an address of the location's host that passes the rule.

    Raises AddressRefused when none passes, TimeoutError, and OSError for all that can go wrong in
    DNS, TCP and TLS.
    """
    wire = _connect(location, exchange, may_connect)
    connection = Connection(
        location,
        _secure(wire, location, exchange, ca_bundle) if location.scheme == "https" else wire,
    )
    connection.serve(exchange)
    return connection


def _connect(location: Location, exchange: Exchange, may_connect: AddressRule) -> Wire:
    found = socket.getaddrinfo(location.host, location.port, type=socket.SOCK_STREAM)
    right = [(family, address) for family, *_, address in found if may_connect(str(address[0]))]
    failure: OSError = AddressRefused("the host has no public address")
    for left, (family, address) in zip(range(len(right), 0, -1), right, strict=True):
        wire = Wire(family, socket.SOCK_STREAM)
        try:
            # A dead address leaves the next ones their share.
            wire.settimeout(exchange.remaining() / left)
            wire.connect(address)
            # Head and body are sent apart; the second is not to wait until the first has arrived.
            wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return wire
        except OSError as error:
            wire.close()
            failure = error
    raise failure


def _secure(
    wire: Wire, location: Location, exchange: Exchange, ca_bundle: Path | None
) -> SecureWire:
    try:
        with exchange.watching(wire):
            host = location.host.rstrip(".")
            secure = tls_context(ca_bundle).wrap_socket(wire, server_hostname=host)
            assert isinstance(secure, SecureWire)
            return secure
    except BaseException:
        wire.close()
        raise


@cache
def tls_context(ca_bundle: Path | None) -> ssl.SSLContext:
    """How certificates are verified: by the file, else as the machine is set up.

    Raises OSError (ssl.SSLError is one) when the file cannot be used.
    """
    context = ssl.create_default_context(cafile=ca_bundle)
    context.sslsocket_class = SecureWire
    return context
