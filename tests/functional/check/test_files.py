"""`klanten check`: the ini file and those that it names."""

import pytest


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
