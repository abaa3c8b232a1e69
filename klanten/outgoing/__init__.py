"""Everything that this service asks of others, and the one door by which it goes out."""

import logging

from pyramid.config import Configurator

from .door import Door
from .services import Services
from .subject import SubjectCheck

log = logging.getLogger(__name__)


def includeme(config: Configurator) -> None:
    settings = config.registry.settings["klanten"]
    services = Services.read(settings.services) if settings.services else Services()
    for warning in services.warnings:
        log.warning(warning)
    door = Door(settings.subject_allow_networks)
    config.registry.door = door
    config.registry.services = services
    config.registry.subject_check = SubjectCheck(door, settings.subject_timeout, services.subjects)
