"""Who calls, and what may it do: tokens and rights as Pyramid's security policy asks for them."""

import logging
from typing import Any

from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.security import Allowed, Denied

from .clients import Clients
from .scopes import Scope
from .tokens import Caller, TokenRefused, Tokens


log = logging.getLogger(__name__)


class Refused(Denied):
    """A refusal with the code and the explanation of the Fout that answers it."""

    def __new__(cls, code: str, detail: str) -> "Refused":
        self: Refused = super().__new__(cls, detail)
        self.code = code
        self.detail = detail
        return self

    code: str
    detail: str


class SecurityPolicy:
    """Permissions are scopes; they are the same for every klant."""

    def __init__(self, tokens: Tokens) -> None:
        self.tokens = tokens

    def caller(self, request: Request) -> Caller:
        """The application that calls. Raises `TokenRefused`."""
        return self.tokens.verify(request.environ.get("HTTP_AUTHORIZATION"))

    def identity(self, request: Request) -> Caller | None:
        try:
            return self.caller(request)
        except TokenRefused:
            return None

    def authenticated_userid(self, request: Request) -> str | None:
        caller = self.identity(request)
        return caller.client_id if caller else None

    def permits(self, request: Request, context: Any, permission: Scope) -> Allowed | Refused:
        try:
            caller = self.caller(request)
        except TokenRefused as refusal:
            return Refused(refusal.code, refusal.detail)
        request.caller = caller
        if permission in (caller.client.scopes or ()):
            return Allowed("scope %s", permission)
        return Refused("permission_denied", f"Deze applicatie mist de scope {permission}.")

    def remember(self, request: Request, userid: str, **kw: Any) -> list[tuple[str, str]]:
        return []

    def forget(self, request: Request, **kw: Any) -> list[tuple[str, str]]:
        return []


def includeme(config: Configurator) -> None:
    settings = config.registry.settings["klanten"]
    clients = Clients(settings.clients)
    for warning in clients.warnings():
        log.warning(warning)
    tokens = Tokens(clients, settings.jwt_leeway, settings.jwt_max_age)
    config.set_security_policy(SecurityPolicy(tokens))
