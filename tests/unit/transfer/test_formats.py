"""Formats by the names of files, files that are cut off, files that appear when they are whole."""

import gzip
import io
import os
import stat

import pytest

from klanten.transfer.formats import NAMES, Format, written
from klanten.transfer.jsonlines import JsonLines
from klanten.transfer.table import Table


@pytest.mark.parametrize(
    ("name", "layout", "packing"),
    [
        ("klanten.jsonl", JsonLines, ""),
        ("klanten.csv", Table, ""),
        ("klanten.2024.jsonl.gz", JsonLines, ".gz"),
        ("KLANTEN.CSV.ZST", Table, ".zst"),
    ],
)
def test_the_name_of_a_file_tells_its_format(name, layout, packing):
    format = Format.of(name)
    assert (type(format.layout), format.packing) == (layout, packing)


@pytest.mark.parametrize("name", ["klanten", "klanten.json", "klanten.gz", "klanten.csv.zip", "-"])
def test_another_name_tells_nothing(name):
    with pytest.raises(ValueError):
        Format.of(name)


def test_all_formats_have_a_name():
    assert sorted(NAMES) == ["csv", "csv.gz", "csv.zst", "jsonl", "jsonl.gz", "jsonl.zst"]


def packed(packing, content):
    stream = io.BytesIO()
    with Format(JsonLines(), packing).packed(stream) as inner:
        inner.write(content)
    return stream.getvalue()


@pytest.mark.parametrize("packing", [".gz", ".zst"])
def test_a_file_that_is_cut_off_ends_with_a_rejected_line(packing):
    content = b"".join(b'"%d"\n' % number for number in range(20_000))
    cut = packed(packing, content)[:-20]
    *lines, last = Format(JsonLines(), packing).read(io.BytesIO(cut))
    assert lines[0].value == "0"
    assert (last.number, last.fault.code) == (lines[-1].number + 1, "parse_error")


@pytest.mark.parametrize("packing", [".gz", ".zst"])
def test_a_file_that_is_not_packed_at_all_is_one_rejected_line(packing):
    [line] = Format(JsonLines(), packing).read(io.BytesIO(b'{"a": 1}\n'))
    assert (line.number, line.fault.code) == (1, "parse_error")


@pytest.mark.parametrize("layout", [JsonLines, Table])
@pytest.mark.parametrize("packing", [".gz", ".zst"])
def test_a_packed_file_of_no_bytes_is_damaged(layout, packing):
    [line] = Format(layout(), packing).read(io.BytesIO())
    assert (line.number, line.fault.code) == (1, "parse_error")


@pytest.mark.parametrize("packing", [".gz", ".zst"])
def test_nothing_may_be_packed(packing):
    assert list(Format(JsonLines(), packing).read(io.BytesIO(packed(packing, b"")))) == []


def test_a_whole_file_ends_without_a_rejected_line():
    lines = list(Format(JsonLines(), ".gz").read(io.BytesIO(gzip.compress(b"1\n2\n"))))
    assert [line.value for line in lines] == [1, 2]


def test_the_same_klanten_are_packed_into_the_same_bytes(monkeypatch):
    first = packed(".gz", b"{}\n")
    monkeypatch.setattr("time.time", lambda: 2e9)
    assert packed(".gz", b"{}\n") == first


def test_a_file_is_there_when_it_is_whole_and_for_its_owner_only(tmp_path):
    path = tmp_path / "k.jsonl"
    with written(path) as stream:
        stream.write(b"{}\n")
        assert not path.exists()
    assert path.read_bytes() == b"{}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["k.jsonl"]


def test_a_file_that_fails_halfway_leaves_the_old_one(tmp_path):
    path = tmp_path / "k.jsonl"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), written(path) as stream:
        stream.write(b"half" * (1 // 0))
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["k.jsonl"]


def test_two_who_write_the_same_file_do_not_disturb_each_other(tmp_path):
    path = tmp_path / "k.jsonl"
    with written(path) as first:
        first.write(b"first")
        first.flush()
        with written(path) as second:
            second.write(b"2")
        assert path.read_bytes() == b"2"
    assert path.read_bytes() == b"first"
    assert os.listdir(tmp_path) == ["k.jsonl"]


def test_what_is_no_ordinary_file_is_written_to_and_not_replaced(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with written(path) as stream:
        stream.write(b"{}\n")
    assert os.read(reader, 10) == b"{}\n"
    os.close(reader)
    assert stat.S_ISFIFO(path.stat().st_mode)
