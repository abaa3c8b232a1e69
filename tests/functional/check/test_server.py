"""`klanten check`: the lines for the server, and about logging."""

import subprocess
import sys

import pytest

from tests.neighbours.server import Neighbour, status
from tests.servers import serving


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
