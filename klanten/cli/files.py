"""Files of klanten as arguments of a command."""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import orjson

from ..transfer.formats import NAMES, Format
from ..transfer.lines import Reject
from .output import Unusable

PIPE = Path("-")
SHOWN = 10
"""Rejected lines that are shown when they are not written to a file."""

Rejected = Callable[[Reject], None]

format_option = click.option(
    "--format",
    "format_name",
    type=click.Choice(NAMES),
    help="Format of FILE, when its name does not tell; needed for a pipe.",
)


def format_of(path: Path, name: str | None) -> Format:
    """The format of a file. Raises `click.BadParameter` when neither name tells."""
    try:
        return Format.of(f"-.{name}" if name else path.name)
    except ValueError:
        known = ", ".join(f".{name}" for name in NAMES)
        wanted = "a pipe needs --format" if path == PIPE else f"its name must end in one of {known}"
        raise click.BadParameter(f"{path}: {wanted}.", param_hint="FILE") from None


@contextlib.contextmanager
def rejected_to(path: Path | None, source: Path | None = None) -> Iterator[Rejected]:
    """What to tell of rejected lines: a file, else standard error, which shows the first."""
    if path is None:
        numbers: set[int] = set()

        def show(reject: Reject) -> None:
            numbers.add(reject.number)
            if len(numbers) <= SHOWN:
                click.echo(str(reject), err=True)

        yield show
        if len(numbers) > SHOWN:
            click.echo(f"... --rejects FILE writes all {len(numbers):,} bad lines down.", err=True)
        return
    with _unusable_unless_written(path):
        if source and path.exists() and source.exists() and os.path.samefile(path, source):
            raise click.UsageError(f"--rejects {path} is the file that is read.")
        file = path.open("wb", buffering=0)  # so that a full disk is noticed here

    def write(reject: Reject) -> None:
        with _unusable_unless_written(path):
            file.write(orjson.dumps(reject.as_dict()) + b"\n")

    with file:
        yield write


@contextlib.contextmanager
def _unusable_unless_written(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as fault:
        raise Unusable(f"{path} can't be written: {fault.strerror}") from fault
