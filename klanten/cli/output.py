"""What commands say: results on standard output, how far they are on standard error."""

import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TextIO

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

# What is done within a second needs no bar.
PATIENCE = 1.0

INTERRUPTED = 130
"""The status that shells give Ctrl-C."""

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object instead of text."
)


class Unusable(click.ClickException):
    """Something that was given to the command can't be used."""

    exit_code = 2


def say(result: dict[str, Any], text: str, as_json: bool) -> None:
    """Print the result of a command, for programs or for people."""
    with printing():
        click.echo(readable(json.dumps(result, ensure_ascii=False) if as_json else text))


def mention(text: str) -> None:
    """Say something beside the result; the work goes on where nobody can be told."""
    try:
        click.echo(text, err=True)
    except OSError:
        _drop(sys.stderr)


@contextlib.contextmanager
def printing() -> Iterator[None]:
    """Where something is printed: on a full disk the command ends with one line."""
    try:
        yield
    except BrokenPipeError:  # whoever reads has enough
        raise
    except OSError as fault:
        _drop(sys.stdout)
        raise Unusable(f"standard output can't be written: {fault.strerror}") from fault


def _drop(stream: TextIO) -> None:
    """Let nothing more come of a stream, on which Python tries once more when it ends."""
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())


def readable(text: str) -> str:
    """A text of the command line, in which bytes that are no UTF-8 are shown as such."""
    return text.encode(errors="surrogateescape").decode(errors="replace")


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
    if sys.stderr is None or not sys.stderr.isatty():
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
def ended_by_sigterm() -> Iterator[None]:
    """A SIGTERM leaves as little behind as Ctrl-C does."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def interruptible(what: Callable[[], str]) -> Iterator[None]:
    """Ctrl-C ends with a line that says what was done, and the status that shells give it."""
    try:
        yield
    except KeyboardInterrupt:
        mention(f"Interrupted. {what()}")
        click.get_current_context().exit(INTERRUPTED)
