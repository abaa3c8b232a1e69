"""The table of fields as colander nodes."""

import re
from collections.abc import Iterable, Iterator

import colander

from ..model.fields import Field, Kind
from .faults import Rule
from .grammar import is_digits, is_mail_address, is_url, passes_eleven_test, scheme_of
from .types import Broken, Check, Choice, Integer, Object, Text, Texts


def object_node(fields: Iterable[Field]) -> colander.SchemaNode:
    """A node for a whole body of `fields`; read-only ones are ignored like unknown ones."""
    return colander.SchemaNode(Object(nullable=False), *_members(fields))


def field_node(field: Field) -> colander.SchemaNode:
    """A node for one field. It is left out of the result when it was not sent."""
    missing = colander.required if field.required and not field.generated else colander.drop
    return colander.SchemaNode(
        _type_of(field), *_children_of(field), name=field.name, missing=missing
    )


def _members(fields: Iterable[Field]) -> Iterator[colander.SchemaNode]:
    return (field_node(field) for field in fields if not field.read_only)


def _children_of(field: Field) -> Iterator[colander.SchemaNode]:
    if field.kind is Kind.TEXTS:
        return iter([colander.SchemaNode(_text(field))])
    return _members(field.fields)


def _type_of(field: Field) -> colander.SchemaType:
    match field.kind:
        case Kind.OBJECT:
            return Object(nullable=field.nullable or field.null_ignored)
        case Kind.TEXTS:
            return Texts(nullable=False)
        case Kind.INTEGER:
            return Integer(nullable=field.nullable, checks=tuple(_range_checks(field)))
        case Kind.CHOICE:
            # Where null does not stand for "nothing given", an empty text does.
            blank = () if field.nullable else ("",)
            return Choice((*field.choices, *blank), nullable=field.nullable)
        case _:
            return _text(field)


def _text(field: Field) -> Text:
    return Text(blank=not field.min_length, checks=tuple(_text_checks(field)))


def _text_checks(field: Field) -> Iterator[Check[str]]:
    match field.kind:
        case Kind.URL:
            yield _url
        case Kind.EMAIL:
            yield _mail_address
        case Kind.ELEVEN_TEST:
            yield _eleven_test
        case Kind.A_NUMMER:
            yield _pattern(field.pattern or "", Rule.A_NUMMER)
    if field.max_length is not None:
        yield _max_length(field.max_length)
    if field.must_exist:
        yield _fetchable
    yield _no_nul


def _range_checks(field: Field) -> Iterator[Check[int]]:
    if field.minimum is not None:
        yield _min_value(field.minimum)
    if field.maximum is not None:
        yield _max_value(field.maximum)


def _url(text: str) -> Broken | None:
    return None if is_url(text) else Broken(Rule.URL)


def _fetchable(text: str) -> Broken | None:
    right = is_url(text) and scheme_of(text) in ("http", "https") and "\0" not in text
    return None if right else Broken(Rule.FETCHABLE)


def _mail_address(text: str) -> Broken | None:
    return None if is_mail_address(text) else Broken(Rule.MAIL_ADDRESS)


def _eleven_test(text: str) -> Broken | None:
    if not is_digits(text):
        return Broken(Rule.ONLY_DIGITS)
    if len(text) != 9:
        return Broken(Rule.NINE_DIGITS)
    return None if passes_eleven_test(text) else Broken(Rule.ELEVEN_TEST)


def _no_nul(text: str) -> Broken | None:
    return Broken(Rule.NO_NUL) if "\0" in text else None


def _max_length(limit: int) -> Check[str]:
    broken = Broken(Rule.MAX_LENGTH, limit)
    return lambda text: broken if len(text) > limit else None


def _pattern(pattern: str, rule: Rule) -> Check[str]:
    expression = re.compile(pattern)
    broken = Broken(rule)
    return lambda text: None if expression.fullmatch(text) else broken


def _min_value(limit: int) -> Check[int]:
    broken = Broken(Rule.MIN_VALUE, limit)
    return lambda number: broken if number < limit else None


def _max_value(limit: int) -> Check[int]:
    broken = Broken(Rule.MAX_VALUE, limit)
    return lambda number: broken if number > limit else None
