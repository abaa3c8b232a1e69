"""The Autorisaties API (AC): which Applicatie a client is, and what that one may do here.

A consumer is registered there as an Applicatie with its client ids. It may do everything
(`heeftAlleAutorisaties`), or what its autorisaties say: scopes, for a component each.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from .. import strictjson
from ..scopes import Scope
from .door import Answer, Door, Unreachable
from .location import Location, LocationError
from .services import Service

APPLICATIES: Final = "/applicaties"

#: A client id belongs to one Applicatie (rule ac-001), so even a second page is odd.
MAX_PAGES: Final = 10

#: The lengths in the OAS of applicatieId and applicatieWeergave in the audittrail.
MAX_ID: Final = 100
MAX_LABEL: Final = 200

_SCOPES: Final = {str(scope): scope for scope in Scope}

T = TypeVar("T")


class NoAnswer(Exception):
    """The AC is down, or says something else than what was asked.

    The reason quotes nothing of what it said. `reached` tells whether it said anything: if not,
    other questions will have no answer either.
    """

    def __init__(self, reason: str, reached: bool = True) -> None:
        super().__init__(reason)
        self.reached = reached


class AskerRefused(Exception):
    """The AC refuses our own token."""


class QuestionRefused(Exception):
    """The AC has another reason not to tell what a client may do."""


@dataclass(frozen=True, slots=True)
class Rights:
    """What a client may do, and the Applicatie that the audittrail shows for it.

    With `asker_refused` nobody knows what it may do, since the AC refuses our own token.
    """

    scopes: frozenset[Scope] = frozenset()
    applicatie_id: str = ""
    applicatie_label: str = ""
    asker_refused: bool = False


NO_RIGHTS: Final = Rights()


@dataclass(frozen=True, slots=True)
class Autorisatie:
    """Scopes in one component; those that we do not know are left out."""

    component: str
    scopes: frozenset[Scope]


@dataclass(frozen=True, slots=True)
class Applicatie:
    """A consumer as the AC has registered it."""

    uuid: str
    label: str
    client_ids: frozenset[str]
    may_do_everything: bool
    autorisaties: tuple[Autorisatie, ...]

    def scopes(self, component: str) -> frozenset[Scope]:
        """What it may do in this component."""
        if self.may_do_everything:
            return frozenset(Scope)
        return frozenset[Scope]().union(
            *(given.scopes for given in self.autorisaties if given.component == component)
        )


def rights_of(applicaties: Iterable[Applicatie], component: str) -> Rights:
    """What these may do together in a component; the first that may do anything gives its name."""
    found = [(one, scopes) for one in applicaties if (scopes := one.scopes(component))]
    if not found:
        return NO_RIGHTS
    first = found[0][0]
    return Rights(frozenset().union(*(scopes for _, scopes in found)), first.uuid, first.label)


class AutorisatiesApi:
    """The AC at `service`, which knows us under the label `component`."""

    def __init__(self, door: Door, service: Service, component: str) -> None:
        self._door = door
        self._service = service
        self._root = Location.parse(service.api_root)
        self._component = component

    def rights(self, client_id: str) -> Rights:
        """What the client may do now. Raises NoAnswer, AskerRefused and QuestionRefused."""
        return rights_of(self.applicaties(client_id), self._component)

    def applicaties(self, client_id: str) -> list[Applicatie]:
        """The Applicaties with this client id.

        Takes at most twice the timeout of the service. Raises NoAnswer, AskerRefused and
        QuestionRefused.
        """
        end = time.monotonic() + self._service.timeout
        found: list[Applicatie] = []
        following = self._page(APPLICATIES, {"clientIds": client_id}, found)
        for _ in range(MAX_PAGES - 1):
            if following is None:
                break
            if time.monotonic() > end:
                raise NoAnswer("its pages take too long")
            following = self._page(self._below_root(following), None, found)
        if following is not None:
            raise NoAnswer(f"it has more than {MAX_PAGES} pages")
        # One that ignores the question shows the Applicaties of others as well.
        return [applicatie for applicatie in found if client_id in applicatie.client_ids]

    def _page(
        self, path: str, params: dict[str, str] | None, found: list[Applicatie]
    ) -> str | None:
        """Add what is on this page, and return the URL of the one that follows."""
        try:
            answer = self._door.ask(self._service, "GET", path, params=params)
        except Unreachable as failure:
            raise NoAnswer(str(failure), reached=False) from None
        page = _content(answer)
        _member(page, "count", int)
        found.extend(map(_applicatie, _member(page, "results", list)))
        return None if page.get("next") is None else _member(page, "next", str)

    def _below_root(self, url: str) -> str:
        """The path below the root of the AC: our token goes nowhere else."""
        try:
            location = Location.parse(url)
        except LocationError:
            raise NoAnswer("the URL of its next page is malformed") from None
        if not location.lies_under(self._root):
            raise NoAnswer("its next page lies outside its api_root")
        return location.target.removeprefix(self._root.path.rstrip("/"))


# --- from what the AC says to Applicaties; anything of another shape is a NoAnswer ---------------


def _content(answer: Answer) -> Any:
    if answer.status in (401, 403):
        raise AskerRefused(f"status {answer.status}")
    if 400 <= answer.status < 500:
        raise QuestionRefused(f"status {answer.status}")
    if answer.status != 200:
        raise NoAnswer(f"status {answer.status}")
    try:
        return strictjson.loads(answer.body)
    except strictjson.NotJson:
        raise NoAnswer("its answer is no JSON") from None


def _member(owner: Any, name: str, kind: type[T]) -> T:
    if not isinstance(owner, dict):
        raise NoAnswer(f"there is no object around {name} in its answer")
    return _of_kind(owner.get(name), name, kind)


def _of_kind(value: Any, name: str, kind: type[T]) -> T:
    found: T = value
    # isinstance would take true for the number 1
    if type(value) is not kind:
        raise NoAnswer(f"{name} is absent in its answer, or of another type")
    return found


def _texts(owner: Any, name: str) -> list[str]:
    return [_of_kind(text, name, str) for text in _member(owner, name, list)]


def _applicatie(found: Any) -> Applicatie:
    uuid = _last_segment(_member(found, "url", str))
    # Neither of the last two has to be there, by the OAS of the AC.
    autorisaties = _member({"autorisaties": []} | found, "autorisaties", list)
    everything = _member({"heeftAlleAutorisaties": False} | found, "heeftAlleAutorisaties", bool)
    return Applicatie(
        uuid=uuid,
        label=_member(found, "label", str).replace("\0", "")[:MAX_LABEL] or uuid,
        client_ids=frozenset(_texts(found, "clientIds")),
        may_do_everything=everything,
        autorisaties=tuple(map(_autorisatie, autorisaties)),
    )


def _autorisatie(found: Any) -> Autorisatie:
    scopes = _texts(found, "scopes")
    return Autorisatie(
        component=_member(found, "component", str),
        scopes=frozenset(_SCOPES[scope] for scope in scopes if scope in _SCOPES),
    )


def _last_segment(url: str) -> str:
    try:
        segment = Location.parse(url).path.rstrip("/").rpartition("/")[2]
    except LocationError:
        segment = ""
    if not segment:
        raise NoAnswer("the URL of an Applicatie in its answer is malformed")
    return segment[:MAX_ID]
