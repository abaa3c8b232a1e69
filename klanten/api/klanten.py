"""`/klanten`: the list, and new klanten."""

from pyramid.httpexceptions import HTTPNotFound
from pyramid.request import Request
from pyramid.response import Response

from ..model.audittrail import Actie
from ..representation import api_root, klant_json, klant_url, page_json
from ..schemas.query import read_query
from ..scopes import Scope
from .service import Service, bewerking, json_body, json_response

PAGE_SIZE = 100

klanten = Service("klanten", "/klanten", "De klanten.")


@klanten.get(operation="klant_list", permission=Scope.LEZEN)
def klant_list(request: Request) -> Response:
    """Alle klanten die aan de filters voldoen, per pagina."""
    query = read_query(request.environ.get("QUERY_STRING", ""))
    tree = request.tree
    selection = tree.search(query.filters)
    number = query.page
    if number is None or number > max(1, -(-selection.count // PAGE_SIZE)):
        raise HTTPNotFound
    offset = (number - 1) * PAGE_SIZE
    found = tree.fetch(selection.docids(offset, PAGE_SIZE))
    root = api_root(request)
    url = f"{root}/klanten"
    more = offset + PAGE_SIZE < selection.count
    following = query.page_link(url, number + 1) if more else None
    previous = query.page_link(url, number - 1) if number > 1 else None
    return json_response(page_json(root, selection.count, following, previous, found))


@klanten.post(operation="klant_create", permission=Scope.AANMAKEN)
def klant_create(request: Request) -> Response:
    """Een nieuwe klant vastleggen."""
    body = json_body(request)
    sent = request.registry.klant_schemas.create(body, request.subject_exists)
    klant = request.tree.create(sent, bewerking(request, Actie.CREATE))
    root = api_root(request)
    return json_response(klant_json(root, klant), "201 Created", Location=klant_url(root, klant))


klanten.close()
