"""`klanten check`: what it finds, and what it says to do."""

import contextlib
import json
import os
import shutil
import ssl
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import trustme
from click.testing import CliRunner

from klanten.cli import klanten
from klanten.model.audittrail import Actie, Bewerking
from klanten.storage import open_database, prepare, tree
from tests.conftest import SECRET
from tests.factories import make_klant
from tests.neighbours import server as neighbour
from tests.neighbours.autorisaties import Autorisaties
from tests.neighbours.notificaties import Notificaties
from tests.neighbours.server import Neighbour, garbage, status
from tests.ports import free_port
from tests.servers import serving


@pytest.fixture
def ac():
    with Autorisaties() as ac:
        ac.register("balie", label="De balie")
        yield ac


@pytest.fixture
def nrc():
    with Notificaties().with_kanaal() as nrc:
        yield nrc


class Service:
    """A folder with all that an operator puts down; in the beginning everything is right."""

    def __init__(self, folder, settings, ac, nrc):
        self.folder = folder
        self.settings = settings | {
            "klanten.clients": "clients.ini",
            "klanten.services": "services.ini",
        }
        self.clients = {"all": {"secret": SECRET, "scopes": "*"}, "balie": {"secret": SECRET}}
        agreed = {"client_id": neighbour.CLIENT_ID, "secret": neighbour.SECRET, "timeout": "5"}
        self.services = {
            "autorisaties": {"api_root": ac.api_root} | agreed,
            "notificaties": {"api_root": nrc.api_root} | agreed,
        }
        self.server = {"use": "egg:klanten", "listen": f"127.0.0.1:{free_port()}"}
        self.logging = {}
        self.mode = 0o600

    @contextlib.contextmanager
    def opened(self):
        with contextlib.closing(open_database(self.settings["zodbconn.uri"])) as database:
            yield database

    @contextlib.contextmanager
    def tree(self):
        with self.opened() as database, tree(database) as root:
            yield root

    def run(self, *arguments, ini_mode=0o600):
        """What the command does with the files as they are now."""
        application = {"use": "egg:klanten"} | self.settings
        self._write(
            "service.ini", {"app:main": application, "server:main": self.server, **self.logging}
        )
        (self.folder / "service.ini").chmod(ini_mode)
        self._write("clients.ini", self.clients)
        self._write("services.ini", self.services)
        ini = str(self.folder / "service.ini")
        return CliRunner().invoke(klanten, ["check", ini, *arguments])

    def found(self, *arguments, **given):
        """Subject and text of what is wrong, and the whole of what was found."""
        done = self.run("--json", *arguments, **given)
        found = json.loads(done.stdout)
        wrong = [one for one in found["findings"] if one["state"] == "wrong"]
        assert all(one["what"] and one["mend"] for one in wrong)
        status = 3 if any(one["subject"] == "database" for one in wrong) else int(bool(wrong))
        assert (done.exit_code, done.stderr) == (status, "")
        assert found["ok"] is not bool(wrong)
        return wrong, found["findings"]

    def fault(self, *arguments):
        """The only thing that is wrong."""
        [fault], _ = self.found(*arguments)
        return fault["subject"], fault["what"], fault["mend"]

    def right(self, *arguments):
        """What is right, when nothing is wrong."""
        wrong, found = self.found(*arguments)
        assert wrong == []
        return [(one["subject"], one["what"]) for one in found if one["state"] == "right"]

    def _write(self, name, sections):
        path = self.folder / name
        path.write_text(
            "\n".join(
                f"[{section}]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items())
                for section, keys in sections.items()
            )
        )
        path.chmod(self.mode)


@pytest.fixture(scope="module")
def new_database(tmp_path_factory):
    """A database as the first start of a server leaves it."""
    path = tmp_path_factory.mktemp("new") / "klanten.fs"
    with contextlib.closing(open_database(f"file://{path}")) as database:
        prepare(database)
    return path


@pytest.fixture
def service(tmp_path, settings, ac, nrc, new_database):
    shutil.copy(new_database, tmp_path)
    (tmp_path / "klanten.fs").chmod(0o600)
    service = Service(tmp_path, settings, ac, nrc)
    yield service
    assert ac.wrong == nrc.wrong == []


def a_change(moment=None):
    moment = moment or datetime.now(UTC)
    return Bewerking(actie=Actie.CREATE, moment=moment, api_root="http://localhost/api/v1")


# --- how it tells -------------------------------------------------------------------------------


def test_right_service_has_nothing_wrong(service, ac, nrc):
    assert service.right() == [
        ("settings", f"{service.folder}/service.ini: every line is right"),
        ("server", f"can listen at {service.server['listen']}"),
        ("clients", f"{service.folder}/clients.ini: 2, kept safely"),
        ("services", f"{service.folder}/services.ini: kept safely"),
        ("database", "opens, schema version 1, 0 klanten"),
        ("outbox", "no message waits"),
        ("Autorisaties API", f"{ac.api_root} answers, and accepts our token"),
        ("Autorisaties API", "client balie (De balie) may do: everything"),
        ("Autorisaties API", "its clock and ours agree"),
        ("Notificaties API", f"{nrc.api_root} answers, and accepts our token"),
        ("Notificaties API", "kanaal klanten is registered"),
        ("Notificaties API", "its clock and ours agree"),
    ]


def test_table_shows_what_was_found_and_what_to_do(service):
    service.clients["kort"] = {"secret": "kort", "scopes": ""}
    done = service.run()
    assert (done.exit_code, done.stderr) == (1, "")
    text = " ".join(done.stdout.split())
    assert "wrong clients" in text
    assert "-> agree on a longer one for [kort]" in text
    assert "right Notificaties API kanaal klanten is registered" in text
    assert "skipped base URL not looked at -> give the root" in text


def test_table_that_a_program_reads_has_each_finding_in_one_line(service):
    folder = service.folder / "a-folder-with-a-long-name" / "and-another-one-of-a-hundred-signs"
    service.settings["zodbconn.uri"] = f"file://{folder}/klanten.fs"
    assert f"{folder}/klanten.fs: there is no such file" in service.run().stdout


def test_table_of_a_right_service_ends_well(service):
    assert service.run().exit_code == 0


def test_nothing_that_is_printed_shows_a_secret_or_a_token(service, ac, nrc):
    said = service.run().output + service.run("--json").output
    ac.mood = nrc.mood = status(500)
    said += service.run().output
    tokens = [asked.headers["Authorization"].split()[1] for asked in ac.asked + nrc.asked]
    assert len(tokens) > 6
    assert not [word for word in (SECRET, neighbour.SECRET, *tokens) if word in said]


# --- files --------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_files_that_others_can_read_are_found(service, mode):
    service.mode = mode
    wrong, _ = service.found()
    assert [(one["subject"], one["what"], one["mend"]) for one in wrong] == [
        (
            subject,
            f"{service.folder}/{subject}.ini: others can read the secrets in it",
            f"chmod 600 {service.folder}/{subject}.ini",
        )
        for subject in ("clients", "services")
    ]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
@pytest.mark.parametrize("name", ["klanten.fs", "klanten.fs.old"])
def test_database_that_others_can_read_is_found(service, name, mode):
    file = service.folder / name
    file.touch()
    file.chmod(mode)
    database = service.folder / "klanten.fs"
    assert service.fault() == (
        "database file",
        f"{database}: others can read the klanten in it",
        f"chmod 600 {database}*",
    )


@pytest.mark.parametrize("userinfo", ["klanten:geheim@", "klanten:p%%40ss@"])
def test_password_in_the_ini_file_that_others_can_read_is_found(service, userinfo):
    service.settings["zodbconn.uri"] = f"postgresql://{userinfo}127.0.0.1:9/klanten"
    for mode, words in ((0o600, []), (0o644, ["others can read the password in it"])):
        wrong, _ = service.found(ini_mode=mode)
        told = [one for one in wrong if one["subject"] == "settings"]
        assert [one["what"] for one in told] == [
            f"{service.folder}/service.ini: {what}" for what in words
        ]
    assert told[0]["mend"] == f"chmod 600 {service.folder}/service.ini"


def test_ini_file_without_a_password_may_be_read(service):
    wrong, _ = service.found(ini_mode=0o644)
    assert wrong == []


def test_short_secrets_of_clients_are_found(service):
    service.clients["kort"] = {"secret": "kort", "scopes": ""}
    subject, what, mend = service.fault()
    assert (subject, mend) == ("clients", "agree on a longer one for [kort]")
    assert "can be guessed" in what


def test_short_secrets_of_services_are_found(service):
    del service.services["notificaties"]
    service.services["subject:x"] = {
        "api_root": "http://127.0.0.1:1",
        "client_id": "x",
        "secret": "kort",
    }
    subject, what, mend = service.fault()
    assert (subject, mend) == ("services", "agree on a longer one for [subject:x]")
    assert "can be guessed" in what


def test_clients_without_scopes_need_an_autorisaties_api(service):
    del service.services["autorisaties"]
    subject, what, mend = service.fault()
    assert subject == "clients"
    assert what == "no scopes, and no Autorisaties API to ask: balie may do nothing"
    assert "add a line `scopes`" in mend


def test_empty_clients_file_is_found(service):
    service.clients.clear()
    assert service.fault()[:2] == ("clients", f"{service.folder}/clients.ini has no clients")


def test_service_without_other_apis_is_right(service):
    del service.clients["balie"]
    service.settings["klanten.services"] = ""
    assert service.right()[3:] == [
        ("services", "klanten.services is empty: no other API is called with a token"),
        ("database", "opens, schema version 1, 0 klanten"),
        ("outbox", "0 messages are kept: there is no [notificaties]"),
    ]


@pytest.mark.parametrize("mode", ["klanten.jwt.leeway", "klanten.jwt.leway"])
def test_settings_that_are_wrong_are_all_that_is_told(service, mode):
    service.settings[mode] = "soon"
    for arguments in ([], ["--json"]):
        done = service.run(*arguments)
        assert (done.exit_code, done.stdout) == (2, "")
        assert done.stderr.startswith("Error: ")
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("spoil", "subject", "what", "mend"),
    [
        (
            lambda service: service.settings.update({"klanten.clients": "none.ini"}),
            "clients",
            "klanten.clients: {folder}/none.ini: cannot be read (No such file or directory)",
            "put a clients file there that this service may read",
        ),
        (
            lambda service: service.clients["all"].update(scopes="klanten.lez"),
            "clients",
            "klanten.clients: {folder}/clients.ini, section [all], key scopes: 'klanten.lez' is",
            "write * or some of klanten.lezen",
        ),
        (
            lambda service: service.settings.update({"klanten.services": "none.ini"}),
            "services",
            "klanten.services: {folder}/none.ini: cannot be read (No such file or directory)",
            "put a services file there that this service may read",
        ),
        (
            lambda service: service.services["autorisaties"].update(api_root="x"),
            "services",
            "klanten.services: {folder}/services.ini, section [autorisaties], key api_root: ",
            "write api_root = https://host.example.nl/api/v1",
        ),
        (
            lambda service: service.settings.update({"zodbconn.uri": "nosuch://x"}),
            "database",
            "zodbconn.uri: the nosuch URI can't be read",
            "write file://, zeo:// or postgresql://",
        ),
        (
            lambda service: service.settings.update({"zodbconn.uri": "mysql://x"}),
            "database",
            "zodbconn.uri: mysql:// is no database for klanten",
            "write file://, zeo:// or postgresql://",
        ),
    ],
)
def test_files_that_cannot_be_used_are_found_among_the_rest(service, spoil, subject, what, mend):
    spoil(service)
    [fault], found = service.found()
    assert fault["subject"] == subject
    assert fault["what"].startswith(what.format(folder=service.folder))
    assert fault["mend"].startswith(mend)
    others = {one["subject"] for one in found if one["state"] == "right"}
    assert others >= {"settings", "server", "clients", "services", "database"} - {subject}


def test_clients_file_named_in_the_environment_is_told_as_such(service, monkeypatch):
    monkeypatch.setenv("KLANTEN_CLIENTS", "none.ini")
    what = service.fault()[1]
    assert what.startswith(f"KLANTEN_CLIENTS in the environment: {service.folder}/none.ini: ")


# --- the lines for the server, and about logging ------------------------------------------------


@pytest.mark.parametrize(
    ("option", "text", "what", "mend"),
    [
        ("threads", "veel", "'veel' is no number", "write for instance 4"),
        ("threads", "0", "'0' is too small", "write for instance 4"),
        ("thread", "4", "Unknown adjustment 'thread'", "the options are those of waitress"),
        ("listen", "", "is empty", "write for instance 127.0.0.1:8080"),
        ("listen", "127.0.0.1:99999", "'99999' is no port of 1 to 65535", "write for instance"),
        ("request_timeout", "1m", "'1m' is no number", "write for instance 60"),
    ],
)
def test_option_that_the_server_would_not_start_with_is_found(service, option, text, what, mend):
    service.server[option] = text
    subject, told, how = service.fault()
    assert subject == "settings"
    assert told == f"{option} in [server:main] of {service.folder}/service.ini: {what}"
    assert how.startswith(mend)


@pytest.mark.parametrize("use", ["egg:waitress#main", ""])
def test_server_that_is_not_ours_is_not_looked_at(service, use):
    service.server = {"use": use, "threads": "many"} if use else {}
    _, found = service.found()
    [skipped] = [one for one in found if one["subject"] == "server"]
    assert skipped["state"] == "skipped"
    assert "no [server:main] with use = egg:klanten" in skipped["what"]


def test_port_that_something_else_uses_is_found(service):
    with Neighbour() as other:
        service.server["listen"] = f"127.0.0.1:{other.port}"
        other.mood = status(404)
        subject, what, mend = service.fault()
    assert subject == "server"
    assert what.endswith(f"127.0.0.1:{other.port}: Address already in use")
    assert mend == "stop what uses the port, or choose another"


def test_port_that_our_own_server_uses_is_right(service, app):
    with serving(app.app) as server:
        service.settings["zodbconn.uri"] = "memory://"
        service.server["listen"] = f"127.0.0.1:{server.port}"
        _, found = service.found()
    [told] = [one for one in found if one["subject"] == "server"]
    assert (told["state"], told["what"]) == ("right", f"answers at 127.0.0.1:{server.port}")


LOGGING = {
    "loggers": {"keys": "root, klanten"},
    "handlers": {"keys": "console"},
    "formatters": {"keys": "lines"},
    "logger_root": {"level": "WARNING", "handlers": "console"},
    "logger_klanten": {"level": "INFO", "handlers": "", "qualname": "klanten"},
    "handler_console": {
        "class": "StreamHandler",
        "args": "(sys.stderr,)",
        "formatter": "lines",
    },
    "formatter_lines": {"format": "%(message)s"},
}


def test_sections_about_logging_are_right(service):
    service.logging = LOGGING
    service.right()


@pytest.mark.parametrize(
    ("section", "keys", "what", "mend"),
    [
        ("logger_root", {"level": "INFOO"}, "level 'INFOO' is none", "write DEBUG, INFO"),
        ("logger_klanten", {"level": "info"}, "level 'info' is none", "write DEBUG, INFO"),
        ("handler_console", {"level": "9"}, "level '9' is none", "write DEBUG, INFO"),
        (
            "handler_console",
            {"formatter": "line"},
            "formatter 'line' is not in keys of [formatters]",
            "write one of: lines",
        ),
        (
            "logger_root",
            {"handlers": "console, file"},
            "handlers 'file' is not in keys of [handlers]",
            "write one of: console",
        ),
        ("logger_klanten", {"qualname": None}, "qualname is missing", "add a line qualname ="),
        ("handler_console", {"class": None}, "class is missing", "add a line class ="),
        (
            "formatter_lines",
            None,
            "is missing",
            "add it, or take lines from keys in [formatters]",
        ),
    ],
)
def test_line_about_logging_that_pserve_would_fail_on_is_found(service, section, keys, what, mend):
    changed = LOGGING[section] | (keys or {})
    changed = {key: value for key, value in changed.items() if value is not None}
    service.logging = LOGGING | {section: changed}
    if keys is None:
        del service.logging[section]
    subject, told, how = service.fault()
    assert (subject, told) == ("settings", f"[{section}] in {service.folder}/service.ini: {what}")
    assert how.startswith(mend)
    start = "import logging.config, sys; logging.config.fileConfig(sys.argv[1])"
    command = [sys.executable, "-c", start, str(service.folder / "service.ini")]
    assert b"Traceback" in subprocess.run(command, capture_output=True, check=False).stderr


def test_variable_that_is_no_setting_is_told(service, monkeypatch):
    monkeypatch.setenv("KLANTEN_UNKNOWN", "x")
    monkeypatch.setenv("KLANTEN_SERVICE_HOST", "10.0.0.1")
    wrong, found = service.found()
    assert wrong == []
    told = [one["what"] for one in found if "environment" in one["what"]]
    assert told == ["KLANTEN_UNKNOWN in the environment is no setting, and is passed over"]


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


# --- the Autorisaties API -----------------------------------------------------------------------


def test_what_clients_may_do_is_shown(service, ac):
    ac.applicaties.clear()
    ac.register("balie", scopes="klanten.lezen klanten.aanmaken", label="De balie")
    shown = "client balie (De balie) may do: klanten.aanmaken, klanten.lezen"
    assert ("Autorisaties API", shown) in service.right()


def test_client_without_an_applicatie_is_found(service, ac):
    ac.applicaties.clear()
    _, what, mend = service.fault()
    assert what == "client balie has no Applicatie there, and may do nothing"
    assert "register it there" in mend


def test_client_without_scopes_of_ours_is_found(service, ac):
    ac.applicaties.clear()
    ac.register("balie", scopes="klanten.lezen", component="zrc")
    _, what, mend = service.fault()
    assert what == "client balie has none of our scopes in component kc, so no rights"
    assert "klanten.component" in mend
    service.settings["klanten.component"] = "zrc"
    service.right()


def test_clients_with_scopes_in_the_file_are_not_asked_about(service, ac):
    service.right()
    assert {client_id for asked in ac.asked for _, client_id in asked.params} == {
        neighbour.CLIENT_ID,
        "balie",
    }


@pytest.mark.parametrize(
    ("mood", "what"),
    [
        (status(500), "gives no answer: status 500"),
        (status(200, []), "gives no answer: there is no object around count in its answer"),
        (garbage(b""), "gives no answer: the connection was closed without an answer"),
        (status(401), "refuses our token: status 401"),
        (status(403), "refuses our token: status 403"),
        (status(404), "does not tell what clients may do: status 404"),
    ],
)
def test_autorisaties_api_that_does_not_do_its_duty_is_found(service, ac, mood, what):
    ac.mood = mood
    assert service.fault()[:2] == ("Autorisaties API", f"{ac.api_root} {what}")
    assert len(ac.asked) == 1


def test_autorisaties_api_that_hangs_or_is_away_is_found(service, ac):
    service.services["autorisaties"]["timeout"] = "0.2"
    with ac.in_the_mood(ac.hang):
        assert service.fault()[1] == f"{ac.api_root} gives no answer: no answer in time"
    ac.down()
    assert service.fault()[1] == f"{ac.api_root} gives no answer: Connection refused"
    ac.up()


# --- the Notificaties API -----------------------------------------------------------------------


def test_missing_kanaal_is_found(service, nrc):
    nrc.kanalen.clear()
    subject, what, mend = service.fault()
    assert subject == "Notificaties API"
    assert what == "kanaal klanten is not registered, so that no message is accepted"
    assert "klanten notifications INI register" in mend


@pytest.mark.parametrize("mood", [status(500), status(200, {}), status(302), garbage()])
def test_notificaties_api_that_does_not_do_its_duty_is_found(service, nrc, mood):
    nrc.mood = mood
    assert service.fault()[0] == "Notificaties API"


def test_refusal_of_our_token_is_found(service, nrc):
    nrc.mood = status(401)
    subject, what, mend = service.fault()
    assert subject == "Notificaties API"
    assert "our token is refused" in what
    assert "client_id and secret" in mend


def test_notificaties_api_that_is_away_is_found(service, nrc):
    nrc.down()
    assert service.fault()[:2] == ("Notificaties API", f"{nrc.api_root}: Connection refused")
    nrc.up()


# --- clocks -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seconds", "side"), [(3600, "ahead of"), (-3600, "behind")])
@pytest.mark.parametrize("name", ["ac", "nrc"])
def test_clock_that_differs_is_found(request, service, name, seconds, side):
    request.getfixturevalue(name).clock_ahead = seconds
    subject, what, mend = service.fault()
    assert subject == {"ac": "Autorisaties API", "nrc": "Notificaties API"}[name]
    assert what.startswith(("its clock is 3,600 seconds", "its clock is 3,599 seconds"))
    assert what.endswith(f" {side} ours")
    assert "NTP" in mend


@pytest.mark.parametrize("date", ["", "Date: soon\r\n"])
def test_server_that_tells_no_time_is_right(service, ac, date):
    body = '{"count": 0, "results": []}'
    head = f"HTTP/1.1 200 OK\r\n{date}Content-Length: {len(body)}\r\n\r\n"
    del service.clients["balie"]
    ac.mood = garbage(f"{head}{body}".encode())
    told = [what for subject, what in service.right() if subject == "Autorisaties API"]
    assert told == [f"{ac.api_root} answers, and accepts our token"]


# --- the base URL -------------------------------------------------------------------------------


def test_base_url_is_right_when_answers_show_it(service, app):
    service.settings["zodbconn.uri"] = "memory://"
    with serving(app.app) as server:
        for url in (server.root, f"{server.root}/", server.root.replace("127.0.0.1", "localhost")):
            _, found = service.found("--url", url)
            url = url.rstrip("/")
            assert found[-1]["what"] == f"answers below {url} show that same URL"


def test_base_url_is_asked_for_without_a_token(service, proxy):
    service.found("--url", proxy.api_root)
    assert [asked.path for asked in proxy.asked] == ["/api/v1/openapi.json"]
    assert proxy.asked[0].headers["Authorization"] is None


@pytest.fixture
def proxy():
    """Something in front of the API; its mood says what it makes of the OAS document."""
    with Neighbour() as proxy:
        proxy.mood = status(404)
        yield proxy


HOST = "X-Forwarded-Host (with the port, where it is not the usual one)"


@pytest.mark.parametrize(
    ("served", "mends"),
    [
        ("https://127.0.0.1:{port}/api/v1", ["send X-Forwarded-Proto, and trust it"]),
        ("http://localhost:8080/api/v1", [f"send {HOST}, and trust it"]),
        ("http://127.0.0.1/api/v1", [f"send {HOST}, and trust it"]),
        ("https://localhost/api/v1", [f"send X-Forwarded-Proto and {HOST}, and trust it"]),
        ("http://127.0.0.1:{port}/x/api/v1", ["url_prefix"]),
        ("https://127.0.0.1:{port}/x/api/v1", ["X-Forwarded-Proto", "url_prefix"]),
    ],
)
def test_base_url_that_answers_do_not_show_is_found(service, proxy, served, mends):
    served = served.format(port=proxy.port)
    proxy.mood = status(200, {"openapi": "3.0.0", "servers": [{"url": served}]})
    subject, what, mend = service.fault("--url", proxy.api_root)
    assert (subject, what) == ("base URL", f"answers below {proxy.api_root} show {served}")
    assert [part for part in mends if part not in mend] == []
    assert ("url_prefix" in mend) is ("/x/" in served)


@pytest.mark.parametrize(
    "content", [None, [], {}, {"servers": []}, {"servers": [{"url": 1}]}, {"servers": [None]}]
)
def test_base_url_with_something_else_behind_it_is_found(service, proxy, content):
    proxy.mood = status(200, content)
    subject, what, _ = service.fault("--url", proxy.api_root)
    assert subject == "base URL"
    assert what == f"{proxy.api_root}/openapi.json is not the OAS document of this API (status 200)"


@pytest.mark.parametrize("mood", [status(404, {"servers": []}), status(302), status(500)])
def test_base_url_that_is_refused_is_found(service, proxy, mood):
    proxy.mood = mood
    assert "is not the OAS document" in service.fault("--url", proxy.api_root)[1]


def test_base_url_without_an_answer_is_found(service, proxy):
    proxy.down()
    what = f"{proxy.api_root} gives no answer: Connection refused"
    assert service.fault("--url", proxy.api_root)[:2] == ("base URL", what)
    proxy.up()


def test_base_url_with_a_certificate_of_another_ca_names_the_way(service, tmp_path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    with ThreadingHTTPServer(("localhost", 0), BaseHTTPRequestHandler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.05,)).start()
        url = f"https://localhost:{server.server_port}/api/v1"
        subject, what, mend = service.fault("--url", url)
        server.shutdown()
    assert subject == "base URL"
    assert "the certificate is refused" in what
    assert "or name the CA: SSL_CERT_FILE=ca.pem klanten check ..." in mend


@pytest.mark.parametrize("url", ["example.nl", "ftp://example.nl", ""])
def test_base_url_that_is_none_is_wrong_usage(service, url):
    done = service.run("--url", url)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "write for instance https://example.nl/api/v1" in done.stderr
