"""The options of `[server:main]`, read strictly, and the sockets that they ask for.

With `use = egg:klanten` they are those of waitress, and two more:

`graceful_timeout`: seconds that requests may still take after the order to stop (default 30);
`request_timeout`: seconds in which all of a request must have come, from its first byte on
(default 60). The `channel_timeout` of waitress begins anew with each byte.

Each but `host` and `port` may come from the environment instead: `threads` as
KLANTEN_SERVER_THREADS. The server reads them here at its start, and so does `klanten check`.
"""

import errno
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, cast

from waitress.adjustments import Adjustments
from waitress.utilities import cleanup_unix_socket

from ...settings import Origin
from .checks import OURS, check
from .environment import with_environment
from .places import error, naming

Place = tuple[int, int, int, Any]
"""Family, type, protocol and address of a socket."""
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
        others = with_environment(given)
        times = {}
        for name, (default, read) in OURS.items():
            with naming(name, file):
                times[name] = read(others.pop(name, default), Origin(None, Path()))
        for name, text in others.items():
            with naming(name, file):
                check(name, text)
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


def shown(place: Place) -> str:
    """HOST:PORT, as it would be written in `listen`."""
    host, port, *_ = place[3]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


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
