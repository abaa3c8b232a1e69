"""Klanten that come from another register, one at a time or many at once."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from itertools import pairwise

import pytest
import transaction

from klanten.model.audittrail import Actie, Audittrail, Bewerking
from klanten.model.errors import KlantnummerInUse
from klanten.model.klant import new_body
from klanten.model.organisatie import Organisatie
from klanten.model.postings import Selection
from klanten.model.root import Root
from klanten.model.sharded import Sharded
from tests.factories import make_klant, make_person

UUID = "6a107b75-677f-4cbd-8c22-af58be6521cc"
OTHER = "e5446dd4-552b-42f6-be3e-dc0a1ef2a4f0"
BEWERKING = Bewerking(Actie.CREATE, datetime.now(UTC), "")


@pytest.fixture
def root(database) -> Iterator[Root]:
    manager = transaction.TransactionManager()
    with closing(database.open(manager)) as connection:
        connection.root()["klanten"] = root = Root()
        yield root
        manager.abort()


def body(**overrides):
    return new_body(make_klant(**overrides))


def uuid(number):
    return f"{number:08x}-0000-4000-8000-000000000000"


def test_a_klant_keeps_its_uuid_and_number(root):
    klant = root.add(UUID, body(klantnummer="A1"), BEWERKING)
    assert root.find(UUID) is klant is root.numbered("517439943", "A1")
    assert [regel.content["actie"] for regel in Audittrail(klant)] == ["create"]


def test_a_klant_without_a_subject_can_be_added_but_not_created(root):
    assert root.add(UUID, body(subjectIdentificatie=None), BEWERKING)


def test_a_klant_without_a_number_is_given_one(root):
    assert len(root.add(UUID, body(klantnummer=""), BEWERKING).body["klantnummer"]) == 8


def test_many_klanten_are_as_if_they_were_added_one_by_one(root, database):
    bodies = [new_body(make_person()) for _ in range(300)]
    klanten = root.add_all(((uuid(n), body) for n, body in enumerate(bodies)), BEWERKING)
    one_by_one = Root()
    for number, each in enumerate(bodies):
        one_by_one.add(uuid(number), dict(each), BEWERKING)
    assert [klant.body for klant in klanten] == bodies
    assert [klant.docid for klant in klanten] == [
        one_by_one.find(uuid(number)).docid for number in range(300)
    ]
    entries = {key: list(docids(posting)) for key, posting in root.catalog.items()}
    assert entries == {key: list(docids(posting)) for key, posting in one_by_one.catalog.items()}
    assert set(root.uuids) == set(one_by_one.uuids)
    assert set(root.organisaties["517439943"]) == set(one_by_one.organisaties["517439943"])
    assert len(root.outbox) == 300


def docids(posting):
    return Selection([posting])


def test_nobody_is_told_of_a_change_that_is_not_to_be_notified(root):
    quiet = Bewerking(Actie.CREATE, datetime.now(UTC), "", notify=False)
    klant = root.add(UUID, body(), quiet)
    root.replace(klant, body(achternaam="Vries"), quiet)
    root.remove(klant, quiet)
    assert not root.outbox


def test_a_uuid_that_is_taken_is_refused(root):
    root.add(UUID, body(), BEWERKING)
    with pytest.raises(ValueError, match="already"):
        root.add(UUID, body(), BEWERKING)
    with pytest.raises(ValueError, match="two"):
        root.add_all([(OTHER, body()), (OTHER, body())], BEWERKING)


def test_a_number_that_is_taken_is_refused_and_nothing_changes(root):
    root.add(UUID, body(klantnummer="A1"), BEWERKING)
    with pytest.raises(KlantnummerInUse):
        root.add(OTHER, body(klantnummer="A1"), BEWERKING)
    assert list(root.uuids) == [UUID]
    assert root.search({}).count == 1


def test_a_number_that_is_there_twice_is_refused(root):
    with pytest.raises(KlantnummerInUse):
        root.add_all([(UUID, body(klantnummer="A")), (OTHER, body(klantnummer="A"))], BEWERKING)


def test_there_is_a_pause_now_and_then(root, monkeypatch):
    monkeypatch.setattr("klanten.model.root.PAUSE_AFTER", 10)
    monkeypatch.setattr("klanten.model.catalog.PAUSE_AFTER", 50)
    paused = []
    root.add_all(((uuid(n), body()) for n in range(100)), BEWERKING, lambda: paused.append(1))
    keys = sum(1 for _ in root.catalog.items())
    assert len(paused) == 100 // 10 + keys // 50


def test_a_number_of_nobody_is_nobody(root):
    assert root.numbered("517439943", "A1") is None
    root.add(UUID, body(klantnummer="A2"), BEWERKING)
    assert root.numbered("517439943", "A1") is None


def test_another_body_moves_the_klant_and_its_values(root):
    klant = root.add(UUID, body(klantnummer="A1", emailadres="a@x.nl"), BEWERKING)
    root.replace(klant, body(klantnummer="A2", emailadres="b@x.nl"), BEWERKING)
    assert root.search({"emailadres": "a@x.nl"}).count == 0
    assert root.fetch(root.search({"emailadres": "b@x.nl"})) == [klant]
    assert root.numbered("517439943", "A1") is None
    assert klant.version == 2


def test_another_audittrail_takes_the_place_of_the_first(root):
    klant = root.add(UUID, body(), BEWERKING)
    lines = [{"uuid": uuid(number), "actie": "create"} for number in range(3)]
    Audittrail(klant).replace(lines)
    assert [regel.content for regel in Audittrail(klant)] == lines
    assert Audittrail(klant).find(uuid(1)).content == lines[1]


def test_keys_in_order_meet_each_tree_once():
    sharded = Sharded(8)
    keys = sharded.in_order(str(number) for number in range(100))
    trees = [id(sharded.tree(key)) for key in keys]
    changes = sum(one != other for one, other in pairwise(trees))
    assert changes == len(set(trees)) - 1
    assert sorted(keys) == sorted(str(number) for number in range(100))


def test_many_keys_are_set_at_once():
    sharded = Sharded(4)
    sharded["a"] = 0
    sharded.update({str(number): number for number in range(20)} | {"a": 1})
    assert dict(sharded.items()) == {str(number): number for number in range(20)} | {"a": 1}


def test_an_organisation_refuses_a_number_that_is_used_among_many():
    organisatie = Organisatie()
    organisatie.update({"A1": "x", "A2": "y"})
    with pytest.raises(KlantnummerInUse):
        organisatie.update({"A3": "z", "A2": "z"})
