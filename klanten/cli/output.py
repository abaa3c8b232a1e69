"""What commands say: results on standard output, how far they are on standard error."""

import contextlib
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

# What is done within a second needs no bar.
PATIENCE = 1.0

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object instead of text."
)


class Unusable(click.ClickException):
    """Something that was given to the command can't be used."""

    exit_code = 2


def say(result: dict[str, Any], text: str, as_json: bool) -> None:
    """Print the result of a command, for programs or for people."""
    click.echo(json.dumps(result, ensure_ascii=False) if as_json else text)


class Meter:
    """A line that tells how many klanten were done, and how fast."""

    def __init__(self, progress: Progress | None, of: float | None) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=of, count="", rate="") if progress else None
        self._start = time.monotonic()

    def show(self, count: int, done: float | None = None) -> None:
        """So many klanten were done: this much of the whole (the klanten, unless told)."""
        if self._progress is None or self._task is None:
            return
        rate = count / max(time.monotonic() - self._start, 1e-6)
        self._progress.update(
            self._task,
            completed=count if done is None else done,
            count=f"{count:,} klanten",
            rate=f"{rate:,.0f} a second",
        )


@contextlib.contextmanager
def metered(of: float | None = None) -> Iterator[Meter]:
    """A meter on a terminal, when it takes longer than a second; else one that shows nothing.

    `of` is the whole; None when nobody knows.
    """
    if not sys.stderr.isatty():
        yield Meter(None, of)
        return
    columns = (
        SpinnerColumn(),
        BarColumn(),
        TextColumn("{task.fields[count]}"),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
    )
    progress = Progress(*columns, console=Console(stderr=True), transient=True)
    timer = threading.Timer(PATIENCE, progress.start)
    timer.start()
    try:
        yield Meter(progress, of)
    finally:
        timer.cancel()
        timer.join()
        progress.stop()


@contextlib.contextmanager
def interruptible(what: Callable[[], str]) -> Iterator[None]:
    """Ctrl-C ends with a line that says what was done, and the status that shells give it."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo(f"Interrupted. {what()}", err=True)
        click.get_current_context().exit(130)
