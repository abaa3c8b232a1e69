"""A server process without a network: drives the application with threads, as consumers would.

    python writer.py '{"settings": {...}, "threads": 4, "rounds": 50, "name": "a", ...}'

It says `ready`, starts when a line comes in, and at last prints what it did as JSON.
"""

import json
import logging
import sys
import threading
import time
from collections import Counter
from typing import Any

from pyramid_retry import IBeforeRetry
from webob import Request, Response

import klanten

KLANTEN = "/api/v1/klanten"
CONTESTED = 10
"""So many klantnummers do all threads of all processes want."""


class Consumer:
    """Sends requests one after another, and again where the answer is 503."""

    def __init__(self, app: Any, authorization: str, tally: Counter[str]) -> None:
        self.app = app
        self.headers = {"Authorization": authorization}
        self.tally = tally
        self.acknowledged: list[dict[str, Any]] = []
        self.deleted: list[str] = []
        self.won: list[str] = []

    def send(self, method: str, url: str, body: Any = None) -> Response:
        while True:
            sent = {} if body is None else {"json": body, "content_type": "application/json"}
            request = Request.blank(url, method=method, headers=self.headers, **sent)
            response = request.get_response(self.app)
            self.tally[f"{method} {response.status_int}"] += 1
            if response.status_int != 503:
                return response
            time.sleep(0.05)

    def create(self, organisatie: str, **fields: str) -> Response:
        klant = {
            "bronorganisatie": organisatie,
            "websiteUrl": "https://www.example.nl",
            "subjectType": "natuurlijk_persoon",
            "subjectIdentificatie": {"geslachtsnaam": "Jansen", "inpBsn": "999993653"},
        }
        return self.send("POST", KLANTEN, klant | fields)

    def contest(self) -> None:
        """Ask for numbers that everybody asks for."""
        for number in range(CONTESTED):
            klantnummer = f"WANTED{number}"
            if self.create("517439943", klantnummer=klantnummer).status_int == 201:
                self.won.append(klantnummer)

    def work(self, rounds: int, name: str) -> None:
        """Create with and without a number, change some, and delete some again."""
        for number in range(rounds):
            given = {"klantnummer": f"{name}{number}"} if number % 2 else {}
            answer = self.create("517439943" if number % 3 else "000000000", **given)
            if answer.status_int != 201:
                continue
            klant = answer.json
            if number % 5 == 0:
                klant = self.send("PATCH", klant["url"], {"voornaam": f"V{number % 7}"}).json
            if number % 7 == 0:
                self.send("DELETE", klant["url"])
                self.deleted.append(klant["url"].rpartition("/")[2])
            else:
                self.acknowledged.append(klant)


def main() -> None:
    logging.disable(logging.WARNING)
    given = json.loads(sys.argv[1])
    app = klanten.main(None, **given["settings"])
    tally: Counter[str] = Counter()
    app.registry.registerHandler(lambda event: tally.update(["conflicts"]), (IBeforeRetry,))
    consumers = [Consumer(app, given["authorization"], tally) for _ in range(given["threads"])]

    def run(number: int, consumer: Consumer) -> None:
        consumer.contest()
        consumer.work(given["rounds"], f"{given['name']}{number}-")

    threads = [
        threading.Thread(target=run, args=(number, consumer))
        for number, consumer in enumerate(consumers)
    ]
    print("ready", flush=True)
    sys.stdin.readline()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    app.registry.database.close()
    done = {
        "tally": tally,
        "acknowledged": [klant for each in consumers for klant in each.acknowledged],
        "deleted": [uuid for each in consumers for uuid in each.deleted],
        "won": [number for each in consumers for number in each.won],
    }
    print(json.dumps(done))


if __name__ == "__main__":
    main()
