"""The clock of a server jumps: back by hours, and on again."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import bearer
from tests.factories import make_klant
from tests.faults.conftest import MakeSite
from tests.faults.load import HOST
from tests.faults.site import Site, prepared
from tests.fouten import assert_fout
from tests.servers import Pserve, Server

HOUR = 3600
BACK = -5 * HOUR


class WrongClock(Pserve):
    """A server whose clock can be set."""

    def start(self) -> Server:
        self.clock = self.folder / "clock"
        if not self.clock.exists():
            self.set(0)
        self.program = [sys.executable, Path(__file__).with_name("clock.py"), self.clock]
        return super().start()

    def set(self, off_by: float) -> None:
        """Let the clock be wrong by so many seconds."""
        new = self.clock.with_suffix(".new")
        new.write_text(str(off_by))
        new.replace(self.clock)


@pytest.fixture(params=["file", "zeo", "postgres"])
def site(request: pytest.FixtureRequest, make_site: MakeSite) -> Site:
    """One server, or two of which the clock of one is right."""
    if request.param == "file":
        return make_site(server=WrongClock)
    server = request.getfixturevalue(request.param)
    uri = server.uri if request.param == "zeo" else server.new_database("clock")
    return make_site({"zodbconn.uri": prepared(uri)}, processes=2, server=WrongClock)


def test_a_clock_that_jumps_back_costs_nothing(site: Site, rounds: Iterator[int]):
    clock = site.processes[0]
    assert isinstance(clock, WrongClock)
    for _ in rounds:
        with site.load.running():
            site.load.wait_for(20)
            clock.set(BACK)
            site.load.wait_for(20)
        site.assert_nothing_lost()
        # what was written last is in the future then
        site.stop()
        site.start()
        site.load.run(50)
        site.assert_nothing_lost()
        clock.set(0)
    assert site.load.refused + site.load.broken == 0


def test_an_audittrail_keeps_its_order_whatever_the_clock_says(make_site: MakeSite):
    site = make_site(server=WrongClock)
    [clock], [server] = site.processes, site.servers
    assert isinstance(clock, WrongClock)
    url = server.request("POST", "/klanten", make_klant(), headers=HOST).json["url"]
    path = url.partition("/api/v1")[2]
    for number, off_by in enumerate((BACK, 0)):
        clock.set(off_by)
        server.request("PATCH", path, {"functie": f"f{number}"})
    lines = server.request("GET", f"{path}/audittrail").json
    assert [line["wijzigingen"]["nieuw"]["functie"] for line in lines] == ["", "f0", "f1"]
    made, back, on = (line["aanmaakdatum"] for line in lines)
    assert back < made < on


def test_a_token_that_counts_from_now_is_refused_by_a_clock_of_before_until_that_is_right(
    make_site: MakeSite,
):
    site = make_site(server=WrongClock)
    [clock], [server] = site.processes, site.servers
    assert isinstance(clock, WrongClock)
    dated = {"Authorization": bearer("all", {"nbf": int(time.time())})}
    clock.set(BACK)
    refused = server.request("GET", "/klanten", headers=dated)
    assert_fout(refused, 403, "jwt-not-yet-valid")
    clock.set(0)
    assert server.request("GET", "/klanten", headers=dated).status == 200
