"""Rule kla-002 of the standard: a klant's `subject` must be there."""

from collections.abc import Iterable
from typing import Final

from .door import Door, Unreachable
from .location import Location, LocationError
from .services import Service

OK: Final = 200


class SubjectCheck:
    """Says whether a subject exists.

    Arguments: the door, the seconds that a check may take as a whole, and the services of the
    operator at which subjects are kept.
    """

    def __init__(self, door: Door, timeout: float = 5.0, services: Iterable[Service] = ()) -> None:
        self._door = door
        self._timeout = timeout
        # Of two roots of which one lies under the other, the longer one is meant.
        self._roots = sorted(
            ((Location.parse(service.api_root), service) for service in services),
            key=lambda pair: len(pair[0].path),
            reverse=True,
        )

    def exists(self, url: str) -> bool:
        """Whether a GET of the URL ends, after at most ten redirects, in a 200. Never raises.

        The URL is a caller's choice, so it leads only to public addresses and allowed networks,
        unless it lies under the root of one of the services: those are asked with a token, and
        within the timeout of the service when that is the shorter one.
        """
        try:
            return self._door.follow(url, self._seconds(url), self._service_for).status == OK
        except Unreachable:
            return False

    def _seconds(self, url: str) -> float:
        try:
            service = self._service_for(Location.parse(url))
        except LocationError:
            return self._timeout
        return min(self._timeout, service.timeout) if service else self._timeout

    def _service_for(self, location: Location) -> Service | None:
        return next((service for root, service in self._roots if location.lies_under(root)), None)
