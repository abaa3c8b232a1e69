"""`klanten stats`: what is in the database."""

import re

from klanten.model.root import SCHEMA_VERSION
from tests.factories import make_klant


def vestiging(**overrides):
    return make_klant(
        subjectType="vestiging", subjectIdentificatie={"handelsnaam": ["B"]}, **overrides
    )


def test_klanten_are_counted_by_organisation_and_type(operator):
    untyped = {"subjectType": None, "subject": "https://subjecten.example.nl/1"}
    operator.fill(
        make_klant(),
        make_klant(),
        vestiging(),
        make_klant(bronorganisatie="111222333", **untyped),
    )
    stats = operator.json("stats")
    assert stats["klanten"] == 4
    assert stats["organisaties"] == {
        "111222333": {
            "natuurlijk_persoon": 0,
            "niet_natuurlijk_persoon": 0,
            "vestiging": 0,
            "none": 1,
        },
        "517439943": {
            "natuurlijk_persoon": 2,
            "niet_natuurlijk_persoon": 0,
            "vestiging": 1,
            "none": 0,
        },
    }


def test_an_organisation_without_klanten_is_left_out(operator):
    klant = make_klant(uuid="6a107b75-677f-4cbd-8c22-af58be6521cc", klantnummer="A1")
    operator.fill(klant)
    moved = operator.file("m.jsonl", [klant | {"bronorganisatie": "111222333"}])
    operator.run("import", moved, "--update")
    assert list(operator.json("stats")["organisaties"]) == ["111222333"]


def test_stats_of_an_empty_database(operator):
    stats = operator.json("stats")
    assert stats["size"] == operator.database.stat().st_size
    assert stats == {
        "klanten": 0,
        "organisaties": {},
        "size": stats["size"],
        "lastPack": None,
        "outbox": {"pending": 0, "oldest": None, "failed": 0},
        "schemaVersion": SCHEMA_VERSION,
    }


def test_what_waits_in_the_outbox_is_counted(operator):
    path = operator.file("k.jsonl", [make_klant(), make_klant()])
    operator.run("import", path, "--notify", "--api-root", "https://klanten.example.nl/api/v1")
    outbox = operator.json("stats")["outbox"]
    assert outbox["pending"] == 2
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", outbox["oldest"])
    assert "2 waiting, the oldest since" in operator.run("stats").stdout


def test_the_last_pack_is_shown(operator):
    operator.fill(make_klant())
    moment = operator.json("pack")["packed"]
    assert operator.json("stats")["lastPack"] == moment
    assert f"last pack       {moment}" in operator.run("stats").stdout


def test_stats_are_told_to_people(operator):
    operator.fill(make_klant(), vestiging())
    lines = operator.run("stats").stdout.splitlines()
    assert lines[0] == "klanten         2"
    assert lines[1] == "  517439943     natuurlijk_persoon 1, vestiging 1"
    assert lines[3] == "last pack       not known"
    assert lines[4] == "notifications   0 waiting; 0 put aside"
