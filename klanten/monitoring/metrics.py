"""`/metrics`: the figures of this process, in the text format of Prometheus.

Every process counts for itself and has to be asked at an address of its own; Prometheus adds them
up. So with several processes give each a port (or, beside a socket for the proxy, one more
`listen`), and let Prometheus scrape those: through a proxy one would get now this, now that one.
"""

import platform
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from importlib import metadata
from typing import Any, Final, TypeVar

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPForbidden
from pyramid.registry import Registry
from pyramid.request import Request
from pyramid.response import Response
from ZEO.ClientStorage import ClientStorage
from ZODB.Connection import Connection

from ..outgoing.services import Service
from ..security import Refused
from ..storage import Database
from . import meters, server
from .health import add_page
from .recent import Recent
from .state import Figures

NOT_HERE: Final = Refused(
    "permission_denied",
    "De metingen zijn er alleen voor de netwerken in klanten.monitoring.allow_networks.",
)
SUBJECT: Final = "subject"
PATIENCE: Final = 1.0
"""Seconds that a scrape waits for the database: less than any usual limit of Prometheus."""

T = TypeVar("T")


def metrics(request: Request) -> Response:
    """All figures, for those who may see them."""
    networks = request.registry.settings["klanten"].monitoring_allow_networks
    if not server.comes_from(request.environ, networks):
        raise HTTPForbidden(result=NOT_HERE)
    return Response(
        generate_latest(Scrape(request)),
        headerlist=[("Content-Type", CONTENT_TYPE_LATEST), ("Cache-Control", "no-store")],
    )


class Scrape:
    """All figures at the moment of a request, as prometheus_client wants them."""

    def __init__(self, request: Request) -> None:
        self.environ = request.environ
        self.registry = request.registry

    def collect(self) -> Iterator[Metric]:
        yield from meters.REGISTRY.collect()
        yield build(self.registry)
        yield clients_file(self.registry)
        yield from server.queue(self.environ)
        # asks the database, and so comes before what the connections did
        yield from database(self.registry)
        yield from connections(self.registry.database)


def build(registry: Registry) -> Metric:
    family = InfoMetricFamily("klanten_build", "What runs here.")
    family.add_metric(
        (),
        {
            "version": metadata.version("klanten"),
            "python": platform.python_version(),
            "storage": type(registry.database.storage).__name__,
        },
    )
    return family


def clients_file(registry: Registry) -> Metric:
    return GaugeMetricFamily(
        "klanten_clients_file_broken",
        "Whether nothing can be made of the clients file, so that the clients of before count.",
        int(registry.clients.is_broken),
    )


# --- the database -------------------------------------------------------------------------------


def connections(database: Database) -> Iterator[Metric]:
    """What the connections of this process did and hold; each counts for itself, so it is free."""
    found: list[Connection] = []
    database._connectionMap(found.append)
    yield GaugeMetricFamily(
        "klanten_database_connections",
        "Connections that this process has, in use or not.",
        len(found),
    )
    yield GaugeMetricFamily(
        "klanten_database_cache_objects",
        "Objects in memory, over all connections.",
        _sum(found, lambda each: each._cache.cache_non_ghost_count),
    )
    yield GaugeMetricFamily(
        "klanten_database_cache_bytes",
        "Size of these objects as they are stored; in memory they take more.",
        _sum(found, lambda each: each._cache.total_estimated_size),
    )
    yield CounterMetricFamily(
        "klanten_database_loads",
        "Objects that were not in memory and had to be loaded.",
        _sum(found, lambda each: each.getTransferCounts()[0]),
    )
    yield CounterMetricFamily(
        "klanten_database_stores",
        "Objects that were written.",
        _sum(found, lambda each: each.getTransferCounts()[1]),
    )
    yield CounterMetricFamily(
        "klanten_database_storage_cache_hits",
        "Loads that the cache in front of a ZEO or PostgreSQL server could answer.",
        storage_cache_hits(database.storage),
    )
    yield CounterMetricFamily(
        "klanten_database_commits",
        "Transactions that wrote something.",
        _sum(found, lambda each: each.commits),
    )
    yield CounterMetricFamily(
        "klanten_database_conflicts",
        "Transactions that failed because others had changed the same things.",
        _sum(found, lambda each: each.conflicts),
    )


def _sum(connections: list[Any], figure: Callable[[Any], int]) -> int:
    return sum(map(figure, connections))


def storage_cache_hits(storage: Any) -> int:
    """How often the cache of the storage itself had an object; 0 for a file, which has none."""
    if isinstance(storage, ClientStorage):
        return int(storage._cache.getStats()[-1])
    stats = getattr(getattr(storage, "_cache", None), "stats", None)
    return int(stats()["hits"]) if stats else 0


def database(registry: Registry) -> Iterator[Metric]:
    """Whether the database answers, and what it says; nothing when it does not."""
    state = registry.database_state
    is_up = _answer(state.ready) is not None
    yield GaugeMetricFamily(
        "klanten_database_up", "Whether the database answers, with a schema that fits.", int(is_up)
    )
    yield GaugeMetricFamily(
        "klanten_outbox_has_receiver",
        "Whether there is a Notificaties API for the messages in the outbox.",
        int(registry.services.notificaties is not None),
    )
    figures = _answer(state.figures) if is_up else None
    if figures:
        yield from stored(figures)


def _answer(question: Recent[T]) -> T | None:
    """The answer; None when there is none: the log tells why, where the database is needed."""
    try:
        return question.get(PATIENCE)
    except Exception:
        return None


def stored(figures: Figures) -> Iterator[Metric]:
    yield GaugeMetricFamily("klanten_database_size_bytes", "Size on disk.", figures.size)
    yield GaugeMetricFamily("klanten_klanten", "Klanten that are stored.", figures.klanten)
    yield GaugeMetricFamily(
        "klanten_outbox_pending",
        "Notifications that wait to be delivered; estimated when there are thousands.",
        figures.backlog.pending,
    )
    yield GaugeMetricFamily(
        "klanten_outbox_oldest_seconds",
        "How long the oldest of them waits; 0 without any.",
        _age(figures.backlog.oldest),
    )
    yield GaugeMetricFamily(
        "klanten_outbox_failed",
        "Notifications that were put aside; thousands are not counted to the end.",
        figures.failed,
    )
    yield GaugeMetricFamily(
        "klanten_outbox_trouble",
        "Whether something keeps notifications from being delivered.",
        int(figures.in_trouble),
    )


def _age(moment: str | None) -> float:
    return max(0.0, time.time() - datetime.fromisoformat(moment).timestamp()) if moment else 0.0


# --- calls to other servers ---------------------------------------------------------------------


class OutgoingMeter:
    """Counts the calls that go out by the door, under the names of the services."""

    def __init__(self, names: dict[Service | None, str]) -> None:
        self.names = names
        for name in set(names.values()):
            meters.OUTGOING.labels(name, "none")

    def __call__(self, service: Service | None, status: int | None, seconds: float) -> None:
        name = self.names[service]
        answer = f"{status // 100}xx" if status else "none"
        meters.OUTGOING.labels(name, answer).inc()
        meters.OUTGOING_SECONDS.labels(name).observe(seconds)


def names_of(registry: Registry) -> dict[Service | None, str]:
    """What the services are called here; a call for a caller is for a subject."""
    services = registry.services
    found: dict[Service | None, str] = {None: SUBJECT}
    if services.autorisaties:
        found[services.autorisaties] = "autorisaties"
    if services.notificaties:
        found[services.notificaties] = "notificaties"
    return found


def includeme(config: Configurator) -> None:
    registry = config.registry
    registry.door.heard = OutgoingMeter(names_of(registry))
    add_page(config, "metrics", metrics)
