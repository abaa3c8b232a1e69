"""`/klanten/{uuid}`: one klant."""

from pyramid.request import Request
from pyramid.response import Response

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
    request.tree.remove(request.context.klant, bewerking(request, Actie.DESTROY))
    return Response(status=204, headerlist=[])


klant.close()


def _change(request: Request, actie: Actie) -> Response:
    stored = request.context.klant
    body = json_body(request)
    schemas = request.registry.klant_schemas
    check = schemas.update if actie is Actie.UPDATE else schemas.partial_update
    sent = check(body, stored.body["subjectType"], request.subject_exists)
    request.tree.change(stored, sent, bewerking(request, actie))
    return json_response(klant_json(api_root(request), stored))
