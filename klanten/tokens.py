"""Who calls: the JSON Web Token of a consumer, checked against the clients file.

A consumer signs with HS256 and the secret agreed with it. The claim `client_id` names it; `exp`,
`nbf` and `iat` count when they are there; `user_id` and `user_representation` say for whom it
acts, for the audittrail. See RFC 7515 (signature), RFC 7519 (claims) and RFC 8725 (practice).
"""

import json
import re
import threading
import time
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, TypeAlias

from jwt import PyJWTError

from . import strictjson
from .clients import MAX_CLIENT_ID, Client, Clients, ClientsById
from .signature import HS256, JWS

#: The length in the OAS of gebruikersId and gebruikersWeergave.
MAX_USER: Final = 255

#: Bounds of the memory that remembered tokens take; real ones have some 300 characters.
_REMEMBERED_TOKENS: Final = 1024
_REMEMBERED_LENGTH: Final = 4096

#: What no text of the audittrail can hold.
_UNFIT: Final = re.compile("[\0\ud800-\udfff]")

#: A client id that can be shown before it is known to be one: no number of a person.
_WORD: Final = re.compile(rf"[A-Za-z][A-Za-z0-9_.-]{{0,{MAX_CLIENT_ID - 1}}}")

Number: TypeAlias = int | float


class Reason(Enum):
    """Why a token does not count, with the code that consumers see and the reason in words."""

    NONE = "permission_denied", "Er is geen token meegestuurd (Authorization: Bearer TOKEN)."
    UNREADABLE = "jwt-decode-error", "Het token is geen leesbaar JWT."
    ODD_FORM = "jwt-decode-error", "Het token is geen JWT van de afgesproken vorm."
    NO_NUMBER = "jwt-decode-error", "De claim {claim} in het token is geen getal."
    NO_CLIENT = "missing-client-identifier", "Het token heeft geen claim client_id."
    UNKNOWN_CLIENT = (
        "invalid-client-identifier",
        "De client_id in het token is hier niet bekend.",
    )
    SIGNATURE = (
        "invalid-jwt-signature",
        "De handtekening van het token klopt niet; nodig is HS256 met het afgesproken geheim.",
    )
    EXPIRED = "jwt-expired", "Het token is verlopen."
    UNDATED = "jwt-expired", "Het token zegt niet wanneer het is gemaakt (iat)."
    TOO_OLD = "jwt-expired", "Het token is te lang geleden gemaakt (iat)."
    NOT_YET = "jwt-not-yet-valid", "Het token is nog niet geldig (nbf)."
    IN_FUTURE = "jwt-not-yet-valid", "Het token is in de toekomst gemaakt (iat)."

    def __init__(self, code: str, detail: str) -> None:
        self.code = code
        self.detail = detail


class TokenRefused(Exception):
    """The caller stays unknown: `code` and `detail` (Dutch) are for the Fout that says so."""

    def __init__(self, reason: Reason, claim: str = "") -> None:
        super().__init__(reason, claim)
        self.code = reason.code
        self.detail = reason.detail.format(claim=claim)


@dataclass(frozen=True, slots=True)
class Caller:
    """The consumer behind a request, and the user that it says it acts for ("" for none)."""

    client: Client
    user_id: str
    user_representation: str

    @property
    def client_id(self) -> str:
        return self.client.client_id


@dataclass(frozen=True, slots=True)
class _Verified:
    """A token whose signature is right, with the moments that must be judged at each use."""

    caller: Caller
    expires: Number | None
    not_before: Number | None
    issued: Number | None


class Tokens:
    """Turns an Authorization header into its caller.

    `leeway` is how many seconds the clocks of consumers may differ from ours. With `max_age` a
    token counts for that many seconds since its `iat`, whatever its `exp` says.
    """

    def __init__(self, clients: Clients, leeway: float = 60, max_age: float | None = None) -> None:
        self._clients = clients
        self._leeway = leeway
        self._max_age = max_age
        self._remembered = _Remembered(clients.current())

    def verify(self, authorization: str | None) -> Caller:
        """The caller that the header names, as WSGI gives it. Raises TokenRefused."""
        if authorization is None:
            raise TokenRefused(Reason.NONE)
        remembered = self._remembered_of(self._clients.current())
        verified = remembered.get(authorization)
        if verified is None:
            verified = _verify(_token(authorization), remembered.clients)
            remembered.put(authorization, verified)
        self._check_moments(verified, time.time())
        return verified.caller

    def _remembered_of(self, clients: ClientsById) -> "_Remembered":
        """What was verified with just these clients: a changed file starts with nothing."""
        remembered = self._remembered
        if remembered.clients is not clients:
            remembered = self._remembered = _Remembered(clients)
        return remembered

    def _check_moments(self, token: _Verified, now: float) -> None:
        # The claims may be integers of any size: nothing is added to them.
        if token.expires is not None and token.expires <= now - self._leeway:
            raise TokenRefused(Reason.EXPIRED)
        if token.not_before is not None and token.not_before > now + self._leeway:
            raise TokenRefused(Reason.NOT_YET)
        if self._max_age is not None:
            self._check_age(token.issued, now, self._max_age)

    def _check_age(self, issued: Number | None, now: float, max_age: float) -> None:
        if issued is None:
            raise TokenRefused(Reason.UNDATED)
        if issued < now - max_age - self._leeway:
            raise TokenRefused(Reason.TOO_OLD)
        if issued > now + self._leeway:
            raise TokenRefused(Reason.IN_FUTURE)


class _Remembered:
    """Tokens verified with one generation of clients; the oldest makes room for a new one."""

    def __init__(self, clients: ClientsById) -> None:
        self.clients = clients
        self._tokens: dict[str, _Verified] = {}
        self._lock = threading.Lock()
        self.get = self._tokens.get

    def put(self, authorization: str, verified: _Verified) -> None:
        if len(authorization) > _REMEMBERED_LENGTH:
            return
        with self._lock:
            if len(self._tokens) >= _REMEMBERED_TOKENS:
                del self._tokens[next(iter(self._tokens))]
            self._tokens[authorization] = verified


def claimed_client_id(authorization: str | None) -> str:
    """Who the header says that it is from, for the log; nothing of that is known to be true.

    Empty when it does not say, or says something that is no word: that may be anything.
    """
    try:
        claimed = _claims(_token(authorization or "")).get("client_id")
    except TokenRefused:
        return ""
    return claimed if isinstance(claimed, str) and _WORD.fullmatch(claimed) else ""


def make_token(
    client: Client,
    user_id: str = "",
    user_representation: str = "",
    lifetime: float | None = None,
) -> str:
    """A token with which `client` may call from now on, for ever or for `lifetime` seconds."""
    now = int(time.time())
    claims: dict[str, str | int] = {
        "iss": client.client_id,
        "iat": now,
        "client_id": client.client_id,
        "user_id": user_id,
        "user_representation": user_representation,
    }
    if lifetime is not None:
        claims["exp"] = now + int(lifetime)
    return JWS.encode(json.dumps(claims).encode(), client.secret, HS256)


# --- the steps of a verification, in the order in which they refuse -----------------------------


def _verify(token: str, clients: ClientsById) -> _Verified:
    claims = _claims(token)
    client = _client(claims, clients)
    _check_signature(token, client)
    return _Verified(
        caller=Caller(client, _text(claims, "user_id"), _text(claims, "user_representation")),
        expires=_moment(claims, "exp"),
        not_before=_moment(claims, "nbf"),
        issued=_moment(claims, "iat"),
    )


def _token(authorization: str) -> str:
    word, _, token = authorization.partition(" ")
    if word != "Bearer" or not token or token.startswith(" "):
        raise TokenRefused(Reason.NONE)
    return token


def _claims(token: str) -> dict[str, Any]:
    """What the token says, not yet known to be true."""
    try:
        parts = JWS.decode_complete(token.encode("ascii"), options={"verify_signature": False})
        claims = strictjson.loads(parts["payload"], lone_surrogates=True)
    except (UnicodeEncodeError, PyJWTError, strictjson.NotJson) as error:
        raise TokenRefused(Reason.UNREADABLE) from error
    # PyJWT lets base64 keep its padding, and knows one critical extension (RFC 7797); RFC 7515
    # allows neither to a recipient that, like this one, supports no extension.
    if "=" in token or "crit" in parts["header"] or not isinstance(claims, dict):
        raise TokenRefused(Reason.ODD_FORM)
    return claims


def _client(claims: dict[str, Any], clients: ClientsById) -> Client:
    if "client_id" not in claims:
        raise TokenRefused(Reason.NO_CLIENT)
    client_id = claims["client_id"]
    client = clients.get(client_id) if isinstance(client_id, str) else None
    if client is None:
        raise TokenRefused(Reason.UNKNOWN_CLIENT)
    return client


def _check_signature(token: str, client: Client) -> None:
    try:
        JWS.decode_complete(token, client.secret, algorithms=[HS256])
    except PyJWTError as error:
        raise TokenRefused(Reason.SIGNATURE) from error


def _moment(claims: dict[str, Any], name: str) -> Number | None:
    if name not in claims:
        return None
    moment = claims[name]
    if isinstance(moment, bool) or not isinstance(moment, int | float):
        raise TokenRefused(Reason.NO_NUMBER, name)
    return moment


def _text(claims: dict[str, Any], name: str) -> str:
    """A claim as the audittrail can hold it: any value is right, none is refused."""
    value = claims.get(name)
    if value is None:
        return ""
    return _UNFIT.sub("", str(value))[:MAX_USER]
