"""The Notificaties API (NRC) as we use it: publish messages, register a kanaal.

What it answers is judged here, once: `klanten.delivery` decides by the verdict alone.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum, auto
from http import HTTPStatus
from typing import Any, Final

from .. import strictjson
from ..kanalen import KLANTEN, SUBJECT_TYPE, Kanaal
from ..model.outbox import Message
from .door import Answer, Door, Unreachable
from .services import Service

#: Longer than this nobody is made to wait: an NRC that asks for more is asked again.
MAX_RETRY_AFTER: Final = 3600.0

#: What `documentatieLink` of a kanaal holds at most.
MAX_LINK: Final = 200

#: Statuses below 500 that are no judgement of the message, and what to do about them.
NOT_THE_MESSAGE: Final = {
    401: "our token is refused; mend client_id and secret in the services file, or the clock",
    403: "we may not publish; check client_id and secret in the services file, and that the "
    "Notificaties API gives us the scope notificaties.publiceren",
    408: "it did not hear us in time",
    421: "it does not serve that host; mend api_root in the services file",
    425: "it is not ready for us",
}

#: What may be repeated of an answer: a code or the name of a field, nothing as long as a token.
_WORD: Final = re.compile(r"[A-Za-z][\w.-]{0,59}")


class Verdict(Enum):
    """What an answer means for the message that was sent."""

    DELIVERED = auto()
    REFUSED = auto()
    """It will never be accepted."""
    EARLY = auto()
    """It was refused by a clock that is behind its moment: accepted a little later."""
    BUSY = auto()
    """Accepted later; the API said that it wants to be left alone."""
    FAILED = auto()
    """There is something wrong with the API, with the way to it, or perhaps with the message."""


@dataclass(frozen=True, slots=True)
class Reaction:
    """How the API took a message. `reason` quotes at most codes and names of fields."""

    verdict: Verdict
    reason: str = ""
    retry_after: float = 0.0
    """Seconds that the API asks us to wait."""
    answered: bool = True
    """Whether there was an answer at all."""


class NotificatiesError(Exception):
    """The API does not do what is asked; the text is one line for the operator."""


class Notificaties:
    """The Notificaties API that the operator has named; any thread may use it."""

    def __init__(self, door: Door, service: Service) -> None:
        self._door = door
        self.service = service

    def publish(self, message: Message) -> Reaction:
        """Send one message. Never raises: whatever happens is a reaction."""
        try:
            answer = self._door.ask(
                self.service, "POST", "/notificaties", body=notification(message)
            )
        except Unreachable as failure:
            return Reaction(Verdict.FAILED, str(failure), answered=False)
        return judge(answer, message)

    def register(self, kanaal: Kanaal, documentation: str) -> bool:
        """Make the kanaal known, with a link to its documentation, unless it is known already.

        Whether it was new. Raises `NotificatiesError`.
        """
        if self.knows(kanaal):
            return False
        answer = self._ask(
            "POST",
            "/kanaal",
            body={
                "naam": kanaal.name,
                "documentatieLink": documentation,
                "filters": [kenmerk.name for kenmerk in kanaal.kenmerken],
            },
        )
        # Two who register at once: the second is told that the name is taken.
        if answer.status // 100 != 2 and not self.knows(kanaal):
            raise NotificatiesError(f"the kanaal was not registered: {_told(answer)}")
        return answer.status // 100 == 2

    def knows(self, kanaal: Kanaal) -> bool:
        """Whether the kanaal is registered. Raises `NotificatiesError`."""
        answer = self._ask("GET", "/kanaal", params={"naam": kanaal.name})
        found = _json(answer)
        if answer.status != HTTPStatus.OK or not isinstance(found, list):
            raise NotificatiesError(f"the list of kanalen can't be had: {_told(answer)}")
        return any(isinstance(one, dict) and one.get("naam") == kanaal.name for one in found)

    def _ask(self, method: str, path: str, **question: Any) -> Answer:
        try:
            return self._door.ask(self.service, method, path, **question)
        except Unreachable as failure:
            raise NotificatiesError(f"{self.service.api_root}: {failure}") from None


def notification(message: Message) -> dict[str, Any]:
    """A message as the Notificaties API 1.0 wants it. Everything in `kenmerken` is a text."""
    return {
        "kanaal": KLANTEN.name,
        "hoofdObject": message.url,
        "resource": KLANTEN.resources[0],
        "resourceUrl": message.url,
        "actie": message.actie,
        "aanmaakdatum": message.moment,
        "kenmerken": {SUBJECT_TYPE.key: message.subject_type},
    }


def judge(answer: Answer, message: Message) -> Reaction:
    """What the answer to a message means."""
    status = answer.status
    if 200 <= status < 300:
        return Reaction(Verdict.DELIVERED)
    wait = retry_after(answer)
    if status == HTTPStatus.TOO_MANY_REQUESTS or (
        status == HTTPStatus.SERVICE_UNAVAILABLE and wait
    ):
        return Reaction(Verdict.BUSY, _told(answer), wait)
    if status in NOT_THE_MESSAGE or not 400 <= status < 500:
        return Reaction(Verdict.FAILED, _told(answer), wait)
    if status == HTTPStatus.BAD_REQUEST and _is_behind(answer, message):
        return Reaction(Verdict.EARLY, _told(answer))
    return Reaction(Verdict.REFUSED, _told(answer))


def retry_after(answer: Answer) -> float:
    """Seconds that the header Retry-After asks for, at most an hour (RFC 9110 section 10.2.3).

    A date there is compared with the date of the answer, so that the difference of our clocks
    does not count.
    """
    text = (answer.headers["Retry-After"] or "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), MAX_RETRY_AFTER)
    until, now = _date(text), _date(answer.headers["Date"]) or datetime.now(UTC)
    seconds = (until - now).total_seconds() if until else 0.0
    return min(max(seconds, 0.0), MAX_RETRY_AFTER)


def _is_behind(answer: Answer, message: Message) -> bool:
    """Whether the clock of the API had not reached the moment of the message, which it checks.

    Its Date is in whole seconds, so within the same second it may or may not have.
    """
    date = _date(answer.headers["Date"])
    return date is not None and date < datetime.fromisoformat(message.moment)


def _date(text: str | None) -> datetime | None:
    try:
        date = parsedate_to_datetime(text or "")
    except (ValueError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _told(answer: Answer) -> str:
    """The status, what to do about it, and the codes that the API gives for its refusal."""
    if 300 <= answer.status < 400:
        return f"{answer.status}: the API is somewhere else; mend api_root in the services file"
    if answer.status in NOT_THE_MESSAGE:
        return f"{answer.status}: {NOT_THE_MESSAGE[answer.status]}"
    return " ".join([str(answer.status), *_codes(_json(answer))])


def _codes(problem: Any) -> Iterator[str]:
    """The code of a problem, and of each of its invalidParams behind the name of the field."""
    if not isinstance(problem, dict):
        return
    if _is_word(problem.get("code")):
        yield problem["code"]
    faults = problem.get("invalidParams")
    for fault in faults[:5] if isinstance(faults, list) else ():
        if isinstance(fault, dict) and _is_word(fault.get("name")) and _is_word(fault.get("code")):
            yield f"{fault['name']}={fault['code']}"


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and _WORD.fullmatch(value) is not None


def _json(answer: Answer) -> Any:
    try:
        return strictjson.loads(answer.body)
    except strictjson.NotJson:
        return None
