"""Who calls, and what may it do: tokens and rights as Pyramid's security policy asks for them."""

import logging
from typing import Any

from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.security import Allowed, Denied

from .clients import Client, Clients
from .execution import answer
from .outgoing.autorisaties import NO_RIGHTS, AutorisatiesApi, Rights
from .outgoing.rights import KeptRights, RightsUnknown
from .scopes import Scope
from .tokens import Caller, TokenRefused, Tokens

log = logging.getLogger(__name__)

LOOK_EVERY = 0.1
"""Seconds that a client may still be served after it is taken out of the clients file."""


class Refused(Denied):
    """A refusal with the code and the explanation of the Fout that answers it."""

    def __new__(cls, code: str, detail: str) -> "Refused":
        self: Refused = super().__new__(cls, detail)
        self.code = code
        self.detail = detail
        return self

    code: str
    detail: str


ASKER_REFUSED = Refused(
    "not_authenticated_for_ac",
    "De Autorisaties API weigert het token van deze server; wat deze applicatie mag is onbekend.",
)


ALLOWED = Allowed("the caller has the scope")


class SecurityPolicy:
    """Permissions are scopes; they are the same for every klant.

    `kept_rights` tells those of clients that have none in the clients file.
    """

    def __init__(self, tokens: Tokens, kept_rights: KeptRights | None = None) -> None:
        self.tokens = tokens
        self.kept_rights = kept_rights

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

    def rights(self, request: Request, client: Client) -> Rights:
        """What the client may do. Raises `RightsUnknown`, and `Question` to have it asked."""
        if client.scopes is not None:
            return Rights(client.scopes, client.client_id, client.label)
        kept = self.kept_rights
        if kept is None:
            return NO_RIGHTS
        client_id = client.client_id
        rights = kept.known(client_id)
        if rights is None:
            rights = answer(request, ("rights", client_id), lambda: kept.ask(client_id))
        if rights is None:
            raise RightsUnknown(client_id)
        return rights

    def permits(self, request: Request, context: Any, permission: Scope) -> Allowed | Refused:
        """Whether the caller has the scope; then `request` knows `caller` and `rights`.

        Raises as `rights` does.
        """
        try:
            caller = self.caller(request)
        except TokenRefused as refusal:
            return Refused(refusal.code, refusal.detail)
        rights = self.rights(request, caller.client)
        request.caller, request.rights = caller, rights
        if permission in rights.scopes:
            return ALLOWED
        if rights.asker_refused:
            return ASKER_REFUSED
        return Refused("permission_denied", f"Deze applicatie mist de scope {permission}.")

    def remember(self, request: Request, userid: str, **kw: Any) -> list[tuple[str, str]]:
        return []

    def forget(self, request: Request, **kw: Any) -> list[tuple[str, str]]:
        return []


def includeme(config: Configurator) -> None:
    settings = config.registry.settings["klanten"]
    clients = config.registry.clients = Clients(settings.clients, LOOK_EVERY)
    for warning in clients.warnings():
        log.warning(warning)
    tokens = Tokens(clients, settings.jwt_leeway, settings.jwt_max_age)
    config.set_security_policy(SecurityPolicy(tokens, _kept_rights(config, clients)))


def _kept_rights(config: Configurator, clients: Clients) -> KeptRights | None:
    registry = config.registry
    service = registry.services.autorisaties
    if service is None:
        return None
    api = AutorisatiesApi(registry.door, service, registry.settings["klanten"].component)
    return KeptRights(api, service, clients.current)
