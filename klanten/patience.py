"""Waiting for a database server no longer than is reasonable.

A server that went away is noticed by whoever reads from it. One that hangs, or vanished from the
network, leaves its clients waiting; what they wait in can't be told to stop at a certain time, so
somebody else has to cut the line.
"""

import contextlib
import logging
import math
import threading
import time
from collections.abc import Callable, Iterator

log = logging.getLogger(__name__)

_here = threading.local()


def is_overdue() -> bool:
    """Whether what this thread does should have ended by now."""
    return time.monotonic() > getattr(_here, "deadline", math.inf)


class Watch:
    """Cuts the line to the server, every so many seconds, while somebody waits for too long.

    The thread that looks after it is there only while it is needed.
    """

    def __init__(self, interval: float, cut: Callable[[], None]) -> None:
        self.interval = interval
        self.cut = cut
        self._deadlines: dict[object, float] = {}
        self._lock = threading.Lock()
        self._watching = False

    @contextlib.contextmanager
    def until(self, deadline: float) -> Iterator[None]:
        """What is done in this context may wait till this moment of the monotonic clock."""
        key = object()
        with self._lock:
            self._deadlines[key] = _here.deadline = deadline
            if not self._watching:
                self._watching = True
                threading.Thread(target=self._look, name="patience", daemon=True).start()
        try:
            yield
        finally:
            with self._lock:
                del self._deadlines[key], _here.deadline

    def _look(self) -> None:
        while self._is_needed():
            time.sleep(self.interval)
            with self._lock:
                overdue = sum(time.monotonic() > end for end in self._deadlines.values())
            if overdue:
                log.warning("%d requests wait too long for the database", overdue)
                self.cut()

    def _is_needed(self) -> bool:
        with self._lock:
            self._watching = bool(self._deadlines)
            return self._watching
