"""What reading costs, beside what the bare stack costs."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import base
from .databases import filled_file, uuid
from .load import Driver, Request, middle, ratio, take_turns
from .plan import Plan
from .rows import Row
from .servers import Server

LIST = "/api/v1/klanten"
COMMON = "subjectType=natuurlijk_persoon&adres__woonplaatsNaam=Juinen"
MANY = 200
SMALL = 10_000


def some(count: int) -> list[int]:
    """Numbers of klanten, spread over all of them."""
    return [number * max(1, count // MANY) for number in range(min(count, MANY))]


def klant_requests(count: int) -> list[Request]:
    return [Request("GET", f"{LIST}/{uuid(number)}") for number in some(count)]


def measure(plan: Plan) -> Iterator[Row]:
    with contextlib.ExitStack() as stack:
        bare = stack.enter_context(plan.place.base())
        server = stack.enter_context(plan.server("reading", plan.klanten))
        small = stack.enter_context(plan.server("reading-small", SMALL))
        yield from _rates(plan, bare, server)
        yield from _lists(plan, bare, server, small)
        yield _warm_loads(plan, server)


def _rates(plan: Plan, bare: Server, server: Server) -> Iterator[Row]:
    gets = klant_requests(plan.klanten)
    known = [Request("GET", each.path, server.get(each.path).headers["ETag"]) for each in gets]
    unique = [
        Request("GET", f"{LIST}?emailadres=klant{number}%40example.nl")
        for number in some(plan.klanten)
    ]
    keys = [Request("GET", f"/klanten/{key}") for key in range(base.KEYS)]
    loads = take_turns(
        {
            "base": plan.loading("base", keys, bare),
            "get": plan.loading("get", gets, server),
            "304": plan.loading("304", known, server),
            "list": plan.loading("list", [Request("GET", LIST)], server),
            "unique": plan.loading("unique", unique, server),
        },
        plan.rounds,
    )

    def told(name: str) -> str:
        rate, cost = middle(loads, name, _rate), middle(loads, name, _cost)
        return f"{rate:,.0f}/s, {cost:,.0f} us of CPU each"

    base_told = f"BASE {told('base')}"
    yield Row("GET klant / BASE, requests/s", ratio(loads, "get", "base"), told("get"))
    yield Row("GET klant / BASE, CPU", ratio(loads, "get", "base", _cost), base_told)
    yield Row("304 / GET klant, CPU", ratio(loads, "304", "get", _cost), told("304"))
    yield Row("list page of 100 / BASE, requests/s", ratio(loads, "list", "base"), told("list"))
    unique_ratio = ratio(loads, "unique", "get")
    yield Row(
        "list filtered on a unique value / GET klant, requests/s", unique_ratio, told("unique")
    )


def _lists(plan: Plan, bare: Server, server: Server, small: Server) -> Iterator[Row]:
    last = f"{LIST}?page={max(1, -(-plan.klanten // 100))}"
    common = [Request("GET", f"{LIST}?{COMMON}")]
    loads = take_turns(
        {
            "base": plan.loading("base-1", [Request("GET", "/klanten/1")], bare, connections=1),
            "get": plan.loading("get-1", klant_requests(1), server, connections=1),
            "common": plan.loading("common", common, server, connections=1),
            "common-small": plan.loading("common-small", common, small, connections=1),
            "first": plan.loading("first", [Request("GET", LIST)], server, connections=1),
            "last": plan.loading("last", [Request("GET", last)], server, connections=1),
        },
        plan.rounds,
    )

    def told(name: str) -> str:
        return f"{middle(loads, name, _p50):.2f} ms"

    yield Row(
        "GET klant / BASE, one connection, requests/s",
        ratio(loads, "get", "base"),
        f"{middle(loads, 'get', _rate):,.0f}/s, BASE {middle(loads, 'base', _rate):,.0f}/s",
    )
    yield Row(
        "filter on two common values / the same at 10k, p50",
        ratio(loads, "common", "common-small", _p50),
        told("common"),
    )
    yield Row("last page / first page, p50", ratio(loads, "last", "first", _p50), told("last"))


def _warm_loads(plan: Plan, server: Server) -> Row:
    """All that was asked for before is in the caches of all threads."""
    requests = [*klant_requests(plan.klanten)[:100], Request("GET", LIST)]
    driver = Driver(plan.place.folder, "warm", requests)
    driver.load(server, plan.seconds)
    before = _loaded(server)
    load = driver.load(server, plan.seconds)
    value = (_loaded(server) - before) / load.requests
    return Row("objects loaded by a warm GET or list", value, f"in {load.requests:,} requests")


def _loaded(server: Server) -> float:
    return server.figures()["klanten_database_loads_total"]


def small_file(folder: Path) -> Path:
    return filled_file(folder, SMALL)


def _rate(load: Any) -> float:
    return float(load.rate)


def _cost(load: Any) -> float:
    return float(load.cost)


def _p50(load: Any) -> float:
    return float(load.p50)
