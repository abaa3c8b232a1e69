"""`/klanten/{klant_uuid}/audittrail`: who changed what in a klant, and one line of it."""

from pyramid.request import Request
from pyramid.response import Response

from ..model.errors import RegelUnknown
from ..representation import api_root, audittrail_json, regel_json
from ..scopes import Scope
from .service import Service, json_response

audittrail = Service(
    "audittrail", "/klanten/{klant_uuid}/audittrail", "De audittrail van een klant."
)
regel = Service(
    "audittrail_regel",
    "/klanten/{klant_uuid}/audittrail/{uuid}",
    "Een regel uit de audittrail van een klant.",
)


@audittrail.get(operation="audittrail_list", permission=Scope.AUDITTRAILS_LEZEN)
def audittrail_list(request: Request) -> Response:
    """Alle regels uit de audittrail van een klant, de oudste eerst."""
    trail = request.context.audittrail
    regels = list(trail)
    if not regels:
        raise RegelUnknown
    return json_response(audittrail_json(api_root(request), trail.klant, regels))


@regel.get(operation="audittrail_read", permission=Scope.AUDITTRAILS_LEZEN, cacheable=True)
def audittrail_read(request: Request) -> Response:
    """Een regel uit de audittrail opvragen."""
    place = request.context
    klant = place.__parent__.audittrail.klant
    return json_response(regel_json(api_root(request), klant, place.regel))


audittrail.close()
regel.close()
