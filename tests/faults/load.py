"""Consumers that read and write at the same time, and remember what they were told.

Each has klanten of its own, so that it knows to the letter what has to be stored of them: what was
acknowledged, and where no answer came, or a 503, either that or what was asked for.
"""

import contextlib
import http.client
import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from tests.factories import make_klant
from tests.servers import ANSWER_SECONDS, Answer, Server, answer_on, dumps

ORGANISATIES = ("517439943", "000000000")
HOST = {"Host": "klanten.example.nl"}
"""The name by which each server is called: the URL of a klant is the same at all of them."""
ROOT = "http://klanten.example.nl/api/v1"
JSON = {"Content-Type": "application/json"}
NO_ANSWER = Answer(0, http.client.HTTPMessage(), b"")
"""What came of a request whose connection broke."""
NOTHING = object()
"""Is in doubt of a klant about which all is sure."""
GONE = None
"""The body of a klant that is deleted."""
MOMENT = 0.02


class Away(Exception):
    """There is no server to send anything to."""


@dataclass
class History:
    """What must be stored of a klant."""

    bodies: list[Any]
    """What it was, one body for each line of its audittrail; the last one is `GONE` of a klant
    that was deleted."""
    doubt: Any = NOTHING
    """What it is now, if a request was done that was not acknowledged."""

    @property
    def url(self) -> str:
        found: str = self.bodies[0]["url"]
        return found

    @property
    def path(self) -> str:
        """Below the root of the API."""
        return self.url.removeprefix(ROOT)

    @property
    def body(self) -> Any:
        return self.bodies[-1]

    @property
    def can_change(self) -> bool:
        return self.body is not GONE and self.doubt is NOTHING


@dataclass
class Load:
    """All consumers together. `keep`: about so many klanten remain of each."""

    servers: Sequence[Server]
    consumers: int = 4
    keep: int = 40
    tally: Counter[str] = field(default_factory=Counter)
    """How often which method was answered with which status."""
    wrong: list[str] = field(default_factory=list)
    """Answers that should not have been given."""
    done_unacknowledged: int = 0
    """How many requests turned out to be done without an acknowledgement."""

    def __post_init__(self) -> None:
        self._each = [Consumer(self, number) for number in range(self.consumers)]
        self._stop = threading.Event()

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """The consumers are busy for as long as this lasts."""
        self._stop.clear()
        threads = [threading.Thread(target=each.run, args=(self._stop,)) for each in self._each]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()
            for each in self._each:
                each.hang_up()

    def run(self, requests: int) -> None:
        """Send about so many requests."""
        with self.running():
            self.wait_for(requests, lambda: self.tally.total())

    def wait_for(self, more: int, count: Callable[[], int] | None = None) -> None:
        """Wait until so many more writes are acknowledged, or until something else was counted."""
        counted = count or (lambda: self.acknowledged)
        enough = counted() + more
        end = time.monotonic() + ANSWER_SECONDS
        while counted() < enough:
            assert time.monotonic() < end, f"the load does not get on: {self.tally}"
            time.sleep(MOMENT)

    @property
    def acknowledged(self) -> int:
        return sum(self.tally[key] for key in ("POST 201", "PUT 200", "PATCH 200", "DELETE 204"))

    @property
    def refused(self) -> int:
        """How many requests were answered with 503."""
        return sum(count for key, count in self.tally.items() if key.endswith(" 503"))

    @property
    def broken(self) -> int:
        """How many requests got no answer."""
        return sum(count for key, count in self.tally.items() if key.endswith(" 0"))

    @property
    def histories(self) -> list[History]:
        return [history for each in self._each for history in each.histories]

    def settle(self, history: History, found: Any) -> bool:
        """Takes what a klant turned out to be; whether that is one of the things it can be."""
        doubt, history.doubt = history.doubt, NOTHING
        if found == history.body:
            return True
        if found != doubt:
            return False
        history.bodies.append(found)
        self.done_unacknowledged += 1
        return True

    def adopt(self, klanten: dict[str, Any]) -> None:
        """Takes out what was created though nobody said so, as far as somebody asked for it."""
        by_name = {klant["achternaam"]: klant for klant in klanten.values()}
        for each in self._each:
            for sent in each.unborn:
                klant = by_name.get(sent["achternaam"])
                if klant is not None and is_made_of(klant, sent):
                    each.histories.append(History([klanten.pop(klant["url"])]))
                    self.done_unacknowledged += 1
            each.unborn.clear()


class Consumer:
    """One thread that sends one request after another, on a connection that it keeps."""

    def __init__(self, load: Load, number: int) -> None:
        self.load = load
        self.number = number
        self.histories: list[History] = []
        self.unborn: list[Any] = []
        self._names = (f"c{number}-{turn}" for turn in itertools.count())
        self._servers = itertools.cycle((*load.servers[number:], *load.servers[:number]))
        self._connection: http.client.HTTPConnection | None = None
        self._headers: dict[str, str] = {}
        self._left = 0
        self._is_served = True

    # --- the turns ------------------------------------------------------------------------------

    def run(self, stop: threading.Event) -> None:
        turns = (self.create, self.patch, self.put, self.delete, self.get, self.list, self.trail)
        while not stop.is_set():
            turn = random.choices(turns, (25, 20, 10, 15, 15, 10, 5))[0]
            with contextlib.suppress(Away):
                turn()
            if not self._is_served:
                time.sleep(MOMENT)

    def create(self) -> None:
        if sum(each.can_change for each in self.histories) > self.load.keep:
            return
        name = next(self._names)
        sent = make_klant(
            bronorganisatie=random.choice(ORGANISATIES),
            klantnummer=name if random.random() < 0.5 else ...,
            achternaam=name,
            functie=f"f{random.randrange(5)}",
        )
        answer = self.send("POST", "/klanten", sent)
        if answer.status == 201 and is_made_of(answer.json, sent):
            self.histories.append(History([answer.json]))
        elif self.in_doubt("POST", answer):
            self.unborn.append(sent)

    def patch(self) -> None:
        self.change("PATCH", {"functie": f"f{random.randrange(5)}", "voornaam": next(self._names)})

    def put(self) -> None:
        self.change("PUT", {"functie": "", "bedrijfsnaam": next(self._names)})

    def change(self, method: str, changes: dict[str, str]) -> None:
        if (history := self.some()) is None:
            return
        wanted = history.body | changes
        answer = self.send(method, history.path, wanted if method == "PUT" else changes)
        if answer.status == 200 and answer.json == wanted:
            history.bodies.append(wanted)
        elif self.in_doubt(method, answer):
            history.doubt = wanted

    def delete(self) -> None:
        if (history := self.some()) is None:
            return
        answer = self.send("DELETE", history.path)
        if answer.status == 204:
            history.bodies.append(GONE)
        elif self.in_doubt("DELETE", answer):
            history.doubt = GONE

    def get(self) -> None:
        """Also of a klant in doubt, which is one thing or the other."""
        there = [each for each in self.histories if each.body is not GONE]
        if there:
            history = random.choice(there)
            answer = self.send("GET", history.path)
            if not (answer.status == 404 and history.doubt is GONE):
                self.expect(answer, lambda found: found in (history.body, history.doubt))

    def list(self) -> None:
        if (history := self.some()) is not None:
            names = ("bronorganisatie", "klantnummer", "achternaam", "functie")
            query = {name: history.body[name] for name in names if history.body[name]}
            answer = self.send("GET", f"/klanten?{urlencode(query)}")
            self.expect(answer, lambda found: found["results"] == [history.body])

    def trail(self) -> None:
        if (history := self.some()) is not None:
            answer = self.send("GET", f"{history.path}/audittrail")
            self.expect(answer, lambda found: leads_through(found, history.bodies))

    def some(self) -> History | None:
        there = [each for each in self.histories if each.can_change]
        return random.choice(there) if there else None

    # --- the answers ----------------------------------------------------------------------------

    def expect(self, answer: Answer, is_right: Callable[[Any], bool]) -> None:
        """Of a request that reads."""
        if not ((answer.status == 200 and is_right(answer.json)) or is_excused(answer)):
            self.blame("GET", answer)

    def in_doubt(self, method: str, answer: Answer) -> bool:
        """Whether a write that was not acknowledged may have been done."""
        if not is_excused(answer):
            self.blame(method, answer)
        return is_excused(answer)

    def blame(self, method: str, answer: Answer) -> None:
        self.load.wrong.append(f"{method}: {answer.status} {dict(answer.headers)} {answer.body!r}")

    # --- the wire -------------------------------------------------------------------------------

    def send(self, method: str, path: str, body: Any = None) -> Answer:
        """The answer, or `NO_ANSWER`. Raises `Away` when nothing could be sent."""
        self._is_served = False
        connection = self._connected()
        headers = self._headers if body is None else self._headers | JSON
        try:
            connection.request(method, f"/api/v1{path}", body and dumps(body), headers)
            answer = answer_on(connection)
        except (OSError, http.client.HTTPException):
            self.hang_up()
            answer = NO_ANSWER
        self._is_served = answer.status not in (0, 503)
        self.load.tally[f"{method} {answer.status}"] += 1
        return answer

    def _connected(self) -> http.client.HTTPConnection:
        """The connection; now and then a new one, to another server."""
        if not self._left:
            self.hang_up()
        if self._connection is None:
            server = next(self._servers)
            self._headers = {**server.headers, **HOST}
            connection = server.connect()
            try:
                connection.connect()
            except OSError:
                raise Away from None
            self._connection, self._left = connection, 20
        self._left -= 1
        return self._connection

    def hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None


def is_excused(answer: Answer) -> bool:
    """No answer at all, or a 503 as it should be."""
    return answer is NO_ANSWER or (
        answer.status == 503
        and answer.headers["Content-Type"] == "application/problem+json"
        and answer.headers["Retry-After"].isdigit()
        and answer.json["code"] == "service_unavailable"
    )


def is_made_of(body: Any, sent: Any) -> bool:
    """Whether a klant holds what was sent; the server fills in what was not."""
    return all(
        is_made_of(body[name], value) if isinstance(value, dict) else body[name] == value
        for name, value in sent.items()
    )


def leads_through(lines: list[Any], bodies: list[Any]) -> bool:
    """Whether an audittrail tells of just these bodies, one after the other."""
    changes = [line["wijzigingen"] for line in lines]
    return changes == [
        {"oud": old, "nieuw": new} for old, new in zip([None, *bodies[:-1]], bodies, strict=True)
    ]
