"""The paths of the document, from what the registered services tell of their operations."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from inspect import getdoc

import cornice

from ..model.fields import FILTERS
from ..scopes import Scope
from .answers import error_statuses, success
from .reference import Json, given, ref
from .schemas import filter_schema

SECURITY_SCHEME = "JWT-Claims"
COMPONENTS = {"klant": "Klant", "audittrail": "AuditTrail"}
"""What an operation is about, the first word of its name -> the component that describes it."""

PATH_PARAMETER = re.compile(r"(?P<collection>\w+)/\{(?P<name>\w+)\}")
MEMBERS = {
    "klanten": "UUID (versie 4) van de klant.",
    "audittrail": "UUID (versie 4) van de regel in de audittrail.",
}
"""Collection, the segment before a path parameter -> what the parameter names."""


@dataclass(frozen=True)
class Operation:
    """One operation of the API, and what follows from its name, method and path."""

    name: str
    method: str
    path: str
    scope: Scope
    cacheable: bool
    summary: str

    @property
    def component(self) -> str:
        """The component that describes what the operation is about."""
        return COMPONENTS[self.name.partition("_")[0]]

    @property
    def lists(self) -> bool:
        return self.name.endswith("_list")

    @property
    def searches(self) -> bool:
        """Whether it has filters and pages."""
        return self.name == "klant_list"

    @property
    def writes(self) -> bool:
        return self.method != "get"

    @property
    def takes_body(self) -> bool:
        return self.method in ("post", "put", "patch")

    @property
    def addresses_one(self) -> bool:
        """Whether the path names one thing, which may not exist."""
        return self.path.endswith("}")


def paths(services: Iterable[cornice.Service]) -> Json:
    """Path -> its operations and parameters, and nothing else: a client in use breaks on more."""
    found = {}
    for service in services:
        if operations := {operation.method: operation for operation in operations_of(service)}:
            found[service.path] = {
                **{method: operation_object(one) for method, one in operations.items()},
                "parameters": path_parameters(service.path),
            }
    return found


def operations_of(service: cornice.Service) -> Iterator[Operation]:
    """The operations of a service: HEAD comes with every GET, and what has no name is none."""
    for method, view, arguments in service.definitions:
        if method != "HEAD" and "operation" in arguments:
            yield Operation(
                name=arguments["operation"],
                method=method.lower(),
                path=service.path,
                scope=arguments["permission"],
                cacheable=arguments.get("cacheable", False),
                summary=getdoc(view) or "",
            )


def operation_object(operation: Operation) -> Json:
    """All that the document says of one operation."""
    body = ref("requestBodies", operation.component) if operation.takes_body else None
    return given(
        {
            "operationId": operation.name,
            "summary": operation.summary,
            "description": operation.summary,
            "parameters": parameters(operation) or None,
            "requestBody": body,
            "responses": responses(operation),
            "tags": [operation.path.split("/")[1]],
            "security": [{SECURITY_SCHEME: [operation.scope.value]}],
        }
    )


# --- what goes in -------------------------------------------------------------------------------


def path_parameters(path: str) -> list[Json]:
    """The parameters in a path; all are UUIDs."""
    return [
        {
            "name": found["name"],
            "in": "path",
            "description": MEMBERS[found["collection"]],
            "required": True,
            "schema": {"type": "string", "format": "uuid"},
        }
        for found in PATH_PARAMETER.finditer(path)
    ]


def parameters(operation: Operation) -> list[Json]:
    """The query parameters and headers of an operation."""
    return [
        *(query_parameters() if operation.searches else ()),
        *((CONTENT_TYPE,) if operation.takes_body else ()),
        *((IF_NONE_MATCH,) if operation.cacheable else ()),
        *(AUDIT_HEADERS if operation.writes else ()),
    ]


def query_parameters() -> Iterator[Json]:
    """The filters of the list, and its pages."""
    for found in FILTERS:
        text = found.field.description or found.field.title
        yield parameter("query", found.name, text, schema=filter_schema(found))
    yield parameter("query", "page", "Nummer van de pagina; 1 is de eerste.", {"type": "integer"})


def parameter(
    place: str, name: str, description: str, schema: Json, required: bool = False
) -> Json:
    return {
        "name": name,
        "in": place,
        "description": description,
        "required": required,
        "schema": schema,
    }


CONTENT_TYPE = parameter(
    "header",
    "Content-Type",
    "Het type van wat er gestuurd wordt.",
    {"type": "string", "enum": ["application/json"]},
    required=True,
)
AUDIT_HEADERS = (
    parameter(
        "header",
        "X-NLX-Logrecord-ID",
        "Kenmerk waaronder het verzoek in het hele netwerk te volgen is.",
        {"type": "string"},
    ),
    parameter(
        "header",
        "X-Audit-Toelichting",
        "De reden van het verzoek; komt in de audittrail.",
        {"type": "string"},
    ),
)
IF_NONE_MATCH = {
    **parameter(
        "header",
        "If-None-Match",
        "De ETags die de consumer al kent. Is de huidige erbij, dan volgt status 304 zonder inhoud "
        "(RFC 9110, 13.1.2).",
        {"type": "string"},
    ),
    "examples": {
        "oneValue": {
            "summary": "Een enkele ETag",
            "value": '"79054025255fb1a26e4bc422aef54eb4"',
        },
        "multipleValues": {
            "summary": "Verschillende ETags",
            "value": '"79054025255fb1a26e4bc422aef54eb4", "e4d909c290d0fb1ca068ffaddf22cbd0"',
        },
    },
}


# --- what comes out -----------------------------------------------------------------------------


def responses(operation: Operation) -> Json:
    """Status -> answer: the one that is hoped for, and the refusals."""
    status = {"post": 201, "delete": 204}.get(operation.method, 200)
    refusals = error_statuses(
        invalid=operation.takes_body or operation.searches, absent=operation.addresses_one
    )
    return {
        str(status): success(status, answer_schema(operation), operation.cacheable),
        **{str(refusal): ref("responses", refusal) for refusal in refusals},
    }


def answer_schema(operation: Operation) -> Json | None:
    """What the body of the answer is; None where there is no body."""
    one = ref("schemas", operation.component)
    if operation.method == "delete":
        return None
    if operation.searches:
        return page_of(one)
    return {"type": "array", "items": one} if operation.lists else one


def page_of(item: Json) -> Json:
    """One page of a list."""
    link = {"type": "string", "format": "uri", "nullable": True}
    return {
        "required": ["count", "results"],
        "type": "object",
        "properties": {
            "count": {"type": "integer"},
            "next": link,
            "previous": link,
            "results": {"type": "array", "items": item},
        },
    }
