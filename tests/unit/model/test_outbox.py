import dataclasses
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from klanten.model.audittrail import Actie, Bewerking
from klanten.model.klant import Klant
from klanten.model.outbox import GUARD, SHARDS, Failure, Message, Outbox
from klanten.model.root import Root
from klanten.model.sharded import Sharded
from tests.factories import make_person

MOMENT = datetime(2026, 3, 1, 12, 30, 15, 123456, UTC)
ROOT = "https://klanten.example.nl/prefix/api/v1"


def bewerking(actie: Actie = Actie.CREATE, moment: datetime = MOMENT) -> Bewerking:
    return Bewerking(actie, moment, ROOT)


@pytest.fixture
def outbox() -> Outbox:
    return Outbox()


def put(outbox: Outbox, version: int = 1, uuid: str = "", **change: object) -> str:
    """Put in a message that a klant was changed, and give back its number."""
    klant = Klant(uuid or str(uuid4()), {})
    klant.version = version
    body = {"subjectType": "natuurlijk_persoon"}
    outbox.put(klant, body, dataclasses.replace(bewerking(), **change))
    return f"{klant.uuid}/{version:08d}"


# --- what a change leaves -----------------------------------------------------------------------


def test_a_new_outbox_is_empty(outbox):
    assert (list(outbox), len(outbox), bool(outbox), outbox.oldest()) == ([], 0, False, None)
    assert list(outbox.lanes()) == []


def test_a_message_tells_which_klant_was_changed_how_and_when(outbox):
    number = put(outbox, uuid="u-u")
    assert outbox[number] == Message(
        "u-u", ROOT, "create", "natuurlijk_persoon", "2026-03-01T12:30:15.123456Z"
    )
    assert outbox[number].url == f"{ROOT}/klanten/u-u"


def test_every_change_of_the_tree_leaves_one_message_in_order():
    root = Root()
    sent = make_person(klantnummer="1")
    klant = root.create(sent, bewerking(Actie.CREATE))
    root.change(klant, {"functie": "molenaar"}, bewerking(Actie.PARTIAL_UPDATE))
    root.change(klant, {"functie": "smid"}, bewerking(Actie.UPDATE))
    root.remove(klant, bewerking(Actie.DESTROY))
    [lane] = root.outbox.lanes()
    messages = [root.outbox[number] for number in lane.numbers]
    assert [message.actie for message in messages] == [
        "create",
        "partial_update",
        "update",
        "destroy",
    ]
    assert {message.subject_type for message in messages} == {"natuurlijk_persoon"}


def test_a_klant_without_a_type_has_an_empty_kenmerk(outbox):
    outbox.put(Klant("u-u", {}), {"subjectType": None}, bewerking())
    [number] = outbox
    assert outbox[number].subject_type == ""


def test_a_message_holds_nothing_of_the_klant_but_its_uuid_and_type():
    root = Root()
    sent = make_person()
    klant = root.create(sent, bewerking())
    stored = b"".join(root.outbox._messages.values()).decode()
    assert ROOT in stored
    texts = [value for value in sent.values() if isinstance(value, str) and len(value) > 3]
    texts.remove(klant.body["subjectType"])
    assert [text for text in texts if text in stored] == []
    assert sent["subjectIdentificatie"]["inpBsn"] not in stored


# --- lanes --------------------------------------------------------------------------------------


def test_a_lane_has_the_messages_of_one_klant_in_order(outbox):
    uuids = [str(uuid4()) for _ in range(50)]
    for version in (2, 10, 1, 9):
        for uuid in uuids:
            put(outbox, version, uuid)
    lanes = {lane.numbers[0].partition("/")[0]: lane.numbers for lane in outbox.lanes()}
    assert set(lanes) == set(uuids)
    for uuid, numbers in lanes.items():
        assert numbers == [f"{uuid}/{version:08d}" for version in (1, 2, 9, 10)]


def test_a_lane_is_as_long_as_asked_for(outbox):
    for version in range(1, 8):
        put(outbox, version, "u-u")
        put(outbox, version, "v-v")
    lanes = [[number[-1] for number in lane.numbers] for lane in outbox.lanes(length=3)]
    assert lanes == [["1", "2", "3"]] * 2


@pytest.mark.parametrize("start", [0, 1, 100, SHARDS - 1])
def test_lanes_go_round_from_any_shard(outbox, start):
    for _ in range(300):
        put(outbox)
    lanes = list(outbox.lanes(start))
    assert sorted(number for lane in lanes for number in lane.numbers) == sorted(outbox)
    order = [(lane.shard - start) % SHARDS for lane in lanes]
    assert order == sorted(order)
    assert order[-1] > 200


def test_the_oldest_message_is_known(outbox):
    for hours in (5, 1, 3):
        put(outbox, moment=MOMENT + timedelta(hours=hours))
    assert outbox.oldest() == "2026-03-01T13:30:15.123456Z"


# --- after delivery -----------------------------------------------------------------------------


def test_a_delivered_message_is_gone(outbox):
    first, second = put(outbox), put(outbox)
    assert outbox.discard(first)
    assert list(outbox) == [second]
    assert (first in outbox, second in outbox, len(outbox)) == (False, True, 1)


def test_a_message_that_is_gone_may_be_removed_again(outbox):
    number = put(outbox)
    assert outbox.discard(number)
    assert not outbox.discard(number)
    outbox.put_aside(number, "400", "now")
    assert list(outbox.failures()) == []


def test_a_refused_message_is_put_aside_with_its_reason(outbox):
    number = put(outbox)
    message = outbox[number]
    outbox.put_aside(number, "400 invalid", "2026-03-01T12:31:00Z")
    assert list(outbox) == []
    assert list(outbox.failures()) == [
        Failure(number, message, "400 invalid", "2026-03-01T12:31:00Z")
    ]


def test_a_message_that_was_put_aside_may_be_tried_again(outbox):
    first, second = put(outbox), put(outbox)
    message = outbox[first]
    for number in (first, second):
        outbox.put_aside(number, "400", "now")
    assert outbox.retry([first, "no such number"]) == 1
    assert list(outbox) == [first]
    assert outbox[first] == message
    assert [failure.number for failure in outbox.failures()] == [second]


def test_a_message_that_was_put_aside_may_be_dropped(outbox):
    first, second = put(outbox), put(outbox)
    for number in (first, second):
        outbox.put_aside(number, "400", "now")
    assert outbox.drop([first, "no such number", first]) == 1
    assert [failure.number for failure in outbox.failures()] == [second]
    assert list(outbox) == []


def test_the_last_that_was_put_aside_may_go_while_another_comes(stored, write_at_once):
    outbox = stored(Outbox())
    first, second = put(outbox), put(outbox)
    outbox.put_aside(first, "400", "now")
    outbox._p_jar.transaction_manager.commit()
    after = write_at_once(
        lambda outbox: outbox.retry([first]),
        lambda outbox: outbox.put_aside(second, "404", "now"),
    )
    assert list(after) == [first]
    assert [failure.number for failure in after.failures()] == [second]


@pytest.mark.parametrize("change", [Outbox.retry, Outbox.drop])
def test_what_was_put_aside_has_a_number(outbox, change):
    put(outbox)
    assert change(outbox, [GUARD]) == 0
    assert list(outbox.failures()) == []


# --- many writers and a deliverer ---------------------------------------------------------------


def in_shard_of(uuid: str) -> str:
    """Another uuid whose messages are in the same tree."""
    trees = Sharded(SHARDS)
    return next(
        other for _ in iter(int, 1) if trees.tree(other := str(uuid4())) is trees.tree(uuid)
    )


def test_a_delivery_that_leaves_a_tree_empty_merges_with_a_write_in_it(stored, write_at_once):
    outbox = stored(Outbox())
    delivered = put(outbox)
    outbox._p_jar.transaction_manager.commit()
    other = in_shard_of(delivered.partition("/")[0])
    after = write_at_once(
        lambda outbox: outbox.discard(delivered), lambda outbox: put(outbox, uuid=other)
    )
    assert [number.partition("/")[0] for number in after] == [other]


def test_a_write_merges_with_a_delivery_that_leaves_its_tree_empty(stored, write_at_once):
    outbox = stored(Outbox())
    delivered = put(outbox)
    outbox._p_jar.transaction_manager.commit()
    other = in_shard_of(delivered.partition("/")[0])
    after = write_at_once(
        lambda outbox: put(outbox, uuid=other), lambda outbox: outbox.discard(delivered)
    )
    assert [number.partition("/")[0] for number in after] == [other]


def test_a_message_loads_and_stores_one_small_object(stored, connection):
    outbox = stored(Outbox())
    connection.cacheMinimize()
    connection.getTransferCounts(clear=True)
    put(outbox)
    connection.transaction_manager.commit()
    loads, stores = connection.getTransferCounts()
    # the outbox, its map, the tree
    assert (loads, stores) == (3, 1)


def test_what_was_delivered_leaves_nothing_behind(stored, database):
    outbox = stored(Outbox())
    manager = outbox._p_jar.transaction_manager
    database.pack()
    empty = database.getSize()
    for _ in range(20):
        for _ in range(100):
            put(outbox)
        manager.commit()
        for number in list(outbox):
            outbox.discard(number)
        manager.commit()
    database.pack()
    assert database.getSize() < 1.2 * empty


def test_the_guard_of_a_tree_is_no_message(outbox):
    assert GUARD in outbox._messages
    assert GUARD not in list(outbox)
