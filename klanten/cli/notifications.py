"""`klanten notifications`: what waits to be told to the Notificaties API, and what was refused."""

import contextlib
import signal
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from pyramid.paster import setup_logging

from ..delivery import Delivery
from ..kanalen import KLANTEN
from ..model.outbox import Failure
from ..outgoing.door import Door
from ..outgoing.location import Location, LocationError
from ..outgoing.notificaties import MAX_LINK, Notificaties, NotificatiesError
from ..outgoing.services import Service, Services
from ..settings import Settings, SettingsError
from ..storage import Database, open_database, prepare
from .databases import stored
from .output import Unusable, json_option, say
from .stats import waiting
from .upkeep import perform


@click.group()
@click.argument("ini", type=click.Path(path_type=Path))
@click.pass_context
def notifications(ctx: click.Context, ini: Path) -> None:
    """Look after the notifications of the service of INI.

    Every change of a klant leaves a message in the database, and the server delivers it to the
    Notificaties API of the services file. A message that is refused is put aside. Messages wait
    for as long as they must, also when there is no Notificaties API.
    """
    ctx.obj = ini


# --- looking: also beside a running server ------------------------------------------------------


@notifications.command()
@json_option
@click.pass_obj
def status(ini: Path, as_json: bool) -> None:
    """Show how many messages wait and since when, how many were put aside, and who delivers."""
    settings = Settings.from_ini(ini)
    service = _services(settings).notificaties
    with stored(settings) as (_, root):
        found = {
            **waiting(root.outbox),
            "holder": root.outbox.lease.holder or None,
            "trouble": root.outbox.lease.trouble or None,
            "notificaties": service.api_root if service else None,
        }
    say(found, "\n".join(_status_lines(found)), as_json)


def _status_lines(found: dict[str, Any]) -> Iterator[str]:
    oldest = f", the oldest since {found['oldest']}" if found["oldest"] else ""
    yield f"waiting:       {found['pending']:,}{oldest}"
    yield f"put aside:     {found['failed']:,}"
    yield f"delivered by:  {found['holder'] or 'nobody now'}"
    if found["trouble"]:
        yield f"trouble:       {found['trouble']}"
    yield "delivered to:  " + (
        found["notificaties"]
        or "nobody, there is no [notificaties] in the services file; messages are kept until there "
        "is, or until `drop --all`"
    )


@notifications.command()
@json_option
@click.pass_obj
def failed(ini: Path, as_json: bool) -> None:
    """List the messages that were put aside, and why."""
    with stored(Settings.from_ini(ini)) as (_, root):
        found = list(root.outbox.failures())
    lines = [f"{one.number}  {one.message.actie}  {one.moment}  {one.reason}" for one in found]
    say(
        {"failed": [_failure_object(one) for one in found]},
        "\n".join(lines or ["no message was put aside"]),
        as_json,
    )


def _failure_object(failure: Failure) -> dict[str, Any]:
    return {
        "number": failure.number,
        "reason": failure.reason,
        "moment": failure.moment,
        "message": asdict(failure.message),
    }


# --- changing -----------------------------------------------------------------------------------


@notifications.command()
@click.argument("numbers", nargs=-1, metavar="[NUMBER]...")
@click.option("--all", "every", is_flag=True, help="All that were put aside.")
@json_option
@click.pass_obj
def retry(ini: Path, numbers: tuple[str, ...], every: bool, as_json: bool) -> None:
    """Let messages that were put aside be delivered after all.

    NUMBER is as `failed` lists it. Exit status 1 when one of them is not put aside.
    """
    _require_one_of(numbers, every)
    result = perform(Settings.from_ini(ini), "retry", numbers=numbers, all=every)
    say(result, f"{result['retried']:,} messages will be delivered again", as_json)
    _require_all(result["retried"], numbers)


@notifications.command()
@click.argument("numbers", nargs=-1, metavar="[NUMBER]...")
@click.option("--all-failed", is_flag=True, help="All that were put aside.")
@click.option("--all", "every", is_flag=True, help="All that were put aside, and all that wait.")
@click.option("--yes", is_flag=True, help="Don't ask whether you are sure.")
@json_option
@click.pass_obj
def drop(
    ini: Path, numbers: tuple[str, ...], all_failed: bool, every: bool, yes: bool, as_json: bool
) -> None:
    """Forget messages that were put aside: nobody will be told of these changes.

    NUMBER is as `failed` lists it. Exit status 1 when one of them is not put aside.
    """
    _require_one_of(numbers, all_failed, every)
    if every and not yes:
        click.confirm("Shall no subscriber ever hear of what waits?", abort=True, err=True)
    result = perform(
        Settings.from_ini(ini), "drop", numbers=numbers, all=all_failed or every, waiting=every
    )
    say(result, f"{result['dropped']:,} messages are dropped", as_json)
    _require_all(result["dropped"], numbers)


def _require_one_of(*choices: object) -> None:
    if sum(map(bool, choices)) != 1:
        raise click.UsageError("give either numbers, or one of the options for all")


def _require_all(count: int, numbers: tuple[str, ...]) -> None:
    missing = len(set(numbers)) - count
    if missing > 0:
        raise click.ClickException(f"{missing} of these messages are not put aside")


# --- the Notificaties API -----------------------------------------------------------------------


@notifications.command()
@click.pass_obj
def deliver(ini: Path) -> None:
    """Deliver what waits, until the process is told to stop (SIGINT, SIGTERM).

    For a database on ZEO or PostgreSQL, instead of delivery by the server. Any number may run:
    one at a time delivers, and another takes over when it is gone.
    """
    settings = Settings.from_ini(ini)
    service = _notificaties(settings)
    setup_logging(str(ini))
    with _serving(settings) as database, contextlib.closing(Door()) as door:
        prepare(database)
        endings = {signal.SIGINT, signal.SIGTERM}
        # a handler could come in the middle of anything; threads begin with the mask of this one
        signal.pthread_sigmask(signal.SIG_BLOCK, endings)
        delivery = Delivery(database, Notificaties(door, service))
        delivery.start()
        signal.sigwait(endings)
        delivery.stop()


@notifications.command()
@click.option("--url", help="Where this service is found, for instance https://example.nl/prefix.")
@click.option("--documentation", help="Where the kanaal is explained, instead of a page below URL.")
@json_option
@click.pass_obj
def register(ini: Path, url: str | None, documentation: str | None, as_json: bool) -> None:
    """Register the kanaal at the Notificaties API, unless it knows it already.

    An API that does not know the kanaal refuses every message on it.
    """
    link = documentation or (f"{_base(url)}/ref/kanalen/" if url else "")
    _require_link(link)
    service = _notificaties(Settings.from_ini(ini))
    try:
        with contextlib.closing(Door()) as door:
            is_new = Notificaties(door, service).register(KLANTEN, link)
    except NotificatiesError as fault:
        raise Unusable(str(fault)) from None
    what = "is registered" if is_new else "was registered already"
    say(
        {"kanaal": KLANTEN.name, "registered": is_new},
        f"the kanaal {KLANTEN.name} {what} at {service.api_root}",
        as_json,
    )


def _base(url: str) -> str:
    return url.rstrip("/").removesuffix("/api/v1")


def _require_link(link: str) -> None:
    if not link:
        raise click.UsageError("give either --url or --documentation")
    try:
        Location.parse(link)
    except LocationError as fault:
        raise click.UsageError(f"{link}: {fault}") from None
    if len(link) > MAX_LINK:
        raise click.UsageError(f"{link}: more than {MAX_LINK} characters; the standard allows less")


# --- what they share ----------------------------------------------------------------------------


def _services(settings: Settings) -> Services:
    return Services.read(settings.services) if settings.services else Services()


def _notificaties(settings: Settings) -> Service:
    service = _services(settings).notificaties
    if service is None:
        raise SettingsError(
            "klanten.services: there is no Notificaties API; add a section [notificaties] with "
            "api_root, client_id and secret to the services file"
        )
    return service


def _serving(settings: Settings) -> contextlib.closing[Database]:
    return contextlib.closing(
        open_database(settings.database_uri, timeout=settings.database_timeout)
    )
