"""Measure, show and keep: python -m benchmarks --help"""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import click
from rich.console import Console

from . import choices, reading, results, sizes, writing
from .load import LoadFailed, need_wrk
from .plan import Plan
from .rows import Row
from .servers import CHECKOUT, Place

PARTS: dict[str, Callable[[Plan], Iterator[Row]]] = {
    "reading": reading.measure,
    "writing": writing.measure,
    "sizes": sizes.measure,
    "storages": choices.storages,
    "servers": choices.servers,
}


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--klanten", default=10_000, show_default=True, help="In the database.")
@click.option("--rounds", default=5, show_default=True, help="Of which the median counts.")
@click.option("--seconds", default=3, show_default=True, help="For each variant in a round.")
@click.option("--only", type=click.Choice(list(PARTS)), multiple=True, help="Of the parts.")
@click.option(
    "--cache",
    type=click.Path(path_type=Path),
    default=CHECKOUT / "var" / "bench",
    help="Folder of the filled databases; var/bench.",
)
@click.option("--keep/--no-keep", default=True, help="Keep the figures, in benchmarks/results.")
def main(
    klanten: int, rounds: int, seconds: int, only: tuple[str, ...], cache: Path, keep: bool
) -> None:
    """Measure klanten beside what it is built on.

    The figures are ratios of variants that take turns. Filled databases are made at the first run
    and kept; a million klanten take 1.5 GB. The table shows what was measured at this size, now
    and before; docs/performance.md gets the table of all sizes.
    """
    console = Console()
    rows: list[Row] = []
    try:
        need_wrk()
        for name in only or PARTS:
            console.print(f"{name} ...")
            rows += measured(PARTS[name], klanten, rounds, seconds, cache)
    except LoadFailed as fault:
        raise click.ClickException(str(fault)) from fault
    finally:
        if rows and keep:
            console.print(results.table(results.save(rows, klanten, rounds, seconds)))
            results.publish()
    if not keep:
        for row in rows:
            console.print(f"{row.measure}: {results.shown(row.value)} {row.note}", markup=False)


def measured(
    part: Callable[[Plan], Iterator[Row]], klanten: int, rounds: int, seconds: int, cache: Path
) -> list[Row]:
    """The rows of a part, with the files of its servers in a folder beside the databases."""
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="run-", dir=cache) as folder:
        plan = Plan(klanten, rounds, seconds, cache.resolve(), Place(Path(folder)))
        return list(part(plan))


if __name__ == "__main__":
    main()
