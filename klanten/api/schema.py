"""The OAS documents of this API, anonymously.

The standard asks for them at the root of the API; clients made for the reference implementation
look below `schema/`, with a query string that changes nothing.
"""

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

import cornice
import orjson
import yaml
from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED

from ..openapi import OAS_VERSION, document
from ..representation import api_root
from .service import JSON, options

YAML = "application/yaml"
"""As RFC 9512 registers it; always UTF-8."""


class Document:
    """The document as bytes, made when first asked for: everything but `servers`, which comes last.

    Writing YAML takes a while, so it must not be done again for every caller.
    """

    def __init__(self, services: Iterable[cornice.Service]) -> None:
        self.services = services

    @cached_property
    def json(self) -> bytes:
        return orjson.dumps(document(self.services))

    @cached_property
    def yaml(self) -> bytes:
        # from the JSON: there nothing is shared, so that no alias (`*id001`) is written
        return _yaml(orjson.loads(self.json))


def json_document(request: Request) -> Response:
    """The document as JSON."""
    servers = orjson.dumps(_servers(request))
    return _answer(b"%b,%b" % (request.registry.openapi.json[:-1], servers[1:]), JSON)


def yaml_document(request: Request) -> Response:
    """The document as YAML."""
    return _answer(request.registry.openapi.yaml + _yaml(_servers(request)), YAML)


def _servers(request: Request) -> dict[str, Any]:
    return {"servers": [{"url": api_root(request)}]}


def _yaml(content: dict[str, Any]) -> bytes:
    return yaml.safe_dump(content, allow_unicode=True, sort_keys=False).encode()


def _answer(body: bytes, media_type: str) -> Response:
    return Response(body, headerlist=[("Content-Type", media_type), ("X-OAS-Version", OAS_VERSION)])


def _service(path: str, view: Callable[[Request], Response]) -> cornice.Service:
    """A path for anyone. It is no operation, so `Accept` does not count."""
    service = cornice.Service(path, path, description=view.__doc__)
    service.add_view("GET", view, permission=NO_PERMISSION_REQUIRED)
    service.add_view("OPTIONS", options, permission=NO_PERMISSION_REQUIRED)
    return service


DOCUMENTS = (
    _service("/openapi.json", json_document),
    _service("/openapi.yaml", yaml_document),
    _service("/schema/openapi.json", json_document),
    _service("/schema/openapi.yaml", yaml_document),
)


def includeme(config: Configurator) -> None:
    """Serve the documents below the root of the API."""
    registry = config.registry
    registry.openapi = Document(registry.cornice_services.values())
    for service in DOCUMENTS:
        config.add_cornice_service(service)
        registry.allow[service.name] = ", ".join(service.defined_methods)
