"""As much of PromQL as the alerts and the dashboard use: whether they parse, and what they give.

`parse` reads an expression, `evaluate` gives its value over what was scraped. Anything that is not
known is an error, so that a test can't pass by not understanding.
"""

import math
import operator
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

Labels = frozenset[tuple[str, str]]
Vector = dict[Labels, float]
"""Labels, the name of the metric left out, -> value."""


class PromqlError(Exception):
    """The expression is no PromQL, or more than is known here."""


@dataclass
class Scrapes:
    """What was scraped: (second, name, labels) -> value, with the labels that Prometheus adds."""

    instance: str = "127.0.0.1:8080"
    samples: dict[float, dict[str, Vector]] = field(default_factory=dict)

    def add(self, second: float, text: str | None) -> None:
        """The answer of /metrics at a moment; None when there was none."""
        found: dict[str, Vector] = {}
        target = {("job", "klanten"), ("instance", self.instance)}
        found["up"] = {frozenset(target): float(text is not None)}
        for family in text_string_to_metric_families(text or ""):
            for sample in family.samples:
                labels = frozenset(target | set(sample.labels.items()))
                found.setdefault(sample.name, {})[labels] = sample.value
        self.samples[second] = found

    @property
    def last(self) -> float:
        return max(self.samples)

    @property
    def names(self) -> set[str]:
        return {name for found in self.samples.values() for name in found}


# --- reading ------------------------------------------------------------------------------------

TOKEN = re.compile(
    r"""\s*(?: (?P<number>\d+(?:\.\d+)?(?:e[+-]?\d+)?)(?![a-z\d])
      | (?P<duration>\[\d+[smhd]\])
      | (?P<text>"(?:[^"\\]|\\.)*")
      | (?P<word>[a-zA-Z_:][\w:]*)
      | (?P<sign>=~|!~|!=|==|>=|<=|[-+*/<>=(){},])
    )""",
    re.VERBOSE,
)
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
PRIORITY = {
    "or": 1,
    **dict.fromkeys(("and", "unless"), 2),
    **dict.fromkeys(("==", "!=", ">", "<", ">=", "<="), 3),
    **dict.fromkeys(("+", "-"), 4),
    **dict.fromkeys(("*", "/"), 5),
}
AGGREGATIONS: dict[str, Callable[[list[float]], float]] = {
    "sum": sum,
    "max": max,
    "min": min,
    "avg": lambda values: sum(values) / len(values),
    "count": len,
}
FUNCTIONS = {"rate": 1, "increase": 1, "histogram_quantile": 2, "time": 0}


@dataclass(frozen=True)
class Number:
    value: float


@dataclass(frozen=True)
class Selector:
    name: str
    matchers: tuple[tuple[str, str, str], ...]
    window: float = 0.0


@dataclass(frozen=True)
class Call:
    name: str
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class Aggregation:
    name: str
    by: tuple[str, ...]
    inner: Any


@dataclass(frozen=True)
class Operation:
    sign: str
    left: Any
    right: Any


def parse(text: str) -> Any:
    """The tree of an expression. Raises `PromqlError`."""
    parser = Parser(list(tokens(text)))
    tree = parser.expression()
    if parser.rest:
        raise PromqlError(f"what comes behind {text!r}: {parser.rest}")
    return tree


def tokens(text: str) -> Iterator[tuple[str, str]]:
    text = text.strip()
    place = 0
    while place < len(text):
        found = TOKEN.match(text, place)
        if not found or not found.lastgroup:
            raise PromqlError(f"unreadable: {text[place:]!r}")
        yield found.lastgroup, found[found.lastgroup]
        place = found.end()


class Parser:
    """Reads tokens from the left."""

    def __init__(self, rest: list[tuple[str, str]]) -> None:
        self.rest = rest

    def peek(self) -> str:
        return self.rest[0][1] if self.rest else ""

    def take(self, expected: str = "", kind: str = "") -> str:
        if not self.rest or (expected and self.peek() != expected):
            raise PromqlError(f"{expected or kind} is missing at {self.rest}")
        found_kind, value = self.rest.pop(0)
        if kind and found_kind != kind:
            raise PromqlError(f"{value!r} is no {kind}")
        return value

    def expression(self, priority: int = 0) -> Any:
        left = self.operand()
        while PRIORITY.get(self.peek(), 0) > priority:
            sign = self.take()
            left = Operation(sign, left, self.expression(PRIORITY[sign]))
        return left

    def operand(self) -> Any:
        if self.peek() == "(":
            self.take("(")
            inner = self.expression()
            self.take(")")
            return inner
        if self.rest and self.rest[0][0] == "number":
            return Number(float(self.take()))
        name = self.take(kind="word")
        if name in AGGREGATIONS:
            by = self.by()
            return Aggregation(name, by, *self.arguments(1))
        if self.peek() == "(":
            if name not in FUNCTIONS:
                raise PromqlError(f"unknown function {name}")
            return Call(name, self.arguments(FUNCTIONS[name]))
        return self.selector(name)

    def by(self) -> tuple[str, ...]:
        if self.peek() != "by":
            return ()
        self.take("by")
        self.take("(")
        return tuple(self.list(lambda: self.take(kind="word"), ")"))

    def arguments(self, number: int) -> tuple[Any, ...]:
        self.take("(")
        found = tuple(self.list(self.expression, ")"))
        if len(found) != number:
            raise PromqlError(f"{number} arguments expected, not {found}")
        return found

    def selector(self, name: str) -> Selector:
        matchers: list[tuple[str, str, str]] = []
        if self.peek() == "{":
            self.take("{")
            matchers = self.list(self.matcher, "}")
        window = 0.0
        if self.rest and self.rest[0][0] == "duration":
            duration = self.take()
            window = float(duration[1:-2]) * SECONDS[duration[-2]]
        return Selector(name, tuple(matchers), window)

    def matcher(self) -> tuple[str, str, str]:
        name = self.take(kind="word")
        sign = self.take(kind="sign")
        if sign not in MATCHES:
            raise PromqlError(f"{sign} matches nothing")
        return name, sign, self.take(kind="text")[1:-1]

    def list(self, item: Callable[[], Any], end: str) -> list[Any]:
        found = []
        while self.peek() != end:
            found.append(item())
            if self.peek() != end:
                self.take(",")
        self.take(end)
        return found


def metrics_in(tree: Any) -> set[str]:
    """The names of the metrics that an expression uses."""
    return {part.name for part in _parts(tree) if isinstance(part, Selector)}


def labels_in(tree: Any) -> set[tuple[str, str]]:
    """(metric, label) for each label that an expression asks for."""
    return {
        (part.name, label)
        for part in _parts(tree)
        if isinstance(part, Selector)
        for label, _, _ in part.matchers
    }


def _parts(tree: Any) -> Iterator[Any]:
    yield tree
    match tree:
        case Call(arguments=inner):
            children: Iterable[Any] = inner
        case Aggregation(inner=inner):
            children = (inner,)
        case Operation(left=left, right=right):
            children = (left, right)
        case _:
            children = ()
    for child in children:
        yield from _parts(child)


# --- evaluating ---------------------------------------------------------------------------------

MATCHES: dict[str, Callable[[str, str], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "=~": lambda value, pattern: re.fullmatch(pattern, value) is not None,
    "!~": lambda value, pattern: re.fullmatch(pattern, value) is None,
}
COMPARISONS = {
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}
ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": lambda left, right: left / right if right else math.nan,
}


def evaluate(expression: str, scrapes: Scrapes) -> Vector:
    """The value of an expression at the last scrape; of an alert: what it fires for."""
    value = _value(parse(expression), scrapes)
    return value if isinstance(value, dict) else {frozenset(): value}


def _value(tree: Any, scrapes: Scrapes) -> Vector | float:
    match tree:
        case Number(value):
            return value
        case Selector(window=0.0):
            return _select(tree, scrapes, scrapes.last)
        case Call("time"):
            return scrapes.last
        case Call("rate" | "increase" as name, (Selector() as selector,)):
            return _growth(selector, scrapes, per_second=name == "rate")
        case Call("histogram_quantile", (Number(share), inner)):
            return _quantile(share, _vector(inner, scrapes))
        case Aggregation(name, by, inner):
            return _aggregate(AGGREGATIONS[name], by, _vector(inner, scrapes))
        case Operation(sign, left, right):
            return _operate(sign, _value(left, scrapes), _value(right, scrapes))
    raise PromqlError(f"no value: {tree}")


def _vector(tree: Any, scrapes: Scrapes) -> Vector:
    value = _value(tree, scrapes)
    if not isinstance(value, dict):
        raise PromqlError(f"a number instead of a vector: {tree}")
    return value


def _select(selector: Selector, scrapes: Scrapes, second: float) -> Vector:
    return {
        labels: value
        for labels, value in scrapes.samples[second].get(selector.name, {}).items()
        if all(
            MATCHES[sign](dict(labels).get(name, ""), wanted)
            for name, sign, wanted in selector.matchers
        )
    }


def _growth(selector: Selector, scrapes: Scrapes, per_second: bool) -> Vector:
    """As Prometheus does it: over a series that was there at two moments, a reset counted in."""
    if not selector.window:
        raise PromqlError(f"{selector.name} needs a window")
    moments = sorted(at for at in scrapes.samples if at > scrapes.last - selector.window)
    grown: Vector = {}
    for labels in _select(selector, scrapes, scrapes.last):
        values = [
            (at, found[labels])
            for at in moments
            if labels in (found := _select(selector, scrapes, at))
        ]
        if len(values) > 1:
            steps = pairwise(values)
            increase = sum(new - old if new >= old else new for (_, old), (_, new) in steps)
            grown[labels] = increase / (values[-1][0] - values[0][0]) if per_second else increase
    return grown


def _aggregate(how: Callable[[list[float]], float], by: tuple[str, ...], vector: Vector) -> Vector:
    groups: dict[Labels, list[float]] = {}
    for labels, value in vector.items():
        group = frozenset((name, text) for name, text in labels if name in by)
        groups.setdefault(group, []).append(value)
    return {labels: float(how(values)) for labels, values in groups.items()}


def _quantile(share: float, vector: Vector) -> Vector:
    """By linear interpolation within a bucket."""
    histograms: dict[Labels, list[tuple[float, float]]] = {}
    for labels, value in vector.items():
        bound = float(dict(labels)["le"])
        rest = frozenset(pair for pair in labels if pair[0] != "le")
        histograms.setdefault(rest, []).append((bound, value))
    return {labels: _rank(share, sorted(buckets)) for labels, buckets in histograms.items()}


def _rank(share: float, buckets: list[tuple[float, float]]) -> float:
    wanted = share * buckets[-1][1]
    below, count = 0.0, 0.0
    if not wanted:
        return math.nan
    for bound, cumulated in buckets:
        if cumulated >= wanted:
            if math.isinf(bound):
                return below
            return below + (bound - below) * (wanted - count) / (cumulated - count)
        below, count = bound, cumulated
    raise PromqlError("a histogram without +Inf")


def _operate(sign: str, left: Vector | float, right: Vector | float) -> Vector | float:
    if sign in ("and", "unless", "or"):
        assert isinstance(left, dict)
        assert isinstance(right, dict)
        if sign == "or":
            return right | left
        return {
            labels: value for labels, value in left.items() if (labels in right) == (sign == "and")
        }
    pairs = _pairs(left, right)
    if sign in COMPARISONS:
        return {
            labels: one for labels, (one, other) in pairs.items() if COMPARISONS[sign](one, other)
        }
    found = {labels: ARITHMETIC[sign](one, other) for labels, (one, other) in pairs.items()}
    return found if isinstance(left, dict) or isinstance(right, dict) else found[frozenset()]


def _pairs(left: Vector | float, right: Vector | float) -> dict[Labels, tuple[float, float]]:
    match left, right:
        case dict(), dict():
            return {labels: (left[labels], right[labels]) for labels in left.keys() & right.keys()}
        case dict(), _:
            return {labels: (value, right) for labels, value in left.items()}
        case _, dict():
            return {labels: (left, value) for labels, value in right.items()}
    return {frozenset(): (left, right)}
