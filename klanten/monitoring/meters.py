"""What is counted while it happens, by this process and since its start.

The values of labels come from our own code and from the services file, never from a caller, so
their number is bounded and there is nothing personal in them.
"""

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate
from threading import Lock
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

# a second series for each one, of no use to any alert
disable_created_metrics()

REGISTRY: Final = CollectorRegistry()

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""The buckets: from a klant that is in memory to the time limits of the database."""
BOUNDS: Final = (*map(str, SECONDS), "+Inf")


class Requests(Collector):
    """How many requests there were, by operation and status, and how long they took.

    Both figures in one step: a Counter and a Histogram take several times as long, and this is
    done at each request.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._cells: dict[tuple[str, int], list[float]] = {}
        """For each operation and status a count for each bucket, and the sum of the seconds."""

    def add(self, operation: str, status: int, seconds: float) -> None:
        """Count a request."""
        cell = self._cells.get((operation, status)) or self.begin(operation, status)
        bucket = bisect_left(SECONDS, seconds)
        with self._lock:
            cell[bucket] += 1
            cell[-1] += seconds

    def begin(self, operation: str, status: int) -> list[float]:
        """Show this series from now on, so that the first request in it is seen as a change."""
        with self._lock:
            return self._cells.setdefault((operation, status), [0.0] * (len(SECONDS) + 2))

    def collect(self) -> Iterator[Metric]:
        counts = CounterMetricFamily(
            "klanten_requests",
            "Requests that were answered, by operation (or name of the page) and status.",
            labels=("operation", "status"),
        )
        durations = HistogramMetricFamily(
            "klanten_request_seconds",
            "Seconds from the begin of the work on a request to its answer.",
            labels=("operation",),
        )
        totals: dict[str, list[float]] = {}
        with self._lock:
            for (operation, status), cell in self._cells.items():
                counts.add_metric((operation, str(status)), sum(cell[:-1]))
                total = totals.get(operation, [0.0] * len(cell))
                totals[operation] = [sum(pair) for pair in zip(total, cell, strict=True)]
        for operation, total in totals.items():
            upto = zip(BOUNDS, accumulate(total[:-1]), strict=True)
            durations.add_metric((operation,), list(upto), total[-1])
        yield counts
        yield durations


REQUESTS: Final = Requests()
REGISTRY.register(REQUESTS)
RETRIES: Final = Counter(
    "klanten_request_retries",
    "Attempts after the first, because others changed the same things.",
    registry=REGISTRY,
)
WRITE_LOCK_SECONDS: Final = Histogram(
    "klanten_write_lock_wait_seconds",
    "Seconds that a request which may write waited for its turn.",
    buckets=SECONDS,
    registry=REGISTRY,
)
REFUSED_TOKENS: Final = Counter(
    "klanten_tokens_refused",
    "Requests without a token that counts, by the code of the answer.",
    ("code",),
    registry=REGISTRY,
)
RIGHTS: Final = Counter(
    "klanten_rights",
    "How the rights were found of a client that is left to the Autorisaties API: kept from an "
    "answer before, asked for, or unknown (the request was refused).",
    ("found",),
    registry=REGISTRY,
)
OUTGOING: Final = Counter(
    "klanten_outgoing_calls",
    "Calls to other servers, by whom they are for and the class of the answer (2xx) or none.",
    ("service", "answer"),
    registry=REGISTRY,
)
OUTGOING_SECONDS: Final = Histogram(
    "klanten_outgoing_call_seconds",
    "Seconds that calls to other servers took.",
    ("service",),
    buckets=SECONDS,
    registry=REGISTRY,
)

ProcessCollector(registry=REGISTRY)

for _found in ("kept", "asked", "unknown"):
    RIGHTS.labels(_found)
