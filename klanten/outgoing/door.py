"""The only door out of the application: every call to another server goes through here.

No proxy and no .netrc of the environment is used, no cookie is kept, and whatever goes wrong is an
`Unreachable` within the time that was given.
"""

import contextlib
import json
import logging
import socket
import ssl
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from email.message import Message
from functools import lru_cache, partial
from http.client import HTTPException, HTTPResponse, IncompleteRead, RemoteDisconnected
from importlib import metadata
from typing import Any, Final, TypeAlias
from urllib.parse import urlencode

from .addresses import Network, anywhere, public_or_in
from .exchange import AddressRefused, Connection, Exchange, bounded, open_connection
from .location import Location, LocationError
from .services import Service

logger = logging.getLogger("klanten.outgoing")

MAX_REDIRECTS: Final = 10
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
MAX_BODY_BYTES: Final = 10 * 1024 * 1024

#: Calls at a time to what callers name, and as many to what the operator names: so the former can
#: not keep the latter waiting.
MAX_CALLS: Final = 32

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
        self._may_connect = public_or_in(allow_networks)
        self._stranger_calls = threading.Semaphore(MAX_CALLS)
        self._service_calls = threading.Semaphore(MAX_CALLS)
        self._idle = _IdleConnections()
        self._user_agent = _user_agent()

    def follow(self, url: str, seconds: float, service_for: ServiceFor = _no_service) -> Answer:
        """Status and headers of the last answer to a GET of a URL that a caller has chosen.

        At most ten redirects are followed. Each step connects only to a public address or one in
        `allow_networks`, without any credentials; only a step that belongs to a service of the
        operator may go anywhere and carries a token for that service. No body is read.

        `seconds` is for the whole. Raises Unreachable.
        """
        trail: list[str] = []

        def task(exchange: Exchange) -> Answer:
            return self._follow(exchange, Location.parse(url), service_for, trail)

        # The rest of the URL may hold a BSN.
        return _logged(
            lambda: f"GET {' -> '.join(trail) or 'nowhere'}",
            lambda: bounded(self._stranger_calls, seconds, task),
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
        content = None if body is None else json.dumps(body).encode()
        question = _Question(method, location, content)
        return _logged(
            lambda: f"{method} {location.origin}{location.path}",
            lambda: self._ask(service, question),
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
            lambda: bounded(self._service_calls, seconds, lambda one: self._fetch(one, place)),
            partial(self.heard, None),
        )

    def close(self) -> None:
        """Let go of the connections that wait for another call."""
        self._idle.close()

    def _follow(
        self, exchange: Exchange, location: Location, service_for: ServiceFor, trail: list[str]
    ) -> Answer:
        for _ in range(MAX_REDIRECTS + 1):
            trail.append(location.origin)
            answer = self._visit(exchange, location, service_for(location))
            reference = answer.headers["Location"]
            if answer.status not in REDIRECTS or reference is None:
                return answer
            location = location.joined(_as_utf8(reference))
        raise Unreachable(f"more than {MAX_REDIRECTS} redirects")

    def _visit(self, exchange: Exchange, location: Location, service: Service | None) -> Answer:
        may_connect = anywhere if service else self._may_connect
        ca_bundle = service.ca_bundle if service else None
        headers = {"Accept": "*/*", "Connection": "close", "User-Agent": self._user_agent}
        if service:
            headers["Authorization"] = f"Bearer {service.token()}"
        connection = open_connection(location, exchange, may_connect, ca_bundle)
        with contextlib.closing(connection), exchange.watching(connection.sock):
            connection.request("GET", location.target, headers=headers)
            with connection.getresponse() as response:
                return Answer(response.status, response.headers)

    def _fetch(self, exchange: Exchange, location: Location) -> Answer:
        headers = {"Accept": "*/*", "Connection": "close", "User-Agent": self._user_agent}
        connection = open_connection(location, exchange, anywhere, None)
        with contextlib.closing(connection), exchange.watching(connection.sock):
            connection.request("GET", location.target, headers=headers)
            with connection.getresponse() as response:
                return Answer(response.status, response.headers, _body(response))

    def _ask(self, service: Service, question: "_Question") -> Answer:
        exchange = Exchange(service.timeout)
        kept = self._idle.take(service)
        if kept:
            try:
                return self._put(exchange, service, kept, question)
            except (ConnectionError, ssl.SSLError):
                # The service hung up as we began to speak. It may have heard the question, so
                # only one that changes nothing is put again (RFC 9110 section 9.2.2).
                if question.method != "GET":
                    raise
        return bounded(
            self._service_calls,
            exchange.remaining(),
            lambda exchange: self._ask_anew(exchange, service, question),
        )

    def _ask_anew(self, exchange: Exchange, service: Service, question: "_Question") -> Answer:
        fresh = open_connection(question.location, exchange, anywhere, service.ca_bundle)
        return self._put(exchange, service, fresh, question)

    def _put(
        self, exchange: Exchange, service: Service, connection: Connection, question: "_Question"
    ) -> Answer:
        try:
            connection.serve(exchange)
            answer = question.put(connection, service.token(), self._user_agent)
        except BaseException:
            connection.close()
            raise
        self._idle.keep(service, connection)
        return answer


@dataclass(frozen=True, slots=True)
class _Question:
    """A request to a service."""

    method: str
    location: Location
    content: bytes | None

    def put(self, connection: Connection, token: str, user_agent: str) -> Answer:
        headers = {
            "Accept": "application/json",
            "Authorization": f"Bearer {token}",
            "User-Agent": user_agent,
        }
        if self.content is not None:
            headers["Content-Type"] = "application/json"
        connection.request(self.method, self.location.target, self.content, headers)
        with connection.getresponse() as response:
            return Answer(response.status, response.headers, _body(response))


class _IdleConnections:
    """Connections that wait, open, for the next call to the same service."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._places = MAX_IDLE
        self._waiting: defaultdict[Service, list[Connection]] = defaultdict(list)

    def take(self, service: Service) -> Connection | None:
        """One that is still open, for the caller alone; None when there is none."""
        with self._lock:
            waiting = self._waiting[service]
            while waiting:
                connection = waiting.pop()
                if connection.is_open:
                    return connection
                connection.close()
        return None

    def keep(self, service: Service, connection: Connection) -> None:
        """Keep this one for later; the oldest goes when there are too many."""
        with self._lock:
            waiting = self._waiting[service]
            waiting.append(connection)
            if len(waiting) > self._places:
                waiting.pop(0).close()

    def close(self) -> None:
        with self._lock:
            self._places = 0
            for waiting in self._waiting.values():
                while waiting:
                    waiting.pop().close()


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


def _body(response: HTTPResponse) -> bytes:
    body = response.read(MAX_BODY_BYTES + 1)
    if len(body) > MAX_BODY_BYTES:
        raise Unreachable(f"the answer is longer than {MAX_BODY_BYTES:,} bytes")
    if response.length:
        raise IncompleteRead(body, response.length)
    return body


def _logged(
    line: Callable[[], str],
    call: Callable[[], Answer],
    heard: Callable[[int | None, float], None] | None = None,
) -> Answer:
    """The answer to the call, or Unreachable; either way one line in the log."""
    start = time.monotonic()
    outcome, status = "interrupted", None
    try:
        answer = call()
        outcome, status = str(answer.status), answer.status
        return answer
    except Exception as failure:
        outcome = _reason(failure)
        raise Unreachable(outcome) from None
    finally:
        seconds = time.monotonic() - start
        logger.info("%s: %s, %d ms", line(), outcome, 1000 * seconds)
        if heard:
            heard(status, seconds)


def _reason(failure: Exception) -> str:
    """What went wrong, without the text of most exceptions: that may quote what was sent."""
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
            return type(failure).__name__
