"""The services that this one calls, as the file that `klanten.services` names has them.

    [autorisaties]
    api_root = https://autorisaties.example.nl/api/v1
    client_id = klanten
    secret = the secret agreed with this service

    [notificaties]
    ...

    [subject:personen]
    ...

`[autorisaties]` and `[notificaties]` are the APIs of those names; a `subject` below the root of a
`[subject:NAME]` is fetched with a token for it. Each section may also have `timeout` (seconds that
a call may take as a whole) and `ca_bundle` (a file with the certificates to trust, its path
counting from the services file); `[autorisaties]` also `cache_ttl` and `stale_ttl` (seconds).
"""

import dataclasses
import json
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from .. import inifile
from ..signature import HS256, JWS
from .location import Location, LocationError

AUTORISATIES: Final = "autorisaties"
NOTIFICATIES: Final = "notificaties"
SUBJECT: Final = "subject:"


class ServicesError(Exception):
    """The services file cannot be used; the text is one line that never shows a secret."""


@dataclass(frozen=True, slots=True)
class Service:
    """An API that we call, and what was agreed with it. `api_root` has no slash at its end."""

    api_root: str
    client_id: str
    secret: str = field(repr=False)
    timeout: float = 10.0
    ca_bundle: Path | None = None

    def token(self, user_id: str = "", user_representation: str = "") -> str:
        """A fresh JSON Web Token for this service; the user is named in its audit trail."""
        return _signed(self, int(time.time()), user_id, user_representation)


@lru_cache(maxsize=64)
def _signed(service: Service, iat: int, user_id: str, user_representation: str) -> str:
    """A token that was made at this second; all that are made within it are the same."""
    claims = {
        "iss": service.client_id,
        "iat": iat,
        "client_id": service.client_id,
        "user_id": user_id,
        "user_representation": user_representation,
    }
    return JWS.encode(json.dumps(claims).encode(), service.secret, HS256)


@dataclass(frozen=True, slots=True)
class Autorisaties(Service):
    """The Autorisaties API: seconds that its answers count, and that they do when it is down."""

    cache_ttl: float = 60.0
    stale_ttl: float = 900.0


S = TypeVar("S", bound=Service)


@dataclass(frozen=True, slots=True)
class Services:
    """What the file says; `warnings` are lines that an operator should see once."""

    autorisaties: Autorisaties | None = None
    notificaties: Service | None = None
    subjects: tuple[Service, ...] = ()
    warnings: tuple[str, ...] = ()

    @classmethod
    def read(cls, path: Path) -> Self:
        """The services of a file. Raises ServicesError, with the mend, when it can't be used."""
        sections = _sections(path)
        subjects = {
            name: section.service(Service)
            for name, section in sections.items()
            if section.is_subject()
        }
        _refuse_shared_root(sections, subjects)
        return cls(
            autorisaties=_optional(Autorisaties, sections.get(AUTORISATIES)),
            notificaties=_optional(Service, sections.get(NOTIFICATIES)),
            subjects=tuple(subjects.values()),
            warnings=tuple(inifile.warnings(path, _secrets(sections))),
        )


@dataclass(frozen=True, slots=True)
class _Section:
    path: Path
    name: str
    texts: Mapping[str, str] = field(repr=False)

    def is_subject(self) -> bool:
        """Raises ServicesError when there is no such section."""
        if self.name in (AUTORISATIES, NOTIFICATIES):
            return False
        if self.name.removeprefix(SUBJECT) in ("", self.name):
            known = f"[{AUTORISATIES}], [{NOTIFICATIES}] or [{SUBJECT}NAME]"
            raise self.error(f": is unknown; write {known}")
        return True

    def service(self, kind: type[S]) -> S:
        """The service that the keys describe. Raises ServicesError."""
        fields = {field.name: field for field in dataclasses.fields(kind)}
        for key in self.texts:
            if key not in fields:
                raise self.error(f", key {inifile.word(key)}: is unknown; use {', '.join(fields)}")
        for key, described in fields.items():
            if described.default is dataclasses.MISSING and not self.texts.get(key):
                raise self.error(f", key {key}: is missing; write {EXAMPLES[key]}")
        return kind(**{key: self._value(key) for key in self.texts})

    def error(self, fault: str) -> ServicesError:
        return ServicesError(f"{self.path}, section [{self.name}]{fault}")

    def _value(self, key: str) -> Any:
        try:
            return READERS[key](inifile.one_line(self.texts[key]), self.path.parent)
        except ValueError as fault:
            raise self.error(f", key {key}: {fault}") from None


def _optional(kind: type[S], section: _Section | None) -> S | None:
    return section.service(kind) if section else None


# --- how the text of a key is read; each raises ValueError("fault; mend") -----------------------


def _text(text: str, folder: Path) -> str:
    return text


def _api_root(text: str, folder: Path) -> str:
    try:
        Location.parse(text)
    except LocationError as fault:
        raise ValueError(f"{fault}; write {EXAMPLES['api_root']}") from None
    if set("?#@") & set(text):
        raise ValueError(f"has more than host and path; write {EXAMPLES['api_root']}")
    return text.rstrip("/")


def _seconds(text: str, folder: Path) -> float:
    try:
        seconds = float(text)
    except ValueError:
        raise ValueError("is no number; write seconds, for instance 10") from None
    if not 0 <= seconds < 1e9:
        raise ValueError("is out of range; write seconds, for instance 10")
    return seconds


def _seconds_above_zero(text: str, folder: Path) -> float:
    seconds = _seconds(text, folder)
    if not seconds:
        raise ValueError("must be more than 0; write seconds, for instance 10")
    return seconds


def _ca_bundle(text: str, folder: Path) -> Path:
    path = folder / text
    try:
        ssl.create_default_context(cafile=path)
    except OSError:
        raise ValueError(f"{path} is no file with certificates; name one in PEM form") from None
    return path


EXAMPLES: Final = {
    "api_root": "api_root = https://host.example.nl/api/v1",
    "client_id": "client_id = the id agreed with this service",
    "secret": "secret = the secret agreed with this service",
}

READERS: Final[Mapping[str, Callable[[str, Path], Any]]] = {
    "api_root": _api_root,
    "client_id": _text,
    "secret": _text,
    "timeout": _seconds_above_zero,
    "ca_bundle": _ca_bundle,
    "cache_ttl": _seconds,
    "stale_ttl": _seconds,
}


# --- the file ------------------------------------------------------------------------------------


def _sections(path: Path) -> dict[str, _Section]:
    try:
        sections = inifile.sections(path.read_bytes())
    except OSError as error:
        mend = "put a services file there that this service may read"
        raise ServicesError(f"{path}: cannot be read ({error.strerror}); {mend}") from None
    except ValueError as fault:
        raise ServicesError(f"{path}{fault}") from None
    return {name: _Section(path, name, texts) for name, texts in sections.items()}


def _refuse_shared_root(sections: Mapping[str, _Section], subjects: Mapping[str, Service]) -> None:
    owners: dict[Location, str] = {}
    for name, service in subjects.items():
        owner = owners.setdefault(Location.parse(service.api_root), name)
        if owner != name:
            raise sections[name].error(
                f", key api_root: is that of [{owner}] too; keep one of the two"
            )


def _secrets(sections: Mapping[str, _Section]) -> dict[str, str]:
    return {name: section.texts["secret"] for name, section in sections.items()}
