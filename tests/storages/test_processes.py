"""Several server processes on one database, each with several threads."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from klanten.storage import open_database, tree
from tests.conftest import bearer
from tests.storages.conftest import TIMEOUT, Store
from tests.storages.whole import assert_whole
from tests.storages.writer import CONTESTED

WRITER = Path(__file__).with_name("writer.py")
THREADS = 4


class Writer:
    """A process of `writer.py`."""

    def __init__(self, name: str, rounds: int, settings: dict[str, str]) -> None:
        given = {
            "name": name,
            "rounds": rounds,
            "threads": THREADS,
            "settings": settings,
            "authorization": bearer("all"),
        }
        command = [sys.executable, WRITER, json.dumps(given)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def read(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def go(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def result(self) -> dict[str, Any]:
        """What it did: how often which answer, klanten as acknowledged last, numbers won."""
        out, _ = self.process.communicate()
        assert self.process.returncode == 0
        found: dict[str, Any] = json.loads(out.splitlines()[-1])
        return found


StartWriters = Callable[[int], list[Writer]]


@pytest.fixture
def start_writers(store: Store, settings: dict[str, str]) -> Iterator[StartWriters]:
    """Starts two processes that write so many rounds in each thread; both begin at once."""
    started: list[Writer] = []

    def start(rounds: int) -> list[Writer]:
        changed = {"zodbconn.uri": store.uri, "klanten.database.timeout": str(10 * TIMEOUT)}
        started.extend(Writer(name, rounds, settings | changed) for name in "ab")
        for writer in started:
            assert writer.read() == "ready"
        for writer in started:
            writer.go()
        return started

    yield start
    for writer in started:
        writer.process.kill()
        writer.process.communicate()


def assert_stored(store: Store, results: list[dict[str, Any]]) -> None:
    """The tree is whole and holds what was acknowledged, as it was acknowledged."""
    database = open_database(store.uri)
    with tree(database) as root:
        klanten = assert_whole(root)
        for result in results:
            for shown in result["acknowledged"]:
                uuid = shown.pop("url").rpartition("/")[2]
                assert klanten[uuid].body == shown
            assert not set(result["deleted"]) & klanten.keys()
    database.close()


def test_two_processes_write_one_database(store: Store, start_writers: StartWriters):
    results = [writer.result() for writer in start_writers(15)]
    assert_stored(store, results)
    tally: Counter[str] = Counter()
    for result in results:
        tally.update(result["tally"])
    # each contested number went to one, and was refused to all others
    assert sorted(results[0]["won"] + results[1]["won"]) == sorted(
        f"WANTED{number}" for number in range(CONTESTED)
    )
    assert tally.pop("POST 400") == CONTESTED * (2 * THREADS - 1)
    conflicts = tally.pop("conflicts", 0)
    assert tally.keys() == {"POST 201", "PATCH 200", "DELETE 204"}
    # a fifth of them would still be answered well; a design that collides has more than half
    assert conflicts < sum(tally.values()) / 5
