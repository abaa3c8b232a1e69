"""What was found when something was looked at."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How it is with what was looked at."""

    RIGHT = "right"
    WRONG = "wrong"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, how it is, and what the operator is to do about it."""

    subject: str
    state: State
    what: str
    mend: str = ""


def right(subject: str, what: str) -> Finding:
    """A finding that asks for nothing."""
    return Finding(subject, State.RIGHT, what)


def wrong(subject: str, what: str, mend: str) -> Finding:
    """A finding that asks for something to be done."""
    return Finding(subject, State.WRONG, what, mend)


def told(subject: str, reason: object, mend: str) -> Finding:
    """What is wrong in the words of an error: `fault; mend`, or only the fault."""
    fault, _, own_mend = str(reason).partition("; ")
    return wrong(subject, fault, own_mend or mend)


def skipped(subject: str, what: str, mend: str) -> Finding:
    """Nobody looked; `mend` says how to have it done."""
    return Finding(subject, State.SKIPPED, what, mend)
