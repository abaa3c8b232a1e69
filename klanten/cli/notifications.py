"""`klanten notifications`: what waits to be told to the Notificaties API, and what was refused."""

import contextlib
import json
import logging
import signal
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from pyramid.paster import setup_logging
from ZODB.POSException import ConflictError, POSError

from ..delivery import Delivery
from ..evolve import check_version
from ..kanalen import KLANTEN
from ..model.outbox import Failure, Outbox
from ..outgoing.door import Door
from ..outgoing.location import Location, LocationError
from ..outgoing.notificaties import MAX_LINK, Notificaties, NotificatiesError
from ..outgoing.services import Service, Services
from ..settings import Settings, SettingsError
from ..storage import Database, DatabaseUnavailable, open_database, prepare, tree

# A deliverer may change the same things at the same moment.
ATTEMPTS = 10

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


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
@as_json_option
@click.pass_obj
def status(ini: Path, as_json: bool) -> None:
    """Show how many messages wait and since when, how many were put aside, and who delivers."""
    settings = Settings.from_ini(ini)
    service = _services(settings).notificaties
    with _outbox(settings, read_only=True) as outbox:
        found = {
            "pending": len(outbox),
            "oldest": outbox.oldest(),
            "failed": sum(1 for _ in outbox.failures()),
            "holder": outbox.lease.holder or None,
            "trouble": outbox.lease.trouble or None,
            "notificaties": service.api_root if service else None,
        }
    _show(found, as_json, lambda: _status_lines(found))


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
@as_json_option
@click.pass_obj
def failed(ini: Path, as_json: bool) -> None:
    """List the messages that were put aside, and why."""
    with _outbox(Settings.from_ini(ini), read_only=True) as outbox:
        found = list(outbox.failures())
    _show(
        {"failed": [_failure_object(one) for one in found]},
        as_json,
        lambda: (f"{one.number}  {one.message.actie}  {one.moment}  {one.reason}" for one in found),
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
@as_json_option
@click.pass_obj
def retry(ini: Path, numbers: tuple[str, ...], every: bool, as_json: bool) -> None:
    """Let messages that were put aside be delivered after all.

    NUMBER is as `failed` lists it. Exit status 1 when one of them is not put aside.
    """
    _require_one_of(numbers, every)
    count = _change(ini, lambda outbox: outbox.retry(_put_aside(outbox) if every else numbers))
    _show({"retried": count}, as_json, lambda: [f"{count:,} messages will be delivered again"])
    _require_all(count, numbers)


@notifications.command()
@click.argument("numbers", nargs=-1, metavar="[NUMBER]...")
@click.option("--all-failed", is_flag=True, help="All that were put aside.")
@click.option("--all", "every", is_flag=True, help="All that were put aside, and all that wait.")
@click.option("--yes", is_flag=True, help="Don't ask whether you are sure.")
@as_json_option
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

    def forget(outbox: Outbox) -> int:
        count = outbox.drop(_put_aside(outbox) if all_failed or every else numbers)
        waiting = list(outbox) if every else []
        return count + sum(map(outbox.discard, waiting))

    count = _change(ini, forget)
    _show({"dropped": count}, as_json, lambda: [f"{count:,} messages are dropped"])
    _require_all(count, numbers)


def _put_aside(outbox: Outbox) -> list[str]:
    return [failure.number for failure in outbox.failures()]


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
    with _opened(settings) as database:
        prepare(database)
        endings = {signal.SIGINT, signal.SIGTERM}
        # a handler could come in the middle of anything; threads begin with the mask of this one
        signal.pthread_sigmask(signal.SIG_BLOCK, endings)
        delivery = Delivery(database, Notificaties(Door(), service))
        delivery.start()
        signal.sigwait(endings)
        delivery.stop()


@notifications.command()
@click.option("--url", help="Where this service is found, for instance https://example.nl/prefix.")
@click.option("--documentation", help="Where the kanaal is explained, instead of a page below URL.")
@as_json_option
@click.pass_obj
def register(ini: Path, url: str | None, documentation: str | None, as_json: bool) -> None:
    """Register the kanaal at the Notificaties API, unless it knows it already.

    An API that does not know the kanaal refuses every message on it.
    """
    link = documentation or (f"{_base(url)}/ref/kanalen/" if url else "")
    _require_link(link)
    service = _notificaties(Settings.from_ini(ini))
    try:
        is_new = Notificaties(Door(), service).register(KLANTEN, link)
    except NotificatiesError as fault:
        raise click.ClickException(str(fault)) from None
    what = "is registered" if is_new else "was registered already"
    _show(
        {"kanaal": KLANTEN.name, "registered": is_new},
        as_json,
        lambda: [f"the kanaal {KLANTEN.name} {what} at {service.api_root}"],
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


def _change(ini: Path, change: Callable[[Outbox], int]) -> int:
    """What the change returns, once it is committed. Raises `DatabaseUnavailable`."""
    settings = Settings.from_ini(ini)
    for _ in range(ATTEMPTS):
        with contextlib.suppress(ConflictError):
            return _changed(settings, change)
    raise DatabaseUnavailable("others change the same all the time; try again")


def _changed(settings: Settings, change: Callable[[Outbox], int]) -> int:
    with _outbox(settings, read_only=False) as outbox:
        return change(outbox)


@contextlib.contextmanager
def _outbox(settings: Settings, *, read_only: bool) -> Iterator[Outbox]:
    """The outbox, in a transaction of its own. Raises `DatabaseUnavailable`."""
    # tells that it reads a file which a server is writing to
    logging.getLogger("ZODB.FileStorage").setLevel(logging.ERROR)
    with _opened(settings, read_only=read_only) as database:
        try:
            with tree(database, "klanten notifications") as root:
                check_version(root)
                yield root.outbox
        except ConflictError:
            raise
        except (POSError, *database.unavailable) as fault:
            raise DatabaseUnavailable(
                f"zodbconn.uri: the database fails ({type(fault).__name__}); has a server ever "
                "been started with it?"
            ) from fault


def _opened(settings: Settings, *, read_only: bool = False) -> contextlib.closing[Database]:
    timeout = settings.database_timeout
    return contextlib.closing(
        open_database(settings.database_uri, read_only=read_only, timeout=timeout)
    )


def _show(found: dict[str, Any], as_json: bool, lines: Callable[[], Any]) -> None:
    """The finding, as one JSON object or as lines for a person."""
    for line in [json.dumps(found)] if as_json else lines():
        click.echo(line)
