"""A look at a service and all that it needs, for its operator: what is right, and what to do else.

Nothing is changed, and the server may be running meanwhile.
"""

from collections.abc import Iterator

from ..clients import Clients
from ..outgoing.services import Services
from ..settings import Settings
from .base_url import examine_base_url
from .database import DATABASE, examine_database
from .files import examine_files, examine_ini
from .finding import Finding, State
from .neighbours import examine_neighbours

__all__ = ["DATABASE", "Finding", "State", "examine", "examine_ini"]


def examine(settings: Settings, base_url: str | None = None) -> Iterator[Finding]:
    """Everything there is to find, one after the other.

    `base_url` is the root of the API as callers know it, through the proxy.

    Raises `ClientsError`, `ServicesError` and `SettingsError` when a file can't be read.
    """
    clients = Clients(settings.clients)
    services = Services.read(settings.services) if settings.services else Services()
    yield from examine_files(settings, clients, services)
    yield from examine_database(settings, has_receiver=services.notificaties is not None)
    yield from examine_neighbours(settings, clients.current().values(), services)
    yield from examine_base_url(base_url)
