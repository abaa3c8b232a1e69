"""Whatever the API can hold comes back from a file as it was, in every format."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from klanten.model.klant import Klant, new_body
from klanten.transfer.formats import Format, Layout
from klanten.transfer.jsonlines import JsonLines
from klanten.transfer.lines import Candidate, Checker
from klanten.transfer.table import SEPARATORS, Table
from tests.unit.transfer.bodies import KLANTEN, SCHEMAS

# a klant is some fifty values, so an example is worth many
FEWER = settings(max_examples=80)
CHECKER = Checker(SCHEMAS, lambda url: True)


def exported(layout: Layout, klanten: list[Klant]) -> bytes:
    return layout.head + b"".join(layout.line(klant) for klant in klanten)


def imported(layout: Layout, content: bytes) -> list[Klant]:
    candidates = [CHECKER.check(line) for line in layout.read(io.BytesIO(content))]
    for candidate in candidates:
        assert isinstance(candidate, Candidate), candidate
    return [Klant(candidate.uuid, new_body(candidate.sent)) for candidate in candidates]


@FEWER
@given(klanten=st.lists(KLANTEN, max_size=3), separator=st.sampled_from(SEPARATORS))
def test_a_table_comes_back_as_the_same_bytes(klanten, separator):
    table = Table(separator)
    content = exported(table, klanten)
    again = imported(Table(), content)
    assert [klant.body for klant in again] == [klant.body for klant in klanten]
    assert exported(table, again) == content


@FEWER
@given(klanten=st.lists(KLANTEN, max_size=3))
def test_json_lines_come_back_as_the_same_bytes(klanten):
    content = exported(JsonLines(), klanten)
    again = imported(JsonLines(), content)
    assert exported(JsonLines(), again) == content
    assert [klant.json for klant in again] == [klant.json for klant in klanten]


@FEWER
@given(klant=KLANTEN)
def test_both_layouts_tell_the_same(klant):
    by_table = imported(Table(), exported(Table(), [klant]))
    by_json = imported(JsonLines(), exported(JsonLines(), [klant]))
    assert [one.json for one in by_table] == [one.json for one in by_json] == [klant.json]


@pytest.mark.parametrize("packing", ["", ".gz", ".zst"])
@given(content=st.binary())
def test_what_is_packed_is_unpacked(packing, content):
    format = Format(JsonLines(), packing)
    packed = io.BytesIO()
    with format.packed(packed) as stream:
        stream.write(content)
    assert format.unpacked(io.BytesIO(packed.getvalue())).read() == content
