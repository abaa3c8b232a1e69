"""Backups of a database: of a file with repozo, of PostgreSQL with pg_dump.

Both are made while the server runs. A folder holds any number of backups; what is put back is the
newest, and only in an empty place.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, Self

from ZODB.scripts import repozo

from ..storage import DatabaseUnavailable, file_of

DUMP = "klanten-{:%Y-%m-%d-%H-%M-%S}.dump"


class BackupFailed(Exception):
    """The backup was not made or not put back; the text is one line with the mend."""


def backup(uri: str, folder: Path, full: bool = False) -> dict[str, Any]:
    """Make a backup of the database behind a URI.

    Of a file the first is whole, and the next ones hold what was added, unless `full`, or the file
    was packed, or something is missing in the folder. Returns the `file` that was made, None when
    nothing was added, and its `size`.
    Raises `BackupFailed`.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
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


SUFFIXES = frozenset({".fs", ".deltafs", ".dump"})
LISTED = frozenset({".fs", ".dat"})
"""A whole backup of a file, and the list of its pieces."""


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
        return f"{pieces} is missing: put it back, or move {newest}.fs away if it was cut off"
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
    while any(path.stem == f"{datetime.now(UTC):%Y-%m-%d-%H-%M-%S}" for path in backups):
        time.sleep(0.05)


def _repozo(*arguments: str) -> None:
    try:
        repozo.main(list(arguments))
    except SystemExit as end:
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
            _run("pg_dump", "--format=custom", f"--file={partial}", name, environment=environment)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
    partial.chmod(0o600)
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

    from ..postgresql.uri import read

    parameters = dict(read(uri).parameters)
    environment = dict(os.environ)
    password = parameters.pop("password", None)
    if password is not None:
        environment["PGPASSWORD"] = password
    yield environment, make_dsn(**parameters)


def _has_tables(uri: str) -> bool:
    import psycopg2
    from psycopg2.extensions import make_dsn

    from ..postgresql.uri import read

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


def _run(program: str, *arguments: str, environment: dict[str, str]) -> None:
    if shutil.which(program, path=environment.get("PATH")) is None:
        raise BackupFailed(f"{program} is not on the PATH; install the client of PostgreSQL")
    ended = subprocess.run(
        [program, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    if ended.returncode:
        raise BackupFailed(f"{program}: {' '.join(ended.stderr.split())[:500]}")
