"""A backup of a file in pieces: one that is missing or changed is told before anything is done."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.factories import make_klant
from tests.operator import Operator, only_line


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory, new_database: Path) -> Path:
    """A database with a backup of the whole and three of what was added: one takes a second."""
    operator = Operator(tmp_path_factory.mktemp("kept"), new_database)
    for _ in range(4):
        operator.fill(make_klant())
        assert operator.run("backup", operator.folder / "backups").exit_code == 0
    return operator.folder


@pytest.fixture
def operator(tmp_path: Path, kept: Path) -> Operator:
    return Operator(tmp_path / "operator", kept / "klanten.fs")


@pytest.fixture
def backups(tmp_path: Path, kept: Path) -> Path:
    return Path(shutil.copytree(kept / "backups", tmp_path / "backups"))


def piece(backups: Path, number: int) -> Path:
    return sorted([*backups.glob("*.fs"), *backups.glob("*.deltafs")])[number]


def cut_off(backups: Path) -> Path:
    """The last piece, as if its backup was killed before it stood in the list."""
    [pieces] = backups.glob("*.dat")
    pieces.write_text("".join(pieces.read_text().splitlines(keepends=True)[:-1]))
    return piece(backups, 3)


def lose_database(operator: Operator) -> None:
    for path in operator.folder.glob("klanten.fs*"):
        path.unlink()


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


LOSSES: list[tuple[Callable[[Path], None], str]] = [
    (Path.unlink, "is missing"),
    (shorten, "instead of"),
]


@pytest.mark.parametrize(("lose", "what"), LOSSES)
@pytest.mark.parametrize("number", range(4))
def test_a_piece_that_is_not_as_it_was_is_told_and_nothing_is_put_back(
    operator: Operator, backups: Path, lose: Callable[[Path], None], what: str, number: int
) -> None:
    lose_database(operator)
    lost = piece(backups, number)
    lose(lost)
    line = only_line(operator.run("restore", backups), 2)
    assert str(lost) in line
    assert what in line
    assert "nothing was changed" in line
    assert not list(operator.folder.glob("klanten.fs*"))


def test_a_piece_with_other_bytes_is_told_too(operator: Operator, backups: Path) -> None:
    lose_database(operator)
    changed = piece(backups, 2)
    changed.write_bytes(changed.read_bytes()[::-1])
    assert str(changed) in only_line(operator.run("restore", backups), 2)
    assert not list(operator.folder.glob("klanten.fs*"))


def test_a_list_of_pieces_that_is_missing_is_told(operator: Operator, backups: Path) -> None:
    lose_database(operator)
    [pieces] = backups.glob("*.dat")
    pieces.unlink()
    assert f"{pieces} is missing" in only_line(operator.run("restore", backups), 2)


@pytest.mark.parametrize("text", ["\x00" * 100, "nothing of this\n", "", "a b c d\n"])
def test_a_list_of_pieces_that_is_damaged_is_told(
    operator: Operator, backups: Path, text: str
) -> None:
    lose_database(operator)
    [pieces] = backups.glob("*.dat")
    pieces.write_text(text)
    assert str(backups) in only_line(operator.run("restore", backups), 2)
    assert not list(operator.folder.glob("klanten.fs*"))


def test_a_piece_of_a_backup_that_was_cut_off_is_told(operator: Operator, backups: Path) -> None:
    stray = cut_off(backups)
    lose_database(operator)
    line = only_line(operator.run("restore", backups), 2)
    assert f"{stray} is of a backup that was cut off: move it away" in line
    stray.unlink()
    assert operator.run("restore", backups).exit_code == 0
    assert len(operator.klanten()) == 3


def test_the_next_backup_after_one_that_was_cut_off_is_whole(
    operator: Operator, backups: Path
) -> None:
    cut_off(backups)
    operator.fill(make_klant())
    klanten = operator.klanten()
    assert operator.json("backup", backups)["file"].endswith(".fs")
    lose_database(operator)
    assert operator.run("restore", backups).exit_code == 0
    assert operator.klanten() == klanten


@pytest.mark.parametrize(("lose", "what"), LOSSES)
@pytest.mark.parametrize("number", range(4))
def test_the_next_backup_after_a_loss_is_whole(
    operator: Operator, backups: Path, lose: Callable[[Path], None], what: str, number: int
) -> None:
    lose(piece(backups, number))
    operator.fill(make_klant())
    klanten = operator.klanten()
    assert operator.json("backup", backups)["file"].endswith(".fs")
    lose_database(operator)
    assert operator.run("restore", backups).exit_code == 0
    assert operator.klanten() == klanten
