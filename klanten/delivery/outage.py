"""An API that accepts nothing: when it is asked again, and what the operator hears of it."""

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from random import uniform

log = logging.getLogger("klanten.delivery")

LONGEST_WAIT = 60.0
# How often an outage that lasts is told again.
STILL_SECONDS = 900.0


def backoff(failures: int) -> float:
    """Seconds to wait after so many failures in a row: about 1, 2, 4 ... at most 60.

    A little less at random, so that many who wait don't come back together.
    """
    return min(2.0 ** min(failures - 1, 9), LONGEST_WAIT) * uniform(0.75, 1)


class Outage:
    """Whether the API accepts messages, as far as is known."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._until = 0.0
        self._since = datetime.now(UTC)
        self._told_at: float | None = None
        self.trouble = ""
        """What is wrong, for the operator; empty when nothing is."""

    @property
    def is_on(self) -> bool:
        """Whether the last attempt failed: the next is made with one message."""
        return self._failures > 0

    def remaining(self) -> float:
        """Seconds during which the API is left alone."""
        return max(0.0, self._until - self._clock())

    def failed(self, reason: str, retry_after: float = 0.0) -> None:
        """The API accepts nothing, for this reason, and asks for this many seconds of rest.

        A single failure is nothing to talk about.
        """
        if not self.is_on:
            self._since = datetime.now(UTC)
        self._failures += 1
        self._until = self._clock() + max(backoff(self._failures), retry_after)
        if self._failures > 1:
            self.trouble = f"since {self._since:%Y-%m-%dT%H:%M:%SZ}: {reason}"
            self._tell(reason)

    def ended(self) -> None:
        """The API accepts messages."""
        self._failures = 0
        self._until = 0.0
        self.trouble = ""
        if self._told_at is not None:
            log.warning("notifications are accepted again, after %s", self._length())
            self._told_at = None

    def _tell(self, reason: str) -> None:
        if self._told_at is None:
            log.warning("notifications are not accepted: %s; they wait and are tried again", reason)
        elif self._clock() - self._told_at > STILL_SECONDS:
            log.warning("notifications wait for %s now: %s", self._length(), reason)
        else:
            return
        self._told_at = self._clock()

    def _length(self) -> str:
        return str(datetime.now(UTC) - self._since).partition(".")[0]
