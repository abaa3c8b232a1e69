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
import secrets
import threading
import time
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeAlias

from . import inifile
from .scopes import Scope

logger = logging.getLogger(__name__)

#: The longest values that can be exchanged with a consumer or shown in its audittrail.
MAX_CLIENT_ID: Final = 50
MAX_SECRET: Final = 255
MAX_LABEL: Final = 200

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
    is_broken: bool = False


class Clients:
    """The clients of one file, as the file is now, or was `look_every` seconds ago.

    Raises ClientsError at once when the file cannot be used. A file that breaks, vanishes or
    becomes empty later is logged, once for each change, and the clients read before stay in force.
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

    @property
    def is_broken(self) -> bool:
        """Whether nothing can be made of the file as it is now, so that older clients count."""
        self.current()
        return self._last.is_broken

    def warnings(self) -> list[str]:
        """What an operator should know at start: a line for each kind of weakness found."""
        clients = self._last.clients
        found = [] if clients else [f"{self.path}: no clients: nobody can do anything"]
        secrets = {name: clients[name].secret for name in sorted(clients)}
        return found + list(inifile.warnings(self.path, secrets))

    def _look_again(self, last: _Reading) -> _Reading:
        # The stamp is taken before the content, so a change in between shows at the next look.
        stamp = _stamp(self.path)
        if stamp == last.stamp:
            return last  # another thread was first
        content, clients, is_broken = None, last.clients, last.is_broken
        try:
            content = _content(self.path)
            if content != last.content:
                _refuse_empty(content, self.path)
                clients, is_broken = _parse(content, self.path), False
                logger.info("%s: read again, clients in force: %d", self.path, len(clients))
        except ClientsError as error:
            if content != last.content:
                logger.error("%s; the clients read before stay in force", error)
            is_broken = True
        return _Reading(_settled(stamp), content, clients, is_broken)


def new_clients_file(path: Path, client_id: str, label: str) -> Client:
    """Make a clients file, for its owner only, with one client that may do everything.

    Returns that client, with its random secret. Raises FileExistsError when there is a file,
    which is left as it is, and ClientsError when the id or label cannot be written in one.
    """
    content = (
        f"[{client_id}]\n"
        f"secret = {secrets.token_urlsafe(inifile.SAFE_SECRET_BYTES)}\n"
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


def _refuse_empty(content: bytes, path: Path) -> None:
    """An editor or a full disk may leave nothing of a file; who wants that says so in a comment."""
    if not content.strip():
        raise ClientsError(f"{path}: is empty; write the clients, or a comment to have none")


# --- from text to clients -----------------------------------------------------------------------


def _parse(content: bytes, path: Path) -> ClientsById:
    try:
        sections = inifile.sections(content)
    except ValueError as fault:
        raise ClientsError(f"{path}{fault}") from None
    clients = {}
    for client_id, section in sections.items():
        try:
            clients[client_id] = _client(client_id, section)
        except ValueError as error:
            raise ClientsError(f"{path}, section [{client_id}]{error}") from None
    return MappingProxyType(clients)


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
        raise ValueError(f", key {inifile.word(key)}: is unknown; use {', '.join(_KEYS)}")
    try:
        # scopes may be a long list; in a label they would vanish
        if key != "scopes":
            inifile.one_line(value)
    except ValueError as fault:
        raise ValueError(f", key {key}: {fault}") from None


def _scopes(text: str | None) -> frozenset[Scope] | None:
    if text is None:
        return None
    words = text.split()
    if words == [_EVERY_SCOPE]:
        return frozenset(Scope)
    for word in words:
        if word not in _SCOPES:
            known = ", ".join(_SCOPES)
            raise ValueError(
                f", key scopes: {inifile.word(word)} is no scope; write * or some of {known}"
            )
    return frozenset(_SCOPES[word] for word in words)


def _label(text: str) -> str:
    printed = "".join(sign for sign in text if unicodedata.category(sign) != "Cc")
    return printed.strip()[:MAX_LABEL]
