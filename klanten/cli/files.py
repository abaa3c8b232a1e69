"""Files of klanten as arguments of a command."""

from pathlib import Path

import click

from ..transfer.formats import NAMES, Format

PIPE = Path("-")

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
