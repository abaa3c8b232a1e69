"""Strict JSON types for colander.

colander's own types are made for forms: they take "no" for true, 5.7 for 5, and both null and
"" for an absent value. These tell all of those apart, and report every rule that a value breaks.
"""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

import colander

from .faults import NON_FIELD_ERRORS, Fault, Rule


class Broken(NamedTuple):
    """A rule that a value breaks; what `colander.Invalid.msg` lists here."""

    rule: Rule
    limit: object = None


Value = TypeVar("Value", str, int)
Check = Callable[[Value], Broken | None]
"""Looks at a value for one rule (at a text only when it is not empty); None when it is right."""

_NON_FIELD_ERRORS = colander.SchemaNode(colander.String(), name=NON_FIELD_ERRORS)


def faults_of(invalid: colander.Invalid) -> Iterator[Fault]:
    """Every fault that a `colander.Invalid` of these types holds, with the path of its field."""
    return _faults(invalid, ())


def _faults(invalid: colander.Invalid, above: tuple[str, ...]) -> Iterator[Fault]:
    step = str(invalid.pos) if invalid.positional else invalid.node.name
    path = (*above, step) if step else above
    for rule, limit in invalid.messages():
        yield rule.broken_at(".".join(path) or NON_FIELD_ERRORS, limit)
    for child in invalid.children:
        yield from _faults(child, path)


class _Strict:
    """An absent value is a fault where one is required, and null where it is not right."""

    def __init__(self, *, nullable: bool) -> None:
        super().__init__()
        self._nullable = nullable

    def deserialize(self, node: colander.SchemaNode, cstruct: Any) -> Any:
        if cstruct is colander.null:
            raise colander.Invalid(node, [Broken(Rule.REQUIRED)])
        if cstruct is None:
            if self._nullable:
                return None
            raise colander.Invalid(node, [Broken(Rule.NOT_NULL)])
        return self._read(node, cstruct)

    def _read(self, node: colander.SchemaNode, value: Any) -> Any:
        """The right form of a value that is there and not null."""


class Text(_Strict, colander.SchemaType):
    """A text without white space around it; a JSON number is taken as Python writes it."""

    def __init__(self, *, blank: bool = True, checks: Sequence[Check[str]] = ()) -> None:
        super().__init__(nullable=False)
        self._blank = blank
        self._checks = tuple(checks)

    def _read(self, node: colander.SchemaNode, value: Any) -> str:
        text = _written(value)
        if text is None:
            raise colander.Invalid(node, [Broken(Rule.TEXT)])
        text = text.strip()
        if text:
            _refuse_broken(node, text, self._checks)
        elif not self._blank:
            raise colander.Invalid(node, [Broken(Rule.NOT_BLANK)])
        return text


class Choice(_Strict, colander.SchemaType):
    """One of a list of texts, exactly as it is there."""

    def __init__(self, choices: Collection[str], *, nullable: bool) -> None:
        super().__init__(nullable=nullable)
        self._choices = frozenset(choices)
        self._broken = Broken(Rule.CHOICE, ", ".join(filter(None, choices)))

    def _read(self, node: colander.SchemaNode, value: Any) -> str:
        if not isinstance(value, str) or value not in self._choices:
            raise colander.Invalid(node, [self._broken])
        return value


class Integer(_Strict, colander.SchemaType):
    """A whole number, also as a text or with a point and zeros: what Python's int() takes."""

    _MAX_TEXT = 1000
    _POINT_AND_ZEROS = re.compile(r"\.0*\s*\Z")

    def __init__(self, *, nullable: bool, checks: Sequence[Check[int]] = ()) -> None:
        super().__init__(nullable=nullable)
        self._checks = tuple(checks)

    def _read(self, node: colander.SchemaNode, value: Any) -> int:
        number = self._whole_number(node, value)
        _refuse_broken(node, number, self._checks)
        return number

    def _whole_number(self, node: colander.SchemaNode, value: Any) -> int:
        if isinstance(value, str) and len(value) > self._MAX_TEXT:
            raise colander.Invalid(node, [Broken(Rule.MAX_STRING_LENGTH, self._MAX_TEXT)])
        try:
            return int(self._POINT_AND_ZEROS.sub("", _written(value) or ""))
        except ValueError:
            raise colander.Invalid(node, [Broken(Rule.INTEGER)]) from None


class Texts(_Strict, colander.Sequence):
    """A list; its items are judged by the one child of the node."""

    def _read(self, node: colander.SchemaNode, value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise colander.Invalid(node, [Broken(Rule.LIST)])
        texts: list[Any] = colander.Sequence.deserialize(self, node, value)
        return texts


class Object(_Strict, colander.Mapping):
    """A JSON object; members that the node has no child for are ignored."""

    def _read(self, node: colander.SchemaNode, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            refused = colander.Invalid(node)
            refused.add(colander.Invalid(_NON_FIELD_ERRORS, [Broken(Rule.OBJECT)]))
            raise refused
        members: dict[str, Any] = colander.Mapping.deserialize(self, node, value)
        return members


def _refuse_broken(node: colander.SchemaNode, value: Value, checks: Sequence[Check[Value]]) -> None:
    if broken := [found for check in checks if (found := check(value))]:
        raise colander.Invalid(node, broken)


def _written(value: Any) -> str | None:
    """A text, or a number as Python writes it; None for any other JSON value."""
    if isinstance(value, str):
        return value
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return str(value) if is_number else None
