"""`klanten notifications`, on a database and a Notificaties API of its own."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from ZODB import DB
from ZODB.FileStorage import FileStorage
from ZODB.POSException import ConflictError

from klanten import delivery
from klanten.cli import klanten
from klanten.model.audittrail import Actie, Bewerking
from klanten.storage import open_database, prepare, tree
from klanten.upkeep import tasks
from tests.factories import make_klant
from tests.neighbours.notificaties import Notificaties
from tests.neighbours.server import CLIENT_ID, SECRET, status

MOMENT = datetime(2026, 3, 1, 12, 30, 15, 123456, UTC)


@pytest.fixture
def nrc() -> Iterator[Notificaties]:
    with Notificaties() as nrc:
        yield nrc
    assert nrc.wrong == []


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of the database."""
    return tmp_path / "klanten.fs"


@pytest.fixture
def ini(tmp_path: Path, path: Path, nrc: Notificaties) -> Path:
    """The ini file of a service with a Notificaties API."""
    services = tmp_path / "services.ini"
    services.write_text(
        f"[notificaties]\napi_root = {nrc.api_root}\nclient_id = {CLIENT_ID}\nsecret = {SECRET}\n"
    )
    services.chmod(0o600)
    return write_ini(tmp_path, path, f"klanten.services = {services}")


def write_ini(folder: Path, database: Path, line: str = "") -> Path:
    ini = folder / "service.ini"
    ini.write_text(
        f"[app:main]\nuse = egg:klanten\nzodbconn.uri = file://{database}\n"
        f"klanten.clients = clients.ini\n{line}\n"
    )
    return ini


def fill(path: Path, aside: int = 0, waiting: int = 0) -> None:
    """Klanten of which the messages were put aside, and others of which they wait."""
    with closing(open_database(f"file://{path}")) as database:
        prepare(database)
        with tree(database) as root:
            for _ in range(aside):
                root.create(make_klant(), Bewerking(Actie.CREATE, MOMENT, "https://k.example/api"))
            for number in list(root.outbox):
                root.outbox.put_aside(number, "404", "2026-03-01T12:31:00Z")
            for _ in range(waiting):
                root.create(make_klant(), Bewerking(Actie.CREATE, MOMENT, "https://k.example/api"))


def run(ini: Path, *arguments: str, status: int = 0) -> str:
    """What the command prints, on standard error when it does not end with 0."""
    result = CliRunner().invoke(klanten, ["notifications", str(ini), *arguments])
    assert result.exit_code == status, result.output
    if status == 0:
        assert result.stderr == ""
    assert SECRET not in result.output
    return result.stderr if status else result.stdout


def found(ini: Path, name: str = "status") -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(run(ini, name, "--json"))
    return answer


def numbers(ini: Path) -> list[str]:
    return [failure["number"] for failure in found(ini, "failed")["failed"]]


def counts(ini: Path) -> tuple[int, int]:
    seen = found(ini)
    return seen["pending"], seen["failed"]


# --- looking ------------------------------------------------------------------------------------


def test_the_status_of_an_outbox(ini, path, nrc):
    fill(path, aside=1, waiting=2)
    assert found(ini) == {
        "pending": 2,
        "oldest": "2026-03-01T12:30:15.123456Z",
        "failed": 1,
        "holder": None,
        "trouble": None,
        "notificaties": nrc.api_root,
    }
    assert run(ini, "status").splitlines() == [
        "waiting:       2, the oldest since 2026-03-01T12:30:15.123456Z",
        "put aside:     1",
        "delivered by:  nobody now",
        f"delivered to:  {nrc.api_root}",
    ]


def test_the_status_tells_who_delivers_and_what_keeps_it_from_that(ini, path):
    fill(path)
    with closing(open_database(f"file://{path}")) as database, tree(database) as root:
        root.outbox.lease.holder = "host:17:abc"
        root.outbox.lease.trouble = "since long: 500"
    seen = found(ini)
    assert (seen["holder"], seen["trouble"]) == ("host:17:abc", "since long: 500")
    told = run(ini, "status")
    assert "waiting:       0\n" in told
    assert "delivered by:  host:17:abc\n" in told
    assert "trouble:       since long: 500\n" in told


def test_without_a_notificaties_api_the_status_says_what_is_kept(tmp_path, path):
    fill(path, waiting=3)
    ini = write_ini(tmp_path, path)
    assert found(ini)["notificaties"] is None
    assert "no [notificaties]" in run(ini, "status")


def test_what_failed_is_listed_with_its_reason(ini, path):
    fill(path, aside=1)
    [failure] = found(ini, "failed")["failed"]
    assert failure == {
        "number": failure["number"],
        "reason": "404",
        "moment": "2026-03-01T12:31:00Z",
        "message": {
            "klant": failure["number"].partition("/")[0],
            "api_root": "https://k.example/api",
            "actie": "create",
            "subject_type": "natuurlijk_persoon",
            "moment": "2026-03-01T12:30:15.123456Z",
        },
    }
    assert run(ini, "failed") == f"{failure['number']}  create  2026-03-01T12:31:00Z  404\n"


# --- changing -----------------------------------------------------------------------------------


def test_messages_that_were_put_aside_are_tried_again(ini, path):
    fill(path, aside=3, waiting=1)
    first, second, _ = numbers(ini)
    assert run(ini, "retry", first) == "1 messages will be delivered again\n"
    assert counts(ini) == (2, 2)
    error = run(ini, "retry", first, second, status=1)
    assert "1 of these messages are not put aside" in error
    assert counts(ini) == (3, 1)
    assert json.loads(run(ini, "retry", "--all", "--json")) == {"retried": 1}
    assert counts(ini) == (4, 0)


def test_messages_are_dropped(ini, path):
    fill(path, aside=3, waiting=1)
    first = numbers(ini)[0]
    assert run(ini, "drop", first) == "1 messages are dropped\n"
    assert counts(ini) == (1, 2)
    run(ini, "drop", first, status=1)
    assert json.loads(run(ini, "drop", "--all-failed", "--json")) == {"dropped": 2}
    assert counts(ini) == (1, 0)


def test_what_waits_is_dropped_only_by_who_is_sure(ini, path):
    fill(path, aside=3, waiting=1)
    run(ini, "drop", "--all", status=1)
    assert counts(ini) == (1, 3)
    assert run(ini, "drop", "--all", "--yes") == "4 messages are dropped\n"
    assert counts(ini) == (0, 0)


def test_a_change_that_meets_another_is_tried_again(ini, path, monkeypatch):
    fill(path, aside=1)
    met = [ConflictError(), ConflictError()]

    @contextmanager
    def tree_or_conflict(*arguments: Any) -> Iterator[Any]:
        with tree(*arguments) as root:
            yield root
            if met:
                raise met.pop()

    monkeypatch.setattr(tasks, "tree", tree_or_conflict)
    assert run(ini, "retry", "--all") == "1 messages will be delivered again\n"
    assert counts(ini) == (1, 0)
    met.extend(ConflictError() for _ in range(100))
    assert run(ini, "drop", "--all", "--yes", status=3).count("\n") == 1
    assert counts(ini) == (1, 0)


@pytest.mark.parametrize("arguments", [("retry", "--all"), ("drop", "--all", "--yes")])
def test_a_database_that_is_in_use_is_not_changed(ini, path, arguments):
    fill(path, aside=1)
    with closing(open_database(f"file://{path}")):
        error = run(ini, *arguments, status=3)
        assert counts(ini) == (0, 1)
    assert error.count("\n") == 1
    assert "is in use by another server" in error


# --- what is wrong ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ("retry",),
        ("retry", "1", "--all"),
        ("drop",),
        ("drop", "1", "--all"),
        ("drop", "--all", "--all-failed"),
        ("register",),
        ("register", "--url", "nowhere"),
        ("register", "--url", "https://example.nl/" + "x" * 190),
        ("sing",),
    ],
)
def test_wrong_usage_is_told(ini, path, arguments):
    fill(path)
    assert "Error: " in run(ini, *arguments, status=2)


@pytest.mark.parametrize("arguments", [("deliver",), ("register", "--url", "https://example.nl")])
def test_without_a_notificaties_api_nothing_can_be_told_to_it(tmp_path, path, arguments):
    error = run(write_ini(tmp_path, path), *arguments, status=2)
    assert "[notificaties]" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    "arguments", [("status",), ("failed",), ("retry", "--all"), ("drop", "--all", "--yes")]
)
def test_a_database_that_is_not_there_has_an_exit_status_of_its_own(tmp_path, arguments):
    ini = write_ini(tmp_path, tmp_path / "nowhere" / "klanten.fs")
    assert run(ini, *arguments, status=3).count("\n") == 1


def test_a_database_that_no_server_made_has_nothing_to_show(ini, path):
    DB(FileStorage(str(path))).close()
    assert counts(ini) == (0, 0)
    assert run(ini, "failed") == "no message was put aside\n"


def test_a_database_of_another_release_is_left_alone(ini, path):
    fill(path, aside=1)
    with closing(open_database(f"file://{path}")) as database, tree(database) as root:
        root.schema_version += 1
    assert "schema version" in run(ini, "retry", "--all", status=3)


# --- the kanaal ---------------------------------------------------------------------------------


def test_the_kanaal_is_registered_once(ini, nrc):
    url = "https://klanten.example.nl/prefix"
    assert "is registered" in run(ini, "register", "--url", f"{url}/api/v1/")
    assert nrc.kanalen["klanten"]["documentatieLink"] == f"{url}/ref/kanalen/"
    assert "registered already" in run(ini, "register", "--url", url)
    again = run(ini, "register", "--documentation", "https://else.example.nl", "--json")
    assert json.loads(again) == {"kanaal": "klanten", "registered": False}


def test_an_api_that_does_not_register_can_not_be_used(ini, nrc):
    nrc.mood = status(403, {"detail": "Bearer eyJ"})
    error = run(ini, "register", "--url", "https://example.nl", status=2)
    assert "notificaties.publiceren" in error
    nrc.down()
    error = run(ini, "register", "--url", "https://example.nl", status=2)
    assert "Connection refused" in error
    nrc.up()


# --- delivery -----------------------------------------------------------------------------------


def test_delivery_needs_the_database_for_itself(ini, path, monkeypatch):
    monkeypatch.setattr(delivery.Delivery, "start", None)
    fill(path)
    with closing(open_database(f"file://{path}")):
        assert run(ini, "deliver", status=3).count("\n") == 1
