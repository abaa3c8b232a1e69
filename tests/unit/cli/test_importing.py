"""`klanten import`: its arguments, its words and its exit statuses."""

import gzip
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from klanten.cli import files, klanten
from tests.factories import make_klant, make_person
from tests.operator import only_line

UUID = "6a107b75-677f-4cbd-8c22-af58be6521cc"
BAD = make_klant(websiteUrl="geen url", emailadres="geen adres")


@pytest.fixture
def three(operator):
    return operator.file("three.jsonl", [make_klant(), BAD, make_klant(uuid=UUID)])


def test_import_says_what_became_of_the_lines(operator):
    result = operator.run("import", operator.file("two.jsonl", [make_klant(), make_klant()]))
    assert result.exit_code == 0
    assert re.fullmatch(
        r"2 lines read: 2 created, 0 updated, 0 skipped, 0 rejected; "
        r"\d+\.\d seconds, [\d,]+ a second\.\n",
        result.stdout,
    )
    assert result.stderr == ""


def test_import_says_it_to_programs(operator, three):
    summary = operator.json("import", three, exit_code=1)
    assert summary.pop("seconds") > 0
    assert summary == {"read": 3, "created": 2, "updated": 0, "skipped": 0, "rejected": 1}


def test_rejected_lines_are_shown(operator, three):
    result = operator.run("import", three)
    assert result.exit_code == 1
    assert [line.split(" (")[0] for line in result.stderr.splitlines()] == [
        "2: websiteUrl: invalid",
        "2: emailadres: invalid",
    ]


def test_only_the_first_rejected_lines_are_shown(operator):
    bad = operator.file("bad.jsonl", [make_klant(websiteUrl="x")] * (files.SHOWN + 5))
    shown = operator.run("import", bad).stderr.splitlines()
    assert len(shown) == files.SHOWN + 1
    assert shown[-1] == "... --rejects FILE writes all 15 bad lines down."


def test_rejected_lines_are_written_down(operator, three, tmp_path):
    rejects = tmp_path / "rejects.jsonl"
    result = operator.run("import", three, "--rejects", rejects)
    assert (result.exit_code, result.stderr) == (1, "")
    written = [json.loads(line) for line in rejects.read_text().splitlines()]
    assert [(line["number"], line["field"], line["code"]) for line in written] == [
        (2, "websiteUrl", "invalid"),
        (2, "emailadres", "invalid"),
    ]
    assert written[0]["reason"] == "Dit is geen volledige URL."


def test_the_file_of_rejects_is_empty_when_there_are_none(operator, tmp_path):
    rejects = tmp_path / "rejects.jsonl"
    rejects.write_text("of an earlier run")
    good = operator.file("good.jsonl", [make_klant()])
    assert operator.run("import", good, "--rejects", rejects).exit_code == 0
    assert rejects.read_text() == ""


def test_rejects_never_overwrite_the_file_that_is_read(operator, three):
    before = three.read_bytes()
    result = operator.run("import", three, "--rejects", three)
    assert result.exit_code == 2
    assert three.read_bytes() == before


def test_rejects_never_overwrite_the_database_or_the_settings(operator, three):
    operator.fill(make_klant())
    link = operator.folder / "link"
    link.symlink_to(operator.database)
    for needed in (operator.database, operator.ini, link):
        before = needed.read_bytes()
        line = operator.run("import", three, "--rejects", needed).stderr.splitlines()[-1]
        assert line == f"Error: --rejects {needed} is a file that the command needs."
        assert needed.read_bytes() == before


def test_rejects_never_take_the_place_of_a_database_to_be_made(operator, three):
    operator.lose_database()
    assert operator.run("import", three, "--rejects", operator.database).exit_code == 2
    assert not operator.database.exists()


def test_rejects_that_can_not_be_written_are_wrong_usage(operator, three, tmp_path):
    result = operator.run("import", three, "--rejects", tmp_path / "none" / "rejects.jsonl")
    assert "rejects.jsonl can't be written: No such file" in only_line(result, 2)
    assert operator.klanten() == []


def test_a_full_disk_for_the_rejects_is_one_line(operator, three):
    assert "/dev/full can't be written" in only_line(
        operator.run("import", three, "--rejects", "/dev/full"), 2
    )


def test_a_run_may_be_repeated(operator, three):
    operator.run("import", three)
    before = operator.klanten()
    summary = operator.json("import", three, exit_code=1)
    assert (summary["created"], summary["skipped"]) == (0, 2)
    assert operator.klanten() == before


def test_a_line_without_uuid_and_klantnummer_is_known_by_all_of_it(operator):
    line = make_klant()
    line.pop("klantnummer", None)
    operator.fill(line)
    again = operator.file("again.jsonl", [line, line | {"achternaam": "Anders"}])
    summary = operator.json("import", again)
    assert (summary["created"], summary["skipped"]) == (1, 1)
    told = " ".join(operator.run("import", "--help").stdout.split())
    assert "that equals an earlier one counts as the same klant, a changed one as a new" in told


def test_the_help_names_rejected_lines_for_status_one():
    told = " ".join(CliRunner().invoke(klanten, ["--help"]).stdout.split())
    assert "1 done with findings or rejected lines" in told


def test_update_brings_klanten_up_to_date(operator):
    operator.fill(make_klant(uuid=UUID, klantnummer="A1"))
    changed = operator.file("c.jsonl", [make_klant(uuid=UUID, klantnummer="A1", achternaam="Bos")])
    assert operator.json("import", changed)["skipped"] == 1
    assert operator.json("import", changed, "--update")["updated"] == 1
    assert operator.klanten()[0]["achternaam"] == "Bos"


def test_dry_run_keeps_nothing(operator, three):
    before = operator.database.read_bytes()
    assert operator.json("import", three, "--dry-run", exit_code=1)["created"] == 2
    assert operator.database.read_bytes() == before
    assert "Nothing was kept (--dry-run)." in operator.run("import", three, "--dry-run").stdout


def test_dry_run_without_a_database_makes_none(operator, three):
    operator.lose_database()
    assert operator.json("import", three, "--dry-run", exit_code=1)["created"] == 2
    assert not operator.database.exists()


def test_import_without_a_database_makes_one(operator):
    operator.lose_database()
    operator.fill(make_klant())
    assert len(operator.klanten()) == 1


def test_import_reads_a_pipe(operator):
    given = json.dumps(make_klant(uuid=UUID)) + "\n"
    assert operator.run("import", "-", "--format", "jsonl", input=given).exit_code == 0
    assert operator.run("import", "-", "--format=jsonl.gz", input=gzip.compress(b"")).exit_code == 0
    assert [klant["uuid"] for klant in operator.klanten()] == [UUID]


def test_a_pipe_needs_a_format(operator):
    result = operator.run("import", "-", input="")
    assert result.exit_code == 2
    assert "a pipe needs --format" in result.stderr


def test_a_name_that_tells_no_format_is_wrong_usage(operator):
    path = operator.file("klanten.txt", [make_klant()])
    result = operator.run("import", path)
    assert result.exit_code == 2
    assert ".jsonl, .jsonl.gz, .jsonl.zst, .csv, .csv.gz, .csv.zst" in result.stderr
    assert operator.run("import", path, "--format", "jsonl").exit_code == 0


def test_a_file_that_is_not_there_is_wrong_usage(operator):
    line = only_line(operator.run("import", operator.folder / "none.jsonl"), 2)
    assert "none.jsonl can't be read: No such file" in line


def test_a_table_without_columns_is_refused(operator):
    path = operator.file("empty.csv", [])
    assert f"{path} can't be read: its first line names no columns" in only_line(
        operator.run("import", path), 2
    )
    assert operator.run("import", operator.file("empty.jsonl", [])).exit_code == 0


def test_no_database_is_made_for_what_is_no_table(operator):
    operator.lose_database()
    path = operator.file("headless.csv", [b"517439943,https://x.nl,j@example.nl\n"])
    assert "names no columns" in only_line(operator.run("import", path), 2)
    assert not operator.database.exists()


def test_a_table_that_was_cut_off_changes_nothing(operator):
    """A row that was not written to its end is no order to make the rest of its klant empty."""
    operator.fill(make_person(uuid=UUID, klantnummer="A1"), make_person(klantnummer="A2"))
    before = operator.klanten()
    table = operator.folder / "k.csv"
    operator.run("export", table)
    whole = table.read_bytes()
    head, row, _ = whole.splitlines(keepends=True)
    for cut in (row[:-60], row[:-10], row[: row.index(b",") + 5], row[:60] + b',"' + row[60:]):
        table.write_bytes(head + cut)
        summary = operator.json("import", table, "--update", exit_code=1)
        assert (summary["read"], summary["rejected"]) == (1, 1)
    assert operator.klanten() == before


def test_the_uuid_at_the_end_of_a_url_is_kept(operator):
    """As those who save what the API shows will have it."""
    url = f"https://klanten.example.nl/api/v1/klanten/{UUID}"
    operator.fill(make_klant(url=url))
    path = operator.file("k.csv", [f"url,bronorganisatie,websiteUrl\n{url},1,\n".encode()])
    assert operator.run("import", path).exit_code == 1
    assert [klant["uuid"] for klant in operator.klanten()] == [UUID]


def test_a_name_that_is_no_utf_8_comes_into_the_audittrail(operator):
    path = operator.file(os.fsdecode(b"nm\xff.jsonl"), [make_klant(uuid=UUID)])
    assert operator.run("import", path).exit_code == 0
    assert operator.audittrail(UUID)[0]["toelichting"] == "Import van nm\ufffd.jsonl"


def test_a_toelichting_that_is_no_utf_8_is_kept(operator):
    path = operator.file("k.jsonl", [make_klant(uuid=UUID)])
    options = ("--toelichting", os.fsdecode(b"na\xc3\xabf\xff"))
    assert operator.run("import", path, *options).exit_code == 0
    assert operator.audittrail(UUID)[0]["toelichting"] == "naëf\ufffd"


def test_a_field_that_is_not_known_is_told_on_standard_error(operator):
    path = operator.file("k.jsonl", [make_klant(geheim="12345")])
    command = [Path(sys.executable).with_name("klanten"), "import", operator.ini, path, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr == "fields that are not known are left out: geheim\n"
    assert json.loads(done.stdout)["created"] == 1


def test_the_audittrail_tells_of_the_import(operator):
    operator.run("import", operator.file("nieuw.jsonl", [make_klant(uuid=UUID)]))
    [regel] = operator.audittrail(UUID)
    assert (regel["applicatieId"], regel["applicatieWeergave"]) == ("klanten import",) * 2
    assert regel["toelichting"] == "Import van nieuw.jsonl"


def test_the_audittrail_tells_why_when_told(operator):
    path = operator.file("nieuw.jsonl", [make_klant(uuid=UUID)])
    operator.run("import", path, "--toelichting", "De grote overzetting")
    assert operator.audittrail(UUID)[0]["toelichting"] == "De grote overzetting"


def test_nobody_is_notified_unless_asked(operator, three):
    operator.run("import", three)
    assert operator.json("stats")["outbox"]["pending"] == 0


def test_others_are_notified_when_asked(operator, three):
    root = "https://klanten.example.nl/api/v1/"
    operator.run("import", three, "--notify", "--api-root", root)
    assert operator.json("stats")["outbox"]["pending"] == 2


@pytest.mark.parametrize(
    "options",
    [
        ["--notify"],
        ["--api-root=https://x.nl"],
        ["--notify", "--api-root=klanten"],
        ["--notify", "--api-root=http://"],
    ],
)
def test_notifications_need_the_root_that_others_know(operator, three, options):
    result = operator.run("import", three, *options)
    assert result.exit_code == 2
    assert "--api-root" in result.stderr
    assert operator.klanten() == []


def test_subjects_are_fetched_when_asked(operator, subjects):
    operator.set("klanten.subject.allow_networks", "127.0.0.0/8")
    good, bad = (make_klant(subject=subjects.url(path)) for path in ("/200", "/404"))
    path = operator.file("subjects.jsonl", [good, bad, make_klant()])
    result = operator.run("import", path, "--check-subjects")
    assert result.exit_code == 1
    assert result.stderr.startswith("2: subject: bad-url")
    assert sorted(subjects.asked) == ["/200", "/404"]
    assert len(operator.klanten()) == 2


def test_subjects_are_not_fetched_unless_asked(operator, subjects):
    operator.fill(make_klant(subject=subjects.url("/404")))
    assert subjects.asked == []


def test_the_services_file_is_read_for_subjects(operator, subjects):
    operator.set("klanten.services", "services.ini")
    path = operator.file("subjects.jsonl", [make_klant(subject=subjects.url("/200"))])
    assert "services.ini" in only_line(operator.run("import", path, "--check-subjects"), 2)
    (operator.folder / "services.ini").write_text(
        f"[subject:here]\napi_root = {subjects.url('/')}\nclient_id = us\nsecret = {'s' * 40}\n"
    )
    assert operator.run("import", path, "--check-subjects").exit_code == 0
    assert subjects.headers[0]["Authorization"].startswith("Bearer ")


def test_optional_fields_are_those_of_the_service(operator):
    path = operator.file("k.jsonl", [make_klant(websiteUrl="")])
    assert operator.run("import", path).exit_code == 1
    operator.set("klanten.optional_fields", "websiteUrl")
    assert operator.run("import", path).exit_code == 0


def test_a_csv_file_is_read_by_its_name(operator):
    path = operator.folder / "k.csv"
    path.write_text(
        "bronorganisatie;websiteUrl;subjectType;subjectIdentificatie.inpBsn\n"
        "517439943;https://x.nl;natuurlijk_persoon;'012345672\n"
        "517439943;https://x.nl;natuurlijk_persoon;012345672\n"
        "517439943;;natuurlijk_persoon;012345672\n"
    )
    result = operator.run("import", path)
    assert result.stderr.startswith("4: websiteUrl: blank")
    [klant] = operator.klanten()
    assert klant["subjectIdentificatie"]["inpBsn"] == "012345672"


def test_interrupted_says_how_to_go_on(operator, three, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("klanten.transfer.importing.Batch.flush", interrupt)
    result = operator.run("import", three)
    assert (result.exit_code, result.stdout) == (130, "")
    assert result.stderr.splitlines()[-1] == (
        "Interrupted. The first 0 lines are done; run it again for the others."
    )


def test_an_interrupted_import_of_a_table_says_nothing_else(operator):
    lines = b"bronorganisatie,websiteUrl\n" + b"1,\n" * 3
    path = operator.file("k.csv", [lines])
    code = (
        "import klanten.transfer.importing as importing, signal\n"
        "from klanten.cli import klanten\n"
        "importing.BATCH = 1\n"
        "importing.Import._tell_of = lambda *_: signal.raise_signal(signal.SIGINT)\n"
        "klanten()\n"
    )
    command = [sys.executable, "-c", code, "import", operator.ini, path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        130,
        "Interrupted. The first 0 lines are done; run it again for the others.\n",
    )


def test_an_interrupted_dry_run_says_that_nothing_was_kept(operator, three, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("klanten.transfer.importing.Batch.flush", interrupt)
    result = operator.run("import", three, "--dry-run")
    assert result.exit_code == 130
    assert result.stderr.splitlines()[-1] == "Interrupted. Nothing was kept (--dry-run)."


def test_import_needs_an_ini_file_that_is_right(operator, three):
    operator.set("klanten.jwt.leewya", "5")
    assert "klanten.jwt.leeway" in only_line(operator.run("import", three), 2)


def test_a_person_comes_through_whole(operator):
    person = make_person(uuid=UUID)
    operator.fill(person)
    [klant] = operator.klanten()
    assert {name: klant[name] for name in person} == person
