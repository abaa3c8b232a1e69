"""The OAS documents of this API, anonymously."""

from pyramid.config import Configurator


def includeme(config: Configurator) -> None:
    """Serve the documents below the root of the API."""
