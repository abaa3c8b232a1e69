"""`klanten import`: klanten from a file."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO

import click

from ..evolve import check_version
from ..model.audittrail import Actie, Bewerking
from ..outgoing.door import Door
from ..outgoing.location import Location, LocationError
from ..outgoing.services import Services
from ..outgoing.subject import SubjectCheck
from ..schemas.klant import KlantSchemas, SubjectExists
from ..settings import Settings
from ..storage import Database, absent, file_of, lost, open_database, prepare
from ..transfer.importing import Import, Summary
from ..transfer.lines import Checker, Line
from ..transfer.table import NoTable
from ..transfer.transactions import Rehearsal, Transactions, reading
from .databases import opened
from .files import PIPE, format_of, format_option, rejected_to
from .output import Unusable, interruptible, json_option, metered, readable, say

APPLICATIE = "klanten import"
"""What the audittrail says who made the change."""
SUBJECTS_AT_A_TIME = 16

Ahead = Callable[..., Iterable[Any]]
"""As `map`; may look at several items at a time."""


@click.command(name="import")
@click.argument("ini", type=click.Path(path_type=Path))
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@format_option
@click.option(
    "--update", is_flag=True, help="Bring klanten that are there up to date, instead of skipping."
)
@click.option("--dry-run", is_flag=True, help="Do everything but keep it; also beside a server.")
@click.option(
    "--rejects",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write what is wrong with bad lines to this file, as JSON Lines with number, field, code "
    "and reason.",
)
@click.option("--check-subjects", is_flag=True, help="Fetch each `subject`, as the API does.")
@click.option("--notify", is_flag=True, help="Tell the Notificaties API; needs --api-root.")
@click.option(
    "--api-root",
    metavar="URL",
    help="Root of the API as its users know it, for the notifications.",
)
@click.option("--toelichting", help="The audittrail shows this; the name of the file unless told.")
@json_option
def import_(
    ini: Path,
    file: Path,
    format_name: str | None,
    update: bool,
    dry_run: bool,
    rejects: Path | None,
    check_subjects: bool,
    notify: bool,
    api_root: str | None,
    toelichting: str | None,
    as_json: bool,
) -> None:
    """Take in the klanten of FILE: JSON Lines (.jsonl) or CSV (.csv), packed with .gz or .zst
    behind it; - for standard input.

    Each line is a klant as the API shows it, with `uuid` in place of `url`; without one, that at
    the end of a `url` counts. A line without uuid and klantnummer that equals an earlier one counts
    as the same klant, a changed one as a new klant. Lines are checked as the API does; a bad one is
    reported and passed over, and then the exit status is 1. A klant that is there already, by its
    uuid or else by its bronorganisatie and klantnummer, is skipped, or with --update brought up to
    date: so a run that was interrupted is simply run again. Each klant gets one line in its
    audittrail, of the application "klanten import". An embedded database can't be served meanwhile.
    """
    settings = Settings.from_ini(ini)
    format = format_of(file, format_name)
    bewerking = Bewerking(
        Actie.CREATE,
        datetime.now(UTC),
        _checked_root(api_root, notify),
        applicatie_id=APPLICATIE,
        applicatie_weergave=APPLICATIE,
        toelichting=readable(f"Import van {file.name}" if toelichting is None else toelichting),
        notify=notify,
    )
    start = time.monotonic()
    with _source(file) as stream, contextlib.closing(format.read(stream)) as all_lines:
        with interruptible(lambda: "Nothing was read."):
            lines = _begun(file, all_lines)
        with (
            rejected_to(rejects, file, ini, file_of(settings.database_uri)) as reject,
            _subjects(settings, check_subjects) as (exists, ahead),
            _transactions(settings, dry_run, f"{APPLICATIE} {readable(file.name)}") as transactions,
        ):
            checker = Checker(KlantSchemas(settings.optional_fields), exists)
            run = Import(
                transactions, checker, bewerking, update=update, reject=reject, ahead=ahead
            )
            with interruptible(lambda: _left(run.summary, dry_run)), metered(_size(file)) as meter:
                for count in run.run(lines):
                    meter.show(count, stream.tell() if stream.seekable() else None)
    seconds = time.monotonic() - start
    result = {**asdict(run.summary), "seconds": round(seconds, 3)}
    say(result, _text(run.summary, seconds, dry_run), as_json)
    if run.summary.rejected:
        click.get_current_context().exit(1)


def _text(summary: Summary, seconds: float, dry_run: bool) -> str:
    counts = asdict(summary)
    read = counts.pop("read")
    told = ", ".join(f"{count:,} {what}" for what, count in counts.items())
    rate = read / max(seconds, 1e-6)
    text = f"{read:,} lines read: {told}; {seconds:.1f} seconds, {rate:,.0f} a second."
    return f"{text} Nothing was kept (--dry-run)." if dry_run else text


def _left(summary: Summary, dry_run: bool) -> str:
    if dry_run:
        return "Nothing was kept (--dry-run)."
    return f"The first {summary.read:,} lines are done; run it again for the others."


def _checked_root(api_root: str | None, notify: bool) -> str:
    if bool(api_root) != notify:
        raise click.UsageError("--notify and --api-root go together.")
    root = (api_root or "").rstrip("/")
    try:
        if root:
            Location.parse(root)
    except LocationError as fault:
        raise click.UsageError(f"--api-root: {fault}.") from None
    return root


def _size(file: Path) -> int | None:
    return file.stat().st_size if file.is_file() else None


@contextlib.contextmanager
def _source(file: Path) -> Iterator[BinaryIO]:
    if file == PIPE:
        if sys.stdin is None:
            raise Unusable("standard input is closed.")
        yield sys.stdin.buffer
        return
    try:
        stream = file.open("rb")
    except OSError as fault:
        raise Unusable(f"{file} can't be read: {fault.strerror}") from fault
    with stream:
        yield stream


def _begun(file: Path, lines: Iterator[Line]) -> Iterator[Line]:
    """The lines, of which the first is read now: no database is made for what is no table."""
    try:
        first = list(islice(lines, 1))
    except NoTable as fault:
        raise Unusable(f"{file} can't be read: {fault}") from None
    return chain(first, lines)


@contextlib.contextmanager
def _subjects(settings: Settings, check: bool) -> Iterator[tuple[SubjectExists, Ahead]]:
    """Says whether a subject exists, and how to ask for many."""
    if not check:
        yield lambda url: True, map
        return
    services = Services.read(settings.services) if settings.services else Services()
    pool = ThreadPoolExecutor(SUBJECTS_AT_A_TIME)
    try:
        with contextlib.closing(Door(settings.subject_allow_networks)) as door:
            subjects = SubjectCheck(door, settings.subject_timeout, services.subjects)
            yield subjects.exists, pool.map
    finally:
        pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _transactions(settings: Settings, dry_run: bool, note: str) -> Iterator[Transactions]:
    with _database(settings, dry_run) as database:
        kind = Rehearsal if dry_run else Transactions
        with contextlib.closing(kind(database, note)) as transactions:
            yield transactions


@contextlib.contextmanager
def _database(settings: Settings, dry_run: bool) -> Iterator[Database]:
    file = file_of(settings.database_uri)
    if dry_run and file is not None and absent(file) and not lost(file):
        # nothing is made: all that the real run will find is an empty database
        with contextlib.closing(open_database("memory://")) as database:
            yield database
        return
    with opened(settings, read_only=dry_run, new=not dry_run) as database:
        if dry_run:
            with reading(database) as tree:
                check_version(tree)
        else:
            prepare(database)
        yield database
