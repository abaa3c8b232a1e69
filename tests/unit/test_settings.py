"""What an operator can set, and the one line that says what is wrong with it."""

import dataclasses
import os
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

import klanten
from klanten.settings import Settings, SettingsError, environment_name, unknown_variables
from tests.rights import closed, without_rights

REQUIRED = {"zodbconn.uri": "memory://", "klanten.clients": "clients.ini"}
EVERY = [field.metadata for field in dataclasses.fields(Settings)]


def read(environ: dict[str, str] | None = None, **given: str) -> Settings:
    """Settings as an ini file in /etc/klanten gives them, beside the required ones."""
    named = {name.replace("__", "."): value for name, value in given.items()}
    return Settings.read(REQUIRED | named, "/etc/klanten/production.ini", environ or {})


def refused(environ: dict[str, str] | None = None, **given: str) -> str:
    """The line about settings that are not right."""
    with pytest.raises(SettingsError) as refusal:
        read(environ, **given)
    line = str(refusal.value)
    assert len(line.splitlines()) == 1
    return line


# --- what is right ------------------------------------------------------------------------------


DEFAULTS = {
    "services": None,
    "subject_allow_networks": (),
    "subject_timeout": 5,
    "jwt_leeway": 60,
    "jwt_max_age": None,
    "cors_origins": ("*",),
    "optional_fields": frozenset(),
    "body_max_size": 1048576,
}


def test_all_but_two_have_a_default():
    settings = read()
    assert {name: getattr(settings, name) for name in DEFAULTS} == DEFAULTS


RIGHT: list[tuple[str, str, str, Any]] = [
    ("klanten.component", "krc", "component", "krc"),
    ("klanten.clients", "a/b.ini", "clients", Path("/etc/klanten/a/b.ini")),
    ("klanten.clients", "/srv/b.ini", "clients", Path("/srv/b.ini")),
    ("klanten.clients", "~/b.ini", "clients", Path.home() / "b.ini"),
    ("klanten.services", "s.ini", "services", Path("/etc/klanten/s.ini")),
    ("klanten.services", "", "services", None),
    ("zodbconn.uri", "file://a.fs", "database_uri", "file:///etc/klanten/a.fs"),
    ("zodbconn.uri", "file:///srv/a.fs", "database_uri", "file:///srv/a.fs"),
    ("zodbconn.uri", "zeo://h:8100?a=b", "database_uri", "zeo://h:8100?a=b"),
    ("klanten.subject.timeout", "0.5", "subject_timeout", 0.5),
    ("klanten.jwt.leeway", "0", "jwt_leeway", 0),
    ("klanten.jwt.leeway", " 12 ", "jwt_leeway", 12),
    ("klanten.jwt.max_age", "3600", "jwt_max_age", 3600),
    ("klanten.jwt.max_age", "", "jwt_max_age", None),
    ("klanten.cors.origins", "", "cors_origins", ()),
    ("klanten.cors.origins", "*", "cors_origins", ("*",)),
    (
        "klanten.cors.origins",
        "https://a.nl\n  http://b.nl:8080",
        "cors_origins",
        ("https://a.nl", "http://b.nl:8080"),
    ),
    ("klanten.optional_fields", "websiteUrl", "optional_fields", frozenset({"websiteUrl"})),
    (
        "klanten.subject.allow_networks",
        "127.0.0.0/8\n::1/128 10.0.0.1",
        "subject_allow_networks",
        (ip_network("127.0.0.0/8"), ip_network("::1/128"), ip_network("10.0.0.1/32")),
    ),
    ("klanten.body.max_size", "1", "body_max_size", 1),
    ("klanten.log.format", "json", "log_format", "json"),
    ("klanten.notifications.deliver", "False", "deliver_notifications", False),
]


@pytest.mark.parametrize(("name", "text", "attribute", "value"), RIGHT)
def test_a_setting_is_read(name, text, attribute, value):
    assert getattr(read(**{name.replace(".", "__"): text}), attribute) == value


@pytest.mark.parametrize(("name", "text", "attribute", "value"), RIGHT)
def test_a_setting_from_the_environment_wins(name, text, attribute, value):
    environ = {environment_name(name): text}
    settings = read(environ, **{name.replace(".", "__"): "nonsense"})
    assert getattr(settings, attribute) == value


def test_names_in_the_environment_are_those_of_the_ini_file_in_capitals():
    assert environment_name("klanten.jwt.max_age") == "KLANTEN_JWT_MAX_AGE"
    assert environment_name("zodbconn.uri") == "KLANTEN_ZODBCONN_URI"
    assert len({environment_name(metadata["name"]) for metadata in EVERY}) == len(EVERY)


MAY_BE_EMPTY = {
    "klanten.services",
    "klanten.jwt.max_age",
    "klanten.cors.origins",
    "klanten.optional_fields",
    "klanten.subject.allow_networks",
    "klanten.monitoring.allow_networks",
}


@pytest.mark.parametrize("empty", ["", " "])
@pytest.mark.parametrize(
    ("name", "text", "attribute", "value"), [each for each in RIGHT if each[0] not in MAY_BE_EMPTY]
)
def test_an_empty_variable_is_not_given(name, text, attribute, value, empty):
    settings = read({environment_name(name): empty}, **{name.replace(".", "__"): text})
    assert getattr(settings, attribute) == value


def test_every_variable_may_be_empty():
    assert read({environment_name(metadata["name"]): "" for metadata in EVERY})


@pytest.mark.parametrize("name", sorted(MAY_BE_EMPTY))
def test_an_empty_variable_says_so_where_empty_means_none(name):
    [field] = [each for each in dataclasses.fields(Settings) if each.metadata["name"] == name]
    assert not getattr(read({environment_name(name): ""}), field.name)


def test_a_fault_in_the_file_behind_an_empty_variable_is_one_of_the_file():
    line = refused({"KLANTEN_JWT_LEEWAY": ""}, klanten__jwt__leeway="x")
    assert line.startswith("klanten.jwt.leeway in ")


def test_nothing_is_interpolated_in_the_environment():
    assert read({"KLANTEN_ZODBCONN_URI": "zeo://h?p=%40%(here)s"}).database_uri == (
        "zeo://h?p=%40%(here)s"
    )


def test_the_environment_alone_is_enough():
    environ = {"KLANTEN_ZODBCONN_URI": "memory://", "KLANTEN_CLIENTS": "/c.ini"}
    assert Settings.read({}, None, environ).clients == Path("/c.ini")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("KLANTEN_UNKNOWN", True),
        ("KLANTEN_", True),
        ("ZODBCONN_URI", False),
        ("KLANTEN_SOURCE_TOKEN", False),
        ("KLANTEN_SERVICE_HOST", False),
        ("KLANTEN_SERVICE_PORT_HTTP", False),
        ("KLANTEN_PORT", False),
        ("KLANTEN_PORT_8080_TCP", False),
        ("KLANTEN_PORT_8080_TCP_ADDR", False),
        ("KLANTEN_CLIENTS_PORT", False),
    ],
)
def test_a_variable_that_names_no_setting_is_passed_over(name, told):
    assert read({name: "x"}) == read()
    assert unknown_variables({name: "x"}) == [name] * told


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("KLANTEN_JWT_LEWAY", "KLANTEN_JWT_LEEWAY"),
        ("KLANTEN_JWT_MAXAGE", "KLANTEN_JWT_MAX_AGE"),
        ("KLANTEN_CLIENT", "KLANTEN_CLIENTS"),
        ("KLANTEN_ZODB_URI", "KLANTEN_ZODBCONN_URI"),
    ],
)
def test_a_variable_with_the_name_of_a_setting_misspelt_is_refused(name, meant):
    line = refused({name: "x"})
    assert line == f"{name} in the environment: is no setting; did you mean {meant}?"


@pytest.mark.parametrize("name", ["pyramid.debug_all", "use", "here", "jinja2.filters", "debug"])
def test_settings_of_others_are_ignored(name):
    assert read(**{name: "x"}) == read()


def test_without_a_file_paths_count_from_the_folder_one_is_in(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = {"zodbconn.uri": "file://a.fs", "klanten.clients": "c.ini"}
    settings = Settings.read(given, None, {})
    assert settings.clients == tmp_path / "c.ini"
    assert settings.database_uri == f"file://{tmp_path}/a.fs"


def test_a_file_of_which_the_path_is_relative_counts_from_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Settings.read(REQUIRED, "a/b.ini", {}).clients == tmp_path / "a" / "clients.ini"


# --- what is not --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("zodbconn.uri", "klanten.fs"),
        ("klanten.clients", "~nobody-of-this-name/c.ini"),
        ("klanten.subject.timeout", "0"),
        ("klanten.subject.timeout", "-1"),
        ("klanten.subject.timeout", "five"),
        ("klanten.subject.timeout", ""),
        ("klanten.subject.timeout", "nan"),
        ("klanten.subject.timeout", "inf"),
        ("klanten.subject.timeout", "1e10"),
        ("klanten.jwt.leeway", "1 minute"),
        ("klanten.jwt.max_age", "0"),
        ("klanten.jwt.max_age", "a; b"),
        ("klanten.cors.origins", "portaal.example.nl"),
        ("klanten.cors.origins", "https://portaal.example.nl/"),
        ("klanten.cors.origins", "* https://portaal.example.nl"),
        ("klanten.optional_fields", "websiteUrl klantnummer"),
        ("klanten.optional_fields", "websiteurl"),
        ("klanten.subject.allow_networks", "127.0.0.1/8"),
        ("klanten.subject.allow_networks", "127.0.0.0/8, ::1/128"),
        ("klanten.subject.allow_networks", "localhost"),
        ("klanten.body.max_size", "1M"),
        ("klanten.body.max_size", "0"),
        ("klanten.body.max_size", 5000 * "9"),
        ("klanten.body.max_size", "\u0661"),
        ("klanten.log.format", "xml"),
        ("klanten.component", "k c"),
        ("klanten.pack.days", "36501"),
        ("klanten.pack.days", "nan"),
        ("klanten.notifications.deliver", "yes"),
    ],
)
def test_a_wrong_setting_is_named_with_its_file_and_the_mend(name, text):
    line = refused(**{name.replace(".", "__"): text})
    assert line.startswith(f"{name} in /etc/klanten/production.ini: ")
    fault, _, mend = line.rpartition("; ")
    assert fault
    assert mend


def test_a_wrong_variable_is_named():
    line = refused({"KLANTEN_JWT_LEEWAY": "x"})
    assert line.startswith("KLANTEN_JWT_LEEWAY in the environment: 'x' is no number; ")


@pytest.mark.parametrize("name", REQUIRED)
@pytest.mark.parametrize("text", [None, "", "  "])
def test_a_missing_setting_is_named_with_both_ways_to_give_it(name, text):
    given = {each: REQUIRED[each] for each in REQUIRED if each != name}
    with pytest.raises(SettingsError) as refusal:
        Settings.read(given if text is None else given | {name: text}, "/a.ini", {})
    line = str(refusal.value)
    assert line.startswith(f"{name} in /a.ini: is missing; ")
    assert f"`{name} = ...`" in line
    assert environment_name(name) in line


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("klanten.client", "klanten.clients"),
        ("klanten.jwt.maxage", "klanten.jwt.max_age"),
        ("klanten.jwt.max-age", "klanten.jwt.max_age"),
        ("Klanten.jwt.max_age", "klanten.jwt.max_age"),
        ("klantn.jwt.max_age", "klanten.jwt.max_age"),
        ("klanten.cors_origins", "klanten.cors.origins"),
        ("zodbconn.url", "zodbconn.uri"),
        ("zodbcon.uri", "zodbconn.uri"),
    ],
)
def test_a_typing_error_is_named_with_what_was_meant(name, meant):
    line = refused(**{name: "x"})
    assert line.startswith(f"{name} in ")
    assert line.endswith(f"did you mean {meant}?")


def test_a_name_that_is_like_no_other_is_to_be_removed():
    assert refused(klanten__xyzzy="x").endswith("remove it")


def test_the_uri_of_the_database_may_hold_a_password_and_is_not_shown():
    assert "secret" not in repr(read(zodbconn__uri="postgresql://u:secret@h/d"))


# --- ini files ----------------------------------------------------------------------------------

INI = "[app:main]\nuse = egg:klanten\nzodbconn.uri = memory://\nklanten.clients = c.ini\n"


@pytest.fixture
def ini(tmp_path: Path) -> Path:
    path = tmp_path / "klanten.ini"
    path.write_text(INI)
    return path


def test_an_ini_file_is_read(ini):
    assert Settings.from_ini(ini, {}).clients == ini.parent / "c.ini"


def test_percent_signs_are_doubled(ini):
    ini.write_text(INI.replace("memory://", "zeo://h?a=p%%40ss"))
    assert Settings.from_ini(ini, {}).database_uri == "zeo://h?a=p%40ss"


def test_here_is_the_folder_of_the_file(ini):
    ini.write_text(INI.replace("c.ini", "%(here)s/d.ini"))
    assert Settings.from_ini(ini, {}).clients == ini.parent / "d.ini"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (INI.replace("memory://", "zeo://h?a=p%40ss"), "zodbconn.uri in {}: a single %"),
        (INI.replace("memory://", "zeo://h?a=p%(x)s"), "zodbconn.uri in {}: a single %"),
        ("[server:main]\nuse = egg:waitress\n", "{}: there is no [app:main]; "),
        (INI.replace("main", "mian"), "{}: there is no [app:main]; "),
        (INI.replace("egg:klanten", "egg:klante"), "[app:main] in {}: "),
        (INI + INI, "in {}: "),
        ("nonsense", "in {}: "),
        ("", "{}: there is no [app:main]; "),
    ],
)
def test_an_ini_file_that_can_not_be_read_is_one_line(ini, text, told):
    ini.write_text(text)
    with pytest.raises(SettingsError) as refusal:
        Settings.from_ini(ini, {})
    line = str(refusal.value)
    assert len(line.splitlines()) == 1
    assert told.format(ini) in line
    assert "; " in line


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"nothing\.ini: there is no such file; "):
        Settings.from_ini(tmp_path / "nothing.ini", {})


@pytest.mark.parametrize("name", ["klanten.ini", "."])
def test_a_file_that_is_not_ours_to_read_is_told_with_whom_to_be(ini, name):
    ini.parent.chmod(0o755)
    with (
        closed(ini.parent / name),
        without_rights(ini.parent),
        pytest.raises(SettingsError) as refusal,
    ):
        Settings.from_ini(ini, {})
    told = f"{ini}: can't be read (Permission denied); run this as the user of the service"
    assert str(refusal.value) == told


# --- at the start of the application ------------------------------------------------------------


@pytest.mark.parametrize(
    "changed",
    [
        {"klanten.jwt.max_age": "x"},
        {"klanten.unknown": "x"},
        {"klanten.clients": "/nowhere/clients.ini"},
        {"zodbconn.uri": "nonsense://x"},
        {"zodbconn.uri": "mysql://x"},
        {"zodbconn.uri": "file:///nowhere/at/all/klanten.fs"},
    ],
)
def test_what_is_to_be_mended_stops_the_start_with_one_line(settings, changed):
    with pytest.raises(SystemExit) as stop:
        klanten.main(
            {"__file__": "/etc/klanten/production.ini"},
            **(settings | {"zodbconn.uri": "memory://"} | changed),
        )
    line = str(stop.value)
    [name] = changed
    assert line.startswith(f"klanten: {name} in /etc/klanten/production.ini: ")
    assert len(line.splitlines()) == 1


def test_what_is_to_be_mended_in_the_environment_is_told_as_such(settings, monkeypatch):
    monkeypatch.setenv("KLANTEN_CLIENTS", "/nowhere/clients.ini")
    with pytest.raises(SystemExit) as stop:
        klanten.main({"__file__": "/a.ini"}, **(settings | {"zodbconn.uri": "memory://"}))
    told = "klanten: KLANTEN_CLIENTS in the environment: /nowhere/clients.ini: "
    assert str(stop.value).startswith(told)


def test_a_variable_that_is_passed_over_is_told_in_the_log(settings, monkeypatch, caplog):
    monkeypatch.setenv("KLANTEN_UNKNOWN", "x")
    monkeypatch.setenv("KLANTEN_PORT", "tcp://10.0.0.1:80")
    klanten.main({}, **(settings | {"zodbconn.uri": "memory://"})).registry.database.close()
    told = [line.getMessage() for line in caplog.records if "environment" in line.getMessage()]
    assert told == ["KLANTEN_UNKNOWN in the environment is no setting, and was passed over"]


def test_the_variables_of_this_process_count(monkeypatch):
    monkeypatch.setitem(os.environ, "KLANTEN_JWT_LEEWAY", "7")
    assert Settings.read(REQUIRED).jwt_leeway == 7
