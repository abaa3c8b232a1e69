"""BASE: the bare stack that klanten is built on, doing next to nothing.

Pyramid with pyramid_tm, pyramid_retry and pyramid_zodbconn, and a view that looks up a key in one
BTree and answers with 1.2 KB that never change. What a request to klanten costs more than one to
this, is ours.
"""

from typing import Any

import transaction
from BTrees.OOBTree import OOBTree
from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response
from pyramid_zodbconn import get_connection

KEYS = 1000
BODY = b'{"x":"' + b"a" * 1190 + b'"}'


def constant(request: Request) -> Response:
    get_connection(request).root()["tree"][request.matchdict["key"]]
    return Response(BODY, content_type="application/json")


def main(global_config: dict[str, Any] | None, **settings: str) -> Any:
    """The WSGI application, as PasteDeploy asks for it."""
    libraries = {
        "zodbconn.uri": "memory://",
        "tm.manager_hook": "pyramid_tm.explicit_manager",
    }
    with Configurator(settings=libraries) as config:
        for library in ("pyramid_tm", "pyramid_retry", "pyramid_zodbconn"):
            config.include(library)
        config.add_route("klant", "/klanten/{key}")
        config.add_view(constant, route_name="klant", request_method="GET")
        fill(config.registry._zodb_databases[""])
        return config.make_wsgi_app()


def fill(database: Any) -> None:
    with database.transaction() as connection:
        connection.root()["tree"] = OOBTree({str(number): number for number in range(KEYS)})
    transaction.abort()
