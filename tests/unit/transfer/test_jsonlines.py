"""JSON Lines, as others write them."""

import io
import logging

import pytest

from klanten.transfer import jsonlines
from klanten.transfer.jsonlines import JsonLines


def read(content):
    return list(JsonLines().read(io.BytesIO(content)))


def test_lines_are_counted_from_one_and_blank_ones_passed_over():
    lines = read(b'{"a": 1}\n\n  \n{"a": 2}')
    assert [(line.number, line.value) for line in lines] == [(1, {"a": 1}), (4, {"a": 2})]


def test_a_byte_order_mark_before_the_first_line_is_fine():
    assert [line.value for line in read(b"\xef\xbb\xbf{}\r\n{}")] == [{}, {}]


@pytest.mark.parametrize("bad", [b"{", b'{"a": NaN}', b'{"a": "\xff"}', b"\xef\xbb\xbf{}"])
def test_a_line_that_is_no_json_is_rejected_and_the_next_is_read(bad):
    first, second, third = read(b"{}\n" + bad + b"\n{}\n")
    assert (first.value, third.value) == ({}, {})
    assert (second.number, second.fault.code) == (2, "parse_error")


def test_a_line_without_end_is_rejected_and_the_next_is_read(monkeypatch):
    monkeypatch.setattr(jsonlines, "MAX_LINE", 10)
    lines = read(b'"' + b"x" * 35 + b'"\n{}\n"' + b"x" * 50)
    assert [(line.number, line.fault and line.fault.code) for line in lines] == [
        (1, "parse_error"),
        (2, None),
        (3, "parse_error"),
    ]


def test_a_line_of_the_greatest_length_is_read(monkeypatch):
    monkeypatch.setattr(jsonlines, "MAX_LINE", 10)
    assert [line.value for line in read(b'"1234567"\n"1"\n')] == ["1234567", "1"]


def test_each_field_that_is_not_known_is_told_of_once_and_without_its_value(caplog):
    with caplog.at_level(logging.WARNING):
        read(
            b'{"emailadress": "x", "uuid": "y", "url": "z"}\n[]\n1\n'
            b'{"emailadress": "x", "adres": {"gemeente": "z", "postcode": ""}, "Achternaam": 1}\n'
        )
    assert [record.getMessage() for record in caplog.records] == [
        "fields that are not known are left out: emailadress",
        "fields that are not known are left out: Achternaam, adres.gemeente",
    ]


def test_a_name_that_is_no_word_is_told_of_once_and_not_shown(caplog):
    with caplog.at_level(logging.WARNING):
        read(b'{"x\\nERROR": 1, "012345672": 2}\n{"j@example.nl": 1}\n{"\\u001b[2J": 1}\n')
    assert [record.getMessage() for record in caplog.records] == [
        "fields that are not known are left out: names that are no words"
    ]
