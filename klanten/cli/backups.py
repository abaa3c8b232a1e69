"""`klanten backup`, `restore` and `copy-database`: a database in another place."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import click

from ..settings import Settings, SettingsError
from ..storage import DatabaseUnavailable, bare_storage, file_of, open_database, require_driver
from ..upkeep import backup as backups
from ..upkeep import moving
from ..upkeep.mends import mend_of
from .databases import opened, quiet
from .output import Unusable, ended_by_sigterm, json_option, mention, metered, say

TARGET = "TARGET"

ini_argument = click.argument("ini", type=click.Path(path_type=Path))
folder_argument = click.argument("folder", type=click.Path(path_type=Path))


@contextlib.contextmanager
def _failures() -> Iterator[None]:
    try:
        yield
    except (backups.BackupFailed, moving.CopyFailed) as fault:
        raise Unusable(str(fault)) from fault
    except OSError as fault:
        where = f"{fault.filename}: " if fault.filename else ""
        mend = mend_of(fault) or "mend that and run it again"
        raise Unusable(f"{where}{fault.strerror or fault}; {mend}") from fault


@click.command()
@ini_argument
@folder_argument
@click.option("--full", is_flag=True, help="The whole database, not only what was added.")
@json_option
def backup(ini: Path, folder: Path, full: bool, as_json: bool) -> None:
    """Make a backup in FOLDER while the server runs.

    Of a database in a file the first backup is whole and the next ones hold what was added since;
    keep all of a folder together. Of PostgreSQL each backup is whole, made by pg_dump. The files of
    settings, clients and services are not in it.
    """
    settings = Settings.from_ini(ini)
    if file_of(settings.database_uri):
        with opened(settings, read_only=True):
            pass  # what can't be opened is told here, and no backup is made of it
    with _failures(), quiet(), metered():
        result = backups.backup(settings.database_uri, folder, full)
    made = f"{result['file']}, {result['size'] / 1e6:,.1f} MB" if result["file"] else "nothing new"
    say(result, made, as_json)


@click.command()
@ini_argument
@folder_argument
@json_option
def restore(ini: Path, folder: Path, as_json: bool) -> None:
    """Put the newest backup of FOLDER back, where the ini file names a database that is not there.

    Nothing is ever overwritten. Look at the result with `klanten verify`.
    """
    with _failures(), quiet(), metered():
        result = backups.restore(Settings.from_ini(ini).database_uri, folder)
    restored = f"restored {Path(result['backup']).name}, {result['size'] / 1e6:,.1f} MB"
    say(result, f"{restored}; now run klanten verify {ini}", as_json)


class NoTarget(Unusable):
    """The database to copy to can't be opened."""

    exit_code = 3


@contextlib.contextmanager
def _target() -> Iterator[None]:
    """A fault of the URI that is given to the command, under its name there."""
    try:
        yield
    except (SettingsError, DatabaseUnavailable) as fault:
        kind = NoTarget if isinstance(fault, DatabaseUnavailable) else Unusable
        raise kind(str(fault).replace("zodbconn.uri", TARGET, 1)) from fault


@contextlib.contextmanager
def _unfinished(uri: str) -> Iterator[None]:
    """Tell, whatever ends the copying, that a part of it stays on a server; of a file none does."""
    try:
        yield
    except BaseException:
        if file_of(uri) is None:
            mention(f"{TARGET} is no whole copy: empty it, and let nobody use it.")
        raise


@click.command()
@ini_argument
@click.argument("to_uri", metavar=TARGET)
@json_option
def copy_database(ini: Path, to_uri: str, as_json: bool) -> None:
    """Copy the database of the ini file to the URI TARGET, an empty one, with everything in it.

    Stop the server first: what it writes meanwhile would stay behind. The copy is compared with
    the original, every klant and every line of every audittrail; before it says so, a file is not
    there, and what a server holds is not to be used. Then put TARGET into the ini file (there each
    percent sign is doubled, here it is not).
    """
    settings = Settings.from_ini(ini)
    with _target():
        require_driver(to_uri)
    with (
        ended_by_sigterm(),
        _failures(),
        opened(settings) as source,
        _target(),
        moving.place(to_uri) as place,
    ):
        with bare_storage(place) as target:
            moving.require_place(target)
            with _unfinished(to_uri), metered() as meter:
                moving.copy(source.storage, target, meter.show)
        with (
            _unfinished(to_uri),
            contextlib.closing(open_database(place)) as target,
            metered() as meter,
        ):
            before = moving.digest(source, meter.show)
            after = moving.digest(target, meter.show)
            if before != after:
                what = f"{after} instead of {before}"
                raise click.ClickException(f"the copy is not the same: {what}")
    text = f"copied and compared: {after['klanten']:,} klanten, {after['regels']:,} lines of trails"
    say(after, text, as_json)
