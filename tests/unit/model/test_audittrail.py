"""The trail of a klant: a line for each change, which nobody reads by accident."""

from datetime import UTC, datetime
from typing import Any

import pytest

from klanten.model.audittrail import Actie, Audittrail, Bewerking
from klanten.model.errors import RegelUnknown
from klanten.model.klant import Klant

BODY = {"bronorganisatie": "517439943", "klantnummer": "1", "achternaam": "Jansen"}


def bewerking(actie: Actie = Actie.UPDATE, **others: Any) -> Bewerking:
    return Bewerking(actie, datetime.now(UTC), "http://localhost/api/v1", **others)


@pytest.fixture
def klant() -> Klant:
    return Klant("1", BODY)


@pytest.fixture
def trail(klant: Klant) -> Audittrail:
    return Audittrail(klant)


def test_a_trail_begins_empty(trail):
    assert list(trail) == []


def test_lines_come_oldest_first(trail):
    lines = [trail.append(bewerking(), None, BODY) for _ in range(4)]
    assert list(trail) == lines
    assert list(trail.newest_first()) == lines[::-1]


def test_a_line_is_found_by_its_uuid(trail):
    lines = [trail.append(bewerking(), None, BODY) for _ in range(4)]
    for line in lines:
        assert trail.find(line.uuid) is line


def test_a_line_that_is_not_there_is_unknown(trail):
    trail.append(bewerking(), None, BODY)
    with pytest.raises(RegelUnknown):
        trail.find("other")


def test_a_line_holds_what_the_request_told(trail):
    told = {
        "applicatie_id": "a",
        "applicatie_weergave": "b",
        "gebruikers_id": "c",
        "gebruikers_weergave": "d",
        "toelichting": "\xe9\u20ac\U0001f600",
        "logrecord_id": "e",
    }
    content = trail.append(bewerking(**told), {"old": 1}, BODY).content
    assert [content[name] for name in ("applicatieId", "applicatieWeergave")] == ["a", "b"]
    assert [content[name] for name in ("gebruikersId", "gebruikersWeergave")] == ["c", "d"]
    assert (content["toelichting"], content["logrecordId"]) == ("\xe9\u20ac\U0001f600", "e")
    assert content["wijzigingen"] == {"oud": {"old": 1}, "nieuw": BODY}
    assert content["resourceWeergave"] == "517439943 - 1"


@pytest.mark.parametrize(
    ("actie", "weergave", "resultaat"),
    [
        (Actie.CREATE, "Object aangemaakt", 201),
        (Actie.UPDATE, "Object bijgewerkt", 200),
        (Actie.PARTIAL_UPDATE, "Object deels bijgewerkt", 200),
        (Actie.DESTROY, "Object verwijderd", 204),
    ],
)
def test_each_actie_has_its_words_and_its_result(trail, actie, weergave, resultaat):
    content = trail.append(bewerking(actie), None, BODY).content
    assert (content["actie"], content["actieWeergave"]) == (actie, weergave)
    assert content["resultaat"] == resultaat


def test_a_moment_is_told_in_utc():
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    told = Bewerking(Actie.CREATE, moment, "").timestamp
    assert told == "2026-01-02T03:04:05.000000Z"
    assert datetime.fromisoformat(told) == moment


def test_a_trail_may_come_from_another_register(trail):
    trail.append(bewerking(), None, BODY)
    trail.replace([{"uuid": "1", "a": 1}, {"uuid": "2", "a": 2}])
    assert [line.content for line in trail] == [{"uuid": "1", "a": 1}, {"uuid": "2", "a": 2}]
    assert trail.find("1").content["a"] == 1


def test_reading_a_klant_loads_no_line(stored, loads, connection, klant):
    stored(klant)
    for _ in range(3):
        Audittrail(klant).append(bewerking(), None, BODY)
        connection.transaction_manager.commit()
    connection.cacheMinimize()
    assert loads(lambda: klant.body) == 1
    assert loads(lambda: list(Audittrail(klant))) == 3


def test_a_change_writes_its_own_line_only(stored, connection, klant):
    trail = Audittrail(stored(klant))
    first = trail.append(bewerking(), None, BODY)
    connection.transaction_manager.commit()
    trail.append(bewerking(), BODY, BODY)
    assert not first._p_changed
