"""What an operator can set: read once at start, from the ini file and the environment.

Each attribute of `Settings` is one setting: its name in the ini file, how its text is read, its
default and a line of explanation stand together. The same setting may come from the environment
(`klanten.jwt.max_age` as `KLANTEN_JWT_MAX_AGE`, `zodbconn.uri` as `KLANTEN_ZODBCONN_URI`) and
then wins. A variable that is empty counts as not given, unless empty says something: `none` or
`no limit`.

An unknown setting is an error, in the ini file as in the environment. There others have names too
that begin with KLANTEN_, so that only what looks like one of ours is; the rest can be told of.
"""

import dataclasses
import difflib
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Self

from .environment import (
    PREFIX,
    SERVER_PREFIX,
    environment_name,
    in_environment,
    is_of_others,
    place_of,
)
from .origin import NoSection, Origin, SettingsError
from .section import read_section
from .values import (
    LISTS,
    Network,
    TimeOfDay,
    a_boolean,
    a_database_uri,
    a_log_format,
    a_path,
    a_size,
    a_time_of_day,
    a_word,
    days,
    networks,
    optional_fields,
    origins,
    seconds,
    seconds_above_zero,
)

__all__ = [
    "REQUIRED",
    "SERVER_PREFIX",
    "Network",
    "NoSection",
    "Origin",
    "Settings",
    "SettingsError",
    "TimeOfDay",
    "environment_name",
    "in_environment",
    "is_of_others",
    "place_of",
    "read_section",
    "seconds",
    "seconds_above_zero",
    "unknown_variables",
]

Reader = Callable[[str, Origin], Any]
REQUIRED = object()


def setting(name: str, read: Reader, explanation: str, default: Any = REQUIRED) -> Any:
    """A field of `Settings`; the default is written as it would be in the ini file."""
    metadata = {"name": name, "read": read, "explanation": explanation, "default": default}
    return dataclasses.field(metadata=metadata, repr=name != "zodbconn.uri")


@dataclasses.dataclass(frozen=True)
class Settings:
    """All settings, typed and checked."""

    database_uri: str = setting(
        "zodbconn.uri", a_database_uri, "The ZODB database, as a zodburi URI."
    )
    database_timeout: float = setting(
        "klanten.database.timeout",
        seconds_above_zero,
        "Seconds that a request waits for a database that does not answer, or for its turn to "
        "write, before it is refused with 503.",
        default="10",
    )
    clients: Path = setting(
        "klanten.clients", a_path, "File with the client ids, secrets and scopes of the callers."
    )
    services: Path | None = setting(
        "klanten.services",
        a_path,
        "File with the services that we call (Autorisaties API, Notificaties API, subjects); "
        "empty for none.",
        default=None,
    )
    component: str = setting(
        "klanten.component",
        a_word,
        "The component under which the Autorisaties API keeps the scopes of this API.",
        default="kc",
    )
    deliver_notifications: bool = setting(
        "klanten.notifications.deliver",
        a_boolean,
        "Whether this server delivers notifications itself, where there is a [notificaties]; "
        "`klanten notifications INI deliver` does it in a process of its own.",
        default="true",
    )
    subject_allow_networks: tuple[Network, ...] = setting(
        "klanten.subject.allow_networks",
        networks,
        "Networks, beside public addresses, from which a `subject` may be fetched.",
        default="",
    )
    subject_timeout: float = setting(
        "klanten.subject.timeout",
        seconds_above_zero,
        "Seconds that the whole check of a `subject` may take.",
        default="5",
    )
    jwt_leeway: float = setting(
        "klanten.jwt.leeway",
        seconds,
        "Seconds that the clock of a caller may differ from ours.",
        default="60",
    )
    jwt_max_age: float | None = setting(
        "klanten.jwt.max_age",
        seconds_above_zero,
        "Seconds after its `iat` that a token is refused; empty for no limit.",
        default=None,
    )
    cors_origins: tuple[str, ...] = setting(
        "klanten.cors.origins",
        origins,
        "Origins whose web pages may call the API: *, a list, or empty for none.",
        default="*",
    )
    optional_fields: frozenset[str] = setting(
        "klanten.optional_fields",
        optional_fields,
        "Required fields that may be absent or empty; only websiteUrl is allowed.",
        default="",
    )
    log_format: str = setting(
        "klanten.log.format",
        a_log_format,
        "Form of the log: text for people, json (one object on each line) for programs.",
        default="text",
    )
    monitoring_allow_networks: tuple[Network, ...] = setting(
        "klanten.monitoring.allow_networks",
        networks,
        "Networks from which /metrics may be read; never through a proxy that is not trusted.",
        default="127.0.0.0/8 ::1/128",
    )
    body_max_size: int = setting(
        "klanten.body.max_size",
        a_size,
        "Bytes that the body of a request may have at most.",
        default="1048576",
    )

    pack_at: TimeOfDay | None = setting(
        "klanten.pack.at",
        a_time_of_day,
        "When a server with its database in a file packs it each day, or never.",
        default="03:30",
    )
    pack_days: float = setting(
        "klanten.pack.days",
        days,
        "Days of history that a pack keeps.",
        default="1",
    )

    @classmethod
    def read(
        cls,
        given: Mapping[str, str],
        file: str | Path | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> Self:
        """The settings of `given` (as PasteDeploy hands them over) and the environment.

        Raises `SettingsError` with one line that names the setting, the file and the mend.
        """
        path = Path(file).absolute() if file else None
        origin = Origin(path, path.parent if path else Path.cwd())
        _refuse_unknown(given, origin)
        _refuse_misspelt(environ)
        values = {
            field.name: _value(field.metadata, given, environ, origin)
            for field in dataclasses.fields(cls)
        }
        return cls(**values)

    @classmethod
    def from_ini(cls, file: str | Path, environ: Mapping[str, str] = os.environ) -> Self:
        """The settings of an ini file, as a command reads them.

        Raises `SettingsError`, also when the file is not there or can't be read.
        """
        return cls.read(read_section(file, "app"), file, environ)

    @classmethod
    def names(cls) -> list[str]:
        """How the settings are called in the ini file."""
        return [field.metadata["name"] for field in dataclasses.fields(cls)]


def unknown_variables(environ: Mapping[str, str] = os.environ) -> list[str]:
    """Variables that look like settings and are none, nor known to be for something else."""
    known = set(map(environment_name, Settings.names()))
    return sorted(
        name
        for name in environ
        if name.startswith(PREFIX) and name not in known and not _is_elsewhere(name)
    )


def _is_elsewhere(variable: str) -> bool:
    return variable.startswith(SERVER_PREFIX) or is_of_others(variable)


def _value(
    setting: Mapping[str, Any], given: Mapping[str, str], environ: Mapping[str, str], origin: Origin
) -> Any:
    name, default = setting["name"], setting["default"]
    place, text = _place_and_text(setting, given, environ, origin)
    if text is None or (not text.strip() and default in (REQUIRED, None)):
        text = default
    if text is REQUIRED:
        mend = f"add a line `{name} = ...` under [app:main], or set {environment_name(name)}"
        raise origin.error(name, "is missing", mend)
    if text is None:
        return None
    try:
        return setting["read"](text.strip(), origin)
    except ValueError as fault:
        raise SettingsError(f"{place}: {fault}") from None


def _place_and_text(
    setting: Mapping[str, Any], given: Mapping[str, str], environ: Mapping[str, str], origin: Origin
) -> tuple[str, str | None]:
    name = setting["name"]
    variable = environment_name(name)
    may_be_empty = setting["default"] is None or setting["read"] in LISTS
    text = environ.get(variable)
    # compose gives a variable that nobody set as an empty one
    if text is None or not (text.strip() or may_be_empty):
        return origin.place(name), given.get(name)
    return in_environment(variable), text


def _refuse_unknown(given: Mapping[str, str], origin: Origin) -> None:
    known = Settings.names()
    for name in given.keys() - set(known):
        near = _nearest(name.lower(), known)
        # what is neither ours nor nearly so is another library's
        if near or name.startswith(("klanten.", "zodbconn.")):
            raise origin.error(name, "is no setting", near or "remove it")


def _refuse_misspelt(environ: Mapping[str, str]) -> None:
    known = {environment_name(name).removeprefix(PREFIX) for name in Settings.names()}
    for variable in unknown_variables(environ):
        if near := _nearest(variable.removeprefix(PREFIX), known, PREFIX):
            raise SettingsError(f"{in_environment(variable)}: is no setting; {near}")


def _nearest(name: str, known: Iterable[str], prefix: str = "") -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
    return f"did you mean {prefix}{near[0]}?" if near else ""
