"""What is counted while it happens, by this process and since its start.

The values of labels come from our own code and from the services file, never from a caller, so
their number is bounded and there is nothing personal in them.
"""

from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)

# a second series for each one, of no use to any alert
disable_created_metrics()

REGISTRY: Final = CollectorRegistry()

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""The buckets: from a klant that is in memory to the time limits of the database."""

REQUESTS: Final = Counter(
    "klanten_requests",
    "Requests that were answered, by operation of the API (or name of the page) and status.",
    ("operation", "status"),
    registry=REGISTRY,
)
REQUEST_SECONDS: Final = Histogram(
    "klanten_request_seconds",
    "Seconds from the begin of the work on a request to its answer.",
    ("operation",),
    buckets=SECONDS,
    registry=REGISTRY,
)
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
