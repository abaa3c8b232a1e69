"""Another Klanten API, read through its own operations."""

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .. import strictjson
from ..outgoing.door import Answer, Door, Unreachable
from ..outgoing.services import Service

WAITS = (1.0, 2.0, 5.0, 10.0, 20.0)
"""Seconds before each new attempt, when a source is slow or down for a moment."""
LONGEST_WAIT = 60.0
# Timeout, too many requests, and what servers and the proxies before them say in trouble.
PASSING = frozenset({408, 429, 500, 502, 503, 504})
REFUSED = frozenset({401, 403})
GONE = frozenset({404, 410})
ROOT_MEND = "; give the root of its API (.../api/v1)"


class SourceFailed(Exception):
    """The source can't be read; the text is one line for the operator."""


class TrailRefused(Exception):
    """Our token may not read the audittrail."""


class TrailFailed(Exception):
    """This audittrail can't be read, from a source that answers else; the text is one line."""


@dataclass(frozen=True, slots=True)
class TokenService(Service):
    """A service for which somebody else made a token."""

    ready_token: str = field(default="", repr=False)

    def token(self, user_id: str = "", user_representation: str = "") -> str:
        return self.ready_token


class Source:
    """A Klanten API.

    Args:
        door: by which it is asked.
        service: its root, and what was agreed with it.
        wait: how to wait for so many seconds; as it is, until `stop`.
    """

    def __init__(
        self, door: Door, service: Service, wait: Callable[[float], object] | None = None
    ) -> None:
        self._door = door
        self._service = service
        self._stopped = threading.Event()
        self._wait = wait or self._stopped.wait
        self._ailing = False

    def stop(self) -> None:
        """Let nobody wait for it any longer: whoever asks gets a `SourceFailed`."""
        self._stopped.set()

    def pages(self) -> Iterator[tuple[int, list[Any]]]:
        """All pages of the list: how many klanten there are, and those of the page.

        By number, and not by `next`, since its host may be one that only the source knows.
        Raises `SourceFailed`.
        """
        number, before = 1, None
        while True:
            answer = self._ask("/klanten", {"page": str(number)})
            if number > 1 and answer.status in GONE:
                return  # klanten went while we read
            page = self._json(answer, ROOT_MEND if number == 1 else "")
            if not isinstance(page, dict) or not isinstance(page.get("results"), list):
                raise self._failed("this is no list of klanten")
            if page["results"] and page["results"] == before:
                raise self._failed(
                    f"page {number} is page {number - 1} once more; let what stands before it pass "
                    "the query of the URL on"
                )
            yield _count(page), page["results"]
            if not page.get("next") or not page["results"]:
                return
            number, before = number + 1, page["results"]

    def klant(self, uuid: str) -> Any:
        """A klant, None when there is none. Raises `SourceFailed`."""
        answer = self._ask(f"/klanten/{uuid}")
        return None if answer.status in GONE else self._json(answer)

    def audittrail(self, uuid: str) -> list[Any]:
        """The lines of a klant, oldest first; a source may have none.

        Raises `TrailRefused`, `TrailFailed`, and `SourceFailed` when nothing else can be had.
        """
        try:
            # where one can't be had, more of them may not, and each would take all the waits
            return self._lines(uuid, () if self._ailing else WAITS)
        except SourceFailed:
            self._ailing = True
        next(self.pages())  # has all the patience there is
        try:
            return self._lines(uuid, ())
        except SourceFailed as fault:
            raise TrailFailed(str(fault)) from fault

    def _lines(self, uuid: str, waits: tuple[float, ...]) -> list[Any]:
        answer = self._ask(f"/klanten/{uuid}/audittrail", waits=waits)
        if answer.status in REFUSED:
            raise TrailRefused
        lines = [] if answer.status in GONE else self._json(answer)
        if not isinstance(lines, list):
            raise self._failed("this is no audittrail")
        return lines

    def _ask(
        self,
        path: str,
        params: Mapping[str, str] | None = None,
        waits: tuple[float, ...] | None = None,
    ) -> Answer:
        waits = WAITS if waits is None else waits
        for wait in (*waits, None):
            if self._stopped.is_set():
                raise self._failed("it is asked no longer")
            try:
                answer = self._door.ask(self._service, "GET", path, params=params)
                trouble, told = f"it answers {answer.status}", answer.headers["Retry-After"]
                if answer.status not in PASSING:
                    return answer
            except Unreachable as fault:
                trouble, told = str(fault), None
            if wait is not None:
                self._wait(_seconds(told) or wait)
        times = f", {len(waits) + 1} times in a row" if waits else ""
        raise self._failed(f"{trouble}{times}")

    def _json(self, answer: Answer, mend: str = "") -> Any:
        if answer.status in REFUSED:
            raise self._failed(
                f"it answers {answer.status}: it does not know our token, or the scope "
                "klanten.lezen is missing"
            )
        if answer.status != 200:
            raise self._failed(f"it answers {answer.status}{mend}")
        try:
            return strictjson.loads(answer.body)
        except strictjson.NotJson:
            raise self._failed("the answer is no JSON") from None

    def _failed(self, reason: str) -> SourceFailed:
        return SourceFailed(f"{self._service.api_root}: {reason}")


def _count(page: Mapping[str, Any]) -> int:
    """How many klanten there are, as far as a page tells."""
    count = page.get("count")
    return count if isinstance(count, int) else 0


def _seconds(retry_after: str | None) -> float:
    """The seconds that a server asks for; 0 when it gives none, or a date."""
    if retry_after and retry_after.isascii() and retry_after.isdigit():
        return min(float(retry_after), LONGEST_WAIT)
    return 0.0
