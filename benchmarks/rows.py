"""The rows of the table: what is measured, and what it should be."""

from typing import NamedTuple


class Target(NamedTuple):
    """What a figure should be at least, or at most."""

    sign: str
    limit: float

    def is_reached(self, value: float) -> bool:
        return value >= self.limit if self.sign == ">=" else value <= self.limit

    def __str__(self) -> str:
        return f"{self.sign} {self.limit:g}"


class Row(NamedTuple):
    """A figure; its measure is one of those below."""

    measure: str
    value: float
    note: str = ""


MEASURES: dict[str, Target | None] = {
    "GET klant / BASE, requests/s": Target(">=", 0.75),
    "GET klant / BASE, CPU": None,
    "GET klant / BASE, one connection, requests/s": None,
    "304 / GET klant, CPU": Target("<=", 1.0),
    "list page of 100 / BASE, requests/s": Target(">=", 0.40),
    "list filtered on a unique value / GET klant, requests/s": Target(">=", 0.9),
    "filter on two common values / the same at 10k, p50": Target("<=", 2),
    "last page / first page, p50": Target("<=", 1.3),
    "objects loaded by a warm GET or list": Target("<=", 0),
    "objects loaded cold by count and page of two common filters": Target("<=", 300),
    "create over HTTP / bare one-object commits": Target(">=", 0.25),
    "conflicts per commit, 4 threads in one process": Target("<=", 0.005),
    "conflicts per commit, 2 processes x 4, ZEO": Target("<=", 0.05),
    "conflicts per commit, 2 processes x 4, PostgreSQL": Target("<=", 0.05),
    "KB written per create": Target("<=", 16),
    "KB written per update, with audit": Target("<=", 5),
    "KB written per update of an indexed field, with audit": None,
    "MB packed per 100,000 klanten with an audit line": Target("<=", 200),
    "MB of memory of a fresh server": Target("<=", 120),
    "MB of memory after walking every page": Target("<=", 600),
    "seconds to open the database": Target("<=", 1),
    "creates with [notificaties] / without": Target(">=", 0.8),
    "waitress, 1 thread / 4 threads, GET": None,
    "waitress, 2 threads / 4 threads, GET": None,
    "waitress, 8 threads / 4 threads, GET": None,
    "gunicorn / waitress, GET": None,
    "granian / waitress, GET": None,
    "waitress, 1 thread / 4 threads, create": None,
    "waitress, 2 threads / 4 threads, create": None,
    "waitress, 8 threads / 4 threads, create": None,
    "gunicorn / waitress, create": None,
    "granian / waitress, create": None,
    "ZEO / FileStorage, GET": None,
    "PostgreSQL / FileStorage, GET": None,
    "ZEO, 2 processes / FileStorage, GET": None,
    "PostgreSQL, 2 processes / FileStorage, GET": None,
    "ZEO / FileStorage, create": None,
    "PostgreSQL / FileStorage, create": None,
    "ZEO, 2 processes / FileStorage, create": None,
    "PostgreSQL, 2 processes / FileStorage, create": None,
}
"""Every measure, in the order of the table; those without a target are there to choose by."""
