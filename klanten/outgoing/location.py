"""Where a URL points, in one spelling, so that two of them can be compared."""

import ipaddress
import re
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import unquote, urljoin

from urllib3.util import parse_url

DEFAULT_PORTS: Final = {"http": 80, "https": 443}

#: What a name in DNS, an IPv4 address or an odd spelling of one (0x7f.1) is made of.
_HOST_NAME: Final = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?")

#: How often a path may be percent-encoded over itself before it is no honest path.
_MAX_ENCODINGS: Final = 3


class LocationError(ValueError):
    """Nothing can be fetched from this URL. The text quotes no part of it."""


@dataclass(frozen=True, slots=True)
class Location:
    """An http or https URL, taken apart and normalised (RFC 3986 section 6.2.2).

    The host is in ASCII, without the brackets of an IPv6 address; path and query are
    percent-encoded, dot segments resolved. User, password and fragment are not kept, so they can
    not be sent nor logged.
    """

    scheme: str
    host: str
    port: int
    path: str
    query: str | None

    @classmethod
    def parse(cls, url: str) -> Self:
        """The location that an absolute URL names. Raises LocationError when it names none."""
        try:
            parts = parse_url(url)
        except ValueError:
            raise LocationError("the URL is malformed") from None
        if parts.scheme not in DEFAULT_PORTS:
            raise LocationError("the URL is no http or https URL")
        port = DEFAULT_PORTS[parts.scheme] if parts.port is None else parts.port
        if not port:
            raise LocationError("the URL names port 0")
        return cls(parts.scheme, _host(parts.host or ""), port, parts.path or "/", parts.query)

    def joined(self, reference: str) -> Self:
        """The location that a `Location` header here leads to (RFC 9110 section 10.2.2).

        Raises LocationError when it leads nowhere.
        """
        try:
            return self.parse(urljoin(self.url, reference))
        except ValueError:
            raise LocationError("the redirect is malformed") from None

    @property
    def target(self) -> str:
        """Path and query, as they are sent in the request line."""
        return self.path if self.query is None else f"{self.path}?{self.query}"

    @property
    def origin(self) -> str:
        """Scheme, host and port: the part that may stand in a log, whoever chose the URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def url(self) -> str:
        return self.origin + self.target

    def lies_under(self, root: Self) -> bool:
        """Whether this is the root itself or below it, however a server may read the path."""
        return (
            (self.scheme, self.port) == (root.scheme, root.port)
            and self.host.rstrip(".") == root.host.rstrip(".")
            and f"{self.path}/".startswith(f"{root.path.rstrip('/')}/")
            and not _climbs(self.path)
        )


def _host(host: str) -> str:
    if host.startswith("[") and "%" not in host:
        return ipaddress.IPv6Address(host.strip("[]")).compressed
    host = host.lower()
    if not _HOST_NAME.fullmatch(host):
        raise LocationError("the URL names no host")
    return host


def _climbs(path: str) -> bool:
    """Whether some server may find `..` in the path: encoded, behind a backslash, before a `;`."""
    for _ in range(_MAX_ENCODINGS):
        path = unquote(path)
    segments = re.split(r"[/\\]", path)
    return unquote(path) != path or any(s.split(";")[0].strip() in (".", "..") for s in segments)
