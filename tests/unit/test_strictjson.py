"""What is JSON to us and what is not."""

import json
import math
import sys
import threading
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klanten.strictjson import NotJson, loads

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(values)
def test_every_json_value_is_read_back(value):
    assert loads(json.dumps(value).encode()) == value
    assert loads(json.dumps(value, ensure_ascii=False).encode()) == value


@given(st.binary() | st.text(alphabet='[]{}",:\\u0123456789dDeE \n').map(str.encode))
def test_no_bytes_give_another_exception(body):
    with suppress(NotJson):
        loads(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b" \t\r\n",
        b"{",
        b"abc",
        b"{'a':1}",
        b'{"a":1,}',
        b"[1,]",
        b"01",
        b"+1",
        b".5",
        b"1.",
        b"0x1",
        b"True",
        b"{} {}",
        b"// a\n{}",
        b'"a\nb"',
        b'"a\x00b"',
        b'"\\x41"',
        b'"\\u12"',
        b"\xa0{}",
        "\u00a0{}".encode(),
        b"\x0b1",
    ],
)
def test_what_the_grammar_does_not_allow_is_refused(body):
    with pytest.raises(NotJson):
        loads(body)


@pytest.mark.parametrize("constant", [b"NaN", b"Infinity", b"-Infinity", b"nan", b"inf"])
def test_constants_that_are_no_json_are_refused(constant):
    with pytest.raises(NotJson):
        loads(constant)
    with pytest.raises(NotJson):
        loads(b'{"unknown": [' + constant + b"]}")


@pytest.mark.parametrize("number", [b"1e400", b"-1e400", b"1e309", b"1E+400", b"1" * 400 + b".0"])
def test_a_number_beyond_a_double_is_refused(number):
    with pytest.raises(NotJson):
        loads(b'{"unknown": ' + number + b"}")


def test_a_number_too_small_for_a_double_is_zero():
    assert loads(b"1e-400") == 0.0


def test_a_number_with_a_point_or_exponent_is_a_float():
    assert [str(number) for number in loads(b"[1.50, 1e3, 12.0]")] == ["1.5", "1000.0", "12.0"]


@pytest.mark.parametrize(
    "body",
    [
        b'"\xff"',
        b'"\xc3"',
        b'{"\xe9": 1}',
        b'"\xc0\x80"',
        b'"\xed\xa0\x80"',
        '{"a": "é"}'.encode("latin-1"),
        "{}".encode("utf-16"),
        "{}".encode("utf-16-le"),
        "{}".encode("utf-32"),
    ],
)
def test_bytes_that_are_not_utf8_are_refused(body):
    with pytest.raises(NotJson):
        loads(body)


def test_a_byte_order_mark_is_refused():
    with pytest.raises(NotJson):
        loads(b"\xef\xbb\xbf{}")


def test_a_byte_order_mark_within_a_text_is_a_character():
    assert loads('"\ufeff"'.encode()) == "\ufeff"


def test_of_a_repeated_key_the_last_counts():
    assert loads(b'{"a": 1, "b": 2, "a": 3}') == {"a": 3, "b": 2}


@pytest.mark.parametrize(
    "body",
    [
        rb'"\ud800"',
        rb'"\uDFFF"',
        rb'"\udc00\ud800"',
        rb'"\ud83d\ud83d\ude00"',
        rb'"\ud83d\ude00\ude00"',
        rb'"\ud83dx"',
        rb'"\ud83d\n\ude00"',
        rb'"\\\ud800"',
        rb'{"\ud800": 1}',
        rb'{"a": {"b": ["\ud800"]}}',
        rb'{"a": "\ud800", "a": "b"}',
    ],
)
def test_half_a_surrogate_pair_is_refused_anywhere(body):
    with pytest.raises(NotJson):
        loads(body)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (rb'"\ud83d\ude00"', "😀"),
        (rb'"\uD83D\uDE00\uD83D\uDE00"', "😀😀"),
        (rb'"\\ud800"', "\\ud800"),
        (rb'"\\\\ud800"', "\\\\ud800"),
        (rb'"\u00eb\u0000"', "ë\0"),
        (rb'"\ud7ff\ue000"', "\ud7ff\ue000"),
    ],
)
def test_other_escapes_are_read(body, value):
    assert loads(body) == value


def test_half_a_surrogate_pair_is_read_where_that_is_asked_for():
    assert loads(rb'["\ud800", "\ud83d\ude00"]', lone_surrogates=True) == ["\ud800", "😀"]


@pytest.mark.parametrize("digits", [20, 400, 1000])
def test_an_integer_of_any_size_is_exact(digits):
    text = "9" * digits
    assert loads(text.encode()) == int(text)
    assert loads(f"-{text}".encode()) == -int(text)


@pytest.mark.parametrize("sign", ["", "-"])
def test_an_endless_integer_stays_longer_than_any_field(sign):
    number = loads((sign + "7" * 300_000).encode())
    assert 1000 < len(str(abs(number))) < 4300
    assert str(number).startswith(sign + "7" * 1000)


def nested(levels):
    return "[" * levels + "]" * levels


@pytest.mark.parametrize(
    "body",
    [
        nested(500),
        '{"a":' * 501 + "1" + "}" * 501,
        '{"unknown": ' + nested(500) + "}",
        ' \n{"unknown": ' + nested(500) + "}",
        "[" + ",".join(["[]"] * 2000) + "]",
        '{"text": "' + "[" * 2000 + '"}',
        '{"text": "' + r"\"[" * 2000 + '"}',
        '{"text": "' + "[" * 2000 + r"\\" + '", "b": ' + nested(10) + "}",
        '{"' + "{" * 2000 + '": 1}',
    ],
)
def test_up_to_500_levels_are_read(body):
    assert loads(body.encode()) == json.loads(body)


@pytest.mark.parametrize(
    "body",
    [
        nested(501),
        '{"unknown": ' + nested(501) + "}",
        '{"a":' * 502 + "1" + "}" * 502,
        '{"a": "\\"", "b": ' + nested(501) + "}",
        '{"a": "]]]]]]", "b": ' + nested(501) + "}",
        nested(100_000),
        "[" * 100_000,
        '{"a":' * 100_000,
        '{"unknown": ' + nested(100_000) + "}",
    ],
)
def test_more_than_500_levels_are_refused(body):
    with pytest.raises(NotJson):
        loads(body.encode())


def test_500_levels_are_read_below_a_deep_stack():
    def at_depth(frames):
        return at_depth(frames - 1) if frames else loads(('{"x":' + nested(500) + "}").encode())

    found = []
    thread = threading.Thread(target=lambda: found.append(at_depth(200)))
    thread.start()
    thread.join()
    assert sys.getrecursionlimit() <= 1000
    assert "x" in found[0]


@pytest.mark.parametrize(
    "body",
    [
        '"' + r"\"" * 500_000,
        '"' + r"\"" * 500_000 + "\\",
        "[" * 501 + '"' + r"\"" * 500_000,
        "[" * 501 + '"' + "\\" * 999_999,
        '"[' * 300_000,
        "\\" * 999_999,
        "[]" * 500_000,
    ],
)
def test_a_hostile_body_is_refused_without_endless_searching(body):
    with pytest.raises(NotJson):
        loads(body.encode())


def test_a_plain_float_is_finite():
    assert math.isfinite(loads(b"1.7976931348623157e308"))
