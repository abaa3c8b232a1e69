"""`klanten check`: what an operator must know, in one table."""

import dataclasses
import json
import sys
from collections.abc import Iterable
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..checkup import DATABASE, Finding, State, examine, examine_ini
from ..outgoing.location import Location, LocationError
from ..settings import Settings
from .databases import quiet
from .output import printing

WIDE = 10_000
STYLES = {State.RIGHT: "green", State.WRONG: "bold red", State.SKIPPED: "dim"}


def a_url(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """An http or https URL. Raises `click.BadParameter`."""
    if value is not None:
        try:
            Location.parse(value)
        except LocationError as fault:
            raise click.BadParameter(
                f"{fault}; write for instance https://example.nl/api/v1"
            ) from None
    return value


@click.command()
@click.argument("ini", type=click.Path(path_type=Path))
@click.option("--url", callback=a_url, help="Root of the API as callers know it, to be fetched.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
@click.pass_context
def check(ctx: click.Context, ini: Path, url: str | None, as_json: bool) -> None:
    """Look whether the service of INI has all that it needs, and say what to do if not.

    Nothing is changed, and the server may be running. Exit status 1 when something is wrong, 3 when
    the database can't be opened.
    """
    settings = Settings.from_ini(ini)
    with quiet():
        findings = [*examine_ini(ini), *examine(settings, url)]
    with printing():
        if as_json:
            click.echo(as_object(findings))
        elif sys.stdout is not None:
            # folded on a terminal only: a program would find paths in pieces
            console = Console(width=None if sys.stdout.isatty() else WIDE)
            console.print(as_table(findings))
    ctx.exit(_status({finding.subject for finding in findings if finding.state is State.WRONG}))


def _status(wrong: set[str]) -> int:
    return 3 if DATABASE in wrong else int(bool(wrong))


def as_object(findings: Iterable[Finding]) -> str:
    """One JSON object with all findings."""
    found = [dataclasses.asdict(finding) for finding in findings]
    is_right = not any(finding["state"] is State.WRONG for finding in found)
    return json.dumps({"ok": is_right, "findings": found}, ensure_ascii=False, indent=2)


def as_table(findings: Iterable[Finding]) -> Table:
    """The findings; below one that asks for it, what to do."""
    table = Table("", "looked at", "found", box=None, pad_edge=False, header_style="dim")
    for finding in findings:
        found = Text(finding.what, overflow="fold")
        if finding.mend:
            found.append(f"\n-> {finding.mend}", "bold" if finding.state is State.WRONG else "")
        table.add_row(Text(finding.state, STYLES[finding.state]), finding.subject, found)
    return table
