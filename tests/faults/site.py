"""Servers on one database, those that use them, and what can be done to them."""

import random
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from click.testing import CliRunner

from klanten.cli import klanten as command
from klanten.storage import open_database, prepare
from tests.conftest import bearer
from tests.faults.judge import assert_nothing_lost
from tests.faults.load import Load
from tests.servers import Pserve, Server

TIMEOUT = "2"
"""Seconds that a request waits for its database: short, because the tests wait for it."""


class Site:
    """The service of a municipality: one or more processes of the server on one database.

    A context, in which it runs.
    """

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, str],
        processes: int = 1,
        server: type[Pserve] = Pserve,
        **options: str,
    ) -> None:
        self.uri = settings["zodbconn.uri"]
        given = {"klanten.database.timeout": TIMEOUT, **settings}
        given = {name: value.replace("%", "%%") for name, value in given.items()}
        self.processes: list[Pserve] = []
        for number in range(processes):
            place = folder / f"server{number}"
            place.mkdir()
            headers = {"Authorization": bearer("all")}
            self.processes.append(server(place, given, headers, {"use": "egg:klanten", **options}))
        self.load = Load(self.servers)
        self.notes: dict[str, int] = {}

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def servers(self) -> list[Server]:
        return [each.server for each in self.processes]

    def start(self) -> None:
        for process in self.processes:
            process.start()

    def kill(self) -> None:
        for process in self.processes:
            process.kill()

    def stop(self) -> None:
        for process in self.processes:
            process.stop()

    @property
    def pids(self) -> list[int]:
        return [each.process.pid for each in self.processes if each.process is not None]

    @property
    def is_up(self) -> bool:
        """Whether no server ended of itself."""
        return all(each.process and each.process.poll() is None for each in self.processes)

    def assert_nothing_lost(self, messages_are_kept: bool = True) -> None:
        assert_nothing_lost(self.load, self.servers[0], self.ini, self.uri, messages_are_kept)

    def command(self, *words: str) -> None:
        """What an operator does, while the service goes on; the ini file follows the first word."""
        done = CliRunner().invoke(command, [words[0], str(self.ini), *words[1:]])
        assert done.exit_code == 0, done.output

    @property
    def ini(self) -> Path:
        return self.processes[0].ini

    @property
    def figures(self) -> dict[str, int]:
        """What was done to the service, for those who watch a long run."""
        load = self.load
        figures = {
            "requests": load.tally.total(),
            "writes acknowledged": load.acknowledged,
            "refused with 503": load.refused,
            "without an answer": load.broken,
            "done without an acknowledgement": load.done_unacknowledged,
            **self.notes,
        }
        return {what: count for what, count in figures.items() if count}


def any_moment() -> None:
    """Wait until some moment in the middle of something."""
    time.sleep(random.uniform(0, 0.1))


def prepared(uri: str) -> str:
    """The URI, with an empty tree in its database."""
    database = open_database(uri)
    prepare(database)
    database.close()
    return uri
