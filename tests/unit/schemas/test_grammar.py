"""What is a URL, a mail address, a number that passes the eleven test."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klanten.schemas.grammar import (
    is_digits,
    is_mail_address,
    is_url,
    passes_eleven_test,
    scheme_of,
)

L63 = "a" * 63

URLS = [
    "http://example.com",
    "https://example.com",
    "ftp://example.com/x",
    "ftps://example.com",
    "HTTP://EXAMPLE.COM",
    "hTtPs://example.com",
    "https://www.example.nl/a/b?c=d#e",
    "http://example.com?a",
    "http://example.com#a",
    "http://example.com/",
    "http://example.com/ë/\u2026",
    "http://example.com/a\0b",
    "http://example.com.",
    "http://example.com.:80/",
    "http://a.bc",
    "http://a-b.c-d.ef",
    "http://a--b.nl",
    f"http://{L63}.nl",
    f"http://a.{L63}",
    "http://1.nl",
    "http://a.b-c",
    "http://example.xn--p1ai",
    "http://example.XN--p1ai",
    "http://xn--e1afmkfd.xn--80akhbyknj4f",
    "http://exämple.nl",
    "http://пример.рф",
    "http://उदाहरण.भारत",
    "http://例え.テスト",
    "http://\U00020bb7野家.jp",
    "http://localhost",
    "http://LocalHost/x",
    "http://localhost:8000/x",
    "http://127.0.0.1",
    "http://127.0.0.1:8000/x",
    "http://255.255.255.255",
    "http://001.02.3.4",
    "http://[::1]",
    "http://[::1]:8000/",
    "http://[2001:DB8::1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://user@example.com",
    "http://user:password@example.com:8080/x",
    "http://user:@example.com",
    "http://u!$&'()*+,;=%20é@example.com",
    "http://user:p?#[]@example.com",
    "http://example.com:80",
    "http://example.com:65536",
    "http://example.com:00",
    "http://example.com:99999/",
    "http://example.com/://",
    "http://example.com?x@y:z",
    f"http://{'a.' * 125}com",
    f"http://{'a' * 241}@example.com",
    f"http://example.com/{'a' * 100_000}",
]

NO_URLS = [
    "",
    "abc",
    "example.com",
    "//example.com",
    "http:example.com",
    "http:/example.com",
    "http//example.com",
    "://example.com",
    "javascript:alert(1)",
    "mailto:a@example.com",
    "file:///etc/passwd",
    "httpx://example.com",
    "http\u017f://example.com",
    " http://example.com",
    "http ://example.com",
    "http://",
    "http:///x",
    "http://?x",
    "http://.nl",
    "http://nl",
    "http://example",
    "http://example..com",
    "http://example.com..",
    "http://.example.com",
    "http://-example.com",
    "http://example-.com",
    "http://example.-com",
    "http://example.com-",
    "http://example.com-/x",
    f"http://{L63}a.nl",
    f"http://a.{L63}a",
    "http://example.c",
    "http://example.c1",
    "http://example.123",
    "http://example.xn--",
    "http://exa_mple.com",
    "http://exa mple.com",
    "http://exa\u2003mple.com",
    "http://exa\tmple.com",
    "http://exa%20mple.com",
    "http://exa\0mple.com",
    "http://localhost.",
    "http://localhoſt",
    "http://256.0.0.1",
    "http://127.0.0",
    "http://127.0.0.1.",
    "http://1.2.3.4.5",
    "http://0127.0.0.1",
    "http://[::1",
    "http://::1",
    "http://[]",
    "http://[1.2.3.4]",
    "http://[::1::]",
    "http://[fe80::1%25eth0]",
    "http://[::g]",
    "http://@example.com",
    "http://:password@example.com",
    "http://a@b@example.com",
    "http://a:b:c@example.com",
    "http://a/b@example.com:x",
    "http://us er@example.com",
    "http://example.com:",
    "http://example.com:8",
    "http://example.com:123456",
    "http://example.com:8o",
    "http://example.com:٨٠",
    "http://example.com:-80",
    "http://example.com /",
    "http://example.com/a b",
    "http://example.com/a\nb",
    "http://example.com/a\u2028b",
    "http://example.com/a\u00a0b",
    "http://example.com\\x",
    f"http://{'a.' * 126}com",
    f"http://{'a' * 242}@example.com",
    f"http://{'a.' * 124}com:8080",
]


@pytest.mark.parametrize("text", URLS)
def test_this_is_a_url(text):
    assert is_url(text)


@pytest.mark.parametrize("text", NO_URLS)
def test_this_is_no_url(text):
    assert not is_url(text)


@pytest.mark.parametrize(
    ("text", "scheme"),
    [("http://a", "http"), ("HTTPS://a", "https"), ("ftp:a", ""), ("a", ""), ("://a", "")],
)
def test_the_scheme_is_what_stands_before_two_slashes(text, scheme):
    assert scheme_of(text) == scheme


MAIL_ADDRESSES = [
    "a@example.nl",
    "a.b+c@sub.example.nl",
    "A@EXAMPLE.NL",
    "!#$%&'*+/=?^_`{|}~-0@example.nl",
    "a@a.bc",
    "a@a.b1",
    "a@a.12",
    "a@a-b.c-d",
    "a@a.-b",
    f"a@{L63}.nl",
    f"a@a.{L63}",
    "a@xn--e1afmkfd.xn--p1ai",
    "a@exämple.nl",
    "a@пример.рф",
    "a@उदाहरण.भारत",
    "a@localhost",
    "a@[127.0.0.1]",
    "a@[::1]",
    "a@[2001:DB8::1]",
    '""@example.nl',
    '"a b"@example.nl'.replace(" ", "\\ "),
    '"a\\\tb"@example.nl',
    '"a@b"@example.nl',
    '"a\\"b\\\\c"@example.nl',
    '"a..b"@example.nl',
    '"\x01\x08\x0b\x1f\x7f"@example.nl',
    f"{'a' * 300}@example.nl",
]

NO_MAIL_ADDRESSES = [
    "",
    "a",
    "@",
    "a@",
    "@example.nl",
    "a.example.nl",
    "a@b",
    "a@b.c",
    "a@b..nl",
    "a@.nl",
    "a@example.nl.",
    "a@-a.nl",
    "a@a-.nl",
    "a@a.nl-",
    f"a@{L63}a.nl",
    f"a@a.{L63}a",
    "a@exa_mple.nl",
    "a@exa mple.nl",
    "a@exa\u2003mple.nl",
    "a@example.nl\n",
    "a@LOCALHOST",
    "a@localhost.",
    "a@127.0.0.1.1.",
    "a@[256.0.0.1]",
    "a@[127.0.0]",
    "a@[IPv6:::1]",
    "a@[::g]",
    "a@[1::2::3]",
    "a@[]",
    "a@[127.0.0.1",
    "a@::1",
    ".a@example.nl",
    "a.@example.nl",
    "a..b@example.nl",
    "a b@example.nl",
    " @example.nl",
    "a@b@example.nl",
    "a(b)@example.nl",
    "a,b@example.nl",
    "ë@example.nl",
    "\u212a@example.nl",
    "a\0@example.nl",
    '"a b"@example.nl',
    '"a\tb"@example.nl',
    '"a\nb"@example.nl',
    '"a"b"@example.nl',
    '"a@example.nl',
    'a"@example.nl',
    '"a\\"@example.nl',
    '"a\\\nb"@example.nl',
    '"a\\\0b"@example.nl',
    '"ë"@example.nl',
    '"\\ë"@example.nl',
    '"a".b@example.nl',
]


@pytest.mark.parametrize("text", MAIL_ADDRESSES)
def test_this_is_a_mail_address(text):
    assert is_mail_address(text)


@pytest.mark.parametrize("text", NO_MAIL_ADDRESSES)
def test_this_is_no_mail_address(text):
    assert not is_mail_address(text)


@given(st.text())
def test_any_text_is_judged(text):
    assert is_url(text) in (True, False)
    assert is_url(f"http://{text}") in (True, False)
    assert is_mail_address(f"a@{text}") in (True, False)
    assert is_mail_address(f"{text}@example.nl") in (True, False)


@pytest.mark.parametrize(
    "text",
    [
        "http://" + "a." * 200_000,
        "http://" + "a-" * 200_000,
        "http://" + "1." * 200_000,
        "http://" + "a:" * 200_000,
        "http://[" + ":" * 400_000 + "]",
        "http://a:" + "b" * 400_000,
        "http://" + "xn--a." * 100_000,
    ],
)
def test_a_hostile_url_is_refused_without_endless_searching(text):
    assert not is_url(text)


@pytest.mark.parametrize(
    "text",
    [
        "a@" + "a." * 200_000,
        "a@" + "a-" * 200_000,
        "a." * 200_000 + "@example.nl",
        '"' + "\\a" * 200_000 + "@example.nl",
        "@" * 400_000,
    ],
)
def test_a_hostile_mail_address_is_refused_without_endless_searching(text):
    assert not is_mail_address(text)


@pytest.mark.parametrize("text", ["0", "0123456789"])
def test_ascii_digits_are_digits(text):
    assert is_digits(text)


@pytest.mark.parametrize("text", ["", "1a", "-1", "1.0", " 1", "１", "٣", "²"])
def test_anything_else_is_not(text):
    assert not is_digits(text)


@pytest.mark.parametrize("digits", ["111222333", "000000000", "123456782", "002564440"])
def test_these_numbers_pass_the_eleven_test(digits):
    assert passes_eleven_test(digits)


@pytest.mark.parametrize("digits", ["111222323", "000000001", "123456789", "100000000"])
def test_these_numbers_fail_the_eleven_test(digits):
    assert not passes_eleven_test(digits)


@given(st.integers(0, 99_999_999))
def test_at_most_one_last_digit_passes_the_eleven_test(number):
    assert sum(passes_eleven_test(f"{number:08}{last}") for last in range(10)) <= 1
