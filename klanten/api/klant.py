"""`/klanten/{uuid}`: one klant."""

import logging

from pyramid.request import Request
from pyramid.response import Response

from ..logs import SECURITY, write
from ..model.audittrail import Actie
from ..representation import api_root, klant_json
from ..scopes import Scope
from .service import Service, bewerking, json_body, json_response

klant = Service("klant", "/klanten/{uuid}", "Een klant.")


@klant.get(operation="klant_read", permission=Scope.LEZEN, cacheable=True)
def klant_read(request: Request) -> Response:
    """Een klant opvragen."""
    return json_response(klant_json(api_root(request), request.context.klant))


@klant.put(operation="klant_update", permission=Scope.BIJWERKEN)
def klant_update(request: Request) -> Response:
    """Een klant geheel bijwerken: de verplichte velden moeten er zijn, de rest blijft staan."""
    return _change(request, Actie.UPDATE)


@klant.patch(operation="klant_partial_update", permission=Scope.BIJWERKEN)
def klant_partial_update(request: Request) -> Response:
    """Een deel van een klant bijwerken."""
    return _change(request, Actie.PARTIAL_UPDATE)


@klant.delete(operation="klant_delete", permission=Scope.VERWIJDEREN)
def klant_delete(request: Request) -> Response:
    """Een klant verwijderen, met zijn audittrail."""
    stored = request.context.klant
    request.tree.remove(stored, bewerking(request, Actie.DESTROY))
    request.tm.get().addAfterCommitHook(_log_removal, (stored.uuid, request.caller.client_id))
    return Response(status=204, headerlist=[])


klant.close()


def _log_removal(committed: bool, uuid: str, client_id: str) -> None:
    """No audittrail is left to tell of a removal, so the log does."""
    if committed:
        write(SECURITY, logging.INFO, "klant removed", {"uuid": uuid, "client_id": client_id})


def _change(request: Request, actie: Actie) -> Response:
    stored = request.context.klant
    body = json_body(request)
    schemas = request.registry.klant_schemas
    check = schemas.update if actie is Actie.UPDATE else schemas.partial_update
    sent = check(body, stored.body["subjectType"], request.subject_exists)
    request.tree.change(stored, sent, bewerking(request, actie))
    return json_response(klant_json(api_root(request), stored))
