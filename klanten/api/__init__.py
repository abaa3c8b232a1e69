"""The REST surface: a module for each path of the standard, as Cornice services."""

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


def includeme(config: Configurator) -> None:
    settings = config.registry.settings["klanten"]
    config.registry.klant_schemas = KlantSchemas(settings.optional_fields)
    config.add_request_method(subject_exists)
    config.add_view_deriver(operation_view, under=INGRESS, over="secured_view")
    config.registry.allow = {
        service.name: ", ".join(service.defined_methods) for service in SERVICES
    }
    for service in SERVICES:
        config.add_cornice_service(service)
    config.include(schema)
