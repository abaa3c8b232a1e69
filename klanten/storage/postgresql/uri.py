"""What a `postgresql://` URI says, sorted by who is to hear it: libpq, RelStorage, the ZODB."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import psycopg2
from psycopg2.extensions import parse_dsn
from ZConfig.datatypes import stock_datatypes
from zodburi import PARAMETERS

from ...settings import SettingsError

# The server, and after a `?` the query. libpq would take what comes after a stray @ for a host,
# and so show a part of the password when it finds no such host.
URI = re.compile(r"(postgres(?:ql)?://(?:[^@/]*@)?[^?@]*)(?:\?(.*))?", re.DOTALL)
PARAMETER = re.compile(r"([a-z_]+)=(.*)", re.DOTALL)


def a_boolean(text: str) -> bool:
    return text == "1" or (text != "0" and bool(stock_datatypes["boolean"](text)))


a_size = stock_datatypes["byte-size"]

OPTIONS: dict[str, Callable[[str], Any]] = {
    "read_only": a_boolean,
    "keep_history": a_boolean,
    "create_schema": a_boolean,
    "revert_when_stale": a_boolean,
    "cache_local_mb": int,
    "cache_local_object_max": a_size,
    "cache_local_compression": str,
    "cache_local_dir": str,
    "cache_delta_size_limit": int,
    "cache_prefix": str,
    "commit_lock_timeout": float,
    "pack_gc": a_boolean,
    "pack_batch_timeout": float,
    "replica_conf": str,
    "ro_replica_conf": str,
    "replica_timeout": float,
}
"""The options of RelStorage that may stand in the URI, and how each is read."""

LIMITS: dict[str, Callable[[str], Any]] = {"timeout": float, "statement_timeout": float}
"""Seconds until the server counts as down, and until the server ends a statement by itself."""


@dataclass(frozen=True)
class Target:
    """What a URI says, sorted by who is to hear it."""

    parameters: dict[str, str] = field(repr=False)
    """For libpq, the password among them."""
    options: dict[str, Any]
    """For RelStorage."""
    keywords: dict[str, str]
    """For the ZODB, still as texts: the `connection_*` parameters of zodburi."""


def read(uri: str) -> Target:
    """What a URI says. Raises `SettingsError`."""
    server, query = _split(uri)
    limits = _values(LIMITS, query)
    options = _values(OPTIONS, query)
    ours = PARAMETERS.keys() | OPTIONS.keys() | LIMITS.keys()
    parameters = _parameters(server, {name: query[name] for name in query.keys() - ours})
    if "timeout" in limits:
        options = {"commit_lock_timeout": limits["timeout"]} | options
        parameters = _client_limits(limits["timeout"], parameters) | parameters
    if "statement_timeout" in limits:
        parameters["options"] = _server_limits(limits["statement_timeout"], parameters)
    # a database that is only read may be a standby, or belong to a role that may not make tables
    options = {"keep_history": False, "create_schema": not options.get("read_only")} | options
    options |= {"name": _name(parameters), "driver": "psycopg2"}
    keywords = {name: unquote(query[name]) for name in query.keys() & PARAMETERS.keys()}
    return Target(parameters, options, keywords)


# --- reading the URI ----------------------------------------------------------------------------


def _split(uri: str) -> tuple[str, dict[str, str]]:
    """What stands before the query, and the parameters in the query, still percent-encoded."""
    match = URI.fullmatch(uri)
    if not match:
        raise _unreadable()
    parts = [PARAMETER.fullmatch(part) for part in (match[2] or "").split("&") if part]
    if None in parts:
        raise _unreadable()
    return match[1], {part[1]: part[2] for part in parts if part}


def _values(kinds: Mapping[str, Callable[[str], Any]], query: Mapping[str, str]) -> dict[str, Any]:
    found = {}
    for name in kinds.keys() & query.keys():
        try:
            found[name] = kinds[name](unquote(query[name]))
        except ValueError:
            raise SettingsError(
                f"zodbconn.uri: the value of {name} can't be read; mend it or leave it out"
            ) from None
    return found


def _parameters(server: str, query: Mapping[str, str]) -> dict[str, str]:
    for name, value in query.items():
        try:
            parse_dsn(f"postgresql://?{name}={value}")
        except psycopg2.ProgrammingError:
            raise SettingsError(
                f"zodbconn.uri: {name!r} is no parameter of PostgreSQL, RelStorage or zodburi, "
                "or its value can't be read; mend it or leave it out"
            ) from None
    try:
        parameters: dict[str, str] = parse_dsn(
            server + "?" + "&".join(f"{name}={value}" for name, value in query.items())
        )
    except psycopg2.ProgrammingError:
        # what libpq says of it may quote the password
        raise _unreadable() from None
    if not all(port.isdigit() for port in parameters.get("port", "").split(",") if port):
        raise _unreadable()
    return parameters


def _unreadable() -> SettingsError:
    return SettingsError(
        "zodbconn.uri: the postgresql URI can't be read; write "
        "postgresql://user:password@host:5432/database?name=value, with all signs but letters and "
        "digits in user and password percent-encoded (@ as %40)"
    )


def _name(parameters: Mapping[str, str]) -> str:
    """What the storage is called in logs."""
    return f"PostgreSQL {parameters.get('dbname', '')} at {parameters.get('host', 'localhost')}"


# --- waiting no longer than asked -----------------------------------------------------------------


def _client_limits(seconds: float, parameters: Mapping[str, str]) -> dict[str, str]:
    """How long libpq waits for the network."""
    hosts = parameters.get("host", "").count(",") + 1
    limits = {
        # it tries host after host, each this long, and counts less than 2 as 2
        "connect_timeout": max(2, math.ceil(seconds / hosts)),
        # a server that vanished is noticed while data waits to be sent ...
        "tcp_user_timeout": math.ceil(seconds * 1000),
        # ... and while an answer is waited for
        **_keepalives("keepalives", seconds),
    }
    return {name: str(limit) for name, limit in limits.items()}


def _server_limits(seconds: float, parameters: Mapping[str, str]) -> str:
    """How long the server waits, as the libpq parameter `options`.

    A client that hangs or vanishes in the middle of a commit holds a lock that all writers need.
    """
    milliseconds = math.ceil(seconds * 1000)
    limits = {
        "statement_timeout": milliseconds,
        "idle_in_transaction_session_timeout": milliseconds,
        **_keepalives("tcp_keepalives", seconds),
    }
    # of a setting that is given twice the server takes the last
    return " ".join(
        [*(f"-c {name}={limit}" for name, limit in limits.items()), parameters.get("options", "")]
    ).rstrip()


def _keepalives(name: str, seconds: float) -> dict[str, int]:
    """TCP looks whether the other side is there, and gives up after so many seconds of silence."""
    return {
        f"{name}_idle": max(1, math.ceil(seconds / 2)),
        f"{name}_interval": max(1, math.ceil(seconds / 6)),
        f"{name}_count": 3,
    }
