"""What an operator can set: read once at start, from the ini file and the environment.

Each attribute of `Settings` is one setting: its name in the ini file, how its text is read, its
default and a line of explanation stand together. The same setting may come from the environment
(`klanten.jwt.max_age` as `KLANTEN_JWT_MAX_AGE`, `zodbconn.uri` as `KLANTEN_ZODBCONN_URI`) and
then wins. A variable that is empty counts as not given, unless empty says something: `none` or
`no limit`.

An unknown setting is an error, in the ini file as in the environment. There others have names too
that begin with KLANTEN_, so that only what looks like one of ours is; the rest can be told of.
"""

import configparser
import dataclasses
import difflib
import ipaddress
import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Self

import plaster

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class SettingsError(Exception):
    """A setting is wrong, unknown or missing; the text is one line for the operator."""


class NoSection(SettingsError):
    """The ini file has no such section."""


@dataclasses.dataclass(frozen=True)
class TimeOfDay:
    """A time of the day on the clock of this machine."""

    hour: int
    minute: int


@dataclasses.dataclass(frozen=True)
class Origin:
    """Where the settings stand: the ini file (None without one) and the folder it lies in."""

    file: Path | None
    here: Path

    def place(self, name: str) -> str:
        """The setting as it stands here, in words."""
        return f"{name} in {self.file or 'the settings given to klanten.main'}"

    def error(self, name: str, fault: str, mend: str) -> SettingsError:
        return SettingsError(f"{self.place(name)}: {fault}; {mend}")


# --- how the text of a setting is read; each raises ValueError("fault; mend") -------------------


def a_text(text: str, origin: Origin) -> str:
    return text


def a_word(text: str, origin: Origin) -> str:
    if len(text.split()) != 1:
        raise ValueError(f"{text!r} is not one word; write for instance kc")
    return text


def a_boolean(text: str, origin: Origin) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(f"{text!r} is neither; write true or false")
    return text.lower() == "true"


def a_path(text: str, origin: Origin) -> Path:
    try:
        return origin.here / Path(text).expanduser()
    except RuntimeError:
        raise ValueError(f"{text!r} begins with a user who is not there; mend the path") from None


def a_database_uri(text: str, origin: Origin) -> str:
    """A zodburi URI; the path of a `file://` one counts from the ini file."""
    scheme, separator, rest = text.partition("://")
    if not separator:
        raise ValueError(
            "is no URI; write it as SCHEME://..., for instance file:///path/klanten.fs"
        )
    if scheme == "file" and not rest.startswith("/"):
        return f"file://{origin.here / rest}"
    return text


def _number(text: str, least: str = "0") -> float:
    try:
        number = float(text)
    except ValueError:
        raise ValueError(f"{text!r} is no number; write for instance 60") from None
    if not 0 <= number < 1e9:
        raise ValueError(f"{text!r} is out of range; use {least} to 1,000,000,000")
    return number


def seconds(text: str, origin: Origin) -> float:
    return _number(text)


def seconds_above_zero(text: str, origin: Origin) -> float:
    number = _number(text, least="more than 0, up")
    if not number:
        raise ValueError("must be more than 0; write for instance 5")
    return number


def a_size(text: str, origin: Origin) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text[:12]) < 2**31):
        raise ValueError(f"{text!r} is no number of bytes; write for instance 1048576")
    return int(text)


def a_time_of_day(text: str, origin: Origin) -> TimeOfDay | None:
    if text == "never":
        return None
    found = re.fullmatch(r"([01][0-9]|2[0-3]):([0-5][0-9])", text)
    if not found:
        raise ValueError(f"{text!r} is no time of day; write for instance 03:30, or never")
    return TimeOfDay(int(found[1]), int(found[2]))


def networks(text: str, origin: Origin) -> tuple[Network, ...]:
    found = []
    for word in text.split():
        try:
            found.append(ipaddress.ip_network(word))
        except ValueError:
            raise ValueError(
                f"{word!r} is no network; write CIDR, separated by blanks: 127.0.0.0/8 ::1/128"
            ) from None
    return tuple(found)


def origins(text: str, origin: Origin) -> tuple[str, ...]:
    words = tuple(text.split())
    for word in words:
        if word != "*" and ("://" not in word or word.endswith("/")):
            raise ValueError(
                f"{word!r} is no origin; write * or for instance https://portaal.example.nl"
            )
    if "*" in words and len(words) > 1:
        raise ValueError("* stands beside other origins; write either * or a list")
    return words


def optional_fields(text: str, origin: Origin) -> frozenset[str]:
    fields = frozenset(text.split())
    if fields - {"websiteUrl"}:
        unknown = ", ".join(sorted(fields - {"websiteUrl"}))
        raise ValueError(f"{unknown} can't be made optional; only websiteUrl can")
    return fields


LISTS = (networks, origins, optional_fields)
"""Those of which the text may be empty."""


def a_log_format(text: str, origin: Origin) -> str:
    if text not in ("text", "json"):
        raise ValueError(f"{text!r} is no form of the log; write text or json")
    return text


# --- the settings -------------------------------------------------------------------------------

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
        seconds,
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


PREFIX = "KLANTEN_"
VARIABLES_OF_OTHERS = re.compile(
    # klanten copy-from
    "KLANTEN_SOURCE_(TOKEN|CLIENT_ID|SECRET)|"
    # Kubernetes, for a Service of which the name begins with klanten
    r"KLANTEN_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_\w+)?)?)"
)


def environment_name(name: str) -> str:
    """`klanten.jwt.max_age` is KLANTEN_JWT_MAX_AGE, `zodbconn.uri` is KLANTEN_ZODBCONN_URI."""
    return PREFIX + name.removeprefix("klanten.").replace(".", "_").upper()


def in_environment(variable: str) -> str:
    return f"{variable} in the environment"


def place_of(name: str, file: object = None, environ: Mapping[str, str] = os.environ) -> str:
    """Where a setting that is not empty has its value from, in words."""
    variable = environment_name(name)
    if environ.get(variable, "").strip():
        return in_environment(variable)
    return f"{name} in {file}" if file else name


def unknown_variables(environ: Mapping[str, str] = os.environ) -> list[str]:
    """Variables that look like settings and are none, nor known to be for something else."""
    known = set(map(environment_name, Settings.names()))
    return sorted(
        name
        for name in environ
        if name.startswith(PREFIX) and name not in known and not VARIABLES_OF_OTHERS.fullmatch(name)
    )


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


# --- the ini file -------------------------------------------------------------------------------


def read_section(file: str | Path, kind: str) -> Mapping[str, str]:
    """What `[app:main]` ("app") or `[server:main]` ("server") of an ini file says.

    Raises `NoSection`, and `SettingsError` when there is no such file or it can't be read.
    """
    try:
        # asks for no more than the rights to read it, as pserve does
        with open(file, "rb"):
            pass
        loader = plaster.get_loader(str(file), protocols=["wsgi"])
        if f"{kind}:main" not in loader.get_sections():
            raise NoSection(f"{file}: there is no [{kind}:main]; add it, or mend its name")
        section: Mapping[str, str]
        if kind == "app":
            # also what it takes from a section that it names in `use`
            section = loader.get_wsgi_app_settings("main")
        else:
            section = loader.get_settings(f"{kind}:main")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise SettingsError(
            f"{file}: there is no such file; give the path of the ini file"
        ) from None
    except OSError as fault:
        raise SettingsError(
            f"{file}: can't be read ({fault.strerror}); run this as the user of the service"
        ) from None
    except configparser.InterpolationError as fault:
        raise SettingsError(
            f"{fault.option} in {file}: a single % can't be read; write each % twice (p%%40ss)"
        ) from None
    except (LookupError, ImportError, configparser.Error, ValueError) as fault:
        reason = " ".join(str(fault).split())
        raise SettingsError(f"[{kind}:main] in {file}: {reason}; mend the file") from None
    return section
