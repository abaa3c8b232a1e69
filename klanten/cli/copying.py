"""`klanten copy-from`: the klanten of another Klanten API."""

import contextlib
import os
import re
import ssl
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from ..outgoing.door import Door
from ..outgoing.location import Location, LocationError
from ..outgoing.services import Service
from ..schemas.klant import KlantSchemas
from ..settings import Settings
from ..storage import absent, file_of, lost, prepare
from ..transfer.comparing import Comparison
from ..transfer.copying import Copy, Summary
from ..transfer.lines import Checker
from ..transfer.source import Source, SourceFailed, TokenService
from ..transfer.transactions import Transactions
from .databases import opened
from .files import rejected_to
from .numbers import Between
from .output import Unusable, interruptible, json_option, metered, say

TOKEN = "KLANTEN_SOURCE_TOKEN"
CLIENT_ID = "KLANTEN_SOURCE_CLIENT_ID"
SECRET = "KLANTEN_SOURCE_SECRET"
SHOWN = 10
"""The uuids that are shown to people; programs get them all."""


def certificates(
    context: click.Context, parameter: click.Parameter, path: Path | None
) -> Path | None:
    """The file. Raises `click.BadParameter`, which says why, when none can be read from it."""
    try:
        if path is not None:
            ssl.create_default_context(cafile=path)
    except ssl.SSLError:
        raise click.BadParameter(f"{path} is no file with certificates in PEM form.") from None
    except OSError as fault:
        raise click.BadParameter(f"{path} can't be read: {fault.strerror}.") from None
    return path


@click.command(name="copy-from")
@click.argument("ini", type=click.Path(path_type=Path))
@click.argument("url")
@click.option(
    "--delete",
    is_flag=True,
    help="Remove every klant that the source does not have, also one that never came from it.",
)
@click.option(
    "--rejects",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write what can't be taken over to this file, as JSON Lines.",
)
@click.option(
    "--timeout",
    type=Between(0, 3600, min_open=True),
    default=30.0,
    show_default=True,
    help="Seconds that an answer of the source may take.",
)
@click.option(
    "--ca-bundle",
    type=click.Path(path_type=Path, dir_okay=False),
    callback=certificates,
    help="The certificates to trust, in PEM form.",
)
@json_option
def copy_from(
    ini: Path,
    url: str,
    delete: bool,
    rejects: Path | None,
    timeout: float,
    ca_bundle: Path | None,
    as_json: bool,
) -> None:
    """Take over the klanten of the Klanten API whose root is URL (https://host/.../api/v1), with
    their uuids and, where that is allowed, their audittrails.

    The environment has a token for it in KLANTEN_SOURCE_TOKEN, or the client id and secret in
    KLANTEN_SOURCE_CLIENT_ID and KLANTEN_SOURCE_SECRET; it needs the scopes klanten.lezen and
    audittrails.lezen.

    Run it again to catch up: what changed there is changed here, too, and what is new is added.
    What is gone there is reported. A klant whose audittrail can't be had comes without, and a next
    run asks for it again. No subject is fetched and nobody is notified. At the end both sides are
    compared. The exit status is 1 when they differ, when something was rejected, or when an
    audittrail could not be had. An embedded database can't be served meanwhile.
    """
    settings = Settings.from_ini(ini)
    service = _service(url, os.environ, timeout, ca_bundle)
    start = time.monotonic()
    with (
        rejected_to(rejects, ini, file_of(settings.database_uri)) as reject,
        _source(service, settings) as source,
        opened(settings, new=True) as database,
    ):
        prepare(database)
        with contextlib.closing(Transactions(database, f"klanten copy-from {url}")) as transactions:
            checker = Checker(KlantSchemas(settings.optional_fields), lambda subject: True)
            copy = Copy(transactions, source, checker, reject)
            with interruptible(lambda: _left(copy.summary)), _failing(copy.summary):
                with metered() as meter:
                    for read, count in copy.run(delete=delete):
                        meter.show(read, read / max(count, read))
                comparison = copy.compare()
    seconds = time.monotonic() - start
    result = _result(copy.summary, comparison, seconds)
    say(result, "\n".join(_lines(copy.summary, comparison, seconds)), as_json)
    if copy.summary.rejected or copy.summary.trails_failed or not comparison.equal:
        click.get_current_context().exit(1)


def _service(
    url: str, environ: Mapping[str, str], timeout: float, ca_bundle: Path | None
) -> Service:
    """The source. Raises `click.UsageError` when the URL or the environment is not right."""
    try:
        Location.parse(url)
    except LocationError as fault:
        raise click.BadParameter(f"{fault}.", param_hint="URL") from None
    if set("?#@") & set(url):
        raise click.BadParameter("it has more than host and path.", param_hint="URL")
    root = url.rstrip("/")
    given = (environ.get(name, "").strip() for name in (TOKEN, CLIENT_ID, SECRET))
    token, client_id, secret = given
    if token and not (client_id or secret):
        token = re.sub(r"(?i)^bearer\s+", "", token)
        if not re.fullmatch(r"[!-~]+", token):
            raise click.UsageError(f"{TOKEN} is no token: it has blanks or other than ASCII in it.")
        return TokenService(root, "", "", timeout, ca_bundle, ready_token=token)
    if client_id and secret and not token:
        return Service(root, client_id, secret, timeout, ca_bundle)
    raise click.UsageError(f"Set either {TOKEN}, or {CLIENT_ID} and {SECRET}, in the environment.")


@contextlib.contextmanager
def _source(service: Service, settings: Settings) -> Iterator[Source]:
    with contextlib.closing(Door()) as door:
        source = Source(door, service)
        file = file_of(settings.database_uri)
        if file is not None and absent(file) and not lost(file):
            with _failing(Summary()):
                next(source.pages())  # one that does not answer makes no new database
        yield source


@contextlib.contextmanager
def _failing(summary: Summary) -> Iterator[None]:
    try:
        yield
    except SourceFailed as fault:
        raise Unusable(f"{fault}. {_left(summary)}") from fault


def _left(summary: Summary) -> str:
    return f"{summary.read:,} klanten were looked at; run it again for the others."


def _result(summary: Summary, comparison: Comparison, seconds: float) -> dict[str, Any]:
    return {
        "read": summary.read,
        "created": summary.created,
        "updated": summary.updated,
        "skipped": summary.skipped,
        "rejected": summary.rejected,
        "trails": summary.trails,
        "trailsRefused": summary.trails_refused,
        "trailsFailed": summary.trails_failed,
        "unknownFields": sorted(summary.unknown),
        "vanished": summary.vanished,
        "deleted": summary.deleted,
        "comparison": comparison.as_dict(),
        "seconds": round(seconds, 3),
    }


def _lines(summary: Summary, comparison: Comparison, seconds: float) -> Iterator[str]:
    yield (
        f"{summary.read:,} klanten read: {summary.created:,} created, {summary.updated:,} updated, "
        f"{summary.skipped:,} skipped, {summary.rejected:,} rejected, {summary.deleted:,} deleted; "
        f"{summary.trails:,} audittrails; {seconds:.1f} seconds."
    )
    if summary.trails_refused:
        yield "The audittrails were left out: the scope audittrails.lezen is missing there."
    if summary.trails_failed:
        yield f"{summary.trails_failed:,} audittrails could not be had; run it again for them."
    if summary.unknown:
        yield f"Left out, not being in the standard: {', '.join(sorted(summary.unknown))}."
    if summary.vanished and not summary.deleted:
        yield f"Gone there (--delete removes them): {_some(summary.vanished)}."
    yield f"source  {comparison.source.count:>12,} klanten  {comparison.source.checksum}"
    yield f"here    {comparison.here.count:>12,} klanten  {comparison.here.checksum}"
    if comparison.equal:
        yield "Both sides are equal."
    for called, uuids in (
        ("Different", comparison.different),
        ("At the source only", comparison.missing),
        ("Here only", comparison.extra),
    ):
        if uuids:
            yield f"{called}: {_some(uuids)}."


def _some(uuids: list[str]) -> str:
    more = f" and {len(uuids) - SHOWN:,} more" if len(uuids) > SHOWN else ""
    return ", ".join(uuids[:SHOWN]) + more
