"""A backup of a file in pieces: one that is missing or changed is told before anything is done."""

import fcntl
import logging
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from klanten.storage import open_database, prepare
from tests.factories import make_klant
from tests.operator import Operator, only_line
from tests.rights import closed, without_rights


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory, new_database: Path) -> Path:
    """A database with a backup of the whole and three of what was added: one takes a second."""
    operator = Operator(tmp_path_factory.mktemp("kept"), new_database)
    for _ in range(4):
        operator.fill(make_klant())
        made = operator.run("backup", operator.folder / "backups")
        assert made.exit_code == 0, made.output
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
    operator.lose_database()
    lost = piece(backups, number)
    lose(lost)
    line = only_line(operator.run("restore", backups), 2)
    assert str(lost) in line
    assert what in line
    assert "nothing was changed" in line
    assert not list(operator.folder.glob("klanten.fs*"))


def test_a_piece_with_other_bytes_is_told_too(operator: Operator, backups: Path) -> None:
    operator.lose_database()
    changed = piece(backups, 2)
    changed.write_bytes(changed.read_bytes()[::-1])
    assert str(changed) in only_line(operator.run("restore", backups), 2)
    assert not list(operator.folder.glob("klanten.fs*"))


def test_a_list_of_pieces_that_is_missing_is_told(operator: Operator, backups: Path) -> None:
    operator.lose_database()
    [pieces] = backups.glob("*.dat")
    pieces.unlink()
    assert f"{pieces} is missing" in only_line(operator.run("restore", backups), 2)


@pytest.mark.parametrize("text", ["\x00" * 100, "nothing of this\n", "", "a b c d\n"])
def test_a_list_of_pieces_that_is_damaged_is_told(
    operator: Operator, backups: Path, text: str
) -> None:
    operator.lose_database()
    [pieces] = backups.glob("*.dat")
    pieces.write_text(text)
    assert str(backups) in only_line(operator.run("restore", backups), 2)
    assert not list(operator.folder.glob("klanten.fs*"))


def test_a_piece_of_a_backup_that_was_cut_off_is_told(operator: Operator, backups: Path) -> None:
    stray = cut_off(backups)
    operator.lose_database()
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
    operator.lose_database()
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
    operator.lose_database()
    assert operator.run("restore", backups).exit_code == 0
    assert operator.klanten() == klanten


def test_a_database_that_was_begun_anew_is_not_put_behind_the_one_before(
    operator: Operator, backups: Path
) -> None:
    operator.lose_database()
    database = open_database(f"file://{operator.folder}/klanten.fs")
    assert prepare(database)
    database.close()
    before = sorted(backups.iterdir())
    assert "of another database" in only_line(operator.run("backup", backups), 2)
    assert sorted(backups.iterdir()) == before
    operator.lose_database()
    assert operator.run("restore", backups).exit_code == 0
    # what is put back is the database of before
    assert operator.run("backup", backups).exit_code == 0


def test_a_restore_that_fails_leaves_the_index_that_keeps_a_server_from_beginning_anew(
    operator: Operator, backups: Path
) -> None:
    operator.folder.joinpath("klanten.fs").unlink()
    changed = piece(backups, 1)
    changed.write_bytes(changed.read_bytes()[:-1] + b"x")
    assert operator.run("restore", backups).exit_code == 2
    assert "its index is not" in only_line(operator.run("stats"), 3)


def test_a_database_that_was_made_by_a_clock_that_was_ahead_has_more_than_one_backup(
    operator: Operator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator.lose_database()
    ahead = time.time() + 3600
    with monkeypatch.context() as clock:
        clock.setattr("ZODB.utils.time.time", lambda: ahead)
        clock.setattr("ZODB.BaseStorage.time.time", lambda: ahead)
        database = open_database(f"file://{operator.folder}/klanten.fs")
        assert prepare(database)
        database.close()
    for _ in range(2):
        assert operator.run("backup", tmp_path / "others", "--full").exit_code == 0


def test_an_index_that_a_lost_file_left_is_in_no_ones_way(
    operator: Operator, backups: Path
) -> None:
    operator.folder.joinpath("klanten.fs").unlink()
    for index in backups.glob("*.index"):
        index.unlink()
    assert operator.folder.joinpath("klanten.fs.index").exists()
    assert operator.run("restore", backups).exit_code == 0
    assert operator.run("verify").exit_code == 0


@pytest.mark.parametrize("command", ["backup", "restore"])
@pytest.mark.parametrize("number", [0, 3, "list"])
def test_a_piece_that_this_user_may_not_read_is_told_with_what_to_do(
    operator: Operator, backups: Path, command: str, number: int | str
) -> None:
    lost = next(backups.glob("*.dat")) if isinstance(number, str) else piece(backups, number)
    operator.fill(make_klant())
    if command == "restore":
        operator.lose_database()
    for path in (operator.folder, backups, *operator.folder.glob("*"), *backups.glob("*")):
        path.chmod(0o777)
    with closed(lost), without_rights(operator.folder):
        line = only_line(operator.run(command, backups), 2)
    assert f"{lost}: Permission denied; let the user of the service own it" in line


def test_what_a_killed_backup_left_is_removed_by_the_next_one_and_told(
    operator: Operator, backups: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = set(backups.iterdir())
    left = ("2026-11-24-20-00-00.index", "tmp.tmp", "klanten-2026-11-24-20-00-00.partial")
    kept = ("klanten.fs.index", "2026.index", "other.partial", "notes.tmp")
    for name in (*left, *kept):
        (backups / name).write_text("")
    with caplog.at_level(logging.WARNING):
        assert operator.json("backup", backups)["file"] is None
    assert {path.name for path in set(backups.iterdir()) - before} == set(kept)
    assert [record.getMessage() for record in caplog.records] == [
        f"a backup was cut off; what it left is removed: {left[0]}, {left[2]}, {left[1]}"
    ]


def test_two_backups_do_not_meet_in_a_folder(operator: Operator, backups: Path) -> None:
    (backups / "tmp.tmp").write_text("of the other one")
    other = os.open(backups, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    try:
        line = only_line(operator.run("backup", backups), 2)
    finally:
        os.close(other)
    assert "another backup is being made there; wait for it" in line
    assert (backups / "tmp.tmp").exists()
    assert operator.run("backup", backups).exit_code == 0


def test_where_a_folder_can_not_be_locked_a_backup_is_made_and_nothing_removed(
    operator: Operator, backups: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("as on some networks")

    (backups / "klanten-2026-11-24-20-00-00.partial").write_text("perhaps of another one")
    monkeypatch.setattr(fcntl, "flock", refuse)
    assert operator.run("backup", backups).exit_code == 0
    assert (backups / "klanten-2026-11-24-20-00-00.partial").exists()


@pytest.mark.parametrize("pieces", [4, 2])
def test_an_older_backup_is_put_back_from_a_copy_of_its_set(
    operator: Operator, backups: Path, tmp_path: Path, pieces: int
) -> None:
    """As docs/operate.md tells it, also for a moment within the set."""
    older = sorted(backups.iterdir())
    operator.fill(make_klant())
    assert operator.run("backup", backups, "--full").exit_code == 0
    copy = tmp_path / "copy"
    copy.mkdir()
    left_out = {piece(backups, number) for number in range(pieces, 4)}
    for path in older:
        if path not in left_out:
            shutil.copy(path, copy)
    [listed] = copy.glob("*.dat")
    listed.write_text("".join(listed.read_text().splitlines(keepends=True)[:pieces]))
    operator.lose_database()
    assert operator.run("restore", copy).exit_code == 0
    assert operator.run("verify").exit_code == 0
    assert len(operator.klanten()) == pieces


def test_older_sets_may_be_deleted(operator: Operator, backups: Path) -> None:
    older = list(backups.iterdir())
    operator.fill(make_klant())
    assert operator.run("backup", backups, "--full").exit_code == 0
    for path in older:
        path.unlink()
    operator.fill(make_klant())
    assert operator.json("backup", backups)["file"].endswith(".deltafs")
    operator.lose_database()
    assert operator.run("restore", backups).exit_code == 0
    assert len(operator.klanten()) == 6


def test_when_the_newest_whole_backup_was_cut_off_the_one_before_it_is_put_back(
    operator: Operator, backups: Path
) -> None:
    operator.fill(make_klant())
    whole = Path(operator.json("backup", backups, "--full")["file"])
    whole.with_suffix(".dat").unlink()
    operator.lose_database()
    line = only_line(operator.run("restore", backups), 2)
    assert f"move {whole} away if it was cut off" in line
    whole.unlink()
    assert operator.run("restore", backups).exit_code == 0
    assert len(operator.klanten()) == 4
