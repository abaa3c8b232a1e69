"""Taking over a Klanten API that is running: one of ours, and ones that are stranger."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import ClassVar

import pytest

from tests.conftest import SECRET, bearer
from tests.factories import make_klant, make_person
from tests.neighbours.server import Neighbour, Wrong, status
from tests.operator import Operator, only_line
from tests.servers import serving

KLANTEN = Path(sys.executable).with_name("klanten")
UUIDS = [f"{number}a107b75-677f-4cbd-8c22-af58be6521cc" for number in range(9)]


@pytest.fixture
def operator(tmp_path, new_database):
    return Operator(tmp_path / "target", new_database)


@pytest.fixture
def copy(operator, server):
    """Runs `copy-from` with the source, as a client of it; gives back the result."""

    def run(*options, client="all"):
        token = bearer(client).removeprefix("Bearer ")
        return operator.run("copy-from", server.root, *options, env={"KLANTEN_SOURCE_TOKEN": token})

    return run


@pytest.fixture
def copied(copy):
    """Runs it for programs; gives back the JSON."""

    def run(*options, exit_code=0, **given):
        result = copy(*options, "--json", **given)
        assert result.exit_code == exit_code, result.output
        return json.loads(result.stdout)

    return run


@pytest.fixture
def source(server):
    """Changes the source."""
    return Source(server)


class Source:
    """Does what consumers of the source do."""

    def __init__(self, server):
        self.server = server

    def create(self, **overrides):
        answer = self.server.request(
            "POST", "/klanten", json=make_klant(**overrides), headers={"X-Audit-Toelichting": "é"}
        )
        assert answer.status == 201
        return uuid_of(answer.json)

    def change(self, uuid, **fields):
        assert self.server.request("PATCH", f"/klanten/{uuid}", json=fields).status == 200

    def delete(self, uuid):
        assert self.server.request("DELETE", f"/klanten/{uuid}").status == 204

    def lines(self):
        """All klanten, with their uuid in place of their URL."""
        klanten = self.server.request("GET", "/klanten").json["results"]
        return [{"uuid": uuid_of(klant)} | without_url(klant) for klant in klanten]

    def audittrail(self, uuid):
        return self.server.request("GET", f"/klanten/{uuid}/audittrail").json


def uuid_of(klant):
    return klant["url"].rpartition("/")[2]


def without_url(klant):
    return klant and {name: value for name, value in klant.items() if name != "url"}


def counts(summary):
    names = ("read", "created", "updated", "skipped", "rejected", "deleted", "trails")
    return {name: summary[name] for name in names if summary[name]}


# --- a first time -------------------------------------------------------------------------------


def test_all_klanten_are_taken_over_as_they_are(source, operator, copied):
    source.create(adres={"huisletter": ""})
    emptied = source.create(subjectType="vestiging", subjectIdentificatie={"handelsnaam": ["B"]})
    source.change(emptied, subjectIdentificatie={"handelsnaam": []})
    source.server.request("POST", "/klanten", json=make_person())
    summary = copied()
    assert counts(summary) == {"read": 3, "created": 3, "trails": 3}
    assert operator.klanten() == source.lines()


def test_audittrails_are_taken_over_line_by_line(source, operator, copied):
    uuid = source.create()
    source.change(uuid, achternaam="Vries")
    copied()
    kept = operator.audittrail(uuid)
    for regel, original in zip(kept, source.audittrail(uuid), strict=True):
        for name in ("uuid", "aanmaakdatum", "applicatieId", "toelichting", "actie", "resultaat"):
            assert regel[name] == original[name]
        for side in ("oud", "nieuw"):
            assert regel["wijzigingen"][side] == without_url(original["wijzigingen"][side])
    assert kept[0]["toelichting"] == "é"


def test_both_sides_are_compared(source, copied):
    source.create()
    comparison = copied()["comparison"]
    assert comparison["equal"] is True
    assert comparison["source"] == comparison["here"]
    assert comparison["source"]["count"] == 1


def test_more_than_a_page_is_taken_over_in_order(source, operator, server, copied, tmp_path):
    uuids = [source.create() for _ in range(205)]
    assert counts(copied())["created"] == 205
    assert [klant["uuid"] for klant in operator.klanten()] == uuids


def test_a_client_id_and_secret_do_as_well(source, operator, server):
    source.create()
    env = {"KLANTEN_SOURCE_CLIENT_ID": "all", "KLANTEN_SOURCE_SECRET": SECRET}
    result = operator.run("copy-from", server.root + "/", env=env)
    assert result.exit_code == 0, result.output
    assert "1 klanten read: 1 created" in result.stdout
    assert result.stdout.splitlines()[-1] == "Both sides are equal."
    assert SECRET not in result.output


def test_nobody_is_notified(source, operator, copied):
    source.create()
    copied()
    assert operator.json("stats")["outbox"]["pending"] == 0


# --- once more ----------------------------------------------------------------------------------


def test_another_run_catches_up(source, operator, copied):
    same, changed = source.create(), source.create()
    copied()
    source.change(changed, achternaam="Vries")
    new = source.create()
    assert counts(copied()) == {"read": 3, "created": 1, "updated": 1, "skipped": 1, "trails": 2}
    assert operator.klanten() == source.lines()
    assert len(operator.audittrail(changed)) == 2
    assert {klant["uuid"] for klant in operator.klanten()} == {same, changed, new}


def test_another_run_without_changes_writes_nothing(source, operator, copied):
    source.create()
    copied()
    before = operator.database.stat().st_size
    assert counts(copied()) == {"read": 1, "skipped": 1}
    assert operator.database.stat().st_size == before


def test_what_is_gone_at_the_source_is_told_of(source, operator, copy, copied):
    gone, _ = source.create(), source.create()
    copied()
    source.delete(gone)
    summary = copied(exit_code=1)
    assert summary["vanished"] == summary["comparison"]["extra"] == [gone]
    assert len(operator.klanten()) == 2
    assert f"Gone there (--delete removes them): {gone}." in copy().stdout


def test_what_is_gone_at_the_source_is_deleted_when_asked(source, operator, copied):
    gone, _ = source.create(), source.create()
    copied()
    source.delete(gone)
    summary = copied("--delete")
    assert (summary["deleted"], summary["vanished"]) == (1, [gone])
    assert operator.klanten() == source.lines()


def test_an_empty_source_deletes_nothing(source, operator, copied):
    gone = source.create()
    copied()
    source.delete(gone)
    assert counts(copied("--delete", exit_code=1)) == {}
    assert len(operator.klanten()) == 1


def test_a_number_that_was_given_to_another_klant_follows(source, operator, copied):
    first, _ = source.create(klantnummer="A1"), source.create()
    copied()
    source.delete(first)
    source.create(klantnummer="A1")
    refused = copied(exit_code=1)
    assert refused["rejected"] == 1
    assert counts(copied("--delete")) == {
        "read": 2,
        "created": 1,
        "skipped": 1,
        "deleted": 1,
        "trails": 1,
    }
    assert sorted_lines(operator.klanten()) == sorted_lines(source.lines())


def sorted_lines(lines):
    return sorted(lines, key=lambda line: line["uuid"])


def test_klanten_that_exchanged_their_numbers_follow(source, operator, copied):
    one, other = source.create(klantnummer="A1"), source.create(klantnummer="A2")
    copied()
    for uuid, number in ((one, "A3"), (other, "A1"), (one, "A2")):
        source.change(uuid, klantnummer=number)
    summary = copied()
    assert summary["comparison"]["equal"]
    assert counts(summary)["updated"] == 2
    assert operator.klanten() == source.lines()
    assert len(operator.audittrail(one)) == 3


def test_a_klant_whose_new_number_stays_taken_is_rejected_and_left_alone(source, operator, copied):
    gone, moved = source.create(klantnummer="A1"), source.create(klantnummer="A2")
    copied()
    source.delete(gone)
    source.change(moved, klantnummer="A1")
    summary = copied(exit_code=1)
    assert summary["rejected"] == 1
    assert summary["comparison"]["different"] == [moved]
    assert [klant["klantnummer"] for klant in operator.klanten()] == ["A1", "A2"]
    assert len(operator.audittrail(moved)) == 1


# --- what may not be had ------------------------------------------------------------------------


def test_without_the_scope_for_audittrails_the_klanten_come_without(source, operator, copy):
    uuid = source.create()
    result = copy(client="lezen")
    assert result.exit_code == 0
    assert "the scope audittrails.lezen is missing" in result.stdout
    [regel] = operator.audittrail(uuid)
    assert (regel["actie"], regel["applicatieId"]) == ("create", "klanten copy-from")


def test_a_later_run_with_the_scope_takes_the_audittrails_over(source, operator, copied):
    uuid = source.create()
    assert copied(client="lezen")["trailsRefused"] is True
    source.change(uuid, achternaam="Vries")
    copied(client="lezen")
    assert [regel["actie"] for regel in operator.audittrail(uuid)] == ["create", "update"]
    assert counts(copied()) == {"read": 1, "skipped": 1, "trails": 1}
    assert [regel["uuid"] for regel in operator.audittrail(uuid)] == [
        regel["uuid"] for regel in source.audittrail(uuid)
    ]


def test_a_source_that_does_not_know_us_is_one_line(source, operator, copy):
    source.create()
    line = only_line(copy(client="none"), 2)
    assert "klanten.lezen is missing" in line
    assert operator.klanten() == []


def test_values_that_our_schema_refuses_are_rejected(make_app, operator, tmp_path):
    app = make_app(klanten__optional_fields="websiteUrl")
    with serving(app.app, {"Authorization": bearer("all")}) as server:
        source = Source(server)
        good, bad = source.create(), source.create(websiteUrl="")
        token = bearer("all").removeprefix("Bearer ")
        rejects = tmp_path / "rejects.jsonl"
        result = operator.run(
            *("copy-from", server.root, "--json", "--rejects", rejects),
            env={"KLANTEN_SOURCE_TOKEN": token},
        )
        assert result.exit_code == 1
        summary = json.loads(result.stdout)
        assert (summary["rejected"], summary["comparison"]["missing"]) == (1, [bad])
        [reject] = [json.loads(line) for line in rejects.read_text().splitlines()]
        assert (reject["uuid"], reject["field"], reject["code"]) == (bad, "websiteUrl", "blank")
        assert [klant["uuid"] for klant in operator.klanten()] == [good]
        operator.set("klanten.optional_fields", "websiteUrl")
        again = operator.run("copy-from", server.root, env={"KLANTEN_SOURCE_TOKEN": token})
        assert again.exit_code == 0, again.output
    assert [klant["uuid"] for klant in operator.klanten()] == [good, bad]


# --- what an operator may get wrong -------------------------------------------------------------


@pytest.mark.parametrize(
    "env",
    [
        {},
        {"KLANTEN_SOURCE_CLIENT_ID": "all"},
        {"KLANTEN_SOURCE_SECRET": "x"},
        {"KLANTEN_SOURCE_TOKEN": " "},
        {
            "KLANTEN_SOURCE_TOKEN": "x",
            "KLANTEN_SOURCE_CLIENT_ID": "a",
            "KLANTEN_SOURCE_SECRET": "x",
        },
    ],
)
def test_a_token_or_a_secret_must_be_in_the_environment(operator, env):
    result = operator.run("copy-from", "https://bron.example.nl/api/v1", env=env)
    assert result.exit_code == 2
    assert "KLANTEN_SOURCE_TOKEN" in result.stderr


@pytest.mark.parametrize("token", ["een token", "een\ntoken", "één-token"])
def test_a_token_that_can_not_be_sent_is_wrong_usage(operator, token):
    env = {"KLANTEN_SOURCE_TOKEN": token}
    result = operator.run("copy-from", "https://bron.example.nl/api/v1", env=env)
    assert result.exit_code == 2
    assert "KLANTEN_SOURCE_TOKEN is no token" in result.stderr
    assert token not in result.stderr


@pytest.mark.parametrize("word", ["bearer ", "Bearer   ", "BEARER\t"])
def test_a_token_may_have_its_word_before_it(stranger, operator, word):
    stranger.add(0)
    env = {"KLANTEN_SOURCE_TOKEN": f"{word}a.ready.token"}
    assert operator.run("copy-from", stranger.api_root, env=env).exit_code == 0


@pytest.mark.parametrize("seconds", ["0", "inf", "nan", "3601"])
def test_a_time_that_nobody_waits_is_wrong_usage(operator, seconds):
    result = operator.run("copy-from", "https://bron.example.nl/api/v1", "--timeout", seconds)
    assert result.exit_code == 2
    assert "--timeout" in result.stderr


def test_a_file_without_certificates_is_wrong_usage(operator):
    result = operator.run(
        "copy-from", "https://bron.example.nl/api/v1", "--ca-bundle", operator.ini
    )
    assert result.exit_code == 2
    assert "is no file with certificates in PEM form" in result.stderr


def test_a_source_that_is_none_makes_no_database(stranger, operator):
    for file in operator.folder.glob("klanten.fs*"):
        file.unlink()
    env = {"KLANTEN_SOURCE_TOKEN": "a.ready.token"}
    line = only_line(operator.run("copy-from", f"{stranger.api_root}/klanten", env=env), 2)
    assert "give the root of its API" in line
    assert not operator.database.exists()
    assert operator.run("copy-from", stranger.api_root, env=env).exit_code == 0
    assert operator.klanten() == []


@pytest.mark.parametrize(
    "url", ["bron", "ftp://bron.nl/", "https://u:p@bron.nl/api/v1", "https://bron.nl/?a=b"]
)
def test_a_source_that_is_no_root_of_an_api_is_wrong_usage(operator, url):
    result = operator.run("copy-from", url, env={"KLANTEN_SOURCE_TOKEN": "x"})
    assert result.exit_code == 2
    assert "URL" in result.stderr


def test_a_target_that_is_served_is_refused_in_one_line(server, settings, operator):
    operator.ini.write_text(
        f"[app:main]\nuse = egg:klanten\nzodbconn.uri = {settings['zodbconn.uri']}\n"
        "klanten.clients = clients.ini\n"
    )
    result = operator.run("copy-from", server.root, env={"KLANTEN_SOURCE_TOKEN": "x"})
    assert "in use by another server or command" in only_line(result, 3)


# --- stranger sources ---------------------------------------------------------------------------


class Stranger(Neighbour):
    """A source with a few klanten of its own making, two on each page."""

    routes: ClassVar = {("GET", "/klanten"): "list"}

    def __init__(self):
        super().__init__()
        self.klanten = []
        self.trails = {}
        self.broken = {}
        self.hidden = []
        self.secret = "a secret of a stranger that is long enough"

    def add(self, number, **overrides):
        klant = make_klant(**overrides)
        self.klanten.append({"url": f"{self.api_root}/klanten/{UUIDS[number]}"} | klant)

    def regel(self, number):
        """The line of an audittrail with which a klant began."""
        return {
            "uuid": UUIDS[8],
            "aanmaakdatum": "2020-01-02T03:04:05Z",
            "wijzigingen": {"oud": None, "nieuw": self.klanten[number]},
        }

    def hear(self, asked, handler):
        parts = asked.path.removeprefix(self.prefix).split("/")
        if self.mood or len(parts) < 3:
            super().hear(asked, handler)
        elif parts[3:] == ["audittrail"] and parts[2] in self.broken:
            self.broken[parts[2]](handler)
        elif parts[3:] == ["audittrail"]:
            handler.reply(*((200, self.trails[parts[2]]) if parts[2] in self.trails else (404,)))
        else:
            found = [each for each in self.klanten if each["url"].endswith(parts[2])]
            handler.reply(*((200, found[0]) if found else (404,)))

    def list(self, asked, handler):
        number = int(dict(asked.params)["page"])
        shown = [klant for klant in self.klanten if klant["url"] not in self.hidden]
        if number > 1 and len(shown) <= 2 * (number - 1):
            raise Wrong(404, "no such page")
        more = f"{self.api_root}/klanten?page={number + 1}" if len(shown) > 2 * number else None
        page = shown[2 * (number - 1) : 2 * number]
        handler.reply(200, {"count": len(shown), "next": more, "previous": None, "results": page})

    def _check_token(self, authorization):
        assert authorization == "Bearer a.ready.token"


@pytest.fixture
def stranger():
    with Stranger() as stranger:
        yield stranger


@pytest.fixture
def from_stranger(operator, stranger):
    def run(*options, exit_code=0):
        result = operator.run(
            *("copy-from", stranger.api_root, "--json", *options),
            env={"KLANTEN_SOURCE_TOKEN": "Bearer a.ready.token"},
        )
        assert result.exit_code == exit_code, result.output
        assert "ready" not in result.output
        return json.loads(result.stdout)

    return run


def test_fields_beyond_the_standard_are_left_out_and_named(stranger, operator, from_stranger):
    stranger.add(0, aanmaakkanaal="balie", geverifieerd=True)
    summary = from_stranger()
    assert summary["unknownFields"] == ["aanmaakkanaal", "geverifieerd"]
    assert summary["comparison"]["equal"]
    assert "geverifieerd" not in operator.klanten()[0]


def test_a_klant_without_an_audittrail_gets_a_line_of_ours(stranger, operator, from_stranger):
    stranger.add(0)
    assert counts(from_stranger()) == {"read": 1, "created": 1}
    [regel] = operator.audittrail(UUIDS[0])
    assert regel["applicatieId"] == "klanten copy-from"
    assert counts(from_stranger()) == {"read": 1, "skipped": 1}


def test_a_line_of_an_audittrail_that_is_none_is_rejected(stranger, operator, from_stranger):
    stranger.add(0)
    stranger.trails[UUIDS[0]] = [
        stranger.regel(0),
        {"uuid": "x"},
        stranger.regel(0) | {"aanmaakdatum": "gisteren"},
        stranger.regel(0) | {"wijzigingen": {}},
    ]
    summary = from_stranger(exit_code=1)
    assert (summary["rejected"], summary["trails"]) == (1, 1)
    assert [regel["uuid"] for regel in operator.audittrail(UUIDS[0])] == [UUIDS[8]]


def test_a_klant_whose_audittrail_can_not_be_had_gets_it_in_a_later_run(
    stranger, operator, from_stranger, tmp_path
):
    for number in range(2):
        stranger.add(number)
        stranger.trails[UUIDS[number]] = [stranger.regel(number)]
    stranger.broken = {UUIDS[0]: status(400)}
    rejects = tmp_path / "rejects.jsonl"
    summary = from_stranger("--rejects", rejects, exit_code=1)
    assert counts(summary) == {"read": 2, "created": 2, "trails": 1}
    assert summary["trailsFailed"] == 1
    assert summary["comparison"]["equal"]
    reject = json.loads(rejects.read_text())
    assert (reject["uuid"], reject["code"]) == (UUIDS[0], "unavailable")
    assert reject["reason"].endswith("it answers 400).")
    [regel] = operator.audittrail(UUIDS[0])
    assert regel["applicatieId"] == "klanten copy-from"
    stranger.klanten[0]["achternaam"] = "Vries"
    assert counts(from_stranger(exit_code=1)) == {
        "read": 2,
        "updated": 1,
        "skipped": 1,
    }
    stranger.broken = {}
    assert counts(from_stranger()) == {"read": 2, "skipped": 2, "trails": 1}
    assert [regel["uuid"] for regel in operator.audittrail(UUIDS[0])] == [UUIDS[8]]


def test_an_interrupt_waits_for_no_audittrail(stranger, operator):
    asked = threading.Event()

    def put_off(handler):
        status(503, headers={"Retry-After": "60"})(handler)
        asked.set()

    stranger.add(0)
    stranger.broken = {UUIDS[0]: put_off}
    words = [KLANTEN, "copy-from", operator.ini, stranger.api_root]
    with subprocess.Popen(
        words,
        env=os.environ | {"KLANTEN_SOURCE_TOKEN": "a.ready.token"},
        stderr=subprocess.PIPE,
        text=True,
    ) as copying:
        assert asked.wait(50)
        copying.send_signal(signal.SIGINT)
        _, told = copying.communicate(timeout=50)  # less than what the source asks for
    assert copying.returncode == 130
    assert told == "Interrupted. 1 klanten were looked at; run it again for the others.\n"


def test_integers_of_any_size_are_no_reason_to_stop(stranger, operator, from_stranger):
    for number in range(3):
        stranger.add(number)
        stranger.trails[UUIDS[number]] = [stranger.regel(number)]
    stranger.klanten[0]["adres"] = {"postcode": [2**64]}
    stranger.trails[UUIDS[1]][0]["resultaat"] = 2**64
    stranger.trails[UUIDS[2]][0]["wijzigingen"]["oud"] = {"achternaam": 2**64}
    summary = from_stranger(exit_code=1)
    assert counts(summary) == {"read": 3, "created": 2, "rejected": 2, "trails": 1}
    assert summary["comparison"]["missing"] == [UUIDS[0]]
    assert [regel["resultaat"] for regel in operator.audittrail(UUIDS[1])] == [200]


def test_a_klant_that_a_page_missed_is_not_deleted(stranger, operator, from_stranger):
    stranger.add(0)
    stranger.add(1)
    from_stranger()
    stranger.hidden = [stranger.klanten[1]["url"]]
    stranger.klanten[1]["achternaam"] = "Vries"
    summary = from_stranger("--delete", exit_code=1)
    assert (summary["deleted"], summary["vanished"]) == (0, [])
    assert [klant["achternaam"] for klant in operator.klanten()] == ["", "Vries"]


@pytest.mark.parametrize("url", ["https://bron.nl/klanten/1", "", UUIDS[0].replace("-4", "-1", 1)])
def test_a_klant_without_a_right_uuid_is_rejected(stranger, operator, from_stranger, url):
    stranger.add(0)
    stranger.klanten[0]["url"] = url
    assert from_stranger(exit_code=1)["rejected"] == 1
    assert operator.klanten() == []


def test_a_source_that_fails_halfway_keeps_what_came(stranger, operator, monkeypatch):
    monkeypatch.setattr("klanten.transfer.copying.BATCH", 2)
    monkeypatch.setattr("klanten.transfer.source.WAITS", (0.0,))
    for number in range(5):
        stranger.add(number)
    listed = stranger.list

    def fail_at_the_end(asked, handler):
        if dict(asked.params)["page"] == "3":
            status(503)(handler)
        else:
            listed(asked, handler)

    monkeypatch.setattr(stranger, "list", fail_at_the_end)
    env = {"KLANTEN_SOURCE_TOKEN": "a.ready.token"}
    line = only_line(operator.run("copy-from", stranger.api_root, env=env), 2)
    assert "it answers 503, 2 times in a row" in line
    assert "4 klanten were looked at; run it again for the others." in line
    assert len(operator.klanten()) == 4
    monkeypatch.setattr(stranger, "list", listed)
    result = operator.run("copy-from", stranger.api_root, env=env)
    assert result.exit_code == 0
    assert "1 created, 0 updated, 4 skipped" in result.stdout


def test_rejects_never_overwrite_the_database(operator, stranger):
    stranger.add(1)
    env = {"KLANTEN_SOURCE_TOKEN": "a.ready.token"}
    file = operator.folder / "klanten.fs"
    before = file.read_bytes()
    result = operator.run("copy-from", stranger.api_root, "--rejects", file, env=env)
    assert (result.exit_code, file.read_bytes()) == (2, before)
