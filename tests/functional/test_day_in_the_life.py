"""A day in the life of a klant, with a real HTTP client and a server as an operator runs it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.factories import make_person
from tests.servers import Pserve


@pytest.fixture
def session(tmp_path: Path, settings: dict[str, str], token) -> Iterator[requests.Session]:
    server = Pserve(tmp_path, settings, {})
    with requests.Session() as session:
        session.headers["Authorization"] = token("all", user_id="j.jansen")
        session.root = server.start().root + "/klanten"
        yield session
        server.stop()


def test_a_day_in_the_life(session):
    sent = make_person(klantnummer=..., websiteUrl="https://www.example.nl/anna")

    made = session.post(session.root, json=sent, headers={"X-Audit-Toelichting": "aan de balie"})
    assert made.status_code == 201
    klant = made.json()
    assert made.headers["Location"] == klant["url"]

    bsn = klant["subjectIdentificatie"]["inpBsn"]
    found = session.get(session.root, params={"subjectNatuurlijkPersoon__inpBsn": bsn}).json()
    assert found == {"count": 1, "next": None, "previous": None, "results": [klant]}

    changed = session.patch(klant["url"], json={"telefoonnummer": "0201234567"})
    assert changed.status_code == 200
    assert changed.json() == klant | {"telefoonnummer": "0201234567"}

    read = session.get(klant["url"])
    assert read.json() == changed.json()
    again = session.get(klant["url"], headers={"If-None-Match": read.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")

    first, second = session.get(klant["url"] + "/audittrail").json()
    assert (first["actie"], first["toelichting"]) == ("create", "aan de balie")
    assert second["wijzigingen"] == {"oud": klant, "nieuw": read.json()}
    assert second["gebruikersId"] == "j.jansen"

    removed = session.delete(klant["url"])
    assert (removed.status_code, removed.content) == (204, b"")
    assert session.get(klant["url"]).status_code == 404
    assert session.get(klant["url"] + "/audittrail").status_code == 404
    assert session.get(session.root).json()["count"] == 0
