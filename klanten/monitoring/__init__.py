"""What the person who keeps this running sees of it: health, metrics, and a line for each request.

Nothing here changes what a request does, and nothing below it knows that it is there: execution,
errors and the door leave their facts in the environ of the request, or where they can be read.
"""

from pyramid.config import Configurator

PARTS = (".observer", ".state", ".health", ".metrics")


def includeme(config: Configurator) -> None:
    for part in PARTS:
        config.include(part)
