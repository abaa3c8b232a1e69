"""Many writers at once, and writers that wait for nobody."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.consistency import assert_consistent
from tests.factories import make_klant, rsin
from tests.fouten import codes_of
from tests.servers import Answer, Subjects

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
