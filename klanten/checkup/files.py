"""The files that the settings name: clients and services."""

from collections.abc import Iterator

from .. import told as told_at_start
from ..clients import Clients, ClientsError
from ..outgoing.services import Services, ServicesError
from ..settings import Settings
from .finding import Finding, right, told, wrong

CLIENTS = "clients"
SERVICES = "services"
SHORTEN = "see the log of the server at its start"
MEND = "mend the file"


class Files:
    """The two files, once they are examined: what is in them, or None when they can't be used."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clients: Clients | None = None
        self.services: Services | None = None

    @property
    def has_receiver(self) -> bool:
        """Whether there is a Notificaties API, as far as can be known."""
        return self.services is None or self.services.notificaties is not None

    def examine(self) -> Iterator[Finding]:
        """What there is to say of them."""
        try:
            self.clients = Clients(self.settings.clients)
            yield from _clients(self.clients)
        except ClientsError as fault:
            yield told(CLIENTS, told_at_start(fault), MEND)
        try:
            path = self.settings.services
            self.services = Services.read(path) if path else Services()
            yield from _services(self.settings, self.services)
        except ServicesError as fault:
            yield told(SERVICES, told_at_start(fault), MEND)
        if self.clients and self.services:
            yield from _without_scopes(self.clients, self.services)


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
