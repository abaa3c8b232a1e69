"""What an operator can choose: threads, servers, storages, processes. On 10,000 klanten."""

import contextlib
from collections.abc import Callable, Iterator

from tests.storages.servers import Postgres, Zeo

from .bodies import creates
from .databases import fill
from .load import CONNECTIONS, Driver, Load, middle, ratio, take_turns, together
from .plan import Plan
from .reading import SMALL, klant_requests
from .rows import Row
from .servers import Server
from .writing import BODIES, conflicts


def servers(plan: Plan) -> Iterator[Row]:
    """The same application with other numbers of threads, and under other servers."""
    variants = {
        "waitress, 4 threads": ("waitress", 4),
        "waitress, 1 thread": ("waitress", 1),
        "waitress, 2 threads": ("waitress", 2),
        "waitress, 8 threads": ("waitress", 8),
        "gunicorn": ("gunicorn", 4),
        "granian": ("granian", 4),
    }
    with contextlib.ExitStack() as stack:
        running = {}
        for number, (name, (kind, threads)) in enumerate(variants.items()):
            uri = f"file://{plan.copy(f'choice{number}', SMALL)}"
            place = plan.place.klanten(f"choice{number}", uri, kind=kind, threads=threads)
            running[name] = [stack.enter_context(place)]
        for action, loads in _loads(plan, running):
            for name in list(running)[1:]:
                other = "4 threads" if "waitress" in name else "waitress"
                yield _row(loads, name, "waitress, 4 threads", f"{name} / {other}, {action}")


class DurablePostgres(Postgres):
    """PostgreSQL that keeps what it acknowledged through a power cut too, as a real one does."""

    def command(self) -> list[str]:
        changes = {"fsync=off": "fsync=on", "shared_buffers=16MB": "shared_buffers=256MB"}
        return [changes.get(str(word), str(word)) for word in super().command()]


def storages(plan: Plan) -> Iterator[Row]:
    """The same application on each storage, with one process and with two."""
    with contextlib.ExitStack() as stack:
        zeo = stack.enter_context(Zeo())
        postgres = stack.enter_context(DurablePostgres())
        uris = {
            "FileStorage": f"file://{plan.copy('file', SMALL)}",
            "ZEO": zeo.uri,
            "PostgreSQL": postgres.new_database("benchmarks"),
        }
        running: dict[str, list[Server]] = {}
        for name, uri in uris.items():
            if name != "FileStorage":
                fill(uri, SMALL)
            pair = [
                stack.enter_context(plan.place.klanten(f"{name}-{number}", uri))
                for number in range(1 if name == "FileStorage" else 2)
            ]
            running[name] = pair[:1]
            if len(pair) == 2:
                running[f"{name}, 2 processes"] = pair
        for action, loads in _loads(plan, running):
            for name in list(running)[1:]:
                yield _row(loads, name, "FileStorage", f"{name} / FileStorage, {action}")
        creating = Driver(plan.place.folder, "conflicts", creates(BODIES, SMALL))
        for name in ("ZEO", "PostgreSQL"):
            pair = running[f"{name}, 2 processes"]
            before = [server.figures() for server in pair]
            together([(creating, server) for server in pair], plan.rounds * plan.seconds)
            value, note = conflicts(before, pair)
            yield Row(f"conflicts per commit, 2 processes x 4, {name}", value, note)


def _loads(
    plan: Plan, running: dict[str, list[Server]]
) -> Iterator[tuple[str, dict[str, list[Load]]]]:
    actions = {"GET": klant_requests(SMALL), "create": list(creates(BODIES, SMALL))}
    for action, requests in actions.items():
        driver = Driver(plan.place.folder, action, requests)
        yield (
            action,
            take_turns(
                {name: _loading(plan, driver, pair) for name, pair in running.items()}, plan.rounds
            ),
        )


def _loading(plan: Plan, driver: Driver, servers: list[Server]) -> Callable[[], Load]:
    pairs = [(driver, server) for server in servers]
    return lambda: together(pairs, plan.seconds, CONNECTIONS // len(servers))


def _row(loads: dict[str, list[Load]], one: str, other: str, measure: str) -> Row:
    rate = middle(loads, one, lambda load: load.rate)
    cost = middle(loads, one, lambda load: load.cost)
    return Row(measure, ratio(loads, one, other), f"{rate:,.0f}/s, {cost:,.0f} us of CPU each")
