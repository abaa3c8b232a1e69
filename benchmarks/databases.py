"""Filled databases: made once, kept in a folder, and packed, as in the night after a migration."""

import contextlib
import shutil
import time
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from uuid import UUID

from klanten.model.audittrail import Actie, Bewerking
from klanten.model.klant import new_body
from klanten.storage import Database, open_database, prepare
from klanten.transfer.transactions import Transactions

from .data import klant, klantnummer

# Each transaction writes nearly every leaf of the indexes again, so few and large ones.
AT_ONCE = 50_000


def uuid(number: int) -> str:
    """The uuid of the klant of this number: spread as random ones are, and known without asking."""
    return str(UUID(int=(number + 1) * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128, version=4))


def filled_file(folder: Path, count: int) -> Path:
    """A file with so many klanten, with an audit line each; from the folder when it is there."""
    path = folder / f"klanten-{count}.fs"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        for rest in folder.glob("filling.fs*"):
            rest.unlink()
        fill(f"file://{folder}/filling.fs", count)
        for ending in (".index", ""):
            (folder / f"filling.fs{ending}").rename(f"{path}{ending}")
    return path


def copied(path: Path, folder: Path) -> Path:
    """A copy to write in."""
    copy = folder / path.name
    for ending in ("", ".index"):
        shutil.copy(f"{path}{ending}", f"{copy}{ending}")
    return copy


def fill(uri: str, count: int) -> float:
    """Fill an empty database through the model; klanten per second, without the pack."""
    with contextlib.closing(open_database(uri, timeout=600)) as database:
        prepare(database)
        begun = time.perf_counter()
        _add_all(database, count)
        rate = count / (time.perf_counter() - begun)
        database.pack()
    return rate


def _add_all(database: Database, count: int) -> None:
    bewerking = Bewerking(
        Actie.CREATE,
        datetime(2020, 1, 1, tzinfo=UTC),
        "https://example.nl/api/v1",
        applicatie_id="benchmarks",
        applicatie_weergave="benchmarks",
        toelichting="Conversie",
        notify=False,
    )
    new = (
        (uuid(number), new_body({"klantnummer": klantnummer(number)} | klant(number)))
        for number in range(count)
    )
    with contextlib.closing(Transactions(database, "fill")) as transactions:
        while some := list(islice(new, AT_ONCE)):
            with transactions.one() as root:
                root.add_all(some, bewerking)
