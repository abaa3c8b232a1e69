"""Many writers at once, writers that wait for nobody, and a server that is killed."""

import http.client
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from klanten.storage import open_database, tree
from tests.consistency import assert_consistent
from tests.factories import make_klant, rsin
from tests.fouten import codes_of
from tests.servers import Answer, Pserve, Server, Subjects

WRITERS = 16
EACH = 6


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """What the calls return, made at the same moment from a thread each."""
    barrier = threading.Barrier(len(calls))

    def call(one: Callable[[], Any]) -> Any:
        barrier.wait()
        return one()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(call, calls))


def writers(write: Callable[[int], Any]) -> list[Any]:
    """All that 16 writers return who write several times each."""

    def several(number: int) -> list[Any]:
        return [write(number * EACH + turn) for turn in range(EACH)]

    calls = [lambda number=number: several(number) for number in range(WRITERS)]
    return [answer for answers in at_once(*calls) for answer in answers]


def statuses(answers: list[Answer]) -> Counter[int]:
    return Counter(answer.status for answer in answers)


@pytest.fixture
def stored(app: Any) -> Callable[[], list[Any]]:
    """Checks the whole database; gives back the bodies of all klanten."""

    def look() -> list[Any]:
        with app.app.registry.database.transaction() as connection:
            return [klant.body for klant in assert_consistent(connection.root()["klanten"])]

    return look


# --- sixteen writers ----------------------------------------------------------------------------


def test_sixteen_writers_without_a_number_get_one_each(server, stored):
    answers = writers(lambda _: server.request("POST", "/klanten", make_klant(klantnummer=...)))
    assert statuses(answers) == {201: WRITERS * EACH}
    numbers = {answer.json["klantnummer"] for answer in answers}
    assert len(numbers) == WRITERS * EACH
    assert {body["klantnummer"] for body in stored()} == numbers


def test_sixteen_writers_of_one_number_get_it_once(server, stored):
    def write(turn: int) -> Answer:
        return server.request("POST", "/klanten", make_klant(klantnummer=f"N{turn % EACH}"))

    answers = writers(write)
    assert statuses(answers) == {201: EACH, 400: WRITERS * EACH - EACH}
    assert {code for answer in answers if answer.status == 400 for code in codes_of(answer)} == {
        "unique"
    }
    assert sorted(body["klantnummer"] for body in stored()) == [f"N{turn}" for turn in range(EACH)]


def test_sixteen_writers_move_klanten_onto_one_number(server, stored):
    made = [server.request("POST", "/klanten", make_klant()).json for _ in range(WRITERS)]
    calls = [
        lambda klant=klant: server.request("PATCH", klant["url"], {"klantnummer": "ONE"})
        for klant in made
    ]
    assert statuses(at_once(*calls)) == {200: 1, 400: WRITERS - 1}
    assert [body["klantnummer"] for body in stored()].count("ONE") == 1


def test_sixteen_changes_of_one_klant_are_sixteen_lines(server, stored):
    klant = server.request("POST", "/klanten", make_klant()).json

    def change(turn: int) -> Answer:
        return server.request("PATCH", klant["url"], {"functie": f"f{turn}"})

    assert statuses(writers(change)) == {200: WRITERS * EACH}
    lines = server.request("GET", klant["url"] + "/audittrail").json
    assert len(lines) == WRITERS * EACH + 1
    seen = {line["wijzigingen"]["nieuw"]["functie"] for line in lines}
    assert seen == {"", *(f"f{turn}" for turn in range(WRITERS * EACH))}
    stored()


def test_changes_of_other_fields_of_one_klant_are_all_kept(server, stored):
    klant = server.request("POST", "/klanten", make_klant()).json
    sent: list[dict[str, Any]] = [
        {"functie": "a"},
        {"achternaam": "b"},
        {"adres": {"huisletter": "c"}},
        {"subjectIdentificatie": {"voorletters": "d"}},
    ]
    calls = [lambda each=each: server.request("PATCH", klant["url"], each) for each in sent]
    assert statuses(at_once(*calls)) == {200: 4}
    [body] = stored()
    assert (body["functie"], body["achternaam"]) == ("a", "b")
    assert body["adres"]["huisletter"] == "c"
    assert body["subjectIdentificatie"]["voorletters"] == "d"


def test_readers_see_whole_klanten_while_writers_write(server, stored):
    organisations = [rsin() for _ in range(3)]
    done = threading.Event()
    torn: list[Any] = []

    def read() -> None:
        while not done.is_set():
            for organisation in organisations:
                page = server.request("GET", f"/klanten?bronorganisatie={organisation}").json
                torn.extend(
                    klant
                    for klant in page["results"]
                    if klant["bronorganisatie"] != organisation
                    or klant["functie"] != klant["achternaam"]
                )

    def write(turn: int) -> list[int]:
        organisation = organisations[turn % 3]
        made = server.request(
            "POST", "/klanten", make_klant(bronorganisatie=organisation, klantnummer=...)
        )
        url, name = made.json["url"], f"n{turn}"
        moved = organisations[(turn + 1) % 3]
        change = {"functie": name, "achternaam": name, "bronorganisatie": moved}
        answers = [made, server.request("PATCH", url, change)]
        if turn % 3 == 0:
            answers.append(server.request("DELETE", url))
        return [answer.status for answer in answers]

    reader = threading.Thread(target=read)
    reader.start()
    try:
        found = Counter(status for each in writers(write) for status in each)
    finally:
        done.set()
        reader.join()
    total = WRITERS * EACH
    assert found == {201: total, 200: total, 204: total // 3}
    assert torn == []
    assert len(stored()) == total - total // 3


# --- nobody waits for somebody else's slow server -----------------------------------------------


def test_a_writer_does_not_wait_for_the_subject_of_another(server, subjects: Subjects):
    def slow() -> Answer:
        return server.request("POST", "/klanten", make_klant(subject=subjects.url("/hang")))

    with ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(slow) for _ in range(3)]
        for _ in waiting:
            subjects.wait_for_hanging()
        klant = server.request("POST", "/klanten", make_klant())
        assert klant.status == 201
        assert server.request("PATCH", klant.json["url"], {"functie": "f"}).status == 200
        assert server.request("DELETE", klant.json["url"]).status == 204
        assert server.request("GET", "/klanten").json["count"] == 0
        assert not any(each.done() for each in waiting)
        subjects.release()
        assert [each.result().status for each in waiting] == [201, 201, 201]


def test_a_writer_does_not_wait_for_a_slow_body(server):
    connection = server.connect()
    connection.putrequest("POST", "/api/v1/klanten")
    for name, value in {**server.headers, "Content-Length": "1000"}.items():
        connection.putheader(name, value)
    connection.endheaders(b"{")
    assert server.request("POST", "/klanten", make_klant()).status == 201
    connection.close()


# --- a server that is killed --------------------------------------------------------------------


@pytest.fixture
def pserve(tmp_path: Path, settings: dict[str, str], token: Any) -> Iterator[Pserve]:
    running = Pserve(tmp_path, settings, {"Authorization": token("all")})
    yield running
    running.stop()


class Load:
    """Writers that go on until the server is gone, and remember what it acknowledged."""

    def __init__(self, server: Server, name: str) -> None:
        self.server, self.name = server, name
        self.klanten: dict[str, Any] = {}
        """By URL what was last acknowledged; None for a removed klant."""
        self.unsure: set[str] = set()
        """URLs of which a change was on its way when the server was killed."""
        self.enough = threading.Event()

    def run(self, number: int) -> None:
        turn = 0
        try:
            while True:
                self.write(f"{self.name}{number}-{turn}", turn)
                turn += 1
                if turn == 12:
                    self.enough.set()
        except (OSError, http.client.HTTPException):
            return

    def write(self, name: str, turn: int) -> None:
        sent = make_klant(klantnummer=name, achternaam=name, functie="new")
        klant = self.acknowledged(self.server.request("POST", "/klanten", sent), 201)
        url = klant["url"]
        if turn % 2:
            self.unsure.add(url)
            changed = self.server.request("PATCH", url, {"functie": "changed"})
            self.acknowledged(changed, 200)
            self.unsure.discard(url)
        if turn % 5 == 4:
            self.unsure.add(url)
            assert self.server.request("DELETE", url).status == 204
            self.klanten[url] = None
            self.unsure.discard(url)

    def acknowledged(self, answer: Answer, status: int) -> Any:
        assert answer.status == status
        self.klanten[answer.json["url"]] = answer.json
        return answer.json


def test_what_was_acknowledged_survives_a_kill(pserve: Pserve, settings: dict[str, str]):
    """Twice, so that a database which was recovered once is written and recovered again."""
    for name in "ab":
        load = Load(pserve.start(), name)
        with ThreadPoolExecutor(4) as pool:
            running = [pool.submit(load.run, number) for number in range(4)]
            assert load.enough.wait(60)
            pserve.kill()
            for each in running:
                each.result()
        assert_whole_on_disk(settings)
        assert_all_there(load, pserve.start())
        pserve.kill()


def assert_all_there(load: Load, server: Server) -> None:
    for url, klant in load.klanten.items():
        if url in load.unsure:
            continue
        answer = server.request("GET", url)
        if klant is None:
            assert answer.status == 404
            continue
        assert answer.json == klant
        for name in ("klantnummer", "achternaam"):
            query = urlencode({name: klant[name], "functie": klant["functie"]})
            page = server.request("GET", f"/klanten?{query}").json
            assert [found["url"] for found in page["results"]] == [url]
        lines = server.request("GET", url + "/audittrail").json
        assert lines[-1]["wijzigingen"]["nieuw"] == klant


def assert_whole_on_disk(settings: dict[str, str]) -> None:
    database = open_database(settings["zodbconn.uri"])
    try:
        with tree(database) as root:
            assert_consistent(root)
    finally:
        database.close()
