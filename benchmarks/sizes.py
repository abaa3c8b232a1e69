"""What klanten take: on disk, in memory, and to begin with."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from klanten.storage import open_database, tree

from .plan import Plan
from .reading import LIST
from .rows import Row
from .servers import Server

COMMON = {"subjectType": "natuurlijk_persoon", "adres__woonplaatsNaam": "Juinen"}
PAGE = 100
WALKERS = 4


def measure(plan: Plan) -> Iterator[Row]:
    file = plan.database()
    size = file.stat().st_size / 1e6
    per = size / plan.klanten * 100_000
    yield Row("MB packed per 100,000 klanten with an audit line", per, f"{size:,.0f} MB in all")
    yield from _opened(f"file://{file}")
    with plan.server("sizes", plan.klanten) as server:
        server.get(LIST)
        yield Row("MB of memory of a fresh server", server.rss() / 1e6)
        with ThreadPoolExecutor(WALKERS) as walkers:
            pages = range(1, -(-plan.klanten // PAGE) + 1)
            for _ in walkers.map(lambda page: _look(server, page), pages):
                pass
        note = f"{len(pages):,} pages"
        yield Row("MB of memory after walking every page", server.rss() / 1e6, note)


def _look(server: Server, page: int) -> None:
    server.get(f"{LIST}?page={page}")


def _opened(uri: str) -> Iterator[Row]:
    begun = time.perf_counter()
    with closing(open_database(uri, read_only=True)) as database:
        with tree(database):
            yield Row("seconds to open the database", time.perf_counter() - begun)
        with closing(database.open()) as connection:
            root = connection.root()["klanten"]
            connection.cacheMinimize()
            connection.getTransferCounts(clear=True)
            selection = root.search(COMMON)
            assert selection.docids(0, PAGE)
            note = f"{selection.count:,} found"
            loaded = connection.getTransferCounts()[0]
            connection.transaction_manager.abort()
    yield Row("objects loaded cold by count and page of two common filters", loaded, note)
