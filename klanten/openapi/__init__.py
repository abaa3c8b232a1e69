"""The OpenAPI document of this API, built from what runs: the registered services and the fields.

It states the same facts as the published document of the Klanten API 1.0.0; the texts are our
own. `servers` is left to whoever serves it, who knows under which root it was asked for.
"""

from collections.abc import Iterable

import cornice

from ..scopes import Scope
from ..tweens import API_VERSION
from . import answers, operations, schemas
from .reference import Json, ref

OAS_VERSION = "3.0.0"
"""The version of the specification that the document follows; some clients refuse another minor."""

DESCRIPTION = """\
Legt klanten vast en maakt ze vindbaar: natuurlijke personen, niet-natuurlijke personen en
vestigingen. De gegevens zijn die van de klant zelf en zijn niet aan een basisregistratie getoetst.

**Toegang**

Elke aanroep draagt een JWT in de header `Authorization`. Wat een applicatie mag, staat in haar
scopes:

{scopes}

**Notificaties**

Wordt een klant vastgelegd, gewijzigd of verwijderd, dan gaat daarover een bericht naar het kanaal
`klanten` van de Notificaties API. Het kenmerk `subject_type` zegt om welke soort klant het gaat.
"""


def document(services: Iterable[cornice.Service]) -> Json:
    """The whole document but for `servers`.

    Args:
        services: the registered services; those without an operation of the API are passed over.
    """
    return {
        "openapi": OAS_VERSION,
        "info": info(),
        "security": [{operations.SECURITY_SCHEME: []}],
        "paths": operations.paths(services),
        "tags": [
            {
                "name": "klanten",
                "description": (
                    "Een klant is iemand, of een organisatie, die contact heeft gehad. Is bekend "
                    "wie het is, dan wijst `subject` de gegevens in een registratie aan; bestaat "
                    "die registratie niet als API, dan staan ze in `subjectIdentificatie`."
                ),
            }
        ],
        "components": {
            "responses": answers.error_responses(),
            "requestBodies": {
                "Klant": {
                    "content": {"application/json": {"schema": ref("schemas", "Klant")}},
                    "required": True,
                }
            },
            "securitySchemes": {
                operations.SECURITY_SCHEME: {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                }
            },
            "schemas": {**schemas.klant_schemas(), **answers.SCHEMAS},
        },
    }


def info() -> Json:
    """Whose standard this is, and its version: contact and licence are those of the standard."""
    scopes = "\n".join(f"- `{scope}`: {scope.explanation}" for scope in Scope)
    return {
        "title": "Klanten API",
        "description": DESCRIPTION.format(scopes=scopes),
        "contact": {
            "url": "https://zaakgerichtwerken.vng.cloud",
            "email": "standaarden.ondersteuning@vng.nl",
        },
        "license": {"name": "EUPL 1.2", "url": "https://opensource.org/licenses/EUPL-1.2"},
        "version": API_VERSION,
    }
