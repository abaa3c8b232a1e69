"""The options of `[server:main]`, read strictly, and the sockets that they ask for.

With `use = egg:klanten` they are those of waitress, and two more:

`graceful_timeout`: seconds that requests may still take after the order to stop (default 30);
`request_timeout`: seconds in which all of a request must have come, from its first byte on
(default 60). The `channel_timeout` of waitress begins anew with each byte.

The server reads them here at its start, and so does `klanten check`.
"""

import contextlib
import errno
import os
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, cast

from waitress.adjustments import Adjustments
from waitress.utilities import cleanup_unix_socket

from .settings import Origin, SettingsError, seconds, seconds_above_zero

Place = tuple[int, int, int, Any]
"""Family, type, protocol and address of a socket."""

NUMBERS = {
    name: default
    for name, default in vars(Adjustments).items()
    if isinstance(default, int) and not isinstance(default, bool)
} | {"trusted_proxy_count": 1}
"""The options of waitress that are numbers, and their defaults."""
WHERE = ("listen", "host", "port", "unix_socket")
"""The options of waitress that say where to listen."""
OCTAL = "unix_socket_perms"
HIGHEST_PORT = 65535
KNOWN = "the options are those of waitress, graceful_timeout and request_timeout"
MENDS = {
    errno.EADDRINUSE: "stop what uses the port, or choose another",
    errno.EACCES: "choose a port above 1023, as those below are for root",
    errno.EADDRNOTAVAIL: "write an address of this machine, or 0.0.0.0 for all that it has",
}


@dataclass(frozen=True)
class Options:
    """What `[server:main]` of a file says."""

    file: str | Path | None
    graceful_timeout: float
    request_timeout: float
    waitress: Mapping[str, str]
    adjustments: Adjustments

    @classmethod
    def read(cls, given: Mapping[str, str], file: str | Path | None = None) -> Self:
        """The options as PasteDeploy hands them over.

        Raises `SettingsError` with one line that names the option, the file and the mend.
        """
        others = dict(given)
        times = {}
        for name, (default, read) in OURS.items():
            with _naming(name, file):
                times[name] = read(others.pop(name, default), Origin(None, Path()))
        for name, text in others.items():
            with _naming(name, file):
                _check(name, text)
        return cls(file, **times, waitress=others, adjustments=_adjustments(others, file))

    def places(self) -> list[Place]:
        """Where to listen, unless that is at a Unix socket."""
        return (
            [] if self.waitress.get("unix_socket") else cast(list[Place], self.adjustments.listen)
        )

    def bound(self) -> list[socket.socket]:
        """The sockets to serve at, bound: nobody else can have them, or connect to them yet.

        Raises `SettingsError`.
        """
        if path := self.waitress.get("unix_socket"):
            return [self._bound_unix(path)]
        return [self.bound_at(place) for place in self.places()]

    def bound_at(self, place: Place) -> socket.socket:
        """The socket of one place. Raises `SettingsError`."""
        family, kind, protocol, address = place
        bound = socket.socket(family, kind, protocol)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        # what another server left behind is no hindrance
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind(address)
        except OSError as fault:
            bound.close()
            name = "port" if "port" in self.waitress else "listen"
            mend = MENDS.get(fault.errno or 0, "write another")
            what = f"{shown(place)}: {fault.strerror}; {mend}"
            raise error(name, what, self.file) from None
        return bound

    def _bound_unix(self, path: str) -> socket.socket:
        bound = socket.socket(socket.AF_UNIX)
        try:
            cleanup_unix_socket(path)
            bound.bind(path)
            os.chmod(path, self.adjustments.unix_socket_perms)
        except OSError as fault:
            bound.close()
            what = f"{path}: {fault.strerror}; write a path where this user can make a file"
            raise error("unix_socket", what, self.file) from None
        return bound


OURS = {
    "graceful_timeout": ("30", seconds),
    "request_timeout": ("60", seconds_above_zero),
}


def shown(place: Place) -> str:
    """HOST:PORT, as it would be written in `listen`."""
    host, port, *_ = place[3]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def error(name: str, fault: object, file: str | Path | None) -> SettingsError:
    """`fault` is "fault; mend"."""
    where = f" of {Path(file).absolute()}" if file else ""
    return SettingsError(f"{name} in [server:main]{where}: {fault}")


@contextlib.contextmanager
def _naming(name: str, file: str | Path | None) -> Iterator[None]:
    try:
        yield
    except ValueError as fault:
        raise error(name, fault, file) from None


# --- the options of waitress; each check raises ValueError("fault; mend") -----------------------


def _check(name: str, text: str) -> None:
    if name == "listen":
        _check_addresses(text)
    elif name == "port":
        _check_port(text)
    elif name in NUMBERS:
        _check_number(text, NUMBERS[name], base=8 if name == OCTAL else 10)


def _check_number(text: str, default: int, base: int) -> None:
    example = f"write for instance {default:o}" if base == 8 else f"write for instance {default}"
    try:
        number = int(text, base)
    except ValueError:
        raise ValueError(f"{text!r} is no number; {example}") from None
    # 0 would be a server that never answers, where waitress does not take it by itself
    if number < min(default, 1):
        raise ValueError(f"{text!r} is too small; {example}")


def _check_port(text: str) -> None:
    """waitress takes any number, which counts modulo 65536."""
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= HIGHEST_PORT):
        raise ValueError(f"{text!r} is no port of 1 to {HIGHEST_PORT}; write for instance 8080")


def _check_addresses(text: str) -> None:
    """Addresses with a port each: where there is none, waitress takes 8080."""
    if not text.split():
        raise ValueError("is empty; write for instance 127.0.0.1:8080")
    for address in text.split():
        host, _, port = address.rpartition(":")
        if not (host and port):
            raise ValueError(f"{address!r} has no port; write for instance 127.0.0.1:8080")
        _check_port(port)
        try:
            Adjustments(listen=address)
        except ValueError:
            raise ValueError(
                f"{address!r} is no address; write for instance 127.0.0.1:8080"
            ) from None


def _adjustments(options: Mapping[str, str], file: str | Path | None) -> Adjustments:
    """The options of waitress, read; raises SettingsError for one that is wrong or unknown."""
    try:
        return Adjustments(**options)
    except ValueError as fault:
        name = next((name for name in options if _are_right(options, name)), "an option")
        raise error(name, f"{str(fault).rstrip('.')}; {KNOWN}", file) from None


def _are_right(options: Mapping[str, str], without: str) -> bool:
    try:
        Adjustments(**{name: value for name, value in options.items() if name != without})
    except ValueError:
        return False
    return True
