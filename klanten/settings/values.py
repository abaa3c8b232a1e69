"""How the text of a setting is read; each reader raises ValueError("fault; mend")."""

import dataclasses
import ipaddress
import re
from pathlib import Path

from .origin import Origin

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# a century: much more would be before the first moment that ZODB knows
MOST_DAYS = 36_500


@dataclasses.dataclass(frozen=True)
class TimeOfDay:
    """A time of the day on the clock of this machine."""

    hour: int
    minute: int


def a_word(text: str, origin: Origin) -> str:
    if len(text.split()) != 1:
        raise ValueError(f"{text!r} is not one word; write for instance kc")
    return text


def a_boolean(text: str, origin: Origin) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(f"{text!r} is neither; write true or false")
    return text.lower() == "true"


def a_path(text: str, origin: Origin) -> Path:
    try:
        return origin.here / Path(text).expanduser()
    except RuntimeError:
        raise ValueError(f"{text!r} begins with a user who is not there; mend the path") from None


def a_database_uri(text: str, origin: Origin) -> str:
    """A zodburi URI; the path of a `file://` one counts from the ini file."""
    scheme, separator, rest = text.partition("://")
    if not separator:
        raise ValueError(
            "is no URI; write it as SCHEME://..., for instance file:///path/klanten.fs"
        )
    if scheme == "file" and not rest.startswith("/"):
        return f"file://{origin.here / rest}"
    return text


def _number(text: str, least: str = "0") -> float:
    try:
        number = float(text)
    except ValueError:
        raise ValueError(f"{text!r} is no number; write for instance 60") from None
    if not 0 <= number < 1e9:
        raise ValueError(f"{text!r} is out of range; use {least} to 1,000,000,000")
    return number


def seconds(text: str, origin: Origin) -> float:
    return _number(text)


def seconds_above_zero(text: str, origin: Origin) -> float:
    number = _number(text, least="more than 0, up")
    if not number:
        raise ValueError("must be more than 0; write for instance 5")
    return number


def days(text: str, origin: Origin) -> float:
    number = _number(text)
    if number > MOST_DAYS:
        raise ValueError(f"{text!r} is out of range; use 0 to {MOST_DAYS:,}")
    return number


def a_size(text: str, origin: Origin) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text[:12]) < 2**31):
        raise ValueError(f"{text!r} is no number of bytes; write for instance 1048576")
    return int(text)


def a_time_of_day(text: str, origin: Origin) -> TimeOfDay | None:
    if text == "never":
        return None
    found = re.fullmatch(r"([01][0-9]|2[0-3]):([0-5][0-9])", text)
    if not found:
        raise ValueError(f"{text!r} is no time of day; write for instance 03:30, or never")
    return TimeOfDay(int(found[1]), int(found[2]))


def networks(text: str, origin: Origin) -> tuple[Network, ...]:
    found = []
    for word in text.split():
        try:
            found.append(ipaddress.ip_network(word))
        except ValueError:
            raise ValueError(
                f"{word!r} is no network; write CIDR, separated by blanks: 127.0.0.0/8 ::1/128"
            ) from None
    return tuple(found)


def origins(text: str, origin: Origin) -> tuple[str, ...]:
    words = tuple(text.split())
    for word in words:
        if word != "*" and ("://" not in word or word.endswith("/")):
            raise ValueError(
                f"{word!r} is no origin; write * or for instance https://portaal.example.nl"
            )
    if "*" in words and len(words) > 1:
        raise ValueError("* stands beside other origins; write either * or a list")
    return words


def optional_fields(text: str, origin: Origin) -> frozenset[str]:
    fields = frozenset(text.split())
    if fields - {"websiteUrl"}:
        unknown = ", ".join(sorted(fields - {"websiteUrl"}))
        raise ValueError(f"{unknown} can't be made optional; only websiteUrl can")
    return fields


def a_log_format(text: str, origin: Origin) -> str:
    if text not in ("text", "json"):
        raise ValueError(f"{text!r} is no form of the log; write text or json")
    return text


LISTS = (networks, origins, optional_fields)
"""Those of which the text may be empty."""
