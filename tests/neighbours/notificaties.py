"""A Notificaties API 1.0.0, as far as those who publish ask it something; strict about each field.

`python -m tests.neighbours.notificaties` runs one that knows the kanaal, for a measurement: it
prints its port, and when its standard input ends how many messages it accepted.
"""

import json
import re
import sys
import threading
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from .server import PATIENCE, Asked, Handler, Mood, Neighbour, Wrong

MESSAGE = {
    "kanaal": 50,
    "hoofdObject": 200,
    "resource": 100,
    "resourceUrl": 200,
    "actie": 100,
    "aanmaakdatum": 50,
}
"""The fields of a message that are texts, and how long each may be."""


class Notificaties(Neighbour):
    """Keeps the `messages` that it accepted, in the order in which they came.

    With a mood for some messages (`mood_for`: message -> mood or None) it does that to them.
    """

    routes = {
        ("POST", "/notificaties"): "notificaties_create",
        ("GET", "/kanaal"): "kanaal_list",
        ("POST", "/kanaal"): "kanaal_create",
    }

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[dict[str, Any]] = []
        self.attempts: list[dict[str, Any]] = []
        self.kanalen: dict[str, dict[str, Any]] = {}
        self.mood_for: Callable[[dict[str, Any]], Mood | None] = lambda message: None
        self._changed = threading.Condition()

    # --- what tests ask -------------------------------------------------------------------------

    def with_kanaal(self) -> "Notificaties":
        """Know the kanaal `klanten`, as after a registration."""
        self.kanalen["klanten"] = {"naam": "klanten", "filters": ["subject_type"]}
        return self

    def wait_for_messages(self, count: int, seconds: float = PATIENCE) -> list[dict[str, Any]]:
        """The accepted messages, as soon as there are so many."""
        with self._changed:
            enough = self._changed.wait_for(lambda: len(self.messages) >= count, seconds)
            assert enough, f"{len(self.messages)} of {count} messages came; wrong: {self.wrong[:3]}"
            return list(self.messages)

    def wait_for_attempts(self, count: int, seconds: float = PATIENCE) -> None:
        """Wait until so many messages were sent, accepted or not."""
        with self._changed:
            enough = self._changed.wait_for(lambda: len(self.attempts) >= count, seconds)
            assert enough, f"{len(self.attempts)} of {count} attempts were made"

    def acties(self) -> dict[str, list[str]]:
        """The URL of each klant -> what was told of it, in order."""
        found = defaultdict(list)
        for message in self.messages:
            found[message["hoofdObject"]].append(message["actie"])
        return dict(found)

    # --- the operations -------------------------------------------------------------------------

    def notificaties_create(self, asked: Asked, handler: Handler) -> None:
        message = self._json(asked)
        mood = self.mood_for(message)
        with self._changed:
            self.attempts.append(message)
            self._changed.notify_all()
        if mood is not None:
            mood(handler)
            return
        self._check_message(message)
        with self._changed:
            self.messages.append(message)
            self._changed.notify_all()
        handler.reply(201, message)

    def kanaal_list(self, asked: Asked, handler: Handler) -> None:
        if [name for name, _ in asked.params] not in ([], ["naam"]):
            raise Wrong(400, f"the parameters are wrong: {asked.params}")
        wanted = dict(asked.params).get("naam")
        found = [one for name, one in self.kanalen.items() if wanted in (None, name)]
        handler.reply(200, found)

    def kanaal_create(self, asked: Asked, handler: Handler) -> None:
        kanaal = self._json(asked)
        _require(set(kanaal) <= {"naam", "documentatieLink", "filters"}, "there are other fields")
        _require_text(kanaal, "naam", 50)
        _require_url(kanaal, "documentatieLink", 200)
        filters = kanaal["filters"]
        _require(isinstance(filters, list), "filters is no list")
        _require(all(re.fullmatch(r"[a-z_]{1,100}", one) for one in filters), "a filter is wrong")
        _require(kanaal["naam"] not in self.kanalen, "the kanaal is there already")
        self.kanalen[kanaal["naam"]] = kanaal
        handler.reply(201, kanaal)

    def _json(self, asked: Asked) -> Any:
        _require(
            asked.headers.get_content_type() == "application/json", "the media type is wrong", 415
        )
        found = json.loads(asked.body)
        _require(isinstance(found, dict), "the body is no object")
        return found

    def _check_message(self, message: dict[str, Any]) -> None:
        _require(set(message) == {*MESSAGE, "kenmerken"}, f"other fields: {sorted(message)}")
        for name, length in MESSAGE.items():
            _require_text(message, name, length)
        for name in ("hoofdObject", "resourceUrl"):
            _require_url(message, name, MESSAGE[name])
        _require_past(
            message["aanmaakdatum"], datetime.now(UTC) + timedelta(seconds=self.clock_ahead)
        )
        kanaal = self.kanalen.get(message["kanaal"])
        _require(kanaal is not None, "the kanaal is not registered")
        known = {_camel_case(name) for name in kanaal["filters"]}
        kenmerken = message["kenmerken"]
        _require(isinstance(kenmerken, dict), "kenmerken is no object")
        _require(set(kenmerken) == known, f"the kenmerken are {sorted(kenmerken)}")
        _require(all(isinstance(one, str) for one in kenmerken.values()), "a kenmerk is no text")


def _require(condition: bool, otherwise: str, status: int = 400) -> None:
    if not condition:
        raise Wrong(status, otherwise)


def _require_text(found: dict[str, Any], name: str, length: int) -> None:
    value = found.get(name)
    _require(isinstance(value, str) and 0 < len(value) <= length, f"{name} is wrong: {value!r}")


def _require_url(found: dict[str, Any], name: str, length: int) -> None:
    _require_text(found, name, length)
    parts = urlsplit(found[name])
    is_right = parts.scheme in ("http", "https") and parts.hostname and not parts.query
    _require(bool(is_right), f"{name} is no URL: {found[name]!r}")


def _require_past(text: str, now: datetime) -> None:
    form = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"
    _require(re.fullmatch(form, text) is not None, f"aanmaakdatum is {text}")
    _require(datetime.fromisoformat(text) <= now, "aanmaakdatum is in the future")


def _camel_case(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)


if __name__ == "__main__":
    with Notificaties().with_kanaal() as receiver:
        print(receiver.port, flush=True)
        sys.stdin.read()
        print(len(receiver.messages))
