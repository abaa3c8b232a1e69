"""The REST surface: a module for each path of the standard, as Cornice services."""

from cornice.errors import Errors
from cornice.pyramidhook import register_service_views
from pyramid.config import Configurator
from pyramid.viewderivers import INGRESS

from ..schemas.klant import KlantSchemas
from . import audittrail, klant, klanten, schema
from .service import operation_view, subject_exists

SERVICES = (
    klanten.klanten,
    klant.klant,
    audittrail.audittrail,
    audittrail.regel,
)

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
"""In the order in which `Allow` names them."""


def includeme(config: Configurator) -> None:
    include_cornice(config)
    settings = config.registry.settings["klanten"]
    config.registry.klant_schemas = KlantSchemas(settings.optional_fields)
    config.add_request_method(subject_exists)
    config.add_view_deriver(operation_view, under=INGRESS, over="secured_view")
    config.registry.allow = {
        service.name: ", ".join(sorted(service.defined_methods, key=METHODS.index))
        for service in SERVICES
    }
    for service in SERVICES:
        config.add_cornice_service(service)
    config.include(schema)


def include_cornice(config: Configurator) -> None:
    """What we use of Cornice: it makes routes and views of services.

    `config.include("cornice")` would also listen to every request, for filters and renderers that
    are not used here. Without any listener Pyramid does not even look for one.
    """
    config.registry.cornice_services = {}
    config.add_directive("add_cornice_service", register_service_views)
    # what its views look at
    config.add_request_method(lambda request: Errors(), "errors", reify=True)
    config.add_request_method(lambda request: {}, "info", reify=True)
