"""One deliverer over all processes: the lease in the database, seen from one of them."""

import os
import socket
import time
from collections.abc import Callable
from secrets import token_hex

from ..model.outbox import Lease

# A killed process keeps others waiting for as long as this.
LEASE_SECONDS = 15.0
# Some beats may come late, or not at all, before the lease is gone.
RENEW_SECONDS = 4.0


class Claim:
    """What one process knows of the lease. Its own monotonic clock measures the time.

    `alone`: no other process can have the database open, so that whoever holds the lease is dead.
    All methods are called in a transaction, and hold true when that commits; call `forget` when
    it does not.
    """

    def __init__(self, alone: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = f"{socket.gethostname()}:{os.getpid()}:{token_hex(3)}"
        self._alone = alone
        self._clock = clock
        self._seen: tuple[str, int] | None = None
        self._seen_at = 0.0
        self._renewed: float | None = None

    def is_free(self, lease: Lease) -> bool:
        """Whether this process holds the lease or may take it.

        To be asked now and then: a holder is taken for dead when its beat is seen unchanged for
        as long as a lease lasts.
        """
        state = (lease.holder, lease.beat)
        if state != self._seen:
            self._seen, self._seen_at = state, self._clock()
        return (
            lease.holder in ("", self.name)
            or self._alone
            or self._clock() - self._seen_at > LEASE_SECONDS
        )

    def take(self, lease: Lease) -> bool:
        """Hold the lease from now on; whether that may be."""
        if not self.is_free(lease):
            self._renewed = None
            return False
        if lease.holder != self.name or not self.holds or self.is_due:
            self._renewed = self._clock()
            lease.holder = self.name
            lease.beat += 1
        return True

    @property
    def holds(self) -> bool:
        """Whether the lease is held still."""
        if self._renewed is None:
            return False
        return self._alone or self._clock() - self._renewed < LEASE_SECONDS

    @property
    def is_due(self) -> bool:
        """Whether it is time to show that the holder is alive."""
        if not self.holds or self._alone:
            return False
        return self._clock() - (self._renewed or 0.0) > RENEW_SECONDS

    def forget(self) -> None:
        """The transaction did not commit: perhaps somebody else has the lease."""
        self._renewed = None

    def release(self, lease: Lease) -> None:
        """Let the next process have it at once."""
        if lease.holder == self.name:
            lease.holder = ""
        self._renewed = None
