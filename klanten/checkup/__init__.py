"""A look at a service and all that it needs, for its operator: what is right, and what to do else.

Nothing is changed, and the server may be running meanwhile.
"""

from collections.abc import Iterator

from ..settings import Settings
from .base_url import examine_base_url
from .database import DATABASE, examine_database
from .files import Files
from .finding import Finding, State
from .ini import examine_ini
from .neighbours import examine_neighbours

__all__ = ["DATABASE", "Finding", "State", "examine", "examine_ini"]


def examine(settings: Settings, base_url: str | None = None) -> Iterator[Finding]:
    """Everything there is to find, one after the other.

    `base_url` is the root of the API as callers know it, through the proxy.

    """
    files = Files(settings)
    yield from files.examine()
    yield from examine_database(settings, files.has_receiver)
    if files.services is not None:
        clients = files.clients.current().values() if files.clients else ()
        yield from examine_neighbours(settings, clients, files.services)
    yield from examine_base_url(base_url)
