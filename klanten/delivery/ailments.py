"""Messages that fail: is it the message, or the API?

Nobody says so: a message on which the API stumbles gets the same 500 as all of them get while the
API is ill. The difference is whether other messages got through since.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from .outage import backoff

# So often must a message fail while others get through, before it is put aside: about a quarter of
# an hour. Fewer, and one that goes through a bad line or a bad half of a cluster would be.
HOPELESS = 20


class Diagnosis(Enum):
    """What a failure tells."""

    API = auto()
    """As far as is known, the API accepts nothing."""
    MESSAGE = auto()
    """It is this message alone; it rests for a while."""
    HOPELESS = auto()
    """It is this message, and it won't get through."""


@dataclass
class Ailment:
    """What is known of one message that failed."""

    tries: int = 0
    """How often the API answered so: a message is not to blame when there was no answer."""
    proven: int = 0
    """How often it failed although others got through."""
    witnessed: int = 0
    """How many had got through when it last failed."""
    failed_at: float = 0.0
    rests_until: float = 0.0


class Ailments:
    """What is known of the messages that failed, as long as this process delivers."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[str, Ailment] = {}
        self.passed = 0
        """How many messages the API has dealt with."""

    def passes(self, number: str) -> None:
        """This message is dealt with, and the API is alive."""
        self.passed += 1
        self.forget(number)

    def forget(self, number: str) -> None:
        """This message does not wait any longer."""
        self._known.pop(number, None)

    def failed(self, number: str, passed: int, answered: bool) -> Diagnosis:
        """Judge a message that failed when so many others had got through."""
        ailment = self._known.get(number) or self._fresh(number, passed)
        others_passed = self.passed > ailment.witnessed
        ailment.proven += others_passed
        ailment.tries += answered
        ailment.witnessed = self.passed
        ailment.failed_at = self._clock()
        if not ailment.proven:
            return Diagnosis.API
        self._rest(ailment)
        return Diagnosis.HOPELESS if ailment.proven >= HOPELESS else Diagnosis.MESSAGE

    def came_early(self, number: str) -> None:
        """This message will be accepted later, and the API is alive."""
        self.passed += 1
        ailment = self._known.get(number) or self._fresh(number, self.passed)
        ailment.tries += 1
        self._rest(ailment)

    def rests(self, number: str) -> bool:
        """Whether this message waits for a next try of its own."""
        ailment = self._known.get(number)
        return ailment is not None and self._clock() < ailment.rests_until

    def failed_at(self, number: str) -> float:
        """When this message last failed, by the monotonic clock; 0 when it did not."""
        ailment = self._known.get(number)
        return ailment.failed_at if ailment else 0.0

    def is_passed_by(self, number: str) -> bool:
        """Whether later messages of the same klant no longer wait for this one.

        They show whether it is the message or the API, where no other klant does.
        """
        ailment = self._known.get(number)
        return ailment is not None and ailment.tries >= HOPELESS

    def clear(self) -> None:
        """Nothing waits any longer."""
        self._known.clear()

    def _fresh(self, number: str, passed: int) -> Ailment:
        ailment = self._known[number] = Ailment(witnessed=passed)
        return ailment

    def _rest(self, ailment: Ailment) -> None:
        ailment.rests_until = self._clock() + backoff(max(ailment.tries, ailment.proven))
