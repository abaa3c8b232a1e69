"""The top of the tree: everything about a klant changes together, or nothing does."""

import contextlib
from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule
from transaction import TransactionManager
from ZODB import DB
from ZODB.Connection import Connection
from ZODB.POSException import ConflictError

from klanten.model.audittrail import Actie, Audittrail, Bewerking
from klanten.model.errors import KlantnummerInUse, KlantUnknown, SubjectMissing
from klanten.model.fields import IDENTIFICATIE, KLANT, empty
from klanten.model.klant import Klant, new_body
from klanten.model.root import SCHEMA_VERSION, Root, bootstrap
from tests.consistency import assert_consistent

HERE, THERE = "517439943", "000000000"


def bewerking(actie: Actie, **others: Any) -> Bewerking:
    return Bewerking(actie, datetime.now(UTC), "http://localhost/api/v1", **others)


CREATE, UPDATE = bewerking(Actie.CREATE), bewerking(Actie.UPDATE)
PARTIAL_UPDATE, DESTROY = bewerking(Actie.PARTIAL_UPDATE), bewerking(Actie.DESTROY)


def a_klant(**sent: Any) -> dict[str, Any]:
    """The cleaned fields of a klant that may be created."""
    return {
        "bronorganisatie": HERE,
        "websiteUrl": "https://a.nl",
        "subjectType": "natuurlijk_persoon",
        "subjectIdentificatie": {"geslachtsnaam": "Jansen"},
    } | sent


@pytest.fixture
def tree(connection: Connection) -> Root:
    """An empty tree, stored."""
    tree = bootstrap(connection.root())
    connection.transaction_manager.commit()
    return tree


def found(tree: Root, **filters: str) -> list[Klant]:
    return tree.fetch(tree.search(filters).docids(0, 100))


# --- create -------------------------------------------------------------------------------------


def test_a_new_klant_is_found_in_every_way(tree):
    klant = tree.create(a_klant(klantnummer="1", achternaam="Jansen"), CREATE)
    assert tree.find(klant.uuid) is klant
    assert tree.numbered(HERE, "1") is klant
    assert found(tree) == found(tree, achternaam="Jansen", klantnummer="1") == [klant]
    assert UUID(klant.uuid).version == 4


def test_a_klant_without_a_number_is_given_one(tree):
    numbers = {tree.create(a_klant(), CREATE).body["klantnummer"] for _ in range(100)}
    assert len(numbers) == 100
    assert all(1 <= len(number) <= 8 for number in numbers)


def test_a_taken_number_is_refused_before_a_missing_subject(tree):
    tree.create(a_klant(klantnummer="1"), CREATE)
    with pytest.raises(KlantnummerInUse):
        tree.create(a_klant(klantnummer="1", subjectIdentificatie={}), CREATE)


@pytest.mark.parametrize("sent", [{"subjectType": None}, {"subjectIdentificatie": {}}])
def test_a_klant_without_a_subject_is_refused(tree, sent):
    with pytest.raises(SubjectMissing):
        tree.create(a_klant(**sent), CREATE)


@pytest.mark.parametrize(
    "sent",
    [
        {"subject": "http://a.nl", "subjectType": None},
        {"subject": "http://a.nl", "subjectIdentificatie": {}},
        {"subjectIdentificatie": {"verblijfsadres": None}},
    ],
)
def test_a_klant_with_any_subject_is_not(tree, sent):
    assert tree.create(a_klant(**sent), CREATE)


def test_nobody_is_found_who_is_not_there(tree):
    with pytest.raises(KlantUnknown):
        tree.find(str(uuid4()))
    assert tree.numbered(HERE, "1") is None
    assert found(tree, achternaam="Jansen") == found(tree) == []


# --- from another register ----------------------------------------------------------------------


def test_a_klant_of_another_register_keeps_its_uuid(tree):
    uuid = str(uuid4())
    klant = tree.add(uuid, new_body(a_klant(klantnummer="1", subjectIdentificatie={})), CREATE)
    assert tree.find(uuid) is klant


def test_a_uuid_is_taken_once(tree):
    klant = tree.create(a_klant(), CREATE)
    with pytest.raises(ValueError, match=klant.uuid):
        tree.add(klant.uuid, new_body(a_klant()), CREATE)


def test_a_change_of_which_nobody_is_told_leaves_no_message(tree):
    tree.create(a_klant(), bewerking(Actie.CREATE, notify=False))
    assert list(tree.outbox) == []
    assert_consistent(tree, messages_are_kept=False)


# --- change -------------------------------------------------------------------------------------


def test_a_klant_moves_to_another_number_and_organisation(tree):
    klant = tree.create(a_klant(klantnummer="1"), CREATE)
    tree.change(klant, {"klantnummer": "2", "bronorganisatie": THERE}, UPDATE)
    assert tree.numbered(HERE, "1") is None
    assert tree.numbered(THERE, "2") is klant
    assert found(tree, bronorganisatie=HERE) == []
    assert found(tree, bronorganisatie=THERE) == [klant]


@pytest.mark.parametrize("there", [{"klantnummer": "2"}, {"bronorganisatie": THERE}])
def test_a_klant_does_not_move_onto_another(tree, there):
    klant = tree.create(a_klant(klantnummer="1"), CREATE)
    tree.create(a_klant(klantnummer="1") | there, CREATE)
    with pytest.raises(KlantnummerInUse):
        tree.change(klant, there, UPDATE)


def test_a_klant_may_stay_where_it_is(tree):
    klant = tree.create(a_klant(klantnummer="1"), CREATE)
    tree.change(klant, {"klantnummer": "1", "bronorganisatie": HERE}, UPDATE)
    assert tree.numbered(HERE, "1") is klant


def test_a_change_of_nothing_is_a_line_and_a_message_all_the_same(tree):
    klant = tree.create(a_klant(), CREATE)
    tree.change(klant, {}, PARTIAL_UPDATE)
    assert [regel.content["actie"] for regel in Audittrail(klant)] == ["create", "partial_update"]
    assert len(list(tree.outbox)) == 2


# --- remove -------------------------------------------------------------------------------------


def test_a_removed_klant_is_found_in_no_way(tree):
    klant = tree.create(a_klant(klantnummer="1", achternaam="Jansen"), CREATE)
    tree.remove(klant, DESTROY)
    with pytest.raises(KlantUnknown):
        tree.find(klant.uuid)
    assert tree.numbered(HERE, "1") is None
    assert found(tree) == found(tree, achternaam="Jansen") == []
    assert list(tree.catalog.items()) == []
    assert klant.regel is None


def test_nothing_of_a_removed_klant_is_kept(tree, connection):
    klant = tree.create(a_klant(achternaam="Geheim"), CREATE)
    connection.transaction_manager.commit()
    tree.remove(klant, DESTROY)
    connection.transaction_manager.commit()
    connection.cacheMinimize()
    assert klant.json == b"{}"


# --- two processes ------------------------------------------------------------------------------


@pytest.fixture
def klant(tree: Root, connection: Connection) -> Klant:
    klant = tree.create(a_klant(klantnummer="1"), CREATE)
    connection.transaction_manager.commit()
    return klant


def at_once(database: DB, *changes: Any) -> Root:
    """The tree after changes that were each made to the same snapshot."""
    with contextlib.ExitStack() as stack:
        managers = []
        for change in changes:
            manager = TransactionManager()
            writer = stack.enter_context(contextlib.closing(database.open(manager)))
            stack.callback(manager.abort)
            change(writer.root()["klanten"])
            managers.append(manager)
        for manager in managers:
            manager.commit()


def test_a_removal_and_a_change_at_once_are_a_conflict(database, klant):
    with pytest.raises(ConflictError):
        at_once(
            database,
            lambda tree: tree.remove(tree.find(klant.uuid), DESTROY),
            lambda tree: tree.change(tree.find(klant.uuid), {"achternaam": "A"}, PARTIAL_UPDATE),
        )


def test_two_changes_of_one_klant_at_once_are_a_conflict(database, klant):
    with pytest.raises(ConflictError):
        at_once(
            database,
            *(
                lambda tree, name=name: tree.change(
                    tree.find(klant.uuid), {"achternaam": name}, PARTIAL_UPDATE
                )
                for name in "ab"
            ),
        )


def test_two_klanten_of_one_number_at_once_are_a_conflict(database, klant):
    with pytest.raises(ConflictError):
        at_once(
            database, *(lambda tree: tree.create(a_klant(klantnummer="2"), CREATE) for _ in "ab")
        )


# --- versions -----------------------------------------------------------------------------------


def test_a_new_database_has_the_newest_version(tree):
    assert tree.schema_version == SCHEMA_VERSION


def test_the_tree_is_made_once(connection):
    assert bootstrap(connection.root()) is bootstrap(connection.root())


# --- anything, in any order ---------------------------------------------------------------------

NUMBERS = st.sampled_from(["1", "2", "3", "K-4"])
ORGANISATIONS = st.sampled_from([HERE, THERE])
WORDS = st.sampled_from(["", "a", "b", "\xe9\u20ac"])
ADRES = st.fixed_dictionaries(
    {},
    optional={
        "straatnaam": WORDS,
        "huisnummer": st.none() | st.integers(0, 99999),
        "postcode": WORDS,
    },
)
BUITENLAND = st.none() | st.fixed_dictionaries(
    {"lndLandcode": WORDS, "lndLandnaam": WORDS}, optional={"subAdresBuitenland1": WORDS}
)
IDENTIFICATIES = {
    "natuurlijk_persoon": {"inpBsn": WORDS, "inpANummer": WORDS, "geslachtsnaam": WORDS},
    "niet_natuurlijk_persoon": {"innNnpId": WORDS, "annIdentificatie": WORDS},
    "vestiging": {"vestigingsNummer": WORDS, "handelsnaam": st.lists(WORDS, max_size=2)},
}
OWN = {
    "klantnummer": NUMBERS,
    "achternaam": WORDS,
    "functie": WORDS,
    "emailadres": WORDS,
    "adres": st.none() | ADRES,
    "subject": WORDS,
}


@cache
def sent_fields(subject_type: str | None, *required: str) -> Any:
    """What a consumer may have sent, cleaned, for a klant of this type."""
    optional = OWN | {"bronorganisatie": ORGANISATIONS, "websiteUrl": WORDS}
    if subject_type:
        members = IDENTIFICATIES[subject_type] | {"subVerblijfBuitenland": BUITENLAND}
        optional["subjectIdentificatie"] = st.fixed_dictionaries({}, optional=members)
    always = {name: optional.pop(name) for name in required}
    return st.fixed_dictionaries(always, optional=optional)


def merged(stored: Any, sent: Any, nothing: Any) -> Any:
    """The rule of PUT and PATCH in its plainest form: what is sent counts, objects merge."""
    if not isinstance(nothing, dict):
        return sent
    if not sent:
        return stored
    stored = stored or {
        name: None if isinstance(nothing[name], dict) else deepcopy(nothing[name])
        for name in nothing
    }
    return stored | {name: merged(stored[name], sent[name], nothing[name]) for name in sent}


def whole(fields: Any) -> dict[str, Any]:
    """An object with all its members, nested ones too, where nothing was given."""
    return {
        name: whole(field.fields) if field.fields else value
        for (name, value), field in zip(empty(fields).items(), _sendable(fields), strict=True)
    }


def _sendable(fields: Any) -> Iterator[Any]:
    return (field for field in fields if not field.read_only)


class AnyOrder(RuleBasedStateMachine):
    """A tree and a plain dict, to which the same is done; each step is a transaction."""

    klanten = Bundle("klanten")

    def __init__(self) -> None:
        super().__init__()
        self.database = DB(None, cache_size=10_000)
        self.connection = self.database.open(TransactionManager())
        self.tree = bootstrap(self.connection.root())
        self.connection.transaction_manager.commit()
        self.bodies: dict[str, Any] = {}

    def teardown(self) -> None:
        self.connection.transaction_manager.abort()
        self.connection.close()
        self.database.close()

    @contextlib.contextmanager
    def attempt(self, *refusals: type[Exception]) -> Iterator[list[Exception]]:
        """One transaction; refused, it is aborted and leaves nothing."""
        refused: list[Exception] = []
        try:
            yield refused
        except refusals as refusal:
            refused.append(refusal)
            self.connection.transaction_manager.abort()
        else:
            self.connection.transaction_manager.commit()

    def is_taken(self, body: Any, but: str = "") -> bool:
        place = body["bronorganisatie"], body["klantnummer"]
        return any(
            (other["bronorganisatie"], other["klantnummer"]) == place
            for uuid, other in self.bodies.items()
            if uuid != but
        )

    def wanted(self, stored: Any, sent: Any) -> Any:
        subject_type = stored["subjectType"]
        nothing = whole(KLANT)
        if subject_type:
            nothing["subjectIdentificatie"] = whole(IDENTIFICATIE[subject_type].fields)
        return merged(stored, sent, nothing) if sent else stored

    @rule(target=klanten, data=st.data(), subject_type=st.sampled_from([None, *IDENTIFICATIE]))
    def create(self, data: Any, subject_type: str | None) -> Any:
        sent = data.draw(sent_fields(subject_type, "bronorganisatie", "websiteUrl"))
        start = empty(KLANT) | {"subjectType": subject_type}
        if subject_type:
            start["subjectIdentificatie"] = None
        wanted = self.wanted(start, sent)
        if "klantnummer" in sent and self.is_taken(wanted):
            expected: type[Exception] | None = KlantnummerInUse
        elif not wanted["subject"] and not wanted.get("subjectIdentificatie"):
            expected = SubjectMissing
        else:
            expected = None
        with self.attempt(KlantnummerInUse, SubjectMissing) as refused:
            klant = self.tree.create(sent | {"subjectType": subject_type}, CREATE)
        assert [type(each) for each in refused] == [expected] * bool(expected)
        if expected:
            return None
        if "klantnummer" not in sent:
            wanted["klantnummer"] = klant.body["klantnummer"]
            assert not self.is_taken(wanted)
        self.bodies[klant.uuid] = wanted
        return klant.uuid

    @rule(uuid=klanten, data=st.data(), how=st.sampled_from([UPDATE, PARTIAL_UPDATE]))
    def change(self, uuid: str | None, data: Any, how: Bewerking) -> None:
        stored = self.bodies.get(uuid or "")
        if stored is None:
            return
        sent = data.draw(sent_fields(stored["subjectType"]))
        wanted = self.wanted(stored, sent)
        taken = self.is_taken(wanted, but=uuid or "")
        with self.attempt(KlantnummerInUse) as refused:
            self.tree.change(self.tree.find(uuid or ""), sent, how)
        assert bool(refused) == taken
        if not taken:
            self.bodies[uuid or ""] = wanted

    @rule(uuid=consumes(klanten))
    def remove(self, uuid: str | None) -> None:
        if uuid in self.bodies:
            with self.attempt():
                self.tree.remove(self.tree.find(uuid), DESTROY)
            del self.bodies[uuid]

    @rule()
    def forget(self) -> None:
        """Read everything anew from what is stored."""
        self.connection.cacheMinimize()

    @invariant()
    def both_hold_the_same(self) -> None:
        klanten = assert_consistent(self.tree)
        assert {klant.uuid: klant.body for klant in klanten} == self.bodies
        assert [klant.uuid for klant in klanten] == list(self.bodies)


AnyOrder.TestCase.settings = settings(
    max_examples=12,
    stateful_step_count=20,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
TestAnyOrder = AnyOrder.TestCase
