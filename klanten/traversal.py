"""Where a path leads: small contexts, found by Zope-style traversal.

A context is a place and not yet a klant. It finds the stored object when first asked, so that an
unknown klant is refused after method, `Accept` and scope, and a refused request opens no database.
"""

import re
from typing import Any
from uuid import UUID

from pyramid.config import Configurator
from pyramid.decorator import reify
from pyramid.request import Request

from .model.audittrail import Audittrail, Regel
from .model.klant import Klant
from .model.root import Root

# upper case and no dashes count too; braces and urn:uuid: (which UUID() takes) do not
CANONICAL = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
UUID_FORM = re.compile(r"[0-9a-fA-F]{32}|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
NO_UUID = "-"
"""Stands for a segment that is no UUID: a klant or line that does not exist."""


class Place:
    """A place on the path, with the places below it.

    What it leads to is found with `reify`: before Python 3.12, `cached_property` lets one thread of
    all look for something at a time.
    """

    below: type["Place"]

    def __init__(self, request: Request, name: str = "", parent: "Place | None" = None) -> None:
        self.request = request
        self.__name__ = name
        self.__parent__ = parent

    def __getitem__(self, name: str) -> "Place":
        return self.below(self.request, name, self)


class RegelPlace(Place):
    """`/klanten/{uuid}/audittrail/{uuid}`"""

    __parent__: "AudittrailPlace"

    @reify
    def regel(self) -> Regel:
        """Raises `KlantUnknown` or `RegelUnknown`."""
        found: Regel = self.__parent__.audittrail.find(self.__name__)
        return found


class AudittrailPlace(Place):
    """`/klanten/{uuid}/audittrail`"""

    __parent__: "KlantPlace"
    below = RegelPlace

    @reify
    def audittrail(self) -> Audittrail:
        """Raises `KlantUnknown`."""
        return Audittrail(self.__parent__.klant)


class KlantPlace(Place):
    """`/klanten/{uuid}`"""

    __parent__: "KlantenPlace"
    below = AudittrailPlace

    @reify
    def klant(self) -> Klant:
        """Raises `KlantUnknown`."""
        return self.__parent__.tree.find(self.__name__)


class KlantenPlace(Place):
    """`/klanten`"""

    below = KlantPlace

    @property
    def tree(self) -> Root:
        tree: Root = self.request.tree
        return tree


class Top(Place):
    """The root of the API; the root factory of its services."""

    below = KlantenPlace

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        request.add_finished_callback(forget_places)


def forget_places(request: Request) -> None:
    """Let a request and its places go at once: they refer to each other.

    Pyramid does so for the context alone. What is left to the garbage collector costs a tenth of
    the time of all requests.
    """
    for name in ("root", "virtual_root"):
        vars(request).pop(name, None)


class Way:
    """A route predicate that never refuses: it says how to walk a path, its UUIDs in one spelling.

    What is no UUID is replaced: traversal would give `..` and `@@name` a meaning of their own.

    The predicate `traverse` of Pyramid would do for the rest, but it keeps each segment that it
    ever saw: the memory of a server would grow with every UUID that anybody asks for.
    """

    def __init__(self, path: str, config: Configurator) -> None:
        self.path = path
        self._segments = [(segment, segment[0] == "{") for segment in path.strip("/").split("/")]

    def text(self) -> str:
        return f"way = {self.path}"

    phash = text

    def __call__(self, info: dict[str, Any], request: Request) -> bool:
        match = info["match"]
        for name, segment in match.items():
            if not CANONICAL.fullmatch(segment):
                match[name] = str(UUID(segment)) if UUID_FORM.fullmatch(segment) else NO_UUID
        match["traverse"] = tuple(
            match[segment[1:-1]] if varies else segment for segment, varies in self._segments
        )
        return True


def includeme(config: Configurator) -> None:
    config.add_route_predicate("way", Way)
    # Cornice looks up the names of route predicates while it registers a service
    config.commit()
