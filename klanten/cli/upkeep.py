"""`klanten pack`, `verify`, `reindex` and `migrate`: keeping a database in order."""

import contextlib
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import click

from ..evolve import check_version, evolve, pending
from ..model.errors import DatabaseTooOld
from ..settings import Settings
from ..storage import DatabaseUnavailable, file_of, tree
from ..upkeep.control import TaskFailed, ask, socket_of
from ..upkeep.differences import differences, klanten_of
from ..upkeep.tasks import TASKS
from .databases import opened, stored
from .numbers import Between
from .output import interruptible, json_option, metered, say

# More than this nobody reads; --json has them all.
SHOWN = 100
# A century: ZODB counts its moments from 1900.
MOST_DAYS = 36_500

Steps = list[tuple[int, str]]

ini_argument = click.argument("ini", type=click.Path(path_type=Path))


def perform(settings: Settings, task: str, **options: Any) -> dict[str, Any]:
    """Do a task: the server that has the file of the database open does it, or this command.

    Raises `DatabaseUnavailable`.
    """
    file = file_of(settings.database_uri)
    with metered() as meter:
        if file is not None:
            # what is wrong with the file itself is told when it is opened
            with contextlib.suppress(FileNotFoundError, PermissionError, ConnectionRefusedError):
                return _asked(file, task, options, meter.show)
        with opened(settings) as database:
            return TASKS[task](database, meter.show, options)


def _asked(file: Path, task: str, options: dict[str, Any], show: Any) -> dict[str, Any]:
    try:
        with interruptible(lambda: f"The server that has {file} open goes on with it."):
            return ask(socket_of(file), task, options, show)
    except TaskFailed as fault:
        raise DatabaseUnavailable(f"the server that has {file} open: {fault}") from fault
    except TimeoutError as fault:
        raise DatabaseUnavailable(f"the server that has {file} open gives no answer") from fault


@click.command()
@ini_argument
@click.option("--days", type=Between(0, MOST_DAYS), help="Days of history to keep.")
@json_option
def pack(ini: Path, days: float | None, as_json: bool) -> None:
    """Give back the room of what was changed and deleted, while the service goes on.

    Keeps the history of `klanten.pack.days` unless told otherwise. Needs as much free space as the
    packed database takes.
    """
    settings = Settings.from_ini(ini)
    result = perform(settings, "pack", days=settings.pack_days if days is None else days)
    with stored(settings) as (database, _):
        result["size"] = database.getSize()
    say(result, f"Packed; the database has {result['size'] / 1e6:,.1f} MB now.", as_json)


@click.command()
@ini_argument
@json_option
@click.pass_context
def verify(ctx: click.Context, ini: Path, as_json: bool) -> None:
    """Look whether the database is whole: every way to every klant, every audittrail, the outbox.

    Changes nothing, and may run beside the server. Exit status 1 when there are differences;
    `reindex` mends most of them.
    """
    with stored(Settings.from_ini(ini)) as (_, root), metered(root.search({}).count) as meter:
        found = differences(root, meter.show)
        first = list(found if as_json else islice(found, SHOWN))
        more = sum(1 for _ in found)
        count = len(first) + more
        klanten = sum(1 for _ in klanten_of(root))
    lines = [f"{each.where} {each.key}: {each.what}" for each in first]
    if more:
        lines.append(f"... and {more:,} more; --json shows them all")
    lines.append(f"{klanten:,} klanten, {count:,} differences")
    result = {"klanten": klanten, "differences": [asdict(each) for each in first]}
    say(result, "\n".join(lines), as_json)
    ctx.exit(1 if count else 0)


@click.command()
@ini_argument
@json_option
@click.pass_context
def reindex(ctx: click.Context, ini: Path, as_json: bool) -> None:
    """Mend what `verify` finds, from the tree that owns the klanten, while everybody reads on.

    Exit status 1 when something is left that can't be mended, such as a broken audittrail.
    """
    result = perform(Settings.from_ini(ini), "reindex")
    text = f"{result['mended']:,} differences are mended, {result['left']:,} are left"
    say(result, text, as_json)
    ctx.exit(1 if result["left"] else 0)


@click.command()
@ini_argument
@click.option("--dry-run", is_flag=True, help="Only show what would be done.")
@json_option
def migrate(ini: Path, dry_run: bool, as_json: bool) -> None:
    """Bring the database to the schema version of this release. Stop the servers first.

    All steps are kept, or none. There is no way back but a backup.
    """
    settings = Settings.from_ini(ini)
    # the server has a file for itself, but may go on when there is nothing to do
    looking = dry_run or file_of(settings.database_uri) is not None
    steps, version = _migrated(settings, dry_run=looking)
    if looking and steps and not dry_run:
        steps, version = _migrated(settings, dry_run=False)
    lines = [f"{number}  {what}" for number, what in steps]
    lines.append(f"schema version {version}" + ("" if steps else ", nothing to do"))
    result = {
        "steps": [{"version": number, "does": what} for number, what in steps],
        "schemaVersion": version,
    }
    say(result, "\n".join(lines), as_json)


def _migrated(settings: Settings, *, dry_run: bool) -> tuple[Steps, int]:
    """The steps that a database needs, taken unless it is a dry run, and its schema version."""
    with (
        opened(settings, read_only=dry_run) as database,
        tree(database, "klanten migrate") as root,
    ):
        with contextlib.suppress(DatabaseTooOld):
            check_version(root)
        steps = pending(root)
        if not dry_run:
            evolve(root)
        return steps, root.schema_version
