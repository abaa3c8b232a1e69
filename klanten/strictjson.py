"""Reading JSON as RFC 8259 has it, within bounds of depth and time.

The standard library's reader is too kind in places: it takes NaN and Infinity, turns 1e400 into
infinity, accepts halves of surrogate pairs that can never be written out again as UTF-8, and
descends as deep as the stack allows. (orjson is strict, but turns integers of more than 64 bits
into floats, so that their digits are lost.)
"""

import json
import math
import re
from itertools import accumulate
from typing import Any, NoReturn

MAX_DEPTH = 500
"""Levels of lists and objects, not counting the object that is the body itself."""

_KEPT_DIGITS = 1100

_BETWEEN_BRACKETS = re.compile(r'"(?:[^"\\]++|\\(?:.|\Z))*+"?|[^"\[\]{}]++', re.DOTALL)
_ESCAPE = re.compile(
    r"""\\(?:
        u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}
        | (?P<lone>u[dD][89a-fA-F][0-9a-fA-F]{2})
        | .
    )""",
    re.DOTALL | re.VERBOSE,
)
_STEP = {"[": 1, "{": 1, "]": -1, "}": -1}


class NotJson(ValueError):
    """The bytes are no JSON, or JSON that we do not accept."""


def loads(body: bytes, lone_surrogates: bool = False) -> Any:
    """The value that `body` stands for; with `lone_surrogates` its texts may hold halves of pairs.

    Of a repeated key the last value counts. Integers are exact; of one with more digits than any
    field may hold only the first are kept, since reading all takes quadratic time.

    Raises:
        NotJson: `body` is not UTF-8 or has a byte order mark; is no JSON (RFC 8259); holds NaN,
            Infinity, a number beyond a double or (unless allowed) half a surrogate pair; or is
            nested too deep.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise NotJson("not UTF-8") from error
    if _is_too_deep(text):
        raise NotJson(f"more than {MAX_DEPTH} levels of nesting")
    if not lone_surrogates and _has_lone_surrogate(text):
        raise NotJson("half of a surrogate pair")
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise NotJson(str(error)) from error


def _is_too_deep(text: str) -> bool:
    # Most bodies have few brackets: counting them all is enough, and fast.
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return False
    brackets = _BETWEEN_BRACKETS.sub("", text)
    limit = MAX_DEPTH + brackets.startswith("{")
    return any(depth > limit for depth in accumulate(map(_STEP.__getitem__, brackets)))


def _has_lone_surrogate(text: str) -> bool:
    # Only an escape can make one, since strict UTF-8 holds none. Looked for in the text and not
    # in the result, where the earlier values of a repeated key are gone.
    return any(escape["lone"] for escape in _ESCAPE.finditer(text))


def _integer(digits: str) -> int:
    return int(digits[:_KEPT_DIGITS])


def _double(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise NotJson("a number beyond a double")
    return number


def _refuse_constant(name: str) -> NoReturn:
    raise NotJson(f"{name} is no JSON")


_DECODER = json.JSONDecoder(
    parse_int=_integer, parse_float=_double, parse_constant=_refuse_constant
)
