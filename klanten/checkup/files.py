"""The files of the service: settings, clients and services."""

from collections.abc import Iterator

from ..clients import Clients
from ..outgoing.services import Services
from ..settings import Settings
from .finding import Finding, right, told, wrong

CLIENTS = "clients"
SERVICES = "services"
SHORTEN = "see the log of the server at its start"


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
