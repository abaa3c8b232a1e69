"""CSV as a spreadsheet shows, changes and saves it."""

import csv
import io
import json
import logging
import re
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klanten.transfer.table import HEADERS, MAX_CELL, NoTable, Table, guarded, unguarded
from tests.factories import make_klant
from tests.unit.transfer.bodies import SIGNS, a_klant

BSN = "012345672"


def cells_of(**overrides):
    """The cells of a klant, by header, as another program reads them."""
    table = Table()
    content = table.head + table.line(a_klant(make_klant(**overrides)))
    [row] = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    return row


def read(text, encoding="utf-8"):
    return list(Table().read(io.BytesIO(text.encode(encoding))))


def value_of(text):
    [line] = read(text)
    assert line.fault is None
    return line.value


def code_of(line):
    return (line.number, line.fault.name, line.fault.code)


# --- what is written ----------------------------------------------------------------------------


def test_a_table_begins_with_a_byte_order_mark_and_dotted_headers():
    assert Table().head.startswith(b"\xef\xbb\xbfuuid,bronorganisatie,klantnummer,")
    assert {"adres.postcode", "subjectIdentificatie.verblijfsadres.aoaPostcode"} < set(HEADERS)
    assert len(set(HEADERS)) == len(HEADERS)


def test_every_row_has_all_cells():
    row = cells_of()
    assert None not in row.values()
    assert list(row) == list(HEADERS)


def test_the_zeros_of_a_bsn_are_kept_from_the_spreadsheet():
    assert cells_of(subjectIdentificatie={"inpBsn": BSN})["subjectIdentificatie.inpBsn"] == (
        "'" + BSN
    )


def test_a_formula_is_written_as_a_text():
    assert cells_of(achternaam="=1+1")["achternaam"] == "'=1+1"
    assert cells_of(telefoonnummer="+31612345678")["telefoonnummer"] == "'+31612345678"


def test_names_of_a_vestiging_are_a_json_list_in_one_cell():
    row = cells_of(
        subjectType="vestiging", subjectIdentificatie={"handelsnaam": ["De Punt", 'B "V"']}
    )
    assert json.loads(row["subjectIdentificatie.handelsnaam"]) == ["De Punt", 'B "V"']


def test_an_address_with_nothing_in_it_is_told_from_no_address():
    assert cells_of()["adres"] == ""
    assert cells_of(adres={"huisletter": ""})["adres"] == "{}"
    assert cells_of(adres={"huisnummer": 0})["adres"] == ""


@pytest.mark.parametrize(
    "text",
    [
        "=1",
        "+31",
        "-1",
        "@SUM(A1)",
        "'=1",
        "01",
        "123456789012",
        "1-2",
        "1/2",
        "1.5",
        "1 mei",
        "1e5",
        "12:30",
        "TRUE",
        "waar",
        "1980-01-31",
    ],
)
def test_what_a_spreadsheet_would_change_is_guarded(text):
    assert guarded(text) == "'" + text
    assert unguarded(guarded(text)) == text


@pytest.mark.parametrize(
    "text",
    ["", "'s-Gravenhage", "'", "12", "12345678901", "1234AB", "Jansen", "de", "waarheid", "0"],
)
def test_what_a_spreadsheet_leaves_alone_is_written_as_it_is(text):
    assert guarded(text) == text
    assert unguarded(text) == text


@given(st.text(SIGNS, max_size=12))
def test_the_guard_is_always_undone(text):
    assert unguarded(guarded(text)) == text


@given(st.text(SIGNS, max_size=12))
def test_no_cell_begins_with_a_formula(text):
    assert guarded(text)[:1] not in set("=+-@\t\r\n")


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("x;=1+1;y", "x;'=1+1;y"),
        ("x\t-1", "x\t'-1"),
        ("a,@SUM(A1)", "a,'@SUM(A1)"),
        ("x\n+31", "x\n'+31"),
        ("=1;=2", "'=1;'=2"),
        ('x;"=1+1', "x;'\"=1+1"),
        ("x;'=1", "x;''=1"),
        ("Bos; Vries", "Bos; Vries"),
        ("a = b - c", "a = b - c"),
    ],
)
def test_no_formula_appears_where_a_spreadsheet_splits_at_another_separator(text, cell):
    assert guarded(text) == cell
    assert unguarded(cell) == text


@given(st.text(st.sampled_from("=+-@'\",;\t\n\r 01x"), max_size=12))
def test_no_piece_of_a_cell_begins_with_a_formula(text):
    assert unguarded(guarded(text)) == text
    _, *pieces = re.split(r"[,;\t\r\n]", guarded(text))
    assert not [piece for piece in pieces if re.match(r'"*[=+\-@]', piece)]


def test_a_formula_in_a_list_is_guarded_too():
    names = {"handelsnaam": ["x;=1+1;y", "B"]}
    row = cells_of(subjectType="vestiging", subjectIdentificatie=names)
    header = "subjectIdentificatie.handelsnaam"
    assert row[header] == """["x;'=1+1;y", "B"]"""
    quoted = row[header].replace('"', '""')
    assert value_of(f'{header}\n"{quoted}"\n') == {"subjectIdentificatie": names}


def test_a_separator_can_be_chosen():
    assert Table(";").head.startswith(b"\xef\xbb\xbfuuid;bronorganisatie;")


# --- what is read -------------------------------------------------------------------------------


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_the_separator_is_known_from_the_header(separator):
    text = "bronorganisatie,achternaam\n517439943,Jansen\n".replace(",", separator)
    assert value_of(text) == {"bronorganisatie": "517439943", "achternaam": "Jansen"}


def test_a_line_that_tells_the_separator_is_no_header():
    [line] = read("sep=;\nachternaam;voornaam\nVries;Anna\n")
    assert (line.number, line.value) == (3, {"achternaam": "Vries", "voornaam": "Anna"})


def test_a_column_that_is_not_there_is_not_sent():
    assert value_of("achternaam\nJansen\n") == {"achternaam": "Jansen"}


def test_an_empty_cell_is_null_where_null_can_be():
    headers = "adres.huisnummer,adres.straatnaam,subjectType,achternaam"
    assert value_of(f"{headers}\n,Kade,,x\n") == {
        "adres": {"huisnummer": None, "straatnaam": "Kade"},
        "subjectType": None,
        "achternaam": "x",
    }


def test_an_empty_uuid_or_klantnummer_is_not_given():
    assert value_of("uuid,klantnummer,achternaam\n,,x\n") == {"achternaam": "x"}


def test_an_empty_text_is_sent_as_one():
    assert value_of("emailadres,achternaam\n,x\n") == {"emailadres": "", "achternaam": "x"}


def test_a_nested_object_without_a_filled_cell_is_null():
    assert value_of("adres.postcode,adres.huisletter,achternaam\n, ,x\n")["adres"] is None


def test_a_nested_object_is_there_when_its_own_cell_says_so():
    assert value_of("adres,adres.postcode\n{},\n") == {"adres": {"postcode": ""}}


def test_something_else_in_the_cell_of_an_object_is_left_to_the_schema():
    assert value_of("adres,achternaam\nKade 1,x\n")["adres"] == "Kade 1"


def test_deeper_objects_are_filled_in_by_their_own_cells():
    text = (
        "subjectType,subjectIdentificatie.geslachtsnaam,"
        "subjectIdentificatie.verblijfsadres.aoaPostcode\nnatuurlijk_persoon,,1234AB\n"
    )
    assert value_of(text)["subjectIdentificatie"] == {
        "geslachtsnaam": "",
        "verblijfsadres": {"aoaPostcode": "1234AB"},
    }


def test_a_list_that_is_no_json_is_left_to_the_schema():
    header = "subjectIdentificatie.handelsnaam"
    assert value_of(f"{header}\nDe Punt\n") == {"subjectIdentificatie": {"handelsnaam": "De Punt"}}


def test_the_guard_of_a_cell_is_taken_away():
    assert value_of("achternaam,telefoonnummer\n'=1,'+316\n") == {
        "achternaam": "=1",
        "telefoonnummer": "+316",
    }


def test_a_name_with_an_apostrophe_stays():
    assert value_of("achternaam\n'tHof\n") == {"achternaam": "'tHof"}


def test_a_row_that_is_shorter_than_the_header_is_filled_up():
    assert value_of("achternaam,voornaam\nJansen\n") == {"achternaam": "Jansen", "voornaam": ""}


def test_a_row_with_more_cells_than_columns_is_rejected():
    [line] = read("achternaam\nJansen,Jan\n")
    assert code_of(line) == (2, "nonFieldErrors", "parse_error")


def test_empty_cells_beyond_the_columns_are_nothing():
    assert value_of("achternaam\nJansen,,\n") == {"achternaam": "Jansen"}


def test_empty_rows_are_passed_over_and_counted():
    assert [line.number for line in read("achternaam\n\n,\nJansen\n")] == [4]


def test_a_line_break_in_a_cell_stays():
    assert value_of('achternaam,voornaam\n"a\r\nb",x\n')["achternaam"] == "a\r\nb"


def test_a_row_in_another_encoding_is_rejected_and_the_next_is_read():
    bad, good = read("achternaam\nCaf\xe9\nJansen\n", "latin-1")
    assert code_of(bad) == (2, "nonFieldErrors", "parse_error")
    assert good.value == {"achternaam": "Jansen"}


def test_a_cell_without_end_is_rejected_and_the_next_row_is_read():
    long = "x" * (MAX_CELL + 1)
    bad, good = read(f"achternaam\n{long}\nJansen\n")
    assert code_of(bad) == (2, "nonFieldErrors", "parse_error")
    assert good.value == {"achternaam": "Jansen"}


@pytest.mark.parametrize("text", ["", "\n", "sep=;\n", " , \nJansen,x\n"])
def test_without_a_line_that_names_columns_it_is_no_table(text):
    with pytest.raises(NoTable):
        read(text)


def test_columns_without_rows_are_an_empty_table():
    assert read("achternaam\n") == []


def test_unknown_columns_are_told_of(caplog):
    with caplog.at_level(logging.WARNING):
        read("achternaam,emailadress,url\nx,y,z\n")
    [record] = caplog.records
    assert record.getMessage() == "columns that are not known are left out: emailadress"


def test_known_columns_are_read_without_a_word(caplog):
    read(",".join(HEADERS) + "\n")
    assert caplog.records == []
