"""Backups of a database on PostgreSQL, with its own pg_dump and pg_restore."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ...storage import WITHOUT_TABLES, DatabaseUnavailable, server_mend
from .failure import BackupFailed
from .moment import await_new_second, now

NAME = "klanten-{}"
DUMP = ".dump"
PARTIAL = ".partial"
OLDER = ("server version mismatch", "unsupported version")
"""What programs of PostgreSQL say of a server, or of a backup, that is newer than they are."""


def dump(uri: str, folder: Path) -> None:
    """Make a backup in a folder; of a half one nothing stays.

    Raises `BackupFailed`, and `DatabaseUnavailable`.
    """
    await_new_second(folder)
    target = folder / (NAME.format(now()) + DUMP)
    partial = target.with_suffix(PARTIAL)
    with _client(uri) as (environment, name):
        if not _has_tables(uri):
            raise DatabaseUnavailable(f"zodbconn.uri: {WITHOUT_TABLES}")
        try:
            # by way of a pipe, so that pg_dump ends when this process does
            with partial.open("wb") as file:
                _run("pg_dump", "--format=custom", name, environment=environment, to=file)
                os.fsync(file.fileno())
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
    partial.rename(target)


def load(uri: str, folder: Path) -> Path:
    """Put the newest backup of a folder back; its file.

    Raises `BackupFailed`, and `DatabaseUnavailable`.
    """
    dumps = sorted(folder.glob(f"*{DUMP}"))
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
    return dumps[-1]


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

    from ...storage.postgresql.uri import read

    parameters = dict(read(uri).parameters)
    environment = dict(os.environ)
    password = parameters.pop("password", None)
    if password is not None:
        environment["PGPASSWORD"] = password
    yield environment, make_dsn(**parameters)


def _has_tables(uri: str) -> bool:
    import psycopg2
    from psycopg2.extensions import make_dsn

    from ...storage.postgresql.uri import read

    try:
        connection = psycopg2.connect(make_dsn(**read(uri).parameters))
    except psycopg2.OperationalError as fault:
        reason = " ".join(str(fault).split())
        raise DatabaseUnavailable(f"zodbconn.uri: {reason}; {server_mend(fault)}") from None
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
