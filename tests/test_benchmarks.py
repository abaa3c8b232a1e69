"""The benchmarks still run: at a tiny size, with a stand-in for wrk that asks each thing once."""

import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from benchmarks import choices, reading, results, scaling, sizes, writing
from benchmarks.__main__ import main
from benchmarks.load import Load, LoadFailed, need_wrk, ratio, take_turns
from benchmarks.plan import Plan
from benchmarks.rows import MEASURES, Row
from benchmarks.servers import Place

KLANTEN = 150
WRK = f"""#!{sys.executable}
import http.client, sys
url, _, file, token = sys.argv[-4:]
connection = http.client.HTTPConnection(url.partition("//")[2])
lines = open(file, "rb").read().splitlines()[:3]
failed = 0
for line in lines:
    method, path, etag, body = line.split(b"\\t", 3)
    headers = {{"Authorization": "Bearer " + token, "Content-Type": "application/json"}}
    headers |= {{"Host": "localhost", "If-None-Match": etag.decode()}} if etag else {{}}
    connection.request(method.decode(), path.decode(), body, headers)
    with connection.getresponse() as answer:
        answer.read()
        failed += answer.status >= 400
print("measured", len(lines), 1000000, 500, failed)
"""


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plan]:
    wrk = tmp_path / "bin" / "wrk"
    wrk.parent.mkdir()
    wrk.write_text(WRK)
    wrk.chmod(wrk.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(wrk.parent), prepend=os.pathsep)
    for module in (reading, choices):
        monkeypatch.setattr(module, "SMALL", KLANTEN)
    monkeypatch.setattr(writing, "BODIES", 3)
    return Plan(KLANTEN, 1, 1, tmp_path / "cache", Place(tmp_path))


def test_reading_is_measured_beside_the_bare_stack(plan: Plan):
    rows = {row.measure: row.value for row in reading.measure(plan)}
    assert rows.keys() <= MEASURES.keys()
    assert rows["objects loaded by a warm GET or list"] == 0
    assert rows["GET klant / BASE, requests/s"] == 1  # the stand-in says so


def test_sizes_are_measured(plan: Plan):
    rows = {row.measure: row.value for row in sizes.measure(plan)}
    assert rows.keys() <= MEASURES.keys()
    assert 10 < rows["MB packed per 100,000 klanten with an audit line"] < 500
    assert 0 < rows["objects loaded cold by count and page of two common filters"] < 300
    assert rows["MB of memory of a fresh server"] > 10


def test_every_part_has_a_name_and_wrk_is_asked_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(LoadFailed, match="apt install wrk"):
        need_wrk()
    done = CliRunner().invoke(main, ["--no-keep"])
    assert done.exit_code == 1
    assert done.output == ("Error: wrk is not installed; on Debian and Ubuntu: apt install wrk\n")


def test_variants_take_turns_and_the_first_round_does_not_count():
    asked: list[str] = []

    def run(name: str, requests: int) -> Load:
        asked.append(name)
        return Load(requests, 1.0, 1.0, 1.0)

    loads = take_turns({"a": lambda: run("a", 30), "b": lambda: run("b", 40)}, 2)
    assert asked == ["b", "a", "a", "b", "b", "a"]
    assert [len(each) for each in loads.values()] == [2, 2]
    assert ratio(loads, "a", "b") == 0.75


def test_figures_are_kept_shown_and_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("FOLDER", "PAGE", "PICTURE"):
        monkeypatch.setattr(results, name, tmp_path / name)
    results.PAGE.write_text(f"before\n{results.BEGIN}\nold\n{results.END}\nafter\n")
    first, second = "GET klant / BASE, requests/s", "304 / GET klant, CPU"
    results.save([Row(first, 0.8), Row(second, 1.2)], 100, 3, 2)
    results.save([Row(second, 0.9, "again")], 100, 5, 2)
    results.publish()
    page = results.PAGE.read_text()
    assert page.startswith("before\n")
    assert page.endswith("after\n")
    assert f"| {first} | >= 0.75 | 0.8 | reached |" in page
    assert f"| {second} | <= 1 | 0.9 | reached |" in page
    assert "old" not in page
    drawn = ElementTree.parse(results.PICTURE).getroot()
    assert len(drawn.findall("{*}rect")) == 1 + 2
    assert len(results.table(results.load_all()[0]).rows) == 2


def test_a_target_that_is_not_reached_is_told():
    assert results.verdict("304 / GET klant, CPU", [0.9, 1.1]) == "not reached"
    assert results.verdict("GET klant / BASE, CPU", [0.9]) == ""


def test_the_page_on_scaling_shows_what_follows_from_the_figures():
    report = scaling.report(scaling.stored_figures(), scaling.REGISTERS)
    assert report in scaling.PAGE.read_text()


def test_scaling_can_be_measured(plan: Plan, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(scaling, "SMALL", KLANTEN // 3)
    figures = scaling.measured(plan)
    assert 500 < figures.file_klant < 100_000
    assert 100 < figures.file_line < 10_000
    assert figures.postgresql_klant > 500
    assert figures.postgresql_creates > 0
