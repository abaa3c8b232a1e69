"""The pages for people: what this is, the documentation, a place to try the API, and what faults,
scopes and kanalen mean.

They are for anyone and show no data: none of them opens the database or looks at a token.
"""

from collections.abc import Callable
from typing import Any

from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPMethodNotAllowed, HTTPMovedPermanently
from pyramid.request import Request
from pyramid.response import Response

from ..representation import API_PREFIX
from . import files, views

PAGES = {
    "home": "/",
    "documentation": f"{API_PREFIX}/schema/",
    "trial": "/proberen/",
    "fouten": "/ref/fouten/",
    "fout": "/ref/fouten/{name}/",
    "scopes": "/ref/scopes/",
    "kanalen": "/ref/kanalen/",
}
"""Name of each page, which is that of its view -> its path."""


def includeme(config: Configurator) -> None:
    config.include(".rendering")
    for name, path in PAGES.items():
        _add(config, name, path, getattr(views, name))
    _add(config, files.ROUTE, files.PATH, files.Files())
    # anyone else gets a Fout
    config.add_notfound_view(views.missing, append_slash=HTTPMovedPermanently, for_browser=True)


def _add(config: Configurator, name: str, path: str, view: Callable[..., Any]) -> None:
    """Let a view answer GET and HEAD on a path, and no other method."""
    config.add_route(name, path)
    config.add_view(view, route_name=name, request_method="GET")
    config.add_view(_refuse_method, route_name=name)
    config.registry.allow[name] = "GET, HEAD"


def _refuse_method(request: Request) -> Response:
    raise HTTPMethodNotAllowed
