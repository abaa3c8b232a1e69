"""Clients that never come to the end of what they send, as many as can be."""

import contextlib
import random
import resource
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.conftest import MakeSite, minutes_of
from tests.faults.site import Site
from tests.servers import ANSWER_SECONDS, Server
from tests.storages.servers import until

BEGUN = (
    b"G",
    b"GET /api/v1/klanten HTTP/1.1\r\nHost: x\r\nX-Slow: ",
    b"POST /api/v1/klanten HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{",
    b"POST /api/v1/klanten HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
)
OURS = 200
"""Files that the tests, the database and the log need, beside the sockets."""
LOAD = 50
"""Connections of those who are not slow, at most."""


class Slow:
    """Clients that have begun a request and send a byte of it now and then."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.sockets: list[socket.socket] = []

    def connect(self, count: int) -> None:
        for _ in range(count):
            one = socket.create_connection(("127.0.0.1", self.server.port), ANSWER_SECONDS)
            self.sockets.append(one)
            one.sendall(random.choice(BEGUN))

    def dribble(self) -> None:
        for one in self.sockets:
            with contextlib.suppress(ConnectionError):
                one.sendall(b" ")

    def leave(self) -> None:
        for one in self.sockets:
            one.close()
        self.sockets.clear()


@contextlib.contextmanager
def slow_clients(site: Site, count: int) -> Iterator[Slow]:
    slow = Slow(site.servers[0])
    try:
        slow.connect(count)
        yield slow
    finally:
        slow.leave()


@pytest.fixture
def most(request: pytest.FixtureRequest) -> Iterator[int]:
    """Many sockets; in a long run as many as this process may open, or nearly four thousand.

    With more than 1024, `select` would fail.
    """
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    hard = before[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield min(hard, 4_000 if minutes_of(request.config) else 1_300) - OURS
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def files_of(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def test_others_are_served_beside_all_slow_clients_that_can_be(
    make_site: MakeSite, most: int, rounds: Iterator[int]
):
    site = make_site(connection_limit=str(most + LOAD))
    quiet = files_of(site.pids[0])
    for _ in rounds:
        with slow_clients(site, most) as slow, site.load.running():
            site.load.wait_for(20)
            until(lambda: files_of(site.pids[0]) > most, "the slow clients to be let in")
            slow.dribble()
            site.load.wait_for(40)
        site.assert_nothing_lost()
        until(lambda: files_of(site.pids[0]) < quiet + OURS, "the sockets to be closed")
    assert site.load.refused + site.load.broken == 0
    assert site.is_up


def test_a_server_that_is_full_lets_nobody_in_and_loses_nobody(
    make_site: MakeSite, rounds: Iterator[int]
):
    """Those who come wait until those who are silent for too long are sent away."""
    site = make_site(connection_limit="30", channel_timeout="1", cleanup_interval="1")
    for _ in rounds:
        with slow_clients(site, 60), site.load.running():
            site.load.wait_for(20)
        site.assert_nothing_lost()
    assert site.load.refused + site.load.broken == 0


def test_a_server_without_a_file_left_goes_on_when_there_is_one(
    make_site: MakeSite, rounds: Iterator[int]
):
    site = make_site(connection_limit="500")
    for _ in rounds:
        site.load.run(40)
        few = files_of(site.pids[0]) + 20
        hard = resource.prlimit(site.pids[0], resource.RLIMIT_NOFILE)[1]
        resource.prlimit(site.pids[0], resource.RLIMIT_NOFILE, (few, hard))
        with slow_clients(site, 40):
            until(lambda few=few: files_of(site.pids[0]) >= few, "the last file to be used")
        site.load.run(40)
        resource.prlimit(site.pids[0], resource.RLIMIT_NOFILE, (hard, hard))
        site.assert_nothing_lost()
    assert site.is_up
