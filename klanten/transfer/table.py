"""Klanten as a table: CSV that a spreadsheet can open, change and save.

A nested field has a column of its own, with dots in the header (`adres.postcode`). What JSON tells
apart and a cell can't, is written so:

- an empty cell is null where the field can be null, else an empty text; `klantnummer` and `uuid`
  then count as not given;
- a nested object is null when all its cells are empty; one that is there with nothing filled in
  has `{}` in the column of its own name;
- a list is a JSON list in one cell;
- a text that a spreadsheet would calculate, or turn into a number, a date or a truth value, gets an
  apostrophe in front, which is taken away again when it is read. It harms nobody who opens the
  file, and the zeros of a BSN, long numbers and dates survive being saved. So does what would be
  calculated after a separator or line break inside a text, since a spreadsheet may split there.

A file begins with a byte order mark, by which spreadsheets know that it is UTF-8.
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO, NamedTuple, Self

from .. import strictjson
from ..model.fields import IDENTIFICATIE, KLANT, Field, Kind
from ..model.klant import Klant
from . import lines
from .lines import Line, unreadable

SEPARATORS = (",", ";", "\t")
PRESENT = "{}"
"""In the cell of a nested object in which nothing is filled in."""
MAX_ROW = 16 * 1024 * 1024
"""Signs of a row; a klant in JSON may have as many bytes."""

_MISREAD = r"""
    [=+\-@\t\r\n]                       # calculated (CSV injection), or a sign
    | 0[0-9]                            # loses its zeros
    | [0-9]{12}                         # shown, and saved, as 1.23E+11
    | [0-9]+ (?: \W | _ | [eE][0-9] )   # a date, a time, a fraction, an exponent
    | (?i: true | false | waar | onwaar ) \Z
"""
_TO_GUARD = re.compile(rf"'*(?:{_MISREAD})", re.VERBOSE)
_GUARDED = re.compile(rf"'+(?:{_MISREAD})", re.VERBOSE)
# Where a spreadsheet that splits at another separator, and then breaks rows inside cells, would
# find a formula. The quotes are no cell to it, but the beginning of one.
_AFTER, _FORMULA = r"(?<=[,;\t\r\n])", r"""(?=["']*[=+\-@])"""
_TO_GUARD_INSIDE = re.compile(_AFTER + _FORMULA)
_GUARDED_INSIDE = re.compile(f"{_AFTER}'{_FORMULA}")


class NoTable(Exception):
    """What is read is no table; the text is one line with the mend."""


class Table:
    """The layout of a `.csv` file; what is read may have any of the separators."""

    def __init__(self, separator: str = ",") -> None:
        self._writer = csv.writer(_Echo(), delimiter=separator)
        self.head = b"\xef\xbb\xbf" + self._written(HEADERS)

    def line(self, klant: Klant) -> bytes:
        """A klant as a row."""
        cells = dict(_cells(FIELDS, klant.body))
        return self._written([klant.uuid, *(cells.get(header, "") for header in HEADERS[1:])])

    def read(self, stream: BinaryIO) -> Iterator[Line]:
        """All rows but the empty ones. Raises `NoTable`."""
        # of its own accord the reader of CSV refuses cells of more than 128 KiB
        csv.field_size_limit(MAX_ROW)
        # a sign that is no UTF-8 is found again in its row
        text = io.TextIOWrapper(stream, "utf-8-sig", "surrogateescape", newline="")
        try:
            yield from _lines(text)
        finally:
            text.detach()

    def _written(self, cells: Sequence[str]) -> bytes:
        row: str = self._writer.writerow(cells)
        return row.encode()


class _Echo:
    """A file for a writer of CSV that gives back what is written."""

    def write(self, text: str) -> Any:
        return text


def _all_fields() -> tuple[Field, ...]:
    """The fields of a klant of any type, `subjectIdentificatie` with the members of all of them."""
    members = {
        field.name: field for identity in IDENTIFICATIE.values() for field in identity.fields
    }
    identity = Field(lines.IDENTIFICATIE, Kind.OBJECT, "", fields=tuple(members.values()))
    return (*(field for field in KLANT if not field.read_only), identity)


def _headers(fields: Iterable[Field], above: str = "") -> Iterator[str]:
    for field in fields:
        header = above + field.name
        # with a required member something is always filled in
        if not any(member.required for member in field.fields):
            yield header
        yield from _headers(field.fields, header + ".")


FIELDS = _all_fields()
HEADERS = (lines.UUID, *_headers(FIELDS))
_READ = (*HEADERS, lines.URL)
# A spreadsheet likes to begin a cell with a capital.
_SPELLING = {header.lower(): header for header in _READ}
# The byte order marks of UTF-16, as they look to those who read UTF-8.
_UTF_16 = ("\udcff\udcfe", "\udcfe\udcff")


# --- writing -------------------------------------------------------------------------------------


def guarded(text: str) -> str:
    """A text as it can be left to a spreadsheet."""
    inside = _TO_GUARD_INSIDE.sub("'", text)
    return "'" + inside if _TO_GUARD.match(text) else inside


def unguarded(cell: str) -> str:
    """The text that `guarded` was given."""
    inside = cell[1:] if _GUARDED.match(cell) else cell
    return _GUARDED_INSIDE.sub("", inside)


def _cells(
    fields: Iterable[Field], values: Mapping[str, Any], above: str = ""
) -> Iterator[tuple[str, str]]:
    for field in fields:
        value, header = values.get(field.name), above + field.name
        if not field.fields:
            yield header, _cell(value)
        elif value is not None:
            cells = dict(_cells(field.fields, value, header + "."))
            yield header, "" if any(cells.values()) else PRESENT
            yield from cells.items()


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return guarded(value)
    if isinstance(value, list):
        return guarded(json.dumps(value, ensure_ascii=False)) if value else ""
    return "" if value is None else str(value)


# --- reading -------------------------------------------------------------------------------------


class _Column(NamedTuple):
    """A field, the places of its cells in a row, and the columns of its members."""

    field: Field
    place: int | None
    below: list["_Column"]


def _lines(text: io.TextIOWrapper) -> Iterator[Line]:
    source = _Source(text)
    number = 1
    first = source.first()
    if told := re.fullmatch(r'sep=([^"\r\n])\s*', first):
        number, first = 2, source.first()
    separator = told[1] if told else max(SEPARATORS, key=first.count)
    headers = _named(first, separator)
    places = {header: place for place, header in enumerate(headers)}
    names = {name: places[name] for name in (lines.UUID, lines.URL) if name in places}
    columns = _columns(FIELDS, places)
    for row in source.rows(separator):
        number += 1
        if row is None:
            yield unreadable(number, "Deze rij is te lang, of een aanhalingsteken staat verkeerd.")
        elif any(row) and len(row) < len(headers) and source.is_cut:
            yield unreadable(number, "Deze rij is afgebroken.")
        elif any(row):
            yield _line(number, [cell.strip() for cell in row], len(headers), names, columns)


def _named(first: str, separator: str) -> list[str]:
    """The headers in the first line, known ones in our spelling.

    Raises `NoTable`.
    """
    if first.startswith(_UTF_16):
        raise NoTable("it is written in UTF-16; save it as CSV in UTF-8")
    try:
        cells = next(csv.reader([first], delimiter=separator, strict=True), [])
    except csv.Error:
        raise NoTable("in its first line a quote is not closed") from None
    headers = [_SPELLING.get(cell.strip().lower(), cell.strip()) for cell in cells]
    if not set(headers).intersection(_READ):  # nothing, or perhaps a klant
        raise NoTable("its first line names no columns; see one of an export")
    if twice := [header for header in _READ if headers.count(header) > 1]:
        raise NoTable(f"its first line names a column twice: {', '.join(twice)}")
    lines.tell_of_unknown("columns", (name for name in headers if name and name not in _READ))
    return headers


class _Source:
    """The rows of a text. None takes more memory than the longest that may be."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self._left = MAX_ROW
        self.is_cut = False
        """Whether the row just read has no end of a line: only the last of a file may."""

    def first(self) -> str:
        """The first line, or what may be read of it."""
        return self._text.readline(MAX_ROW)

    def rows(self, separator: str) -> Iterator[list[str] | None]:
        """The rows; None for one that is no CSV, as what a cell that was cut off swallows."""
        reader = csv.reader(self, delimiter=separator, strict=True)
        while True:
            self._left = MAX_ROW
            try:
                yield next(reader)
            except csv.Error:
                yield None
            except StopIteration:
                return

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        """A line; a row with line breaks in it has several."""
        line = self._text.readline(self._left + 1)
        if not line:
            raise StopIteration
        self._left -= len(line)
        self.is_cut = not line.endswith(("\r", "\n"))
        if self._left < 0:
            self._skip_from(line)
            raise csv.Error("too long")
        return line

    def _skip_from(self, part: str) -> None:
        while part and not part.endswith(("\r", "\n")):
            part = self._text.readline(MAX_ROW)


def _line(
    number: int,
    row: Sequence[str],
    width: int,
    names: Mapping[str, int],
    columns: Iterable[_Column],
) -> Line:
    if any(row[width:]):
        return unreadable(number, "Deze rij heeft meer cellen dan er kolommen zijn.")
    if not _is_utf8(row):
        return unreadable(number, "Deze rij is niet in UTF-8 geschreven.")
    # spreadsheets leave out empty cells
    row = [*row, *[""] * (width - len(row))]
    named = {name: row[place] for name, place in names.items() if row[place]}
    return Line(number, dict(_members(columns, row)) | named)


def _is_utf8(row: Iterable[str]) -> bool:
    try:
        "".join(row).encode()
    except UnicodeEncodeError:
        return False
    return True


def _columns(fields: Iterable[Field], places: Mapping[str, int], above: str = "") -> list[_Column]:
    columns = []
    for field in fields:
        header = above + field.name
        below = _columns(field.fields, places, header + ".")
        if below or header in places:
            columns.append(_Column(field, places.get(header), below))
    return columns


def _members(columns: Iterable[_Column], row: Sequence[str]) -> Iterator[tuple[str, Any]]:
    for field, place, below in columns:
        cell = "" if place is None else row[place]
        if field.fields:
            yield field.name, _object(field, cell, below, row)
        elif cell or not field.generated:
            yield field.name, _value(field, cell)


def _object(field: Field, cell: str, below: list[_Column], row: Sequence[str]) -> Any:
    if cell not in ("", PRESENT):
        return cell
    if not cell and not any(_filled(below, row)):
        return None
    return dict(_members(below, row))


def _filled(columns: Iterable[_Column], row: Sequence[str]) -> Iterator[bool]:
    for _, place, below in columns:
        yield place is not None and bool(row[place])
        yield from _filled(below, row)


def _value(field: Field, cell: str) -> Any:
    if not cell:
        return field.nothing
    text = unguarded(cell)
    if field.kind is Kind.TEXTS:
        return _list(text)
    return text


def _list(text: str) -> Any:
    try:
        return strictjson.loads(text.encode())
    except strictjson.NotJson:
        return text
