"""The consumers this service knows: clients.ini, read again whenever it changes.

Each section is a client id, as a consumer puts it in the `client_id` claim of its tokens:

    [zaaksysteem]
    secret = the secret agreed with this consumer
    label = Zaaksysteem of Juinen
    scopes = klanten.lezen klanten.aanmaken

`scopes` is `*` for every right, a list, or empty for a known client without rights. A section
without `scopes` leaves the rights to the Autorisaties API.
"""

import logging
import os
import re
import secrets
import threading
import time
import unicodedata
from collections.abc import Mapping
from configparser import (
    DuplicateOptionError,
    DuplicateSectionError,
    MissingSectionHeaderError,
    ParsingError,
    RawConfigParser,
)
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeAlias

from .scopes import Scope

logger = logging.getLogger(__name__)

#: The longest values that can be exchanged with a consumer or shown in its audittrail.
MAX_CLIENT_ID: Final = 50
MAX_SECRET: Final = 255
MAX_LABEL: Final = 200

#: A key for HS256 should be no smaller than the hash (RFC 7518 section 3.2).
SAFE_SECRET_BYTES: Final = 32

_KEYS: Final = ("secret", "label", "scopes")
_SCOPES: Final = {str(scope): scope for scope in Scope}
_EVERY_SCOPE: Final = "*"

#: A file that changed less than this ago may change again within the same time stamp, as the
#: clocks of some file systems tick slowly.
_SETTLING_NS: Final = 2_000_000_000

_Stamp: TypeAlias = tuple[int, int, int, int]
_NO_FILE: Final[_Stamp] = (0, 0, 0, 0)


class ClientsError(Exception):
    """The clients file cannot be used; the text is one line that never shows a secret."""


@dataclass(frozen=True, slots=True)
class Client:
    """A consumer: its secret, and what it may do (`scopes` None: the Autorisaties API says)."""

    client_id: str
    secret: str = field(repr=False)
    label: str
    scopes: frozenset[Scope] | None


#: Client id -> Client, as one version of the file has them. Never changes; a changed file gives
#: another object, so its identity stands for the generation of the file.
ClientsById: TypeAlias = Mapping[str, Client]


@dataclass(frozen=True, slots=True)
class _Reading:
    """What was last found at the path, and the clients that are in force since then."""

    stamp: _Stamp | None  # None: look at the content again, whatever the time stamp says
    content: bytes | None = field(repr=False)  # None: there was nothing to read
    clients: ClientsById


class Clients:
    """The clients of one file, as the file is now, or was `look_every` seconds ago.

    Raises ClientsError at once when the file cannot be used. A file that breaks or vanishes
    later is logged, once for each change, and the clients read before stay in force.
    """

    def __init__(self, path: Path, look_every: float = 0.0) -> None:
        self.path = path
        self.look_every = look_every
        self._look_after = 0.0
        self._lock = threading.Lock()
        stamp = _stamp(path)
        content = _content(path)
        self._last = _Reading(_settled(stamp), content, _parse(content, path))

    def current(self) -> ClientsById:
        """The clients in force."""
        last = self._last
        now = time.monotonic()
        # to look is to let go of the interpreter, and to wait until other threads give it back
        if now < self._look_after:
            return last.clients
        self._look_after = now + self.look_every
        if _stamp(self.path) == last.stamp:
            return last.clients
        with self._lock:
            self._last = self._look_again(self._last)
            return self._last.clients

    def warnings(self) -> list[str]:
        """What an operator should know at start: a line for each kind of weakness found."""
        found = []
        short = sorted(
            f"[{client.client_id}]"
            for client in self._last.clients.values()
            if len(client.secret.encode()) < SAFE_SECRET_BYTES
        )
        if short:
            found.append(
                f"{self.path}: a secret of fewer than {SAFE_SECRET_BYTES} bytes can be guessed "
                f"from a token; agree on a longer one for {', '.join(short)}"
            )
        if self.path.stat().st_mode & 0o077:
            found.append(f"{self.path}: others can read the secrets in it; chmod 600 {self.path}")
        return found

    def _look_again(self, last: _Reading) -> _Reading:
        # The stamp is taken before the content, so a change in between shows at the next look.
        stamp = _stamp(self.path)
        if stamp == last.stamp:
            return last  # another thread was first
        content, clients = None, last.clients
        try:
            content = _content(self.path)
            if content != last.content:
                clients = _parse(content, self.path)
                logger.info("%s: read again, clients in force: %d", self.path, len(clients))
        except ClientsError as error:
            if content != last.content:
                logger.error("%s; the clients read before stay in force", error)
        return _Reading(_settled(stamp), content, clients)


def new_clients_file(path: Path, client_id: str, label: str) -> Client:
    """Make a clients file, for its owner only, with one client that may do everything.

    Returns that client, with its random secret. Raises FileExistsError when there is a file,
    which is left as it is, and ClientsError when the id or label cannot be written in one.
    """
    content = (
        f"[{client_id}]\n"
        f"secret = {secrets.token_urlsafe(SAFE_SECRET_BYTES)}\n"
        f"label = {label}\n"
        f"scopes = {_EVERY_SCOPE}\n"
    ).encode()
    client = _parse(content, path)[client_id]
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(handle, "wb") as file:
        file.write(content)
    return client


# --- the file: has it changed, what is in it ----------------------------------------------------


def _stamp(path: Path) -> _Stamp:
    try:
        found = os.stat(path)
    except OSError:
        return _NO_FILE
    return found.st_ctime_ns, found.st_mtime_ns, found.st_size, found.st_ino


def _settled(stamp: _Stamp) -> _Stamp | None:
    return stamp if time.time_ns() - stamp[0] > _SETTLING_NS else None


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ClientsError(
            f"{path}: cannot be read ({error.strerror}); "
            "put a clients file there that this service may read"
        ) from error


# --- from text to clients -----------------------------------------------------------------------


def _parse(content: bytes, path: Path) -> ClientsById:
    clients = {}
    for client_id, section in _sections(content, path).items():
        try:
            clients[client_id] = _client(client_id, section)
        except ValueError as error:
            raise ClientsError(f"{path}, section [{client_id}]{error}") from None
    return MappingProxyType(clients)


def _sections(content: bytes, path: Path) -> dict[str, dict[str, str]]:
    # A section [DEFAULT] would give its secret to every other: no name makes one here.
    parser = RawConfigParser(default_section="")
    try:
        parser.read_string(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ClientsError(f"{path}: is not UTF-8; save it in that encoding") from error
    except (DuplicateSectionError, DuplicateOptionError, ParsingError) as error:
        # Its own text quotes the line, which may hold a secret; so does the chain of causes.
        raise ClientsError(f"{path}, {_fault(error)}") from None
    return {name: dict(parser.items(name)) for name in parser.sections()}


def _fault(error: DuplicateSectionError | DuplicateOptionError | ParsingError) -> str:
    match error:
        case DuplicateSectionError():
            return f"section [{error.section}]: is there twice; keep one of the two"
        case DuplicateOptionError():
            return f"section [{error.section}], key {_word(error.option)}: is there twice; keep one"
        case MissingSectionHeaderError():
            return f"line {error.lineno}: stands under no client; put [CLIENT ID] above it"
        case _:
            return f"line {error.errors[0][0]}: cannot be read; write KEY = VALUE or [CLIENT ID]"


def _client(client_id: str, section: dict[str, str]) -> Client:
    _check_client_id(client_id)
    for key, value in section.items():
        _check_line(key, value)
    secret = section.get("secret", "")
    if not secret:
        raise ValueError(", key secret: is missing; write the secret agreed with this client")
    if len(secret) > MAX_SECRET:
        raise ValueError(f", key secret: is over {MAX_SECRET} characters; agree on a shorter one")
    label = _label(section.get("label", "")) or client_id
    return Client(client_id, secret, label, _scopes(section.get("scopes")))


def _check_client_id(client_id: str) -> None:
    if client_id.strip() != client_id or not client_id.isprintable():
        raise ValueError(": is no client id; write one, without blanks beside the brackets")
    if len(client_id) > MAX_CLIENT_ID:
        raise ValueError(f": is over {MAX_CLIENT_ID} characters; agree on a shorter client id")


def _check_line(key: str, value: str) -> None:
    if key not in _KEYS:
        raise ValueError(f", key {_word(key)}: is unknown; use {', '.join(_KEYS)}")
    # An indented line belongs to the value above it: a whole list of scopes may vanish in a label.
    if key != "scopes" and len(value.splitlines()) > 1:
        raise ValueError(f", key {key}: goes on in an indented line; start lines at the margin")


def _scopes(text: str | None) -> frozenset[Scope] | None:
    if text is None:
        return None
    words = text.split()
    if words == [_EVERY_SCOPE]:
        return frozenset(Scope)
    for word in words:
        if word not in _SCOPES:
            known = ", ".join(_SCOPES)
            raise ValueError(f", key scopes: {_word(word)} is no scope; write * or some of {known}")
    return frozenset(_SCOPES[word] for word in words)


def _label(text: str) -> str:
    printed = "".join(sign for sign in text if unicodedata.category(sign) != "Cc")
    return printed.strip()[:MAX_LABEL]


def _word(text: str) -> str:
    """A word of the file, when it looks like a misspelt name: else it may be a stray secret."""
    return repr(text) if re.fullmatch(r"[A-Za-z._*-]{1,25}", text) else "(not shown)"
