"""The files of the service: settings, clients and services."""

import re
from collections.abc import Iterator
from pathlib import Path

import plaster

from ..clients import Clients
from ..outgoing.services import Services
from ..settings import Settings
from .finding import Finding, right, told, wrong

SETTINGS = "settings"
CLIENTS = "clients"
SERVICES = "services"
PASSWORD = re.compile(r"//[^/?]*:[^/?]*@|[?&]password=")
"""Where a URI has one: behind the user, or among the parameters."""
SHORTEN = "see the log of the server at its start"


def examine_ini(ini: Path) -> Iterator[Finding]:
    """The ini file, whose lines are right; a password may also come from the environment."""
    yield right(SETTINGS, f"{ini}: every line is right")
    stated = plaster.get_settings(str(ini), "app:main").get("zodbconn.uri", "")
    if PASSWORD.search(stated) and ini.stat().st_mode & 0o077:
        yield wrong(SETTINGS, f"{ini}: others can read the password in it", f"chmod 600 {ini}")


def examine_files(settings: Settings, clients: Clients, services: Services) -> Iterator[Finding]:
    """What there is to say of the files, which can be read."""
    yield from _clients(clients)
    yield from _without_scopes(clients, services)
    yield from _services(settings, services)


def _clients(clients: Clients) -> Iterator[Finding]:
    count = len(clients.current())
    if not count:
        yield wrong(CLIENTS, f"{clients.path} has no clients", "add a section for each caller")
        return
    warnings = clients.warnings()
    for warning in warnings:
        yield told(CLIENTS, warning, SHORTEN)
    if not warnings:
        yield right(CLIENTS, f"{clients.path}: {count}, kept safely")


def _without_scopes(clients: Clients, services: Services) -> Iterator[Finding]:
    lost = sorted(name for name, one in clients.current().items() if one.scopes is None)
    if lost and services.autorisaties is None:
        yield wrong(
            CLIENTS,
            f"no scopes, and no Autorisaties API to ask: {', '.join(lost)} may do nothing",
            f"add a line `scopes` for them in {clients.path}, or a section [autorisaties] to the "
            "file of klanten.services",
        )


def _services(settings: Settings, services: Services) -> Iterator[Finding]:
    if settings.services is None:
        yield right(SERVICES, "klanten.services is empty: no other API is called with a token")
        return
    for warning in services.warnings:
        yield told(SERVICES, warning, SHORTEN)
    if not services.warnings:
        yield right(SERVICES, f"{settings.services}: kept safely")
