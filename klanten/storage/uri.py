"""What the URI of a database says, and what is added to it for the one who opens it."""

import inspect
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import zodburi
from ZODB import DB

from ..settings import SettingsError

# Counted in objects and bytes for each connection, and each thread has one: a klant takes about
# 1.5 KB and a bucket of an index 2-3 KB.
CACHE_SIZE = 50_000
CACHE_SIZE_BYTES = 256 * 1024 * 1024
# More than any sensible number of threads: ZODB only warns about a larger number.
POOL_SIZE = 64

SCHEMES = "write file://, zeo:// or postgresql://"
OTHERS_OF_RELSTORAGE = ("mysql", "oracle", "sqlite")
"""Of these it has drivers too, and of none of them what klanten needs beside a storage."""


class UriError(SettingsError):
    """The URI of the database can't be read."""


def file_of(uri: str) -> Path | None:
    """The file of a database that is one, None for a database behind a server."""
    scheme, _, rest = uri.partition("://")
    return Path(rest.partition("?")[0]) if scheme == "file" else None


def with_parameters(uri: str, read_only: bool, timeout: float, serving: bool) -> str:
    """The URI with what the caller asks for, in the words of its scheme.

    What the URI says itself stays, except that nothing else than reading can be had.
    """
    scheme, _, rest = uri.partition(":")
    if scheme == "postgres":  # RelStorage has a resolver of its own for this one
        uri, scheme = f"postgresql:{rest}", "postgresql"
    parameters: dict[str, Any] = {}
    if scheme == "zeo":
        parameters["wait_timeout"] = math.ceil(timeout)
    if scheme == "postgresql":
        parameters["timeout"] = timeout
        if serving:
            parameters["statement_timeout"] = timeout
    added = [
        f"{name}={value}"
        for name, value in parameters.items()
        if not re.search(rf"[?&]{name}=", uri)
    ]
    if read_only and scheme in ("file", "zeo", "postgresql"):
        added.append("read_only=1")
    separator = "&" if "?" in uri else "?"
    return uri + separator + "&".join(added) if added else uri


def resolve(uri: str) -> tuple[Callable[[], Any], dict[str, Any]]:
    """How to open the storage that a URI names, and what is for the `DB` on it.

    Raises `SettingsError`, with one line that holds no part of a password.
    """
    scheme = uri.partition(":")[0]
    if scheme in OTHERS_OF_RELSTORAGE:
        raise UriError(f"zodbconn.uri: {scheme}:// is no database for klanten; {SCHEMES}")
    try:
        factory, options = zodburi.resolve_uri(uri)
    except SettingsError as fault:
        raise UriError(str(fault)) from None
    except ModuleNotFoundError as fault:
        raise UriError(
            f"zodbconn.uri: {scheme} needs the package {fault.name}; "
            "install it with: pip install -c constraints.txt '.[postgresql]' in the checkout"
        ) from None
    except zodburi.UnknownDatabaseKeywords as fault:
        raise UriError(
            f"zodbconn.uri: {', '.join(fault.kw)} in the {scheme} URI is no known parameter; "
            "mend it or leave it out"
        ) from None
    except zodburi.NoResolverForScheme:
        raise UriError(f"zodbconn.uri: the {scheme} URI can't be read; {SCHEMES}") from None
    except Exception as fault:  # each resolver has errors of its own
        raise UriError(
            f"zodbconn.uri: the {scheme} URI can't be read ({type(fault).__name__}); "
            "write for instance file:///path/to/klanten.fs"
        ) from None
    # zodburi fills in the defaults of ZODB, so ask the URI itself what was chosen
    if "connection_cache_size" not in uri:
        options |= {"cache_size": CACHE_SIZE, "cache_size_bytes": CACHE_SIZE_BYTES}
    if "connection_pool_size" not in uri:
        options["pool_size"] = POOL_SIZE
    known = inspect.signature(DB.__init__).parameters
    return factory, {name: value for name, value in options.items() if name in known}
