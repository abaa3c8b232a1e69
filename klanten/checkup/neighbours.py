"""The other APIs: whether they can be reached, know us, and have what we need of them."""

import time
from collections.abc import Iterable, Iterator
from email.utils import parsedate_to_datetime
from typing import Any

from ..clients import Client
from ..kanalen import KLANTEN
from ..outgoing.autorisaties import (
    AskerRefused,
    AutorisatiesApi,
    NoAnswer,
    QuestionRefused,
    rights_of,
)
from ..outgoing.door import Answer, Door
from ..outgoing.notificaties import Notificaties, NotificatiesError
from ..outgoing.services import Service, Services
from ..scopes import Scope
from ..settings import Settings
from .finding import Finding, right, skipped, told, wrong

AUTORISATIES = "Autorisaties API"
NOTIFICATIES = "Notificaties API"

#: Seconds that clocks may differ. A Notificaties API refuses what comes from the future, and most
#: APIs a token from there, some without any leeway.
CLOSE = 3.0

ADD_SECTION = "if there is one, add a section [{}] to the file of klanten.services"


class ObservantDoor(Door):
    """A door that looks at the clock of whoever answers."""

    def __init__(self) -> None:
        super().__init__()
        self._differences: dict[str, float] = {}

    def ask(self, service: Service, *args: Any, **named: Any) -> Answer:
        before = time.time()
        answer = super().ask(service, *args, **named)
        middle = (before + time.time()) / 2
        date = answer.headers["Date"]
        if date:
            self._note(service, date, middle)
        return answer

    def difference(self, service: Service) -> float | None:
        """Seconds that the clock of a service is ahead of ours; None when it did not tell."""
        return self._differences.get(service.api_root)

    def _note(self, service: Service, date: str, now: float) -> None:
        try:
            # a Date has whole seconds, cut off
            self._differences[service.api_root] = (
                parsedate_to_datetime(date).timestamp() + 0.5 - now
            )
        except ValueError:
            return


def examine_neighbours(
    settings: Settings, clients: Iterable[Client], services: Services
) -> Iterator[Finding]:
    """The APIs in the services file, and what they know of our clients and our kanaal."""
    door = ObservantDoor()
    try:
        yield from _autorisaties(door, services.autorisaties, settings.component, clients)
        yield from _notificaties(door, services.notificaties)
    finally:
        door.close()


# --- the Autorisaties API -----------------------------------------------------------------------


def _autorisaties(
    door: ObservantDoor, service: Service | None, component: str, clients: Iterable[Client]
) -> Iterator[Finding]:
    if service is None:
        yield skipped(AUTORISATIES, "is not used", ADD_SECTION.format("autorisaties"))
        return
    api = AutorisatiesApi(door, service, component)
    try:
        # any question will do, and the answer to this one may be empty
        api.applicaties(service.client_id)
        yield right(AUTORISATIES, f"{service.api_root} answers, and accepts our token")
        for client in clients:
            if client.scopes is None:
                yield _applicatie(api, client.client_id, component)
    except NoAnswer as failure:
        yield wrong(
            AUTORISATIES,
            f"{service.api_root} gives no answer: {failure}",
            "see that it runs, can be reached from here, and that api_root is right",
        )
    except AskerRefused as refusal:
        yield wrong(
            AUTORISATIES,
            f"{service.api_root} refuses our token: {refusal}",
            "see that it knows client_id and secret of [autorisaties], with the scope "
            "autorisaties.lezen, and that the clocks agree",
        )
    except QuestionRefused as refusal:
        yield wrong(
            AUTORISATIES,
            f"{service.api_root} does not tell what clients may do: {refusal}",
            "see that api_root is right",
        )
    yield from _clock(AUTORISATIES, door, service)


def _applicatie(api: AutorisatiesApi, client_id: str, component: str) -> Finding:
    found = api.applicaties(client_id)
    rights = rights_of(found, component)
    if not found:
        return wrong(
            AUTORISATIES,
            f"client {client_id} has no Applicatie there, and may do nothing",
            "register it there, or give it scopes in the clients file",
        )
    if not rights.scopes:
        return wrong(
            AUTORISATIES,
            f"client {client_id} has none of our scopes in component {component}, so no rights",
            "give its Applicatie there some, or all authorisations; or mend klanten.component",
        )
    may = "everything" if rights.scopes == frozenset(Scope) else ", ".join(sorted(rights.scopes))
    return right(AUTORISATIES, f"client {client_id} ({rights.applicatie_label}) may do: {may}")


# --- the Notificaties API -----------------------------------------------------------------------


def _notificaties(door: ObservantDoor, service: Service | None) -> Iterator[Finding]:
    if service is None:
        yield skipped(NOTIFICATIES, "is not used", ADD_SECTION.format("notificaties"))
        return
    try:
        is_known = Notificaties(door, service).knows(KLANTEN)
    except NotificatiesError as fault:
        mend = "see that it runs, can be reached from here, and that api_root is right"
        yield told(NOTIFICATIES, fault, mend)
    else:
        yield right(NOTIFICATIES, f"{service.api_root} answers, and accepts our token")
        yield _kanaal(is_known)
    yield from _clock(NOTIFICATIES, door, service)


def _kanaal(is_known: bool) -> Finding:
    if is_known:
        return right(NOTIFICATIES, f"kanaal {KLANTEN.name} is registered")
    return wrong(
        NOTIFICATIES,
        f"kanaal {KLANTEN.name} is not registered, so that no message is accepted",
        "run `klanten notifications INI register`",
    )


# --- clocks -------------------------------------------------------------------------------------


def _clock(subject: str, door: ObservantDoor, service: Service) -> Iterator[Finding]:
    seconds = door.difference(service)
    if seconds is None:
        return
    if abs(seconds) <= CLOSE:
        yield right(subject, "its clock and ours agree")
    else:
        side = "ahead of" if seconds > 0 else "behind"
        yield wrong(
            subject,
            f"its clock is {abs(seconds):,.0f} seconds {side} ours",
            "let both follow the same time servers (NTP): tokens and messages are refused for it",
        )
