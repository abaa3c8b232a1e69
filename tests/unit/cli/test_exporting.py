"""`klanten export`: its arguments, its words and its exit statuses."""

import contextlib
import gzip
import json
import os
import signal
import stat

import pytest

from klanten.storage import open_database, tree
from klanten.transfer.formats import NAMES
from tests.factories import make_klant, make_person
from tests.operator import only_line

UUID = "6a107b75-677f-4cbd-8c22-af58be6521cc"
VESTIGING = make_klant(
    uuid="e5446dd4-552b-42f6-be3e-dc0a1ef2a4f0",
    bronorganisatie="111222333",
    subjectType="vestiging",
    subjectIdentificatie={"handelsnaam": ["=Punt", "B"]},
)


@pytest.fixture
def filled(operator):
    operator.fill(make_person(uuid=UUID), VESTIGING, make_klant())
    return operator


@pytest.mark.parametrize("name", NAMES)
def test_export_import_export_gives_the_same_bytes(filled, name, tmp_path, new_database):
    first, second = tmp_path / f"first.{name}", tmp_path / f"second.{name}"
    assert filled.run("export", first).exit_code == 0
    again = type(filled)(tmp_path / "again", new_database)
    assert again.run("import", first).exit_code == 0
    assert again.run("export", second).exit_code == 0
    assert second.read_bytes() == first.read_bytes()


def test_a_line_is_a_klant_with_its_uuid_in_place_of_its_url(filled):
    klant = filled.klanten()[0]
    assert next(iter(klant.items())) == ("uuid", UUID)
    assert "url" not in klant


def test_export_says_how_many_were_written(filled, tmp_path):
    result = filled.run("export", tmp_path / "k.jsonl")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("3 klanten written in ")
    summary = filled.json("export", tmp_path / "k.csv")
    assert summary["written"] == 3
    assert summary["seconds"] >= 0


def test_export_to_a_pipe_keeps_its_words_to_itself(filled):
    result = filled.run("export", "-", "--format", "jsonl.gz")
    assert len(gzip.decompress(result.stdout_bytes).splitlines()) == 3
    assert result.stderr.startswith("3 klanten written")


def test_json_with_a_pipe_is_wrong_usage(filled):
    assert filled.run("export", "-", "--format", "csv", "--json").exit_code == 2


def test_an_empty_database_gives_an_empty_file(operator, tmp_path):
    assert operator.json("export", tmp_path / "k.jsonl")["written"] == 0
    assert (tmp_path / "k.jsonl").read_bytes() == b""
    operator.json("export", tmp_path / "k.csv")
    assert len((tmp_path / "k.csv").read_bytes().splitlines()) == 1


def test_a_filter_selects(filled):
    result = filled.run("export", "-", "--format=jsonl", "--filter=bronorganisatie=111222333")
    [klant] = [json.loads(line) for line in result.stdout.splitlines()]
    assert klant["uuid"] == VESTIGING["uuid"]


def test_filters_select_together_and_are_trimmed_as_the_api_does(filled):
    options = ("--filter=bronorganisatie= 517439943", "--filter=achternaam=Vries")
    result = filled.run("export", "-", "--format=jsonl", *options)
    assert [json.loads(line)["uuid"] for line in result.stdout.splitlines()] == [UUID]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("bronorganisatie=12", "bronorganisatie: invalid-length"),
        ("subjectType=mens", "subjectType: invalid_choice"),
        ("subject=geen", "subject: invalid"),
        (os.fsdecode(b"achternaam=\xff"), "achternaam: invalid"),
        ("achternam=x", "did you mean achternaam?"),
        ("huisdier=x", "the filters are bronorganisatie,"),
        ("achternaam", "=VALUE"),
    ],
)
def test_a_filter_that_is_not_right_is_wrong_usage(filled, given, told, tmp_path):
    result = filled.run("export", tmp_path / "k.jsonl", "--filter", given)
    assert result.exit_code == 2
    assert told in result.stderr
    assert not (tmp_path / "k.jsonl").exists()


def test_a_value_may_hold_an_equals_sign(filled):
    result = filled.run("export", "-", "--format=jsonl", "--filter=achternaam=a=b")
    assert (result.exit_code, result.stdout) == (0, "")


@pytest.mark.parametrize(("name", "sign"), [("comma", ","), ("semicolon", ";"), ("tab", "\t")])
def test_the_separator_can_be_chosen(filled, tmp_path, name, sign):
    filled.run("export", tmp_path / "k.csv", "--separator", name)
    assert (
        (tmp_path / "k.csv").read_text("utf-8-sig").startswith(f"uuid{sign}bronorganisatie{sign}")
    )


def test_json_lines_have_no_separator(filled, tmp_path):
    assert filled.run("export", tmp_path / "k.jsonl", "--separator", "tab").exit_code == 2


def test_the_file_is_for_its_owner_only(filled, tmp_path):
    filled.run("export", tmp_path / "k.jsonl")
    assert stat.S_IMODE((tmp_path / "k.jsonl").stat().st_mode) == 0o600


def test_a_file_that_can_not_be_made_is_wrong_usage(filled, tmp_path):
    result = filled.run("export", tmp_path / "none" / "k.jsonl")
    assert only_line(result, 2).endswith("k.jsonl can't be written: No such file or directory")


def test_a_full_disk_is_one_line(filled):
    result = filled.run("export", "/dev/full", "--format", "jsonl")
    assert "/dev/full can't be written: No space left" in only_line(result, 2)


@pytest.mark.parametrize("name", ["klanten.fs", "production.ini"])
def test_export_never_overwrites_the_database_or_the_settings(filled, name):
    path = filled.folder / name
    before = path.read_bytes()
    result = filled.run("export", path, "--format", "jsonl")
    assert result.exit_code == 2
    assert f"FILE {path} is a file that the command needs." in result.stderr
    assert path.read_bytes() == before


def test_an_interrupted_export_leaves_the_file_as_it_was(filled, tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("klanten.transfer.table.Table.line", interrupt)
    (tmp_path / "k.csv").write_text("old")
    result = filled.run("export", tmp_path / "k.csv")
    assert result.exit_code == 130
    told = f"Interrupted. 0 klanten were read; {tmp_path / 'k.csv'} is as it was.\n"
    assert result.stderr == told
    assert sorted(os.listdir(tmp_path)) == ["k.csv", "service"]
    assert (tmp_path / "k.csv").read_text() == "old"


def test_an_export_that_is_told_to_stop_leaves_nothing_behind(filled, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "klanten.transfer.table.Table.line", lambda *_: signal.raise_signal(signal.SIGTERM)
    )
    before = signal.getsignal(signal.SIGTERM)
    assert filled.run("export", tmp_path / "k.csv").exit_code == 143
    assert os.listdir(tmp_path) == ["service"]
    assert signal.getsignal(signal.SIGTERM) is before


def test_export_needs_a_database(operator, tmp_path):
    operator.lose_database()
    assert "zodbconn.uri" in only_line(operator.run("export", tmp_path / "k.jsonl"), 3)
    assert not operator.database.exists()
    assert os.listdir(tmp_path) == ["service"] or not (tmp_path / "k.jsonl").exists()


@pytest.mark.parametrize("command", ["export", "duplicates"])
def test_an_index_that_names_what_is_not_there_is_one_line(operator, command, tmp_path):
    operator.fill(make_klant(emailadres="a@x.nl"), make_klant(emailadres="a@x.nl"))
    database = open_database(f"file://{operator.database}")
    with contextlib.closing(database), tree(database) as root:
        root.documents.remove(0)
    arguments = [tmp_path / "k.jsonl"] if command == "export" else []
    assert "run `klanten reindex`" in only_line(operator.run(command, *arguments), 3)
