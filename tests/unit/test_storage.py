"""Opening a database, and the connections to it."""

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import transaction
from ZODB.POSException import ConflictError, POSKeyError, StorageError

from klanten.model.errors import DatabaseTooNew
from klanten.settings import SettingsError
from klanten.storage import (
    Database,
    DatabaseUnavailable,
    PooledConnection,
    open_database,
    opening,
    prepare,
    tree,
)


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return f"file://{tmp_path}/klanten.fs"


# --- opening ------------------------------------------------------------------------------------


def test_what_was_written_is_there_when_the_database_is_opened_again(uri: str):
    database = open_database(uri)
    prepare(database)
    with tree(database, "a note for the log") as root:
        root.mark = "here"
    database.close()
    database = open_database(uri)
    with tree(database) as root:
        assert root.mark == "here"
    database.close()


def test_the_cache_is_made_for_klanten_unless_the_uri_chooses(uri: str):
    with_defaults = open_database(uri)
    assert with_defaults.getCacheSize() == 50_000
    assert with_defaults.getPoolSize() == 64
    with_defaults.close()
    chosen = open_database(f"{uri}?connection_cache_size=500&connection_pool_size=2")
    assert chosen.getCacheSize() == 500
    assert chosen.getPoolSize() == 2
    chosen.close()


def test_nobody_is_waited_for_with_a_file(uri: str):
    database = open_database(uri)
    assert database.cut is None
    database.close()


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        ("nothing:///klanten", "the nothing URI can't be read"),
        ("file:///k.fs?cache=5", "cache in the file URI is no known parameter"),
        ("zeo://host:port/", "the zeo URI can't be read"),
        ("postgresql://user:secret@host/k?cache=5", "'cache' is no parameter"),
        ("postgres://user:sec@ret@host/k", "the postgresql URI can't be read"),
    ],
)
def test_a_uri_that_cannot_be_read_is_told_in_one_line(uri: str, told: str):
    with pytest.raises(SettingsError) as fault:
        open_database(uri)
    text = str(fault.value)
    assert text.startswith("zodbconn.uri: ")
    assert told in text
    assert "\n" not in text
    assert "ret" not in text


@pytest.mark.usefixtures("without_driver")
def test_a_missing_driver_is_told_with_the_way_to_install_it():
    with pytest.raises(SettingsError, match=r"psycopg2; install it .*'\.\[postgresql\]'"):
        open_database("postgresql://user:secret@host/k")


def test_a_folder_that_is_not_there_is_told_in_one_line():
    with pytest.raises(DatabaseUnavailable) as told:
        open_database("file:///nowhere/klanten.fs")
    text = str(told.value)
    assert text.startswith("zodbconn.uri: there is no folder /nowhere; ")


def test_a_file_that_is_no_database_is_told_in_one_line(tmp_path: Path, uri: str):
    (tmp_path / "klanten.fs").write_text("not a database at all")
    # in a process of its own: ZODB leaves the file open
    script = (
        "import sys\n"
        "from klanten.storage import DatabaseUnavailable, open_database\n"
        "try: open_database(sys.argv[1])\n"
        "except DatabaseUnavailable as told: print(told)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, uri], check=True, stdout=subprocess.PIPE, text=True
    )
    assert done.stdout.startswith("zodbconn.uri: the file database can't be opened: ")
    assert len(done.stdout.splitlines()) == 1


def test_a_file_that_cannot_be_filled_is_closed_again(uri: str, monkeypatch: pytest.MonkeyPatch):
    with monkeypatch.context() as patch:
        patch.setattr(opening, "Database", None)
        with pytest.raises(DatabaseUnavailable):
            open_database(uri)
    open_database(uri).close()


def test_memory_is_a_database_too():
    database = open_database("memory://klanten")
    prepare(database)
    with tree(database) as root:
        assert root.search({}).count == 0
    database.close()


# --- the tree of a new database -----------------------------------------------------------------


def test_a_new_database_is_prepared_once(uri: str):
    database = open_database(uri)
    prepare(database)
    before = database.lastTransaction()
    prepare(database)
    assert database.lastTransaction() == before
    database.close()


def test_processes_that_prepare_one_database_at_once_all_succeed(uri: str):
    database = open_database(uri)
    barrier = threading.Barrier(4)
    failures = []

    def run() -> None:
        barrier.wait()
        try:
            prepare(database)
        except Exception as failure:
            failures.append(failure)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    database.close()


def test_a_database_of_a_newer_release_is_refused(uri: str):
    database = open_database(uri)
    with tree(database) as root:
        root.schema_version = 99
    with pytest.raises(DatabaseTooNew):
        prepare(database)
    database.close()


@pytest.mark.parametrize("failure", [StorageError("no room\nfor it"), POSKeyError(b"\0" * 8)])
def test_a_database_that_fails_at_the_start_is_told_in_one_line(
    uri: str, monkeypatch: pytest.MonkeyPatch, failure: Exception
):
    database = open_database(uri)

    def fail(*_: object) -> None:
        raise failure

    with monkeypatch.context() as patch:
        patch.setattr(PooledConnection, "tpc_vote", fail)
        with pytest.raises(DatabaseUnavailable, match="the database fails") as told:
            prepare(database)
    assert str(told.value).startswith("zodbconn.uri: ")
    assert "\n" not in str(told.value)
    database.close()


def test_a_database_that_others_never_stop_making_is_given_up():
    def conflict() -> None:
        attempts.append(1)
        raise ConflictError

    attempts: list[int] = []
    with pytest.raises(ConflictError):
        opening._made(conflict)
    assert len(attempts) == opening.RACES + 1


def test_a_database_that_a_server_had_to_make_is_told_of(make_app, settings, tmp_path, caplog):
    uri = f"file://{tmp_path}/new.fs"
    for told in (1, 0):
        caplog.clear()
        make_app(zodbconn__uri=uri).app.registry.database.close()
        lines = [record.getMessage() for record in caplog.records]
        made = f"there was no database, and a new one was made: {tmp_path}/new.fs"
        assert lines.count(made) == told


# --- transactions and connections ---------------------------------------------------------------


def test_a_tree_that_was_left_by_an_error_is_not_written(uri: str):
    database = open_database(uri)
    prepare(database)
    with pytest.raises(ZeroDivisionError), tree(database) as root:
        root.mark = 1 / 0
    with tree(database) as root:
        assert not hasattr(root, "mark")
    database.close()


def test_a_connection_that_cannot_begin_goes_back_into_the_pool(
    uri: str, monkeypatch: pytest.MonkeyPatch
):
    database = open_database(uri)
    manager = transaction.TransactionManager(explicit=True)
    manager.begin()
    database.open(transaction_manager=manager).close()
    before = all_of(database)

    def fail(*_: object) -> None:
        raise StorageError("away")

    with monkeypatch.context() as patch:
        patch.setattr(PooledConnection, "newTransaction", fail)
        for _ in range(3):
            with pytest.raises(StorageError):
                database.open(transaction_manager=manager)
    assert all_of(database) == before
    database.open(transaction_manager=manager).close()
    database.close()


def all_of(database: Database) -> tuple[int, int]:
    return len(list(database.pool.all)), len(database.pool.available)


def test_importing_the_package_needs_no_driver():
    script = (
        "import sys, json, klanten.storage, klanten.errors\n"
        "print(json.dumps([name for name in ('psycopg2', 'relstorage') if name in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, stdout=subprocess.PIPE)
    assert json.loads(done.stdout) == []
