"""The only door out of the application: every call to another server goes through here.

No proxy and no .netrc of the environment is used, no cookie is kept, and whatever goes wrong is an
`Unreachable` within the time that was given.
"""

import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from email.message import Message
from functools import lru_cache, partial
from http.client import HTTPException, IncompleteRead, RemoteDisconnected
from importlib import metadata
from typing import Any, Final, TypeAlias
from urllib.parse import urlencode

from requests import PreparedRequest, Response

from .adapter import Adapter, causes
from .addresses import Network, anywhere, public_or_in
from .exchange import AddressRefused, Dialler, Exchange
from .location import Location, LocationError
from .services import Service

logger = logging.getLogger("klanten.outgoing")

MAX_REDIRECTS: Final = 10
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
MAX_BODY_BYTES: Final = 10 * 1024 * 1024

#: Look-ups at a time of what callers name, and as many of what the operator names: so the former
#: can not keep the latter waiting.
MAX_LOOK_UPS: Final = 32

#: Connections to one service that are kept open between calls.
MAX_IDLE: Final = 8

#: The service that a location belongs to, if any.
ServiceFor: TypeAlias = Callable[[Location], Service | None]

#: Told of each call: the service (None for a URL of a caller), the status (None without an
#: answer), the seconds that it took.
Heard: TypeAlias = Callable[[Service | None, int | None, float], None]


class Unreachable(Exception):
    """There is no answer. The reason is in our own words: it quotes neither side."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What another server said. The names of headers are found in any case."""

    status: int
    headers: Message
    body: bytes = b""


_location = lru_cache(maxsize=256)(Location.parse)
"""Of what the operator names: a few places, asked often."""


def _no_service(location: Location) -> None:
    return None


def _nobody(service: Service | None, status: int | None, seconds: float) -> None:
    return None


class Door:
    """Calls other servers, for as long as the application lives; any thread may use it.

    `allow_networks`: where a URL that a caller has chosen may lead, besides public addresses.
    `heard` can be set to be told of each call.
    """

    def __init__(self, allow_networks: Iterable[Network] = ()) -> None:
        self.heard: Heard = _nobody
        self._user_agent = _user_agent()
        look_ups = threading.Semaphore(MAX_LOOK_UPS)
        self._to_strangers = Adapter(Dialler(public_or_in(allow_networks), look_ups), MAX_IDLE)
        self._dialler = Dialler(anywhere, threading.Semaphore(MAX_LOOK_UPS))
        self._to_services: dict[Service, Adapter] = {}
        self._closed = False

    def follow(self, url: str, seconds: float, service_for: ServiceFor = _no_service) -> Answer:
        """Status and headers of the last answer to a GET of a URL that a caller has chosen.

        At most ten redirects are followed. Each step connects only to a public address or one in
        `allow_networks`, without any credentials; only a step that belongs to a service of the
        operator may go anywhere and carries a token for that service. No body is read.

        `seconds` is for the whole. Raises Unreachable.
        """
        trail: list[str] = []
        # The rest of the URL may hold a BSN.
        return _logged(
            lambda: f"GET {' -> '.join(trail) or 'nowhere'}",
            seconds,
            lambda: self._follow(Location.parse(url), service_for, trail),
            partial(self.heard, None),
        )

    def ask(
        self,
        service: Service,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> Answer:
        """What a service that the operator has named, on any network, answers to our token.

        `path` is below the root of the API, `params` are the parameters of the query, `body` is
        sent as JSON unless it is None. The timeout of the service is for the whole. Redirects are
        not followed, so that the token stays with the service.

        Raises Unreachable, also when the answer is longer than 10 MiB.
        """
        query = f"?{urlencode(params)}" if params else ""
        location = _location(f"{service.api_root}{path}{query}")
        return _logged(
            lambda: f"{method} {location.origin}{location.path}",
            service.timeout,
            lambda: self._ask(service, method, location, body),
            partial(self.heard, service),
        )

    def fetch(self, url: str, seconds: float) -> Answer:
        """What a URL that the operator has named, on any network, answers to a GET of a stranger.

        Redirects are not followed. `seconds` is for the whole. Raises Unreachable, also when the
        answer is longer than 10 MiB.
        """
        place = Location.parse(url)
        return _logged(
            lambda: f"GET {place.origin}{place.path}",
            seconds,
            lambda: self._fetch(place),
            partial(self.heard, None),
        )

    def close(self) -> None:
        """Let go of the connections that wait for another call, and keep none from now on."""
        self._closed = True
        for adapter in list(self._to_services.values()):
            adapter.close()

    def _follow(self, location: Location, service_for: ServiceFor, trail: list[str]) -> Answer:
        for _ in range(MAX_REDIRECTS + 1):
            trail.append(location.origin)
            answer = self._visit(location, service_for(location))
            reference = answer.headers["Location"]
            if answer.status not in REDIRECTS or reference is None:
                return answer
            location = location.joined(_as_utf8(reference))
        raise Unreachable(f"more than {MAX_REDIRECTS} redirects")

    def _visit(self, location: Location, service: Service | None) -> Answer:
        adapter = self._to(service) if service else self._to_strangers
        request = self._request("GET", location, keep=False, service=service)
        with adapter.put(request) as response:
            return Answer(response.status_code, _headers(response))

    def _ask(self, service: Service, method: str, location: Location, body: Any) -> Answer:
        request = self._request(method, location, keep=not self._closed, service=service)
        request.headers["Accept"] = "application/json"
        request.prepare_body(None, None, json=body)
        with self._to(service).put(request) as response:
            return Answer(response.status_code, _headers(response), _body(response))

    def _fetch(self, location: Location) -> Answer:
        request = self._request("GET", location, keep=False)
        with Adapter(self._dialler, MAX_IDLE).put(request) as response:
            return Answer(response.status_code, _headers(response), _body(response))

    def _to(self, service: Service) -> Adapter:
        found = self._to_services.get(service)
        return found or self._to_services.setdefault(
            service, Adapter(self._dialler, MAX_IDLE, service.ca_bundle)
        )

    def _request(
        self, method: str, location: Location, *, keep: bool, service: Service | None = None
    ) -> PreparedRequest:
        request = PreparedRequest()
        request.method = method
        # As it is: requests' own quoting would turn %2E into a dot after we judged the path.
        request.url = location.url
        request.prepare_headers({"Accept": "*/*", "User-Agent": self._user_agent})
        if not keep:
            request.headers["Connection"] = "close"
        if service:
            request.headers["Authorization"] = f"Bearer {service.token()}"
        return request


def _user_agent() -> str:
    try:
        return f"klanten/{metadata.version('klanten')}"
    except metadata.PackageNotFoundError:
        return "klanten"


def _as_utf8(header: str) -> str:
    """The header as most servers mean it; http.client reads every byte as Latin-1."""
    try:
        return header.encode("latin-1").decode()
    except UnicodeDecodeError:
        return header


def _headers(response: Response) -> Message:
    headers = Message()
    for name, value in response.raw.headers.items():
        headers[name] = value
    return headers


def _body(response: Response) -> bytes:
    body: bytes = response.raw.read(MAX_BODY_BYTES + 1)
    if len(body) > MAX_BODY_BYTES:
        raise Unreachable(f"the answer is longer than {MAX_BODY_BYTES:,} bytes")
    if response.raw.length_remaining:
        raise IncompleteRead(body, response.raw.length_remaining)
    return body


def _logged(
    line: Callable[[], str],
    seconds: float,
    call: Callable[[], Answer],
    heard: Callable[[int | None, float], None],
) -> Answer:
    """The answer to the call, in time, or Unreachable; either way one line in the log."""
    start = time.monotonic()
    outcome, status = "interrupted", None
    try:
        with Exchange(seconds).running():
            answer = call()
        outcome, status = str(answer.status), answer.status
        return answer
    except Exception as failure:
        outcome = _reason(failure)
        raise Unreachable(outcome) from None
    finally:
        taken = time.monotonic() - start
        logger.info("%s: %s, %d ms", line(), outcome, 1000 * taken)
        heard(status, taken)


def _reason(failure: Exception) -> str:
    """What went wrong, without the text of most exceptions: that may quote what was sent."""
    return next(filter(None, map(_told, causes(failure))), type(failure).__name__)


def _told(failure: BaseException) -> str | None:
    match failure:
        case Unreachable() | LocationError() | AddressRefused():
            return str(failure)
        case TimeoutError():
            return "no answer in time"
        case RemoteDisconnected():
            return "the connection was closed without an answer"
        case socket.gaierror():
            return "the host name cannot be looked up"
        case ssl.SSLCertVerificationError():
            return f"the certificate is refused: {failure.verify_message}"
        case HTTPException():
            return "the answer is no HTTP"
        case OSError(strerror=str(text)):
            return text
        case _:
            return None
