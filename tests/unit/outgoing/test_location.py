import pytest

from klanten.outgoing.location import Location, LocationError

ROOT = Location.parse("https://register.example.nl/api/v1")


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("HTTP://Example.NL", "http://example.nl:80/"),
        ("https://example.nl", "https://example.nl:443/"),
        ("http://example.nl:8080/a?b=c#d", "http://example.nl:8080/a?b=c"),
        ("http://user:pass@example.nl/a", "http://example.nl:80/a"),
        ("http://user@elsewhere.nl@example.nl/a", "http://example.nl:80/a"),
        ("http://example.nl/a/./b/../c", "http://example.nl:80/a/c"),
        ("http://example.nl/é%c3%a9?é", "http://example.nl:80/%C3%A9%C3%A9?%C3%A9"),
        ("http://example.nl/100%", "http://example.nl:80/100%25"),
        ("http://example.nl/a b\r\nc", "http://example.nl:80/a%20b%0D%0Ac"),
        ("http://example.nl\\@127.0.0.1/", "http://example.nl:80/%5C@127.0.0.1/"),
        ("http://Juinén.example/", "http://xn--juinn-esa.example:80/"),
        ("http://[0:0::1]:81/", "http://[::1]:81/"),
        ("http://[::FFFF:127.0.0.1]/", "http://[::ffff:7f00:1]:80/"),
        ("http://0x7F.1/", "http://0x7f.1:80/"),
        ("http://example.nl./", "http://example.nl.:80/"),
        ("http://example.nl?", "http://example.nl:80/?"),
    ],
)
def test_url_is_brought_into_one_spelling(url, same):
    assert Location.parse(url).url == same


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.nl",
        "//example.nl/",
        "ftp://example.nl/",
        "file:///etc/passwd",
        "http:///path",
        "http://",
        "http://:80/",
        "http://user@/",
        "http://example.nl:0/",
        "http://example.nl:65536/",
        "http://example.nl:99999999999/",
        "http://example.nl:a/",
        "http://example.nl:80:80/",
        "http://exa mple.nl/",
        "http://exa\nmple.nl/",
        "http://exa%6dple.nl@/",
        "http://%31%32%37.0.0.1%2f/",
        "http://.example/",
        "http://a..example/",
        "http://./",
        "http://[::1/",
        "http://[::1]x/",
        "http://[fe80::1%25eth0]/",
        "http://[12345::]/",
        "http://☃.example/",
        "http://" + "é" * 64 + ".example/",
        "http://1２7.0.0.1/",
    ],
)
def test_url_that_names_no_place_is_refused(url):
    with pytest.raises(LocationError):
        Location.parse(url)


def test_lone_surrogate_in_a_url_stays_within_percent_encoding():
    assert Location.parse("http://example.nl/\ud800").target.isascii()


@pytest.mark.parametrize(
    ("reference", "url"),
    [
        ("/x", "https://register.example.nl:443/x"),
        ("x", "https://register.example.nl:443/api/x"),
        ("?x", "https://register.example.nl:443/api/v1?x"),
        ("//other.example/x", "https://other.example:443/x"),
        ("http://other.example", "http://other.example:80/"),
        ("../../../x", "https://register.example.nl:443/x"),
        ("", "https://register.example.nl:443/api/v1"),
    ],
)
def test_redirect_counts_from_where_it_was_given(reference, url):
    assert ROOT.joined(reference).url == url


@pytest.mark.parametrize("reference", ["http://[", "ftp://example.nl/", "javascript:alert(1)"])
def test_redirect_to_nowhere_is_refused(reference):
    with pytest.raises(LocationError):
        ROOT.joined(reference)


@pytest.mark.parametrize(
    "url",
    [
        "https://register.example.nl/api/v1",
        "https://register.example.nl/api/v1/",
        "https://register.example.nl/api/v1/personen/1?a=/../..",
        "https://REGISTER.example.nl:443/api/v1/x",
        "https://register.example.nl./api/v1/x",
        "https://user@register.example.nl/api/v1/x",
        "https://register.example.nl/other/../api/v1/x",
        "https://register.example.nl/api/v1/a..b/.hidden/100%25",
    ],
)
def test_url_below_the_root_lies_under_it(url):
    assert Location.parse(url).lies_under(ROOT)


@pytest.mark.parametrize(
    "url",
    [
        "http://register.example.nl/api/v1/x",
        "http://register.example.nl:443/api/v1/x",
        "https://register.example.nl:8443/api/v1/x",
        "https://register.example.nl.evil.example/api/v1/x",
        "https://evil.example/api/v1/x",
        "https://register.example.nl@evil.example/api/v1/x",
        "https://evil.example\\@register.example.nl/api/v1/x",
        "https://register.example.nl/api/v10/x",
        "https://register.example.nl/API/v1/x",
        "https://register.example.nl/",
        "https://register.example.nl/api/v1/../x",
        "https://register.example.nl/api/v1/%2e%2e/x",
        "https://register.example.nl/api/v1/.%2E/x",
        "https://register.example.nl/api/v1/..%2fx",
        "https://register.example.nl/api/v1/%252e%252e/x",
        "https://register.example.nl/api/v1/%25252e%25252e/x",
        "https://register.example.nl/api/v1/%2525252525252e./x",
        "https://register.example.nl/api/v1/..\\x",
        "https://register.example.nl/api/v1/..;a=b/x",
        "https://register.example.nl/api/v1/..%20/x",
    ],
)
def test_url_that_may_lead_out_of_the_root_does_not_lie_under_it(url):
    assert not Location.parse(url).lies_under(ROOT)


def test_everything_on_its_host_lies_under_a_root_without_path():
    root = Location.parse("http://register.example.nl")
    assert Location.parse("http://register.example.nl/x").lies_under(root)
    assert Location.parse("http://register.example.nl").lies_under(root)
    assert not Location.parse("http://register.example.nl/%2e%2e/x").lies_under(root)
