"""Who calls, and what may it do, as Pyramid asks for it.

What a token is worth is tested in test_tokens.py; rights from the Autorisaties API in
tests/unit/outgoing/test_rights.py and tests/functional/test_autorisaties.py.
"""

import logging
import time
from pathlib import Path
from typing import Any

import pytest
from pyramid.request import Request

from klanten.clients import Clients
from klanten.scopes import Scope
from klanten.security import LOOK_EVERY, SecurityPolicy
from klanten.tokens import Tokens
from tests.conftest import CLIENTS


@pytest.fixture
def policy(clients_file: Path) -> SecurityPolicy:
    return SecurityPolicy(Tokens(Clients(clients_file)))


def request(authorization: str | None) -> Any:
    request = Request.blank("/")
    if authorization is not None:
        request.environ["HTTP_AUTHORIZATION"] = authorization
    return request


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_may_do_what_its_scopes_say(policy, token, client):
    permitted = {scope for scope in Scope if policy.permits(request(token(client)), None, scope)}
    assert permitted == (set(Scope) if client == "all" else set(CLIENTS[client].split()))


def test_a_permitted_request_knows_its_caller(policy, token):
    asked = request(token("lezen", user_id="j.jansen"))
    policy.permits(asked, None, Scope.LEZEN)
    assert (asked.caller.client_id, asked.caller.user_id) == ("lezen", "j.jansen")


def test_a_missing_scope_is_named(policy, token):
    refusal = policy.permits(request(token("lezen")), None, Scope.AANMAKEN)
    assert not refusal
    assert refusal.code == "permission_denied"
    assert Scope.AANMAKEN in refusal.detail


@pytest.mark.parametrize(
    ("authorization", "code"), [(None, "permission_denied"), ("Bearer x", "jwt-decode-error")]
)
def test_a_token_that_is_refused_gives_its_own_code(policy, authorization, code):
    refusal = policy.permits(request(authorization), None, Scope.LEZEN)
    assert not refusal
    assert refusal.code == code
    assert refusal.detail


def test_a_client_without_scopes_has_no_rights_where_there_is_nobody_to_ask(tmp_path, token):
    path = tmp_path / "some.ini"
    path.write_text("[all]\nsecret = a secret of more than thirty-two bytes\n")
    path.chmod(0o600)
    policy = SecurityPolicy(Tokens(Clients(path)))
    assert not any(policy.permits(request(token("all")), None, scope) for scope in Scope)


@pytest.mark.parametrize(("client", "userid"), [("lezen", "lezen"), ("unknown", None)])
def test_the_caller_is_known_without_a_permission(policy, token, client, userid):
    """Pyramid may ask for these anywhere, so they never raise."""
    asked = request(token(client))
    assert policy.authenticated_userid(asked) == userid
    assert (policy.identity(asked) is None) == (userid is None)


def test_nothing_is_remembered_in_a_browser(policy):
    assert policy.remember(request(None), "lezen") == policy.forget(request(None)) == []


# --- the clients file, while the server runs ----------------------------------------------------


def test_a_client_that_is_removed_is_refused(app, clients_file, token):
    headers = {"Authorization": token("lezen")}
    app.get("/api/v1/klanten", headers=headers)
    clients_file.write_text("[other]\nsecret = another secret of more than thirty-two bytes\n")
    time.sleep(LOOK_EVERY)
    refusal = app.get("/api/v1/klanten", headers=headers, status=403)
    assert refusal.json["code"] == "invalid-client-identifier"


def test_a_file_that_breaks_keeps_the_last_good_one(app, clients_file, token, caplog):
    clients_file.write_text("[lezen\nsecret")
    time.sleep(LOOK_EVERY)
    app.get("/api/v1/klanten", headers={"Authorization": token("lezen")})
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_what_is_weak_is_told_once_at_the_start(make_app, clients_file, caplog):
    clients_file.write_text("[a]\nsecret = short\n[b]\nsecret = short too\n")
    clients_file.chmod(0o644)
    app = make_app()
    warned = [record.getMessage() for record in caplog.records]
    assert len(warned) == 2
    assert any("[a], [b]" in line for line in warned)
    assert any("chmod 600" in line for line in warned)
    for _ in range(2):
        app.get("/api/v1/klanten", status=403)
    assert "short" not in "".join(warned).replace("shorter", "")
