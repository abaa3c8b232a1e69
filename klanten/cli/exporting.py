"""`klanten export`: the klanten as a file."""

import contextlib
import difflib
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlencode

import click

from ..model.fields import FILTERS
from ..schemas.faults import ValidationFailed
from ..schemas.query import read_query
from ..settings import Settings
from ..storage import file_of
from ..transfer.exporting import export as exported
from ..transfer.formats import Format, written
from ..transfer.table import Table
from .databases import stored
from .files import PIPE, format_of, format_option, refuse_any_of
from .output import (
    Unusable,
    ended_by_sigterm,
    interruptible,
    json_option,
    mention,
    metered,
    printing,
    say,
)

SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t"}


def read_filters(
    context: click.Context, parameter: click.Parameter, pairs: tuple[str, ...]
) -> dict[str, str]:
    """The filters as the API reads them; it ignores unknown ones, where a misspelt one would let
    everything out here."""
    known = [found.name for found in FILTERS]
    given = []
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise click.BadParameter(f"{pair!r} is not of the form NAME=VALUE.")
        given.append((name, value))
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            mend = f"did you mean {near[0]}?" if near else f"the filters are {', '.join(known)}."
            raise click.BadParameter(f"there is no filter {name!r}; {mend}")
    try:
        query = read_query(urlencode(given, errors="surrogateescape"))
    except ValidationFailed as failed:
        raise click.BadParameter(
            "; ".join(f"{fault.name}: {fault.code} ({fault.reason})" for fault in failed.faults)
        ) from None
    return dict(query.filters)


@click.command(name="export")
@click.argument("ini", type=click.Path(path_type=Path))
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--filter",
    "filters",
    metavar="NAME=VALUE",
    multiple=True,
    callback=read_filters,
    help="Only klanten with this value, for instance bronorganisatie=517439943; may be repeated. "
    "The names and rules are those of the API.",
)
@format_option
@click.option(
    "--separator",
    type=click.Choice(list(SEPARATORS)),
    help="Between the cells of a CSV file: comma unless told; spreadsheets in Dutch open "
    "semicolon.",
)
@json_option
def export(
    ini: Path,
    file: Path,
    filters: dict[str, str],
    format_name: str | None,
    separator: str | None,
    as_json: bool,
) -> None:
    """Write the klanten to FILE: JSON Lines (.jsonl) or CSV (.csv), packed with .gz or .zst behind
    it; - for standard output.

    Each line is a klant as the API shows it, with `uuid` in place of `url`, in the order of the
    list. `klanten import` reads the file. An embedded database can be exported while it is served.
    The file appears when it is complete, readable for its owner only.
    """
    if as_json and file == PIPE:
        raise click.UsageError("--json needs a FILE: standard output is for the klanten.")
    format = format_of(file, format_name)
    if separator:
        format = _separated(format, separator)
    settings = Settings.from_ini(ini)
    if file != PIPE:
        refuse_any_of((ini, file_of(settings.database_uri)), file, "FILE")
    start = time.monotonic()
    count = 0
    with (
        interruptible(lambda: _left(file, count)),
        ended_by_sigterm(),
        stored(settings) as (_, tree),
        _target(file) as to,
        metered(tree.search(filters).count) as meter,
    ):
        for count in exported(tree, filters, format, to):
            meter.show(count)
    seconds = time.monotonic() - start
    text = f"{count:,} klanten written in {seconds:.1f} seconds."
    if file == PIPE:
        mention(text)
    else:
        say({"written": count, "seconds": round(seconds, 3)}, text, as_json)


def _separated(format: Format, separator: str) -> Format:
    if not isinstance(format.layout, Table):
        raise click.UsageError("--separator is for CSV only.")
    return Format(Table(SEPARATORS[separator]), format.packing)


def _left(file: Path, count: int) -> str:
    kept = "" if file == PIPE else f"; {file} is as it was"
    return f"{count:,} klanten were read{kept}."


@contextlib.contextmanager
def _target(file: Path) -> Iterator[BinaryIO]:
    if file == PIPE:
        if sys.stdout is None:
            raise Unusable("standard output is closed.")
        with printing():
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
        return
    try:
        with written(file) as to:
            yield to
    except OSError as fault:
        raise Unusable(f"{file} can't be written: {fault.strerror or fault}") from fault
