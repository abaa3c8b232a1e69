"""Backups of a database: of a file with repozo, of PostgreSQL with pg_dump.

Both are made while the server runs. A folder holds any number of backups; what is put back is the
newest, and only in an empty place.
"""

import fcntl
import logging
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Any, NamedTuple, Self

from ZODB.scripts import repozo

from ..storage import DatabaseUnavailable, file_of

log = logging.getLogger(__name__)

DUMP = "klanten-{:%Y-%m-%d-%H-%M-%S}.dump"
PIECES = frozenset({".fs", ".deltafs"})
SUFFIXES = PIECES | {".dump"}
LISTED = frozenset({".fs", ".dat"})
"""A whole backup of a file, and the list of its pieces."""
MOMENT = r"\d{4}(-\d\d){5}"
PART = re.compile(rf"tmp\.tmp|klanten-{MOMENT}\.partial")
INDEX = re.compile(rf"{MOMENT}\.index")


class BackupFailed(Exception):
    """The backup was not made or not put back; the text is one line with the mend."""


def backup(uri: str, folder: Path, full: bool = False) -> dict[str, Any]:
    """Make a backup of the database behind a URI.

    Of a file the first is whole, and the next ones hold what was added, unless `full`, or the file
    was packed, or something is missing in the folder. What a backup that was killed left behind is
    removed. Returns the `file` that was made, None when nothing was added, and its `size`.
    Raises `BackupFailed`.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _alone(folder) as alone:
        if alone:
            _remove_leftovers(folder)
        return _made(uri, folder, full)


def _made(uri: str, folder: Path, full: bool) -> dict[str, Any]:
    before = set(folder.iterdir())
    file = file_of(uri)
    if file is not None:
        _await_new_second(before)
        full = full or gap(folder) != ""
        try:
            _repozo("-B", "-r", str(folder), "-f", str(file), *(["-F"] if full else []))
        except BaseException:
            for half in set(folder.iterdir()) - before:
                half.unlink()
            raise
    else:
        _dump(uri, folder / DUMP.format(datetime.now()))
    made = [path for path in sorted(set(folder.iterdir()) - before) if path.suffix in SUFFIXES]
    return {
        "file": str(made[0]) if made else None,
        "size": made[0].stat().st_size if made else 0,
    }


@contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Keep other backups out of a folder; gives whether that can be done: not on every network.

    Raises `BackupFailed` when one is at work there.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield _locked(handle, folder)
    finally:
        os.close(handle)


def _locked(handle: int, folder: Path) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BackupFailed(
            f"{folder}: another backup is being made there; wait for it, or give another folder"
        ) from None
    except OSError:
        return False
    return True


def _remove_leftovers(folder: Path) -> None:
    """Remove what only a backup that was killed leaves: parts, and indexes of nothing."""
    left = sorted(filter(_is_left, folder.iterdir()))
    for path in left:
        path.unlink()
    if left:
        names = ", ".join(path.name for path in left)
        log.warning("a backup was cut off; what it left is removed: %s", names)


def _is_left(path: Path) -> bool:
    if INDEX.fullmatch(path.name):
        return not any(path.with_suffix(suffix).exists() for suffix in PIECES)
    return PART.fullmatch(path.name) is not None


def restore(uri: str, folder: Path) -> dict[str, Any]:
    """Put the newest backup of a folder back, where no database is yet.

    Raises `BackupFailed`.
    """
    if not folder.is_dir():
        raise BackupFailed(f"{folder}: there is no such folder; give one that `backup` filled")
    file = file_of(uri)
    if file is not None:
        return _recover(folder, file)
    return _load(uri, folder)


# --- a file -------------------------------------------------------------------------------------


def _recover(folder: Path, file: Path) -> dict[str, Any]:
    if file.exists():
        raise BackupFailed(f"{file}: there is a database already; move it away first")
    if what := gap(folder):
        raise BackupFailed(
            f"{what}; nothing was changed; have all pieces as they were, or give another folder"
        )
    if not any(folder.glob("*.fs")):
        raise BackupFailed(f"{folder}: there is no backup of a file in it; give another folder")
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        _repozo("-R", "-w", "-r", str(folder), "-o", str(file))
    except BaseException:
        file.with_name(file.name + ".part").unlink(missing_ok=True)
        raise
    return {"file": str(file), "size": file.stat().st_size}


def gap(folder: Path) -> str:
    """What there is to say when the newest backup of a file misses a piece of it; else "".

    repozo joins the pieces that it finds. Which there should be stands in the list that it keeps
    of them: one that does not was cut off before it was whole.
    """
    newest = max((path.stem for path in folder.iterdir() if path.suffix in LISTED), default="")
    pieces = folder / f"{newest}.dat"
    if not newest:
        return ""
    if not pieces.is_file():
        whole = pieces.with_suffix(".fs")
        return f"{pieces} is missing: put it back, or move {whole} away if it was cut off"
    try:
        listed = [Piece.of(line) for line in pieces.read_text().splitlines()]
    except ValueError:
        return f"{pieces} is damaged"
    return next(filter(None, (piece.gap(folder) for piece in listed)), "") or _stray(folder, listed)


class Piece(NamedTuple):
    """A line of the list that repozo keeps of the pieces of a backup."""

    name: str
    size: int

    @classmethod
    def of(cls, line: str) -> Self:
        """Raises ValueError for a line that is not: path, where it begins and ends, checksum."""
        name, begin, end, _ = line.rsplit(maxsplit=3)
        return cls(Path(name).name, int(end) - int(begin))

    def gap(self, folder: Path) -> str:
        """What there is to say when this piece is not as it was; else ""."""
        piece = folder / self.name
        if not piece.is_file():
            return f"{piece} is missing"
        size = piece.stat().st_size
        return "" if size == self.size else f"{piece} has {size:,} bytes instead of {self.size:,}"


def _stray(folder: Path, listed: list[Piece]) -> str:
    """The same of a piece that was made after those of the list, and is in no list."""
    last = max((piece.name for piece in listed), default="")
    stray = next((path for path in folder.glob("*.deltafs") if path.name > last), None)
    return f"{stray} is of a backup that was cut off: move it away" if stray else ""


def _await_new_second(backups: set[Path]) -> None:
    """repozo names a backup after its second, and at a restore overlooks one that shares it."""
    stems = {path.stem for path in backups}
    # by the clock of repozo: on that of `datetime` a second begins some milliseconds earlier
    while time.strftime("%Y-%m-%d-%H-%M-%S", time.gmtime()) in stems:
        time.sleep(0.05)


def _repozo(*arguments: str) -> None:
    try:
        repozo.main(list(arguments))
    except SystemExit as end:
        if isinstance(end.__context__, OSError):
            raise end.__context__ from None
        if end.code:
            raise BackupFailed(f"repozo: {end.code}; nothing was changed") from None
    except OSError:
        raise
    except Exception as fault:  # what a damaged backup raises has no end
        reason = " ".join(str(fault).split())
        raise BackupFailed(
            f"repozo fails ({type(fault).__name__}): {reason}; try an older backup"
        ) from fault


# --- PostgreSQL ---------------------------------------------------------------------------------


def _dump(uri: str, target: Path) -> None:
    partial = target.with_suffix(".partial")
    with _client(uri) as (environment, name):
        _has_tables(uri)  # it can be opened, or the fault is told as for every command
        try:
            # by way of a pipe, so that pg_dump ends when this process does
            with partial.open("wb") as file:
                _run("pg_dump", "--format=custom", name, environment=environment, to=file)
                os.fsync(file.fileno())
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
    partial.rename(target)


def _load(uri: str, folder: Path) -> dict[str, Any]:
    dumps = sorted(folder.glob("*.dump"))
    if not dumps:
        raise BackupFailed(f"{folder}: there is no backup of PostgreSQL in it; give another folder")
    with _client(uri) as (environment, name):
        if _has_tables(uri):
            raise BackupFailed(
                "zodbconn.uri: the database is not empty; make a new one, and name that"
            )
        _run(
            "pg_restore",
            "--exit-on-error",
            "--single-transaction",
            "--no-owner",
            "--dbname",
            name,
            str(dumps[-1]),
            environment=environment,
        )
    return {"file": str(dumps[-1]), "size": dumps[-1].stat().st_size}


@contextmanager
def _client(uri: str) -> Iterator[tuple[dict[str, str], str]]:
    """The environment and the name by which a client of PostgreSQL finds the database.

    The password goes by the environment: everybody can see the arguments of a command.
    """
    if uri.partition(":")[0] not in ("postgresql", "postgres"):
        raise BackupFailed(
            "zodbconn.uri: only a file and PostgreSQL can be backed up here; run this where the "
            "file of the ZEO server is, with an ini file that names it"
        )
    from psycopg2.extensions import make_dsn

    from ..storage.postgresql.uri import read

    parameters = dict(read(uri).parameters)
    environment = dict(os.environ)
    password = parameters.pop("password", None)
    if password is not None:
        environment["PGPASSWORD"] = password
    yield environment, make_dsn(**parameters)


def _has_tables(uri: str) -> bool:
    import psycopg2
    from psycopg2.extensions import make_dsn

    from ..storage.postgresql.uri import read

    try:
        connection = psycopg2.connect(make_dsn(**read(uri).parameters))
    except psycopg2.OperationalError as fault:
        raise DatabaseUnavailable(f"zodbconn.uri: {' '.join(str(fault).split())}") from None
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_tables WHERE schemaname = current_schema() LIMIT 1")
            return cursor.fetchone() is not None
    finally:
        connection.close()


def _run(
    program: str, *arguments: str, environment: dict[str, str], to: IO[bytes] | None = None
) -> None:
    """Run a program of PostgreSQL; what it prints goes to a file."""
    if shutil.which(program, path=environment.get("PATH")) is None:
        raise BackupFailed(f"{program} is not on the PATH; install the client of PostgreSQL")
    with (
        tempfile.TemporaryFile() as told,
        subprocess.Popen(
            [program, *arguments],
            # its words are read here
            env=environment | {"LC_ALL": "C"},
            stdout=subprocess.PIPE,
            stderr=told,
        ) as running,
    ):
        assert running.stdout is not None
        shutil.copyfileobj(running.stdout, to or told)
        status = running.wait()
        told.seek(0)
        reason = " ".join(told.read().decode(errors="replace").split())
    if status:
        raise BackupFailed(f"{program}: {reason[:500]}{_mend(program, reason)}")


def _mend(program: str, reason: str) -> str:
    """What to do about a fault of a program of PostgreSQL, where that is known."""
    if any(words in reason for words in OLDER):
        return f"; install a {program} of the major version of the server, or newer"
    return ""


OLDER = ("server version mismatch", "unsupported version")
"""What programs of PostgreSQL say of a server, or of a backup, that is newer than they are."""
