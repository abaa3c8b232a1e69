"""Transactions that are committed, and those that are only rehearsed."""

import shutil
from contextlib import closing
from datetime import UTC, datetime

import pytest

from klanten.model.audittrail import Actie, Bewerking
from klanten.schemas.klant import KlantSchemas
from klanten.storage import open_database
from klanten.transfer.transactions import Rehearsal, Transactions, reading
from tests.factories import make_klant

BEWERKING = Bewerking(Actie.CREATE, datetime.now(UTC), "")
SCHEMAS = KlantSchemas()


def add_klant(root):
    root.create(SCHEMAS.create(make_klant(), lambda url: True), BEWERKING)


def add_and_fail(root):
    add_klant(root)
    return 1 / 0


def count(database):
    with reading(database) as root:
        return root.search({}).count


def test_a_transaction_is_kept_with_what_it_is_for(file_database):
    with closing(Transactions(file_database, "a note")) as transactions:
        with transactions.one() as root:
            add_klant(root)
            transactions.pause()
            add_klant(root)
        assert count(file_database) == 2
    [last] = file_database.undoLog(0, 1)
    assert "a note" in last["description"]


def test_a_transaction_that_fails_leaves_nothing_and_the_next_can_begin(database):
    with closing(Transactions(database, "")) as transactions:
        with pytest.raises(ZeroDivisionError), transactions.one() as root:
            add_and_fail(root)
        with transactions.one() as root:
            add_klant(root)
    assert count(database) == 1


def test_what_is_done_while_reading_does_not_stay(database):
    with reading(database) as root:
        add_klant(root)
        assert root.search({}).count == 1
    assert count(database) == 0


def test_an_empty_storage_can_be_read():
    with closing(open_database("memory://")) as database:
        assert count(database) == 0


def test_a_rehearsal_sees_what_it_did_and_keeps_nothing(database):
    with closing(Rehearsal(database, "")) as rehearsal:
        for seen in range(3):
            with rehearsal.one() as root:
                assert root.search({}).count == seen
                add_klant(root)
    assert count(database) == 0


def test_a_rehearsal_needs_no_more_than_to_read(tmp_path, new_database):
    shutil.copy(new_database, tmp_path / "k.fs")
    before = (tmp_path / "k.fs").read_bytes()
    with closing(open_database(f"file://{tmp_path}/k.fs", read_only=True)) as database:
        with closing(Rehearsal(database, "")) as rehearsal:
            for _ in range(3):
                with rehearsal.one() as root:
                    add_klant(root)
                    rehearsal.pause()
        assert count(database) == 0
    assert (tmp_path / "k.fs").read_bytes() == before
