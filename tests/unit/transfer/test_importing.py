"""What becomes of the lines of a file, in a real database."""

import contextlib
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime

import pytest
from ZODB.POSException import ConflictError

from klanten.model.audittrail import Actie, Audittrail, Bewerking
from klanten.schemas.klant import KlantSchemas
from klanten.storage import tree
from klanten.transfer import importing
from klanten.transfer.importing import Import
from klanten.transfer.lines import Checker, Line
from klanten.transfer.transactions import Rehearsal, Transactions, reading
from tests.factories import make_klant, make_person, rsin

UUID = "6a107b75-677f-4cbd-8c22-af58be6521cc"
OTHER = "e5446dd4-552b-42f6-be3e-dc0a1ef2a4f0"


BEWERKING = Bewerking(Actie.CREATE, datetime.now(UTC), "", notify=False)
KLANT_SCHEMAS = KlantSchemas()


class Run:
    """An import into a database: what it said, and what it rejected."""

    def __init__(
        self, database, klanten, update=False, dry_run=False, notify=False, kind=Transactions
    ):
        self.rejects = []
        bewerking = Bewerking(
            Actie.CREATE,
            datetime.now(UTC),
            "https://api.example.nl/api/v1",
            applicatie_id="import",
            toelichting="om te zien",
            notify=notify,
        )
        kind = Rehearsal if dry_run else kind
        with closing(kind(database, "a test")) as transactions:
            checker = Checker(KlantSchemas(), lambda url: True)
            run = Import(
                transactions, checker, bewerking, update=update, reject=self.rejects.append
            )
            lines = (Line(number, klant) for number, klant in enumerate(klanten, 1))
            self.progress = list(run.run(lines))
            self.counts = {name: count for name, count in asdict(run.summary).items() if count}

    @property
    def codes(self):
        return [(reject.number, reject.fault.name, reject.fault.code) for reject in self.rejects]


@pytest.fixture
def run(database):
    return lambda *klanten, **options: Run(database, klanten, **options)


@pytest.fixture
def stored(database):
    """The klanten that are there, as lines, in their order."""

    def lines():
        with reading(database) as root:
            found = root.fetch(root.search({}))
            return [{"uuid": klant.uuid, **klant.body} for klant in found]

    return lines


def nameless(**overrides):
    return make_klant(klantnummer=..., **overrides)


# --- new klanten --------------------------------------------------------------------------------


def test_klanten_are_created_with_their_uuid_and_number(run, stored):
    assert run(make_klant(uuid=UUID, klantnummer="A1")).counts == {"read": 1, "created": 1}
    [klant] = stored()
    assert (klant["uuid"], klant["klantnummer"]) == (UUID, "A1")


def test_a_klant_without_uuid_and_number_gets_both(run, stored):
    run(nameless())
    [klant] = stored()
    assert len(klant["klantnummer"]) == 8
    assert klant["uuid"][14] == "4"


def test_every_klant_gets_one_line_in_its_audittrail(run, database):
    run(make_klant(uuid=UUID))
    with reading(database) as root:
        [regel] = Audittrail(root.find(UUID))
        content = regel.content
    assert (content["actie"], content["resultaat"]) == ("create", 201)
    assert (content["applicatieId"], content["toelichting"]) == ("import", "om te zien")
    assert content["wijzigingen"]["oud"] is None


def test_nobody_is_notified_unless_asked(run, database):
    run(make_klant())
    with reading(database) as root:
        assert len(root.outbox) == 0


def test_others_are_notified_when_asked(run, database):
    run(make_klant(uuid=UUID), notify=True)
    with reading(database) as root:
        [message] = [root.outbox[number] for number in root.outbox]
    assert message.url == f"https://api.example.nl/api/v1/klanten/{UUID}"
    assert message.actie == "create"


def test_imported_klanten_are_found_by_their_values(run, database):
    person = make_person(uuid=UUID)
    run(person, make_klant())
    bsn = person["subjectIdentificatie"]["inpBsn"]
    with reading(database) as root:
        found = root.fetch(root.search({"subjectNatuurlijkPersoon__inpBsn": bsn}))
        assert [klant.uuid for klant in found] == [UUID]
        assert root.numbered(person["bronorganisatie"], person["klantnummer"]) is found[0]


def test_a_klant_with_a_uuid_may_be_without_a_subject(run, stored):
    klant = make_klant(uuid=UUID, subjectIdentificatie=None)
    assert run(klant).counts == {"read": 1, "created": 1}
    assert stored()[0]["subjectIdentificatie"] is None


def test_a_new_klant_without_a_uuid_must_have_a_subject(run, stored):
    assert run(make_klant(subjectIdentificatie=None)).codes == [
        (1, "nonFieldErrors", "invalid-subject")
    ]
    assert stored() == []


def test_bad_lines_are_rejected_and_the_others_taken(run):
    done = run(make_klant(), make_klant(websiteUrl="x", emailadres="y"), make_klant())
    assert done.counts == {"read": 3, "created": 2, "rejected": 1}
    assert done.codes == [(2, "websiteUrl", "invalid"), (2, "emailadres", "invalid")]


def test_the_order_of_the_lines_is_the_order_of_the_list(run, stored, monkeypatch):
    monkeypatch.setattr(importing, "BATCH", 7)
    numbers = [f"N{number}" for number in range(30)]
    done = run(*(make_klant(klantnummer=number) for number in numbers))
    assert [klant["klantnummer"] for klant in stored()] == numbers
    assert done.progress == [7, 14, 21, 28, 30]


def test_rejects_of_both_kinds_come_in_the_order_of_the_lines(run):
    done = run(
        make_klant(websiteUrl=""), make_klant(subjectIdentificatie=None), make_klant(websiteUrl="")
    )
    assert [number for number, _, _ in done.codes] == [1, 2, 3]


# --- klanten that are there already -------------------------------------------------------------


def test_a_second_run_doubles_nothing(run, stored):
    klanten = [make_klant(uuid=UUID), make_klant(), nameless(), nameless(achternaam="Vries")]
    run(*klanten)
    before = stored()
    assert run(*klanten).counts == {"read": 4, "skipped": 4}
    assert stored() == before


def test_a_klant_is_known_by_its_number_where_the_line_has_no_uuid(run, stored):
    run(make_klant(uuid=UUID, klantnummer="A1"))
    assert run(make_klant(klantnummer="A1", achternaam="x")).counts == {"read": 1, "skipped": 1}


def test_a_klant_is_known_by_its_number_where_the_uuid_is_another(run, stored):
    run(make_klant(uuid=UUID, klantnummer="A1"))
    done = run(make_klant(uuid=OTHER, klantnummer="A1", achternaam="Vries"), update=True)
    assert done.counts == {"read": 1, "updated": 1}
    [klant] = stored()
    assert (klant["uuid"], klant["achternaam"]) == (UUID, "Vries")


def test_a_line_that_is_twice_in_a_file_is_one_klant(run, stored):
    line = nameless()
    assert run(line, dict(line)).counts == {"read": 2, "created": 1, "skipped": 1}
    assert len(stored()) == 1


def test_a_number_that_is_twice_in_a_file_is_one_klant(run):
    lines = [make_klant(klantnummer="A1", uuid=UUID), make_klant(klantnummer="A1", uuid=OTHER)]
    assert run(*lines).counts == {"read": 2, "created": 1, "skipped": 1}


def test_a_later_line_brings_an_earlier_one_up_to_date(run, stored):
    done = run(make_klant(uuid=UUID), make_klant(uuid=UUID, achternaam="Vries"), update=True)
    assert done.counts == {"read": 2, "created": 1, "updated": 1}
    assert [klant["achternaam"] for klant in stored()] == ["Vries"]


def test_the_uuid_of_a_nameless_line_tells_nothing_to_others(run, stored, file_database):
    line = nameless(subjectIdentificatie={"inpBsn": rsin()})
    run(line)
    Run(file_database, [line])
    with reading(file_database) as root:
        [other] = list(root.uuids)
    assert stored()[0]["uuid"] != other


def test_an_update_writes_a_line_in_the_audittrail(run, database):
    run(make_klant(uuid=UUID, klantnummer="A1"))
    run(make_klant(uuid=UUID, klantnummer="A1", achternaam="Vries"), update=True)
    with reading(database) as root:
        contents = [regel.content for regel in Audittrail(root.find(UUID))]
    assert [content["actie"] for content in contents] == ["create", "update"]
    assert contents[1]["wijzigingen"]["oud"]["achternaam"] == ""


def test_an_update_that_changes_nothing_writes_nothing(run, database):
    line = make_person(uuid=UUID)
    run(line)
    assert run(line, update=True).counts == {"read": 1, "skipped": 1}
    with reading(database) as root:
        assert len(list(Audittrail(root.find(UUID)))) == 1


def test_an_update_leaves_what_is_not_in_the_line(run, stored):
    run(make_person(uuid=UUID, klantnummer="A1"))
    before = stored()[0]
    run({"uuid": UUID, "bronorganisatie": "517439943", "websiteUrl": "https://x.nl"}, update=True)
    assert stored()[0] == before | {"websiteUrl": "https://x.nl"}


def test_an_update_knows_the_type_that_the_line_leaves_out(run, stored):
    run(make_person(uuid=UUID))
    line = make_klant(
        uuid=UUID, subjectType=..., subjectIdentificatie={"geslachtsnaam": "Bos"}, klantnummer=...
    )
    assert run(line, update=True).counts == {"read": 1, "updated": 1}
    assert stored()[0]["subjectIdentificatie"]["geslachtsnaam"] == "Bos"
    assert stored()[0]["subjectIdentificatie"]["voorletters"] == "A.B."


def test_an_update_with_null_takes_a_nested_object_away(run, stored):
    person = make_person(uuid=UUID)
    run(person)
    identity = person["subjectIdentificatie"] | {"verblijfsadres": None}
    run(person | {"adres": None, "subjectIdentificatie": identity}, update=True)
    [klant] = stored()
    assert klant["adres"] is None
    assert klant["subjectIdentificatie"]["verblijfsadres"] is None
    assert klant["subjectIdentificatie"]["subVerblijfBuitenland"] is not None


def test_an_update_with_an_empty_object_leaves_it(run, stored):
    person = make_person(uuid=UUID)
    run(person)
    assert run(person | {"adres": {}}, update=True).counts == {"read": 1, "skipped": 1}


def test_an_update_with_null_takes_the_identification_away(run, stored):
    run(make_person(uuid=UUID, klantnummer="A1"))
    run(make_person(uuid=UUID, klantnummer="A1", subjectIdentificatie=None), update=True)
    assert stored()[0]["subjectIdentificatie"] is None


def test_an_update_to_another_type_is_rejected(run, stored):
    run(make_klant(uuid=UUID))
    before = stored()
    done = run(make_klant(uuid=UUID, subjectType="vestiging", subjectIdentificatie={}), update=True)
    assert done.codes == [(1, "subjectType", "wijzigen-niet-toegelaten")]
    assert done.counts == {"read": 1, "rejected": 1}
    assert stored() == before


def test_an_update_to_a_number_that_is_taken_is_rejected(run, stored):
    run(make_klant(uuid=UUID, klantnummer="A1"), make_klant(uuid=OTHER, klantnummer="A2"))
    done = run(make_klant(uuid=OTHER, klantnummer="A1"), update=True)
    assert done.codes == [(1, "nonFieldErrors", "unique")]
    assert [klant["klantnummer"] for klant in stored()] == ["A1", "A2"]


def test_an_update_moves_a_klant_to_another_number(run, database):
    run(make_klant(uuid=UUID, klantnummer="A1"))
    run(make_klant(uuid=UUID, klantnummer="A2"), update=True)
    with reading(database) as root:
        assert root.numbered("517439943", "A1") is None
        assert root.numbered("517439943", "A2").uuid == UUID


def test_many_updates_in_one_batch_are_all_kept(run, stored, monkeypatch):
    monkeypatch.setattr(importing, "CHANGES_PER_PAUSE", 3)
    klanten = [make_klant() for _ in range(10)]
    run(*klanten)
    changed = [klant | {"achternaam": "Vries"} for klant in klanten]
    assert run(*changed, update=True).counts == {"read": 10, "updated": 10}
    assert {klant["achternaam"] for klant in stored()} == {"Vries"}


# --- a rehearsal --------------------------------------------------------------------------------


def test_a_rehearsal_says_what_would_happen_and_keeps_nothing(run, stored, monkeypatch):
    monkeypatch.setattr(importing, "BATCH", 2)
    lines = [make_klant(uuid=UUID, klantnummer="A1"), make_klant(), make_klant(websiteUrl="")]
    lines += [make_klant(uuid=UUID, klantnummer="A1")]
    real = {"read": 4, "created": 2, "skipped": 1, "rejected": 1}
    assert run(*lines, dry_run=True).counts == real
    assert stored() == []
    assert run(*lines).counts == real


# --- beside other writers -----------------------------------------------------------------------


def meeting(times, database):
    """Transactions of which the first ones meet somebody else, who commits first."""

    class Meeting(Transactions):
        attempts = 0

        @contextlib.contextmanager
        def one(self):
            with super().one() as root:
                yield root
                Meeting.attempts += 1
                if Meeting.attempts <= times:
                    with tree(database) as other:
                        other.schema_version = other.schema_version  # written, so a conflict
                        other.create(KLANT_SCHEMAS.create(make_klant(), None), BEWERKING)
                    root.schema_version = root.schema_version

    return Meeting


def test_a_batch_that_meets_another_writer_is_taken_in_parts(file_database):
    klanten = [make_klant() for _ in range(8)]
    kind = meeting(3, file_database)
    assert Run(file_database, klanten, kind=kind).counts == {"read": 8, "created": 8}
    # the whole, a half and a quarter met somebody; two pieces of one, then a quarter and a half
    assert kind.attempts == 3 + 2 + 1 + 1
    with reading(file_database) as root:
        numbers = {klant.body["klantnummer"] for klant in root.fetch(root.search({}))}
        assert numbers > {klant["klantnummer"] for klant in klanten}
        assert root.search({}).count == len(numbers) == len(list(root.uuids)) == 8 + 3


def test_a_klant_that_meets_others_all_the_time_is_given_up(file_database):
    kind = meeting(100, file_database)
    with pytest.raises(ConflictError):
        Run(file_database, [make_klant()], kind=kind)
    assert kind.attempts == 5
