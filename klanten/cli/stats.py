"""`klanten stats`: what is in the database."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from ..model.fields import SubjectType
from ..model.outbox import Outbox
from ..model.root import Root
from ..settings import Settings
from .databases import stored
from .output import json_option, say

NO_TYPE = "none"


@click.command()
@click.argument("ini", type=click.Path(path_type=Path))
@json_option
def stats(ini: Path, as_json: bool) -> None:
    """Count the klanten of each bronorganisatie by the type of their subject.

    Also shows the size of the database, when it was last packed if that is known, what waits in
    the outbox and the version of the schema. An embedded database can be looked at while it is
    served.
    """
    with stored(Settings.from_ini(ini)) as (database, tree):
        result = {
            "klanten": tree.search({}).count,
            "organisaties": counts(tree),
            "size": database.getSize(),
            "lastPack": tree.packed or None,
            "outbox": waiting(tree.outbox),
            "schemaVersion": tree.schema_version,
        }
    say(result, "\n".join(_lines(result)), as_json)


def counts(tree: Root) -> dict[str, dict[str, int]]:
    """bronorganisatie -> type of the subject ("none" without one) -> how many klanten."""
    found = {}
    for bronorganisatie in tree.organisaties:
        by_type = {
            str(kind): tree.search({"bronorganisatie": bronorganisatie, "subjectType": kind}).count
            for kind in SubjectType
        }
        total = tree.search({"bronorganisatie": bronorganisatie}).count
        if total:  # the last klant of an organisation may have gone
            found[bronorganisatie] = by_type | {NO_TYPE: total - sum(by_type.values())}
    return found


def waiting(outbox: Outbox) -> dict[str, Any]:
    """How many notifications wait, since when, and how many were put aside."""
    return {
        "pending": len(outbox),
        "oldest": outbox.oldest(),
        "failed": sum(1 for _ in outbox.failures()),
    }


def _lines(result: dict[str, Any]) -> Iterator[str]:
    outbox = result["outbox"]
    yield f"klanten         {result['klanten']:,}"
    for bronorganisatie, by_type in result["organisaties"].items():
        told = ", ".join(f"{kind} {count:,}" for kind, count in by_type.items() if count)
        yield f"  {bronorganisatie}     {told}"
    yield f"size            {result['size'] / 1e6:,.1f} MB"
    yield f"last pack       {result['lastPack'] or 'not known'}"
    oldest = f", the oldest since {outbox['oldest']}" if outbox["oldest"] else ""
    yield f"notifications   {outbox['pending']:,} waiting{oldest}; {outbox['failed']:,} put aside"
    yield f"schema version  {result['schemaVersion']}"
