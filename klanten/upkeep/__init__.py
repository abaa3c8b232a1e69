"""Keeping a database in order: looking whether it is whole, mending it, packing it.

What changes a database is a *task* (see `tasks`): a function of the database that a command runs
itself, or, on a file that a server has open, asks that server to run (see `control`).
"""

from pyramid.config import Configurator
from pyramid.events import ApplicationCreated

from ..storage import file_of
from .control import Control, socket_of
from .packing import Packer


def includeme(config: Configurator) -> None:
    """A server with its database in a file packs it, and takes the tasks of commands."""
    settings = config.registry.settings["klanten"]
    file = file_of(settings.database_uri)
    if file is None:
        return
    database = config.registry.database

    def start(event: ApplicationCreated) -> None:
        control = Control(socket_of(file), database)
        packer = Packer(database, settings.pack_at, settings.pack_days)
        database.helpers += (control.stop, packer.stop)
        control.start()
        packer.start()

    config.add_subscriber(start, ApplicationCreated)
