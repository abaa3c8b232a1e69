"""A Klanten API 1.0.0 on Pyramid and ZODB."""

import logging
import os
from typing import Any

from pyramid.config import Configurator
from pyramid.interfaces import IRequestExtensions
from pyramid.request import Request
from pyramid.router import Router

from .clients import ClientsError
from .model.errors import DatabaseForeign, DatabaseTooNew, DatabaseTooOld
from .outgoing.services import ServicesError
from .settings import Settings, SettingsError, in_environment, place_of, unknown_variables
from .storage import DatabaseUnavailable, UriError

log = logging.getLogger(__name__)

ROOMS = (
    ".logs",
    ".storage",
    ".traversal",
    ".execution",
    ".outgoing",
    ".security",
    ".errors",
    ".delivery",
    ".api",
    ".pages",
    ".tweens",
    ".monitoring",
    ".upkeep",
)
PRIVATE = 0o077
"""The umask under which files are made: they hold personal data, and are for their owner only."""
NO_START: dict[type[Exception], str | None] = {
    UriError: "zodbconn.uri",
    SettingsError: None,
    ClientsError: "klanten.clients",
    ServicesError: "klanten.services",
    DatabaseUnavailable: "zodbconn.uri",
    DatabaseForeign: "zodbconn.uri",
    DatabaseTooNew: "zodbconn.uri",
    DatabaseTooOld: "zodbconn.uri",
}
"""What ends the start, or a command, with one line, and the setting that it is about; None: the
line names it."""


def main(global_config: dict[str, Any] | None, **given: str) -> Router:
    """The WSGI application, as PasteDeploy asks for it.

    What an operator has to mend ends the process with one line.
    """
    # Every server comes by here before it makes a file, and the storage makes files as long as it
    # lives (a pack, an index), so it is set for the whole process. Sockets of servers have a
    # setting of their own for who may use them.
    os.umask(PRIVATE)
    file = (global_config or {}).get("__file__")
    try:
        application = assemble(Settings.read(given, file))
    except tuple(NO_START) as reason:
        where = file or "the settings given to klanten.main"
        raise SystemExit(f"klanten: {told(reason, where)}") from None
    for name in unknown_variables():
        log.warning("%s is no setting, and was passed over", in_environment(name))
    return application


def told(reason: Exception, file: str | None = None) -> str:
    """A reason of `NO_START`, with the setting that led to it and where that stands."""
    setting = next(NO_START[kind] for kind in NO_START if isinstance(reason, kind))
    if setting is None:
        return str(reason)
    fault = str(reason).removeprefix(f"{setting}: ")
    return f"{place_of(setting, file)}: {fault}"


def assemble(settings: Settings) -> Router:
    """The whole application; each room wires itself in its `includeme`."""
    libraries = {
        "klanten": settings,
        "tm.manager_hook": "pyramid_tm.explicit_manager",
        # asks for the user outside the exception views
        "tm.annotate_user": False,
        "tm.commit_veto": "klanten.execution.is_refusal",
    }
    with Configurator(settings=libraries, exceptionresponse_view=None) as config:
        config.include("pyramid_tm")
        for room in ROOMS:
            prefix = "/api/v1" if room == ".api" else None
            config.include(room, route_prefix=prefix)
        config.commit()
        fix_request_class(config)
        application = config.make_wsgi_app()
        # to the start only: nobody listens to what happens during a request
        config.registry.has_listeners = False
        return application


def fix_request_class(config: Configurator) -> None:
    """Make one class of request with all that the rooms and libraries add to it.

    Pyramid itself would make such a class anew for each request, which costs as much as reading a
    klant does, and keep the methods in the request, which then refers to itself.
    """
    extensions = config.registry.getUtility(IRequestExtensions)
    added = extensions.descriptors | extensions.methods
    config.set_request_factory(type("Request", (Request,), added))
    extensions.descriptors.clear()
    extensions.methods.clear()
