"""`klanten`: the commands of the operator. Each takes the ini file first."""

import os
from functools import partial

import click

from .. import PRIVATE, told
from ..clients import ClientsError
from ..model.errors import DatabaseForeign, DatabaseTooNew, DatabaseTooOld
from ..outgoing.services import ServicesError
from ..settings import SettingsError
from ..storage import DatabaseUnavailable
from .backups import backup, copy_database, restore
from .check import check
from .copying import copy_from
from .duplicates import duplicates
from .exporting import export
from .first_run import first_run
from .importing import import_
from .notifications import notifications
from .output import INTERRUPTED, mention
from .stats import stats
from .token import token
from .upkeep import migrate, pack, reindex, verify


class WrongSettings(click.ClickException):
    """The ini file, or a file that it names, must be mended."""

    exit_code = 2


class NoDatabase(click.ClickException):
    """The database can't be opened."""

    exit_code = 3


ENDINGS: dict[type[Exception], type[click.ClickException]] = {
    SettingsError: WrongSettings,
    ClientsError: WrongSettings,
    ServicesError: WrongSettings,
    DatabaseUnavailable: NoDatabase,
    DatabaseForeign: NoDatabase,
    DatabaseTooNew: NoDatabase,
    DatabaseTooOld: NoDatabase,
}


class Commands(click.Group):
    """A group whose commands end with one line on standard error, not with a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            # the commands that know more to tell catch it themselves
            mention("Interrupted.")
            ctx.exit(INTERRUPTED)
        except tuple(ENDINGS) as fault:
            ending = next(ENDINGS[kind] for kind in ENDINGS if isinstance(fault, kind))
            raise ending(told(fault)) from fault


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="klanten", message="%(prog)s %(version)s")
@click.pass_context
def klanten(ctx: click.Context) -> None:
    """Look after a Klanten API: every command takes the ini file of the service first.

    Exit status: 0 done, 1 done with findings or rejected lines, 2 wrong usage or settings, or a
    file or another API that can't be used, 3 the database can't be opened, 130 ended by Ctrl-C.
    """
    # every command comes by here before it makes a file
    ctx.call_on_close(partial(os.umask, os.umask(PRIVATE)))


klanten.add_command(backup)
klanten.add_command(check)
klanten.add_command(copy_database)
klanten.add_command(copy_from)
klanten.add_command(duplicates)
klanten.add_command(export)
klanten.add_command(first_run)
klanten.add_command(import_)
klanten.add_command(migrate)
klanten.add_command(notifications)
klanten.add_command(pack)
klanten.add_command(reindex)
klanten.add_command(restore)
klanten.add_command(stats)
klanten.add_command(token)
klanten.add_command(verify)
