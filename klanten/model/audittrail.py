"""The audittrail of a klant: a line for each change, append-only.

Each line is a persistent object of its own that holds the line before it, and the klant holds the
newest. So a change writes one line, reading a klant loads none, and the trail vanishes with its
klant.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Self
from uuid import uuid4

import orjson
from persistent import Persistent

from .errors import RegelUnknown
from .klant import Body, Klant
from .packing import pack, unpack


class Actie(StrEnum):
    """What was done to a klant; the values of `actie` in the audittrail and in notifications."""

    CREATE = "create"
    UPDATE = "update"
    PARTIAL_UPDATE = "partial_update"
    DESTROY = "destroy"

    @property
    def weergave(self) -> str:
        return WEERGAVE[self]

    @property
    def resultaat(self) -> int:
        """The HTTP status that answers the request."""
        return {Actie.CREATE: 201, Actie.DESTROY: 204}.get(self, 200)


WEERGAVE = {
    Actie.CREATE: "Object aangemaakt",
    Actie.UPDATE: "Object bijgewerkt",
    Actie.PARTIAL_UPDATE: "Object deels bijgewerkt",
    Actie.DESTROY: "Object verwijderd",
}


@dataclass(frozen=True)
class Bewerking:
    """What a request tells of the change that it makes: who, when, why and by which address."""

    actie: Actie
    moment: datetime
    api_root: str
    """Root of the API as the caller sees it, for the notification."""
    applicatie_id: str = ""
    applicatie_weergave: str = ""
    gebruikers_id: str = ""
    gebruikers_weergave: str = ""
    toelichting: str = ""
    logrecord_id: str = ""
    notify: bool = True
    """Whether others are told of it, by a notification."""

    @property
    def timestamp(self) -> str:
        """The moment as ISO 8601 in UTC."""
        return self.moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Regel(Persistent):
    """One line of an audittrail. `vorige` is the line before it, None for the first."""

    def __init__(self, content: dict[str, Any], vorige: Self | None) -> None:
        self.uuid: str = content["uuid"]
        self.vorige = vorige
        self.data = pack(orjson.dumps(content))

    @property
    def content(self) -> dict[str, Any]:
        """The fields of the line, without those that hold a URL."""
        found: dict[str, Any] = orjson.loads(unpack(self.data))
        return found


class Audittrail:
    """The lines of one klant, as a collection."""

    def __init__(self, klant: Klant) -> None:
        self.klant = klant

    def append(self, bewerking: Bewerking, old: Body | None, new: Body) -> Regel:
        """Add a line for a change from `old` (None for a new klant) to `new`."""
        content = {
            "uuid": str(uuid4()),
            "bron": "kc",
            "applicatieId": bewerking.applicatie_id,
            "applicatieWeergave": bewerking.applicatie_weergave,
            "gebruikersId": bewerking.gebruikers_id,
            "gebruikersWeergave": bewerking.gebruikers_weergave,
            "actie": bewerking.actie,
            "actieWeergave": bewerking.actie.weergave,
            "resultaat": bewerking.actie.resultaat,
            "toelichting": bewerking.toelichting,
            "resourceWeergave": f"{new['bronorganisatie']} - {new['klantnummer']}",
            "aanmaakdatum": bewerking.timestamp,
            "wijzigingen": {"oud": old, "nieuw": new},
            "logrecordId": bewerking.logrecord_id,
        }
        regel = Regel(content, self.klant.regel)
        self.klant.regel = regel
        return regel

    def replace(self, contents: Iterable[dict[str, Any]]) -> None:
        """Let the trail be what it was in another register: these lines, oldest first."""
        self.klant.regel = None
        for content in contents:
            self.klant.regel = Regel(content, self.klant.regel)

    def newest_first(self) -> Iterator[Regel]:
        regel: Regel | None = self.klant.regel
        while regel is not None:
            yield regel
            regel = regel.vorige

    def __iter__(self) -> Iterator[Regel]:
        """The lines, oldest first."""
        return reversed(list(self.newest_first()))

    def find(self, uuid: str) -> Regel:
        """The line with this uuid. Raises `RegelUnknown`."""
        for regel in self.newest_first():
            if regel.uuid == uuid:
                return regel
        raise RegelUnknown(uuid)
