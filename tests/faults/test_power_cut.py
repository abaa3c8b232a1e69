"""What a power cut leaves of a file: a part of the last transaction, or something else there."""

import contextlib
import gc
import io
import itertools
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import webtest
from ZODB.fsrecover import recover

from klanten.storage import Database, DatabaseUnavailable, open_database, tree
from tests.consistency import assert_consistent
from tests.factories import make_klant

KLANTEN = "/api/v1/klanten"
LAST = 12
"""Transactions that are cut."""
EACH = 6
"""Cuts in a round."""

Bodies = dict[str, dict[str, Any]]


@dataclass
class Written:
    """A file, and what was acknowledged when it had which size; oldest first."""

    file: Path
    acknowledged: list[tuple[int, Bodies]]

    def at(self, size: int) -> Bodies:
        """All that was acknowledged when the file was no larger than this."""
        return next(bodies for reached, bodies in reversed(self.acknowledged) if reached <= size)

    @property
    def cuts(self) -> range:
        """Sizes of the file within the last transactions."""
        return range(self.acknowledged[0][0], self.acknowledged[-1][0])


@pytest.fixture
def written(app: webtest.TestApp, settings: dict[str, str]) -> Written:
    database = app.app.registry.database
    found = Written(Path(settings["zodbconn.uri"].removeprefix("file://")), [])

    def acknowledged() -> None:
        with tree(database) as root:
            bodies = {klant.uuid: klant.body for klant in assert_consistent(root)}
        found.acknowledged.append((found.file.stat().st_size, bodies))

    urls = [app.post_json(KLANTEN, make_klant()).json["url"] for _ in range(LAST)]
    acknowledged()
    for number, url in enumerate(urls):
        if number % 4 == 0:
            app.delete(url)
        elif number % 4 == 1:
            app.post_json(KLANTEN, make_klant(klantnummer=...))
        else:
            app.patch_json(url, {"functie": f"f{number}", "klantnummer": f"N{number}"})
        acknowledged()
    database.close()
    return found


# --- what stands in the file from a place in its last transaction on -----------------------------


def nothing(lost: bytes) -> bytes:
    return b""


def zeros(lost: bytes) -> bytes:
    """The file system knew how long the file is, and had not written all of it."""
    return bytes(len(lost))


def garbage(lost: bytes) -> bytes:
    """What was on the disk before; it may be more than was to be written."""
    return random.randbytes(random.randrange(2 * len(lost) + 2)) + b"."


@pytest.fixture(params=[False, True], ids=["no index", "an old index"])
def index(request: pytest.FixtureRequest, new_database: Path) -> Path | None:
    """The index of the file, as a server that was killed leaves it: of its last start, or none."""
    return Path(f"{new_database}.index") if request.param else None


@pytest.fixture
def left(written: Written, index: Path | None, tmp_path: Path) -> Callable[..., Path]:
    """Makes the file that a power cut leaves."""
    whole = written.file.read_bytes()
    numbers = itertools.count()

    def make(size: int, damage: Callable[[bytes], bytes]) -> Path:
        place = tmp_path / f"cut{next(numbers)}"
        place.mkdir()
        end = min(reached for reached, _ in written.acknowledged if reached > size)
        file = place / "klanten.fs"
        file.write_bytes(whole[:size] + damage(whole[size:end]))
        if index is not None:
            shutil.copy(index, f"{file}.index")
        return file

    return make


def test_all_but_the_transaction_that_was_cut_is_there(
    written: Written, left: Callable[..., Path], rounds: Iterator[int]
):
    for _ in rounds:
        for _ in range(EACH):
            size = random.choice(written.cuts)
            file = left(size, nothing)
            assert_holds(file, written.at(size))
            shutil.rmtree(file.parent)


# ZODB leaves open what it could not read
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
@pytest.mark.filterwarnings("ignore:.*unclosed file:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("damage", [zeros, garbage])
def test_a_file_that_ends_in_something_else_is_opened_whole_or_refused_and_recovered(
    written: Written,
    left: Callable[..., Path],
    damage: Callable[[bytes], bytes],
    rounds: Iterator[int],
):
    for _ in rounds:
        for _ in range(EACH):
            size = random.choice(written.cuts)
            file = left(size, damage)
            try:
                open_database(f"file://{file}").close()
            except DatabaseUnavailable as refusal:
                assert "can't be opened" in str(refusal)
                file = recovered(file)
            assert_holds(file, written.at(size))
            shutil.rmtree(file.parent)
            gc.collect()


def recovered(file: Path) -> Path:
    """What an operator makes of a file that can't be opened, with the tool of ZODB."""
    found = file.with_name("recovered.fs")
    # it would look for ever for what follows a full stop among the last eight bytes
    with file.open("ab") as end:
        end.write(bytes(8))
    with contextlib.redirect_stdout(io.StringIO()):
        recover(str(file), str(found))
    return found


def assert_holds(file: Path, wanted: Bodies) -> None:
    """The database has just this in it, and goes on as one that was never cut."""
    database = open_database(f"file://{file}")
    assert bodies_of(database) == wanted
    with tree(database, "go on") as root:
        root.packed = "now"
    database.close()
    database = open_database(f"file://{file}")
    assert bodies_of(database) == wanted
    database.close()


def bodies_of(database: Database) -> Bodies:
    with tree(database) as root:
        return {klant.uuid: klant.body for klant in assert_consistent(root)}
