"""The memory of a server under a load like that of hours."""

from collections.abc import Iterator
from pathlib import Path

from tests.faults.conftest import MakeSite

REQUESTS = 1_200
"""In each round."""
WARM = 3
"""Rounds after which all that is kept on purpose is there."""
NOISE = 2_000_000
"""Bytes that come and go, whatever is done."""
BOUND = 200
"""Bytes by which each request may let the memory grow: in an hour, less than caches hold."""


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
        before = work()
    for _ in rounds:
        after = work()
    requests, growth = after[0] - before[0], after[1] - before[1]
    site.notes = {"bytes of memory more for each request": round(growth / requests)}
    assert growth < NOISE + BOUND * requests
    site.assert_nothing_lost(messages_are_kept=False)
