"""One call to another server: how its socket is opened, and how it ends in time."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final, Self

from .addresses import AddressRule


class AddressRefused(OSError):
    """The host has no address that we may connect to."""


class Exchange:
    """The time that a call may take, whatever the other side does.

    While it is `running`, all that its thread does on a `Wire` together ends in time. `dialled`
    says whether a connection was opened for it.
    """

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        self.dialled = False

    @contextmanager
    def running(self) -> Iterator[Self]:
        token = _running.set(self)
        try:
            yield self
        finally:
            _running.reset(token)

    def remaining(self) -> float:
        """Seconds left. Raises TimeoutError when there are none."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


#: HTTP is spoken on connections that outlive the exchange, by libraries that know of none.
_running: Final[ContextVar[Exchange]] = ContextVar("exchange")

running_exchange = _running.get


class Wire(socket.socket):
    """A socket on which all reads and writes together take no longer than the exchange.

    A timeout of a socket counts for each, so a server that sends a byte now and then would never
    reach it. Of connecting and of a handshake it does bound the whole.
    """

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        self.settimeout(running_exchange().remaining())
        return super().recv_into(*args, **kwargs)

    def sendall(self, *args: Any, **kwargs: Any) -> None:
        self.settimeout(running_exchange().remaining())
        super().sendall(*args, **kwargs)


class SecureWire(Wire, ssl.SSLSocket):
    """A `Wire` with TLS around it."""


@dataclass(frozen=True, slots=True)
class Dialler:
    """Opens connections to the addresses that pass a rule, by as many look-ups at a time."""

    may_connect: AddressRule
    look_ups: threading.Semaphore

    def dial(self, host: str, port: int) -> Wire:
        """A connection, within the running exchange, to an address of the host that was checked.

        Raises AddressRefused when none passes, TimeoutError, and OSError for all that can go
        wrong in DNS and TCP.
        """
        exchange = running_exchange()
        exchange.dialled = True
        found = self._look_up(host, port, exchange)
        right = [entry for entry in found if self.may_connect(str(entry[-1][0]))]
        failure: OSError = AddressRefused(
            "the host has no public address; klanten.subject.allow_networks can allow its network"
        )
        for left, (family, *_, address) in zip(range(len(right), 0, -1), right, strict=True):
            wire = Wire(family, socket.SOCK_STREAM)
            try:
                # A dead address leaves the next ones their share.
                wire.settimeout(exchange.remaining() / left)
                wire.connect(address)
                wire.settimeout(exchange.remaining())
                # Head and body are sent apart; the second is not to wait for the first's arrival.
                wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return wire
            except OSError as error:
                wire.close()
                failure = error
        raise failure

    def _look_up(self, host: str, port: int, exchange: Exchange) -> list[tuple[Any, ...]]:
        """The addresses of the host, as `socket.getaddrinfo` gives them.

        A look-up cannot be cut off, so it has a thread of its own, which keeps its place until the
        resolver gives up. That thread is a daemon: it does not keep the application from ending.
        """
        if not self.look_ups.acquire(timeout=exchange.remaining()):
            raise TimeoutError
        found: Future[list[tuple[Any, ...]]] = Future()

        def work() -> None:
            try:
                found.set_result(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
            except BaseException as failure:
                found.set_exception(failure)
            finally:
                self.look_ups.release()

        try:
            threading.Thread(target=work, name="look-up", daemon=True).start()
        except RuntimeError:  # the machine has no more threads
            self.look_ups.release()
            raise
        return found.result(exchange.remaining())
