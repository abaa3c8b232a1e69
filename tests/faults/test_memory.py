"""The memory of a server under a load like that of hours."""

from collections.abc import Iterator
from pathlib import Path
from statistics import linear_regression

from tests.faults.conftest import MakeSite

REQUESTS = 1_200
"""In each round."""
WARM = 3
"""Rounds after which all that is kept on purpose is there."""
BOUND = 1_000
"""Bytes by which a request may let the memory grow, at most: a klant has more than that."""


def resident(pid: int) -> int:
    """The bytes of memory that a process has."""
    [line] = [
        line
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if line.startswith("VmRSS:")
    ]
    return int(line.split()[1]) * 1024


def test_memory_does_not_grow_with_the_requests(
    make_site: MakeSite, settings: dict[str, str], rounds: Iterator[int]
):
    # with room for few objects in it a cache is full from the beginning
    site = make_site({"zodbconn.uri": settings["zodbconn.uri"] + "?connection_cache_size=300"})

    def work() -> tuple[int, int]:
        """Requests done, and the memory after them."""
        site.load.run(REQUESTS)
        # what the night does: the index of the file grows with each change until then
        site.command("notifications", "drop", "--all", "--yes")
        site.command("pack", "--days", "0")
        return site.load.tally.total(), resident(site.pids[0])

    for _ in range(WARM):
        work()
    found = [work() for _ in rounds]
    slope = linear_regression(*zip(*found, strict=True)).slope
    site.notes = {"bytes of memory more for each request": round(slope)}
    assert slope < BOUND
    site.assert_nothing_lost(messages_are_kept=False)
