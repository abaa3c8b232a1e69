"""What clients may do, kept for a while: the Autorisaties API (AC) is not asked at each request.

An answer counts for `cache_ttl` seconds. Then one caller asks again, while others go on with the
old answer. While the AC is down an answer counts until it is `stale_ttl` seconds old. For whom
there is no answer that counts, nobody knows; such a client is never let in.
"""

import logging
import time
from collections.abc import Callable, Container
from dataclasses import dataclass
from threading import Event, Lock
from typing import Final, NamedTuple, TypeAlias

from .autorisaties import (
    NO_RIGHTS,
    AskerRefused,
    AutorisatiesApi,
    NoAnswer,
    QuestionRefused,
    Rights,
)
from .services import Autorisaties

logger = logging.getLogger(__name__)

#: Seconds after a call without an answer before the next one, so that an AC which hangs keeps few
#: callers waiting; fewer where `cache_ttl` is less.
PAUSE: Final = 5.0

Trouble: TypeAlias = NoAnswer | AskerRefused | QuestionRefused

_TOLD: Final[dict[type[Trouble], str]] = {
    NoAnswer: "gives no answer: its last ones count for a while, then clients are refused",
    AskerRefused: "refuses our own token, so its clients are refused: see that it knows the "
    "client_id and secret in the services file, with the scope autorisaties.lezen",
    QuestionRefused: "does not tell what a client may do, so that one is refused: see that its "
    "api_root is right",
}


class RightsUnknown(Exception):
    """The AC is down, and has not said recently enough what the client may do."""


class _Kept(NamedTuple):
    """An answer, and when it came by the monotonic clock."""

    rights: Rights
    moment: float


@dataclass(slots=True)
class _Client:
    """What is known about one client. `kept` is read at any time; the rest needs the lock."""

    client_id: str
    kept: _Kept | None = None
    #: The call under way; set when it is over.
    call: Event | None = None
    #: When the last call had no answer: not to be made again before this moment.
    again: float | None = None
    #: Whether the log says that nobody knows its rights.
    is_unknown: bool = False


class KeptRights:
    """The rights of the clients of one AC; any thread may use it.

    `clients` gives the ids there are at this moment: nobody else is remembered.
    """

    def __init__(
        self,
        api: AutorisatiesApi,
        service: Autorisaties,
        clients: Callable[[], Container[str]],
    ) -> None:
        self._api = api
        self._service = service
        self._there = clients
        self._pause = min(PAUSE, service.cache_ttl)
        self._clients: dict[str, _Client] = {}
        #: When the AC can't be reached: nobody calls before this moment, and then one at a time.
        self._again: float | None = None
        self._journal = Journal(service.api_root)
        self._lock = Lock()

    def known(self, client_id: str) -> Rights | None:
        """What the client may do, when that is known without a call; never waits."""
        client = self._clients.get(client_id)
        return client.kept.rights if client and client.kept and self._is_new(client.kept) else None

    def ask(self, client_id: str) -> Rights | None:
        """What the client may do, after a call if need be; None when nobody knows.

        It may take twice the timeout of the service, so no lock and no transaction may be held.
        """
        client = self._client(client_id)
        call, is_ours = self._join(client)
        if call and is_ours:
            self._make(call, client)
        elif call and self._usable(client) is None:
            call.wait(2 * self._service.timeout)
        rights = self._usable(client)
        if rights is None:
            self._tell_unknown(client)
        return rights

    def _client(self, client_id: str) -> _Client:
        with self._lock:
            if client_id not in self._clients:
                there = self._there()
                self._clients = {name: one for name, one in self._clients.items() if name in there}
                self._clients[client_id] = _Client(client_id)
            return self._clients[client_id]

    def _join(self, client: _Client) -> tuple[Event | None, bool]:
        """The call to wait for, if any, and whether it is for us to make."""
        with self._lock:
            if client.call is None and self._is_time(client):
                client.call = Event()
                return client.call, True
            return None if self._is_in_trouble(client) else client.call, False

    def _is_time(self, client: _Client) -> bool:
        if client.kept and self._is_new(client.kept):
            return False  # somebody else was first
        now = time.monotonic()
        if any(again is not None and now < again for again in (client.again, self._again)):
            return False
        return self._again is None or not any(other.call for other in self._clients.values())

    def _make(self, call: Event, client: _Client) -> None:
        try:
            self._note(client, *self._outcome(client))
        finally:
            with self._lock:
                client.call = None
            call.set()

    def _outcome(self, client: _Client) -> tuple[Rights | None, Trouble | None]:
        """The answer, None when there is none, and what is wrong with the AC."""
        try:
            return self._api.rights(client.client_id), None
        except NoAnswer as failure:
            return None, failure
        except AskerRefused as refusal:
            return Rights(asker_refused=True), refusal
        except QuestionRefused as refusal:
            return NO_RIGHTS, refusal

    def _note(self, client: _Client, rights: Rights | None, trouble: Trouble | None) -> None:
        now = time.monotonic()
        with self._lock:
            reached = not isinstance(trouble, NoAnswer) or trouble.reached
            self._again = None if reached else now + self._pause
            client.again = None if rights else now + self._pause
            if rights:
                client.kept = _Kept(rights, now)
                client.is_unknown = False
            self._journal.note(client.client_id, trouble, now)

    def _is_new(self, kept: _Kept) -> bool:
        return time.monotonic() - kept.moment < self._service.cache_ttl

    def _is_in_trouble(self, client: _Client) -> bool:
        """Whether the last call, to anybody's knowledge, had no answer."""
        return client.again is not None or self._again is not None

    def _usable(self, client: _Client) -> Rights | None:
        """The last answer, while it may be used instead of a new one."""
        kept = client.kept
        if kept is None:
            return None
        if self._is_in_trouble(client):
            until = self._service.stale_ttl
        else:
            # No longer than somebody who asked in time may be waiting for the next one: of a
            # client that was quiet for hours, even the callers beside the first one wait.
            until = self._service.cache_ttl + self._service.timeout
        is_usable = self._is_new(kept) or time.monotonic() - kept.moment < until
        return kept.rights if is_usable else None

    def _tell_unknown(self, client: _Client) -> None:
        with self._lock:
            told, client.is_unknown = client.is_unknown, True
        if not told:
            logger.error(
                "client %s is refused (503) until the Autorisaties API says what it may do",
                client.client_id,
            )


class Journal:
    """A line in the log when something is wrong with the AC, and one when that is over.

    It is over when the client that met it last has an answer, or met it long ago. So a client for
    which the AC always fails does not fill the log while others go in and out.
    """

    def __init__(self, api_root: str) -> None:
        self._api_root = api_root
        self._kind: type[Trouble] | None = None
        self._client_id = ""
        self._moment = 0.0

    def note(self, client_id: str, trouble: Trouble | None, now: float) -> None:
        """What came of a call about this client."""
        if trouble:
            if self._kind is not type(trouble):
                told = _TOLD[type(trouble)]
                logger.error("the Autorisaties API at %s %s (%s)", self._api_root, told, trouble)
            self._kind, self._client_id, self._moment = type(trouble), client_id, now
        elif self._kind and (client_id == self._client_id or now - self._moment > 2 * PAUSE):
            logger.warning("the Autorisaties API at %s answers again", self._api_root)
            self._kind = None
