"""What may come in as the query of the list of klanten: filters and a page."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from operator import itemgetter
from urllib.parse import unquote_to_bytes, urlencode

import colander

from ..model.fields import FILTERS, Field, Filter, Kind
from .faults import Fault, Rule, ValidationFailed
from .nodes import field_node
from .types import faults_of

Parameters = tuple[tuple[bytes, bytes], ...]
"""Names and values in the order sent. Bytes, because they need not be UTF-8."""

_PAGE = b"page"
_PAGE_NUMBER = re.compile(rb"[0-9]{1,15}")
_VALIDATED = frozenset({"bronorganisatie", "subject", "subjectType"})


@dataclass(frozen=True)
class Query:
    """A query of the list."""

    filters: Mapping[str, str]
    """Name of the filter -> the value that a klant must have."""
    page: int | None
    """Number of the page, from 1; None when what was sent is no such number."""
    parameters: Parameters

    def page_link(self, list_url: str, number: int) -> str:
        """The URL of another page: this query with only its page changed.

        Args:
            list_url: absolute URL of the list, without a query.
            number: of the page; the first one is the list without `page`.
        """
        kept = [parameter for parameter in self.parameters if parameter[0] != _PAGE]
        if number > 1:
            kept.append((_PAGE, b"%d" % number))
        kept.sort(key=itemgetter(0))
        return f"{list_url}?{urlencode(kept)}" if kept else list_url


def read_query(query_string: str) -> Query:
    """Reads a query string, given as WSGI has it: its bytes as Latin-1.

    Of a repeated parameter the last value counts; unknown ones are ignored, readable or not.

    Raises:
        ValidationFailed: with every fault of every filter.
    """
    parameters = _parameters(query_string.encode("latin-1"))
    sent = dict(parameters)
    return Query(_filters(sent), _page_number(sent.get(_PAGE, b"1")), parameters)


def _parameters(query: bytes) -> Parameters:
    pairs = (part.partition(b"=") for part in query.split(b"&") if part)
    return tuple((_decoded(name), _decoded(value)) for name, _, value in pairs)


def _decoded(part: bytes) -> bytes:
    return unquote_to_bytes(part.replace(b"+", b" "))


def _filters(sent: Mapping[bytes, bytes]) -> dict[str, str]:
    filters: dict[str, str] = {}
    faults: list[Fault] = []
    for node in _FILTER_NODES:
        value = sent.get(node.name.encode())
        if not value:
            continue
        try:
            cleaned = node.deserialize(value.decode())
        except UnicodeDecodeError:
            faults.append(Rule.UTF8.broken_at(node.name))
        except colander.Invalid as invalid:
            faults.extend(faults_of(invalid))
        else:
            filters[node.name] = cleaned
    if faults:
        raise ValidationFailed(faults)
    return {name: value for name, value in filters.items() if value}


def _page_number(sent: bytes) -> int | None:
    number = int(sent) if _PAGE_NUMBER.fullmatch(sent) else 0
    return number or None


def _as_parameter(found: Filter) -> Field:
    """The field of a filter, as far as its rules hold for a value that is looked for."""
    kind = found.field.kind if found.name in _VALIDATED else Kind.TEXT
    return replace(
        found.field,
        name=found.name,
        kind=kind,
        required=False,
        min_length=None,
        max_length=None,
        must_exist=False,
    )


_FILTER_NODES = tuple(field_node(_as_parameter(found)) for found in FILTERS)
