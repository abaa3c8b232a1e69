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

from klanten.transfer import table
from klanten.transfer.table import HEADERS, MAX_ROW, NoTable, Table, guarded, unguarded
from tests.factories import make_klant
from tests.unit.transfer.bodies import SIGNS, a_klant

BSN = "012345672"


def cells_of(**overrides):
    """The cells of a klant, by header, as another program reads them."""
    layout = Table()
    content = layout.head + layout.line(a_klant(make_klant(**overrides)))
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


def test_cells_that_a_spreadsheet_left_out_are_empty():
    short, whole = read("achternaam,voornaam\nJansen\nVries,Anna")
    assert short.value == {"achternaam": "Jansen", "voornaam": ""}
    assert whole.value == {"achternaam": "Vries", "voornaam": "Anna"}


def test_a_last_row_that_was_cut_off_is_rejected():
    whole, cut = read("achternaam,voornaam\nVries,Anna\nJans")
    assert whole.value == {"achternaam": "Vries", "voornaam": "Anna"}
    assert code_of(cut) == (3, "nonFieldErrors", "parse_error")


def test_a_quote_that_is_open_at_the_end_of_the_file_is_rejected():
    whole, cut = read('achternaam,functie\nVries,arts\nJansen,"hoofd\nBos,arts\n')
    assert whole.value == {"achternaam": "Vries", "functie": "arts"}
    assert code_of(cut) == (3, "nonFieldErrors", "parse_error")


def test_a_row_in_which_a_quote_is_not_closed_is_rejected_with_what_it_swallows():
    bad, good = read('achternaam\n"Jansen\n"Bos"\nVries\n')
    assert code_of(bad) == (2, "nonFieldErrors", "parse_error")
    assert good.value == {"achternaam": "Vries"}


def test_a_quote_inside_a_cell_is_a_sign_like_others():
    assert value_of('achternaam\nDe "Punt"\n') == {"achternaam": 'De "Punt"'}


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
    long = "x" * (MAX_ROW + 1)
    bad, good = read(f"achternaam\n{long}\nJansen\n")
    assert code_of(bad) == (2, "nonFieldErrors", "parse_error")
    assert good.value == {"achternaam": "Jansen"}


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", ""])
@pytest.mark.parametrize("cells", ["x" * 30, "x," * 15, '"x\n","x\n",' * 5, '"' + "x\n" * 30])
def test_a_row_is_not_read_beyond_its_greatest_length(monkeypatch, cells, end):
    monkeypatch.setattr(table, "MAX_ROW", 20)
    content = io.BytesIO(f"achternaam\n{cells}{end}".encode())
    assert {line.fault.code for line in Table().read(content) if line.fault} == {"parse_error"}


@pytest.mark.parametrize("cells", ["x" * 4_000_000, "x," * 2_000_000, '"x\n",' * 800_000])
def test_what_follows_the_greatest_length_is_not_kept_in_memory(monkeypatch, cells):
    monkeypatch.setattr(table, "MAX_ROW", 1000)
    content = io.BytesIO(f"achternaam\n{cells}\nJansen\n".encode())
    tracemalloc.start()
    try:
        lines = Table().read(content)
        assert code_of(next(lines)) == (2, "nonFieldErrors", "parse_error")
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_the_longest_row_is_read_and_the_next_after_one_that_is_too_long(monkeypatch):
    monkeypatch.setattr(table, "MAX_ROW", 12)
    longest, too_long, good = read(f"achternaam\n{'x' * 11}\n{'x' * 40}\nJansen\n")
    assert longest.value == {"achternaam": "x" * 11}
    assert code_of(too_long) == (3, "nonFieldErrors", "parse_error")
    assert good.value == {"achternaam": "Jansen"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "sep=;\n",
        "sep=\r\n",
        'sep="\nuuid\n',
        " , \nJansen,x\n",
        f"j@example.nl,{BSN}\n",
        "naam,\n",
        '"uuid\n',
    ],
)
def test_without_a_line_that_names_columns_it_is_no_table(text):
    with pytest.raises(NoTable):
        read(text)


def test_a_klant_in_place_of_the_headers_is_not_shown(caplog):
    with pytest.raises(NoTable) as told:
        read(f"j@example.nl,{BSN},Jansen\n")
    assert (str(told.value), caplog.records) == (
        "its first line names no columns; see one of an export",
        [],
    )


@pytest.mark.parametrize("header", ["functie,achternaam,functie", "url,url", "functie,Functie"])
def test_a_column_that_is_there_twice_is_refused(header):
    with pytest.raises(NoTable, match=r"names a column twice: (functie|url)$"):
        read(f"{header}\n")


def test_columns_that_are_not_known_may_be_there_twice():
    assert value_of("achternaam,x,x,,\nJansen,1,2,,\n") == {"achternaam": "Jansen"}


def test_capitals_in_a_header_do_not_count():
    assert value_of("Achternaam,ADRES.postcode\nBos,1234AB\n") == {
        "achternaam": "Bos",
        "adres": {"postcode": "1234AB"},
    }


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_a_table_in_utf_16_is_refused_with_the_mend(encoding):
    with pytest.raises(NoTable, match="written in UTF-16; save it as CSV in UTF-8"):
        read("\ufeffuuid\tachternaam\n", encoding)


def test_a_url_is_read_as_it_is():
    assert value_of("url,achternaam\nhttps://x.nl/1,Bos\n")["url"] == "https://x.nl/1"
    assert value_of("url,achternaam\n,Bos\n") == {"achternaam": "Bos"}


def test_columns_without_rows_are_an_empty_table():
    assert read("achternaam\n") == []


def test_unknown_columns_are_told_of(caplog):
    with caplog.at_level(logging.WARNING):
        read("achternaam,emailadress,url\nx,y,z\n")
    [record] = caplog.records
    assert record.getMessage() == "columns that are not known are left out: emailadress"


@pytest.mark.parametrize("odd", ["j@example.nl", BSN, "\x1b[2Jx", "x" * 61])
def test_a_column_whose_name_is_no_word_is_told_of_and_not_shown(caplog, odd):
    with caplog.at_level(logging.WARNING):
        read(f'achternaam;functies;"{odd}";{BSN}\n')
    assert [record.getMessage() for record in caplog.records] == [
        "columns that are not known are left out: functies, names that are no words"
    ]


def test_known_columns_are_read_without_a_word(caplog):
    read(",".join(HEADERS) + "\n")
    assert caplog.records == []
