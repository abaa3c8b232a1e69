"""Two writers of one key at the same moment, where it can be from two processes."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from tests.factories import make_klant
from tests.faults.conftest import MakeSite
from tests.faults.judge import assert_stored, assert_verified
from tests.faults.load import HOST
from tests.faults.site import Site, prepared
from tests.fouten import codes_of
from tests.servers import Answer

KEYS = 5


@pytest.fixture(params=["file", "zeo", "postgres"])
def site(request: pytest.FixtureRequest, make_site: MakeSite) -> Site:
    if request.param == "file":
        return make_site()
    server = request.getfixturevalue(request.param)
    uri = server.uri if request.param == "zeo" else server.new_database("racing")
    return make_site({"zodbconn.uri": prepared(uri)}, processes=2)


class Racers:
    """Two writers, each at a process of its own where there are two."""

    def __init__(self, site: Site) -> None:
        self.servers = (site.servers[0], site.servers[-1])
        self.pool = ThreadPoolExecutor(2)
        self.answers: list[Answer] = []
        self.notes = site.notes

    def __call__(self, *requests: tuple[Any, ...]) -> list[Answer]:
        """What both get, who start at once."""
        barrier = Barrier(2)
        self.notes["races"] = self.notes.get("races", 0) + 1

        def send(number: int) -> Answer:
            barrier.wait()
            return self.servers[number].request(*requests[number], headers=HOST)

        self.answers = list(self.pool.map(send, range(2)))
        return self.answers

    def one(self, *request: Any) -> Any:
        """What one of them gets, whom nobody disturbs."""
        return self.servers[0].request(*request, headers=HOST).json

    def new(self, **fields: Any) -> str:
        """The path of a new klant."""
        url: str = self.one("POST", "/klanten", make_klant(**fields))["url"]
        return url.partition("/api/v1")[2]

    @property
    def statuses(self) -> list[int]:
        return sorted(answer.status for answer in self.answers)


@pytest.fixture
def both(site: Site) -> Iterator[Racers]:
    racers = Racers(site)
    with racers.pool:
        yield racers
    assert_verified(site.ini)
    assert_stored(site.uri)
    assert site.is_up


def one_won(both: Racers, status: int) -> bool:
    """Whether one writer got its way, and the other was told why not."""
    refused = [codes_of(answer) for answer in both.answers if answer.status == 400]
    return both.statuses == [status, 400] and refused == [["unique"]]


def test_of_two_writers_nobody_undoes_what_the_other_was_promised(
    both: Racers, rounds: Iterator[int]
):
    for turn in rounds:
        for key in range(KEYS):
            name = f"{turn}-{key}"
            two_creations(both, f"C{name}")
            two_moves(both, f"M{name}")
            two_changes(both, f"f{name}")
            a_change_and_a_deletion(both, f"D{name}")


def two_creations(both: Racers, number: str) -> None:
    create = ("POST", "/klanten", make_klant(klantnummer=number))
    both(create, create)
    assert one_won(both, 201)
    assert both.one("GET", f"/klanten?klantnummer={number}")["count"] == 1


def two_moves(both: Racers, number: str) -> None:
    paths = [both.new(), both.new()]
    both(*(("PATCH", path, {"klantnummer": number}) for path in paths))
    assert one_won(both, 200)
    assert both.one("GET", f"/klanten?klantnummer={number}")["count"] == 1


def two_changes(both: Racers, name: str) -> None:
    path = both.new()
    sent = [{"functie": f"{name}0", "voornaam": "A"}, {"functie": f"{name}1", "achternaam": "B"}]
    both(*(("PATCH", path, each) for each in sent))
    assert both.statuses == [200, 200]
    klant = both.one("GET", path)
    assert (klant["voornaam"], klant["achternaam"]) == ("A", "B")
    lines = [line["wijzigingen"] for line in both.one("GET", f"{path}/audittrail")]
    assert [line["oud"] for line in lines] == [None, *(line["nieuw"] for line in lines[:-1])]
    acknowledged = [answer.json for answer in both.answers]
    told = [line["nieuw"] for line in lines[1:]]
    assert told in (acknowledged, acknowledged[::-1])
    assert told[-1] == klant


def a_change_and_a_deletion(both: Racers, number: str) -> None:
    path = both.new(klantnummer=number)
    both(("PATCH", path, {"functie": "f"}), ("DELETE", path))
    assert both.statuses in ([200, 204], [204, 404])
    assert both.one("GET", path)["status"] == 404
    assert both.one("GET", f"/klanten?klantnummer={number}")["count"] == 0
