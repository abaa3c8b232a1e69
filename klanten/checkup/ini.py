"""The ini file: its settings, which could be read, and what else the server takes from it."""

import re
from collections.abc import Iterator
from pathlib import Path

from ..server.options import Options
from ..settings import (
    NoSection,
    SettingsError,
    in_environment,
    read_section,
    unknown_variables,
)
from .finding import Finding, right, skipped, told, wrong
from .listening import examine_listening
from .loggers import examine_loggers

SETTINGS = "settings"
SERVER = "server"
OURS = ("egg:klanten", "egg:klanten#main")
PASSWORD = re.compile(r"//[^/?]*:[^/?]*@|[?&]password=")
"""Where a URI has one: behind the user, or among the parameters."""


def examine_ini(ini: Path) -> Iterator[Finding]:
    """The lines of the file, who may read it, and where the server is to listen."""
    options, faults = None, list(examine_loggers(SETTINGS, ini))
    try:
        given = _given(ini)
        options = Options.read(given, ini) if given is not None else None
    except SettingsError as fault:
        faults.append(told(SETTINGS, fault, "mend the file"))
    yield from faults or [right(SETTINGS, f"{ini}: every line is right")]
    yield from _password(ini)
    for name in unknown_variables():
        what = f"{in_environment(name)} is no setting, and is passed over"
        yield skipped(SETTINGS, what, "remove it, or mend its name")
    if options:
        yield from examine_listening(SERVER, options)
    elif not faults:
        what = f"{ini} has no [server:main] with use = egg:klanten"
        yield skipped(SERVER, what, "add it, unless another server loads the application")


def _given(ini: Path) -> dict[str, str] | None:
    """The options for our server; None when it is another server that runs, or is asked for."""
    try:
        given = dict(read_section(ini, "server"))
    except NoSection:
        return None
    return given if given.pop("use", "") in OURS else None


def _password(ini: Path) -> Iterator[Finding]:
    """One that others can read; it may also come from the environment."""
    stated = read_section(ini, "app").get("zodbconn.uri", "")
    if PASSWORD.search(stated) and ini.stat().st_mode & 0o077:
        yield wrong(SETTINGS, f"{ini}: others can read the password in it", f"chmod 600 {ini}")
