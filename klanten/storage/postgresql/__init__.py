"""PostgreSQL as the database: `postgresql://` as a scheme of `zodbconn.uri`.

The URI is that of libpq (PostgreSQL documentation, 34.1.1.2), and libpq reads it: user and
password percent-encoded, several hosts, sockets, and every parameter that libpq knows. Beside
those it takes the options of RelStorage, which keeps the objects in tables, and the
`connection_*` parameters of zodburi.

    postgresql://klanten:p%40ss@db.example.nl/klanten?sslmode=verify-full&cache_local_mb=50

This package needs the extra `klanten[postgresql]` and is imported only where the scheme is used.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

from psycopg2.extensions import make_dsn
from relstorage.options import Options
from relstorage.storage import RelStorage

from ...settings import SettingsError
from .storage import SCHEMA_LOCK, Adapter, Storage
from .uri import Target, read


def resolve(uri: str) -> tuple[Callable[[], RelStorage], dict[str, str]]:
    """The storage behind a URI, as zodburi asks for it: how to open it, and what is for the ZODB.

    Raises `SettingsError`, with one line that holds no part of the password.
    """
    target = read(uri)

    def factory() -> RelStorage:
        adapter = _adapter(target)
        with _alone(adapter) if adapter.options.create_schema else nullcontext():
            return Storage(adapter, options=adapter.options)

    return factory, target.keywords


def _adapter(target: Target) -> Adapter:
    try:
        return Adapter(make_dsn(**target.parameters), Options(**target.options))
    except (OSError, IndexError) as fault:
        raise SettingsError(f"the list of replicas can't be read: {fault}") from fault


@contextmanager
def _alone(adapter: Adapter) -> Iterator[None]:
    """Let one process at a time make the tables: RelStorage has each that sees none make them."""
    connection, cursor = adapter.connmanager.open()
    try:
        cursor.execute("SELECT pg_advisory_lock(%s)", (SCHEMA_LOCK,))
        yield
    finally:
        adapter.connmanager.close(connection, cursor)
