"""A disk that is full, and has room again.

A limit on the size of files stands for the disk: it holds for one process, and anybody may set it.
Python ignores the signal SIGXFSZ, which would end other programs at such a limit; so a write
ends in EFBIG where it ends in ENOSPC on a full disk, and in both cases after a part of it.
"""

import contextlib
import random
import resource
from collections.abc import Iterator
from pathlib import Path

from klanten.storage import file_of
from tests.faults.conftest import MakeSite
from tests.faults.site import Site, prepared
from tests.storages.servers import Zeo

INFINITE = resource.RLIM_INFINITY


@contextlib.contextmanager
def full_disk(pid: int, file: Path) -> Iterator[None]:
    """The process can't make this file much larger."""
    room = random.choice([0, 1, 100, 1_000, 5_000, 20_000])
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (file.stat().st_size + room, INFINITE))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (INFINITE, INFINITE))


def fill(site: Site, pid: int, file: Path) -> None:
    """Let the disk be full for a while, with people at work before, meanwhile and after."""
    load = site.load
    with load.running():
        load.wait_for(40)
        with full_disk(pid, file):
            load.wait_for(20, lambda: load.refused)
            load.wait_for(20, lambda: load.tally["GET 200"])
        load.wait_for(20)


def test_a_full_disk_refuses_writes_until_there_is_room(site: Site, rounds: Iterator[int]):
    file = file_of(site.uri)
    assert file is not None
    for turn in rounds:
        fill(site, site.pids[0], file)
        if turn % 2 == 0:
            # nothing is put right at the end
            site.kill()
            site.start()
        site.assert_nothing_lost()
    assert site.load.tally["GET 503"] == 0
    assert site.load.done_unacknowledged == 0


def test_a_full_disk_of_zeo_refuses_writes_until_there_is_room(
    make_site: MakeSite, zeo: Zeo, rounds: Iterator[int]
):
    site = make_site({"zodbconn.uri": prepared(zeo.uri)}, processes=2)
    for turn in rounds:
        assert zeo.process is not None
        fill(site, zeo.process.pid, zeo.folder / "data.fs")
        if turn % 2 == 0:
            zeo.kill()
            zeo.start()
        site.assert_nothing_lost()
    assert site.is_up
