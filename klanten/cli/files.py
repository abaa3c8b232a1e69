"""Files of klanten as arguments of a command."""

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import click
import orjson

from ..transfer.formats import NAMES, Format
from ..transfer.lines import Reject
from .output import Unusable, mention

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
def rejected_to(path: Path | None, *others: Path | None) -> Iterator[Rejected]:
    """What to tell of rejected lines: a file, else standard error, which shows the first.

    Raises `click.UsageError` when the file is one of the others, which the command needs.
    """
    if path is None:
        numbers: set[int] = set()

        def show(reject: Reject) -> None:
            numbers.add(reject.number)
            if len(numbers) <= SHOWN:
                mention(str(reject))

        yield show
        if len(numbers) > SHOWN:
            mention(f"... --rejects FILE writes all {len(numbers):,} bad lines down.")
        return
    with _unusable_unless_written(path):
        refuse_any_of(others, path, "--rejects")
        file = path.open("wb", buffering=0)  # so that a full disk is noticed here

    def write(reject: Reject) -> None:
        with _unusable_unless_written(path):
            file.write(orjson.dumps(reject.as_dict()) + b"\n")

    with file:
        yield write


def refuse_any_of(needed: Iterable[Path | None], path: Path, what: str) -> None:
    """Refuse to write over a file that the command needs. Raises `click.UsageError`."""
    for other in needed:
        if other and (os.path.realpath(path) == os.path.realpath(other) or _same(path, other)):
            raise click.UsageError(f"{what} {path} is a file that the command needs.")


def _same(path: Path, other: Path) -> bool:
    with contextlib.suppress(OSError):  # one is not there, or where this user may not look
        return os.path.samefile(path, other)
    return False


@contextlib.contextmanager
def _unusable_unless_written(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as fault:
        raise Unusable(f"{path} can't be written: {fault.strerror}") from fault
