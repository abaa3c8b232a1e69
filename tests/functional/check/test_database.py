"""`klanten check`: the database and the outbox in it."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from klanten.model.audittrail import Actie, Bewerking
from tests.factories import make_klant


def a_change(moment=None):
    moment = moment or datetime.now(UTC)
    return Bewerking(actie=Actie.CREATE, moment=moment, api_root="http://localhost/api/v1")


# --- database -----------------------------------------------------------------------------------


def database_file(service):
    return service.folder / "klanten.fs"


def test_database_can_be_looked_at_beside_a_running_server(service, make_app):
    app = make_app(**{"klanten.services": ""})
    app.post_json("/api/v1/klanten", make_klant())
    service.services.pop("notificaties")
    before = database_file(service).read_bytes()
    right = service.right()
    assert ("processes", f"{database_file(service)} is open in one process, {os.getpid()}") in right
    assert ("database", "opens, schema version 1, 1 klanten") in right
    assert database_file(service).read_bytes() == before
    app.post_json("/api/v1/klanten", make_klant())
    assert ("database", "opens, schema version 1, 2 klanten") in service.right()


def test_database_in_a_file_that_several_processes_have_open_is_found(service):
    with service.opened():
        lock = os.open(database_file(service).with_suffix(".fs.lock"), os.O_RDONLY)
        child = subprocess.Popen(
            [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[lock]
        )
        os.close(lock)
        try:
            subject, what, mend = service.fault()
        finally:
            child.communicate(b"\n")
    ids = ", ".join(map(str, sorted((os.getpid(), child.pid))))
    assert subject == "processes"
    assert what == f"{database_file(service)} is open in 2 processes: {ids}"
    assert "ZEO or PostgreSQL" in mend


def remove_database(service):
    for path in (database_file(service), database_file(service).with_name("klanten.fs.index")):
        path.unlink(missing_ok=True)


def test_database_that_is_not_there_is_found_and_not_made(service):
    remove_database(service)
    assert service.fault()[:2] == (
        "database",
        f"{database_file(service)}: there is no such file",
    )
    assert not database_file(service).exists()


# ZODB leaves a file open that it does not accept
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_database_that_is_none_is_found(service):
    database_file(service).write_bytes(b"Something else, of some length.")
    subject, what, _ = service.fault()
    assert subject == "database"
    assert "can't be opened" in what


def test_damaged_database_is_found(service):
    content = database_file(service).read_bytes()
    damaged = content.replace(b"klanten.model.root", b"klanten.model.door")
    database_file(service).write_bytes(damaged)
    subject, what, mend = service.fault()
    assert (subject, what) == ("database", "the database holds something else than klanten")
    assert "restore a backup" in mend


def test_database_of_a_newer_release_is_found(service):
    with service.tree() as root:
        root.schema_version += 1
    subject, what, mend = service.fault()
    assert subject == "database"
    assert "has schema version 2" in what
    assert "install" in mend


def test_empty_database_is_right(service):
    remove_database(service)
    with service.opened():
        database_file(service).chmod(0o600)
    assert ("database", "opens, and is empty: the server fills it at its first start") in (
        service.right()
    )


def test_database_in_memory_is_found(service):
    service.settings["zodbconn.uri"] = "memory://"
    assert service.fault()[:2] == ("memory", "everything is kept in memory only")


# --- outbox -------------------------------------------------------------------------------------


def write(service, count=1, moment=None):
    with service.tree() as root:
        for _ in range(count):
            klant = make_klant() | {"subject": "http://localhost/x"}
            root.create(klant, a_change(moment))


def test_messages_that_wait_for_a_moment_are_right(service):
    moment = datetime.now(UTC) - timedelta(minutes=1)
    write(service, 3, moment)
    what = f"3 messages wait, the oldest since {moment:%Y-%m-%d %H:%M:%S} UTC"
    assert ("outbox", what) in service.right()


def test_messages_that_wait_for_long_are_found(service):
    moment = datetime.now(UTC) - timedelta(hours=1)
    write(service, 1, moment)
    write(service)
    subject, what, mend = service.fault()
    assert subject == "outbox"
    assert what == f"2 messages wait, the oldest since {moment:%Y-%m-%d %H:%M:%S} UTC"
    assert "klanten notifications INI deliver" in mend


def test_trouble_of_the_delivery_is_found(service):
    write(service)
    with service.tree() as root:
        root.outbox.lease.trouble = "since noon: 401: our token is refused; mend client_id"
    subject, what, mend = service.fault()
    assert subject == "outbox"
    assert what.startswith("1 messages wait, ")
    assert what.endswith("Trouble since noon: 401: our token is refused")
    assert mend == "mend client_id"


def test_messages_that_were_put_aside_are_found(service):
    write(service)
    with service.tree() as root:
        root.outbox.put_aside(next(iter(root.outbox)), "400 invalid", "2026-01-01T00:00:00Z")
    subject, what, mend = service.fault()
    assert (subject, what[:28]) == ("outbox", "1 messages were put aside, b")
    assert "klanten notifications INI failed" in mend


def test_messages_without_a_receiver_are_kept(service):
    write(service, 2, datetime.now(UTC) - timedelta(days=100))
    del service.services["notificaties"]
    assert ("outbox", "2 messages are kept: there is no [notificaties]") in service.right()
