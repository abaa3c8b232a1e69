"""What a text must look like to be a URL, a mail address or one of the Dutch numbers."""

import re
from ipaddress import AddressValueError, IPv6Address

# Which letters of other scripts a host may have changes by registry and by year, so everything
# beyond ASCII and the controls and blank that follow it passes.
_LETTER = r"A-Za-z\u00a1-\U0010ffff"
_ALNUM = rf"0-9{_LETTER}"

# Labels of a host name: 63 signs at most, and (but for a last label in a mail address) hyphens
# only inside. The last label has at least two signs.
_LABEL = rf"[{_ALNUM}](?:[{_ALNUM}-]{{0,61}}[{_ALNUM}])?"
_LAST_LABEL = rf"(?:[{_LETTER}][{_LETTER}-]{{0,61}}[{_LETTER}]|[xX][nN]--[0-9A-Za-z]{{1,59}})"
_LAST_MAIL_LABEL = rf"[{_ALNUM}-]{{1,62}}[{_ALNUM}]"

_IPV4_PART = r"(?:25[0-5]|2[0-4][0-9]|[01]?[0-9]?[0-9])"
_IPV4 = rf"{_IPV4_PART}(?:\.{_IPV4_PART}){{3}}"
_IPV6 = r"\[(?P<ipv6>[0-9A-Fa-f:.]+)\]"

_URL = re.compile(
    rf"""(?P<authority>
            (?: [^:@/]+ (?: :[^:@/]* )? @ )?
            (?: {_IPV4} | {_IPV6} | (?:{_LABEL}\.)+{_LAST_LABEL}\.? | (?ai:localhost) )
            (?: :[0-9]{{2,5}} )?
        )
        (?: [/?\#].* )?""",
    re.VERBOSE,
)
_URL_SCHEMES = frozenset({"http", "https", "ftp", "ftps"})
_MAX_AUTHORITY = 253

_ATOM = r"[0-9A-Za-z!#$%&'*+/=?^_`{|}~-]+"
_QUOTED = r'"(?:[^\0\t\n\r "\\\x80-\U0010ffff]|\\[^\0\n\r\x80-\U0010ffff])*"'
_LOCAL_PART = re.compile(rf"{_ATOM}(?:\.{_ATOM})*|{_QUOTED}")
_MAIL_DOMAIN = re.compile(rf"(?:{_LABEL}\.)+{_LAST_MAIL_LABEL}|localhost|\[{_IPV4}\]|{_IPV6}")
_WHITE_SPACE = re.compile(r"\s")


def scheme_of(url: str) -> str:
    """The scheme of a URL in lower case; "" when it has none."""
    scheme, separator, _ = url.partition("://")
    return scheme.lower() if separator else ""


def is_url(text: str) -> bool:
    """Whether `text` is an absolute URL of a web or file server with a plausible host."""
    if scheme_of(text) not in _URL_SCHEMES or _WHITE_SPACE.search(text):
        return False
    match = _URL.fullmatch(text.partition("://")[2])
    return (
        match is not None
        and len(match["authority"]) <= _MAX_AUTHORITY
        and _is_no_ipv6_or_a_right_one(match)
    )


def is_mail_address(text: str) -> bool:
    """Whether `text` is a mail address with a plausible domain."""
    local_part, _, domain = text.rpartition("@")
    match = None if _WHITE_SPACE.search(domain) else _MAIL_DOMAIN.fullmatch(domain)
    return (
        match is not None
        and _LOCAL_PART.fullmatch(local_part) is not None
        and _is_no_ipv6_or_a_right_one(match)
    )


def is_digits(text: str) -> bool:
    """Whether `text` consists of ASCII digits."""
    return text.isascii() and text.isdigit()


def passes_eleven_test(digits: str) -> bool:
    """Whether nine digits pass the eleven test of RSIN and BSN. 000000000 does."""
    weights = (9, 8, 7, 6, 5, 4, 3, 2, -1)
    return sum(weight * int(digit) for weight, digit in zip(weights, digits, strict=True)) % 11 == 0


def _is_no_ipv6_or_a_right_one(match: re.Match[str]) -> bool:
    if match["ipv6"] is None:
        return True
    try:
        IPv6Address(match["ipv6"])
    except AddressValueError:
        return False
    return True
