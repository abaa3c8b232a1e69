"""`klanten duplicates`: klanten that share what should tell them apart."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click

from ..model.klant import Klant
from ..model.postings import Posting, Selection
from ..model.root import Root
from ..settings import Settings
from ..transfer.exporting import found
from .databases import stored
from .output import json_option, metered, say

TELLING = {
    "subjectNatuurlijkPersoon__inpBsn": "BSN",
    "subjectNietNatuurlijkPersoon__innNnpId": "RSIN",
    "subjectVestiging__vestigingsNummer": "vestigingsnummer",
    "emailadres": "e-mailadres",
}
"""The filters by which consumers expect to find one klant, and what they are called."""

ENTRIES_PER_PAUSE = 20_000


class Group(NamedTuple):
    """Klanten that share a value."""

    filter: str
    value: str
    klanten: list[dict[str, str]]


@click.command()
@click.argument("ini", type=click.Path(path_type=Path))
@click.option("--values", is_flag=True, help="Show the shared values too: they are personal data.")
@json_option
def duplicates(ini: Path, values: bool, as_json: bool) -> None:
    """Find klanten that share a BSN, RSIN, vestigingsnummer or e-mail address.

    Many applications that look for a klant expect one at most. The exit status is 1 when there are
    any. An embedded database can be looked at while it is served.
    """
    with stored(Settings.from_ini(ini)) as (_, tree), metered():
        groups = sorted(shared(tree), key=lambda group: (group.filter, group.klanten[0]["uuid"]))
    result = {"groups": len(groups), "duplicates": [_as_dict(group, values) for group in groups]}
    say(result, "\n".join(_lines(groups, values)), as_json)
    if groups:
        click.get_current_context().exit(1)


def shared(tree: Root) -> Iterator[Group]:
    """Each value that several klanten share. Reads the index, and no other klanten than these."""
    prefixes = tuple(f"{name}=" for name in TELLING)
    for count, (key, posting) in enumerate(tree.catalog.items()):
        if count % ENTRIES_PER_PAUSE == 0:
            tree._p_jar.cacheGC()
        if key.startswith(prefixes) and size(posting) > 1:
            name, _, value = key.partition("=")
            klanten = found(tree, Selection([posting]))
            yield Group(name, value, [_named(klant) for klant in klanten])


def size(posting: Posting) -> int:
    """How many klanten have a value; nearly always it is one, which is quickly seen."""
    return len(posting) if isinstance(posting, tuple) else Selection([posting]).count


def _named(klant: Klant) -> dict[str, str]:
    body = klant.body
    return {
        "uuid": klant.uuid,
        "bronorganisatie": body["bronorganisatie"],
        "klantnummer": body["klantnummer"],
    }


def _as_dict(group: Group, values: bool) -> dict[str, Any]:
    value = {"value": group.value} if values else {}
    return {"filter": group.filter, **value, "klanten": group.klanten}


def _lines(groups: list[Group], values: bool) -> Iterator[str]:
    for group in groups:
        value = f" {group.value}" if values else ""
        yield f"{TELLING[group.filter]}{value}: {len(group.klanten)} klanten"
        for klant in group.klanten:
            yield "  {uuid}  bronorganisatie {bronorganisatie}  klantnummer {klantnummer}".format(
                **klant
            )
    for name, called in TELLING.items():
        count = sum(group.filter == name for group in groups)
        yield f"{called}: {count:,} shared by several klanten."
