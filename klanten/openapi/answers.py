"""What is only ever answered: responses with their headers, Fout and the lines of an audittrail."""

from typing import Any

from ..model.audittrail import Actie
from .reference import Json, explained, given, ref

API_VERSION_HEADER = {
    "schema": {"type": "string"},
    "description": "De versie van de API die antwoordt, zoals 1.0.0.",
}
ETAG_HEADER = {
    "schema": {"type": "string"},
    "description": "Kenmerk van precies deze inhoud; is te gebruiken in `If-None-Match`.",
}
LOCATION_HEADER = {
    "schema": {"type": "string", "format": "uri"},
    "description": "Waar de nieuwe klant te vinden is.",
}

SUCCESSES = {200: "Gelukt.", 201: "Vastgelegd.", 204: "Verwijderd; er is geen inhoud."}
ERRORS = {
    400: "De gegevens in het verzoek zijn onleesbaar of niet goed.",
    401: "Onbekend wie er aanroept. Deze server antwoordt dan met 403.",
    403: "De aanroeper heeft geen geldig token of mist de scope.",
    404: "Er is niets op dit adres.",
    406: "Het antwoord is er niet in de vorm waar `Accept` om vraagt.",
    409: "Het verzoek past niet bij hoe het gegeven nu is. Komt bij deze server niet voor.",
    410: "Wat hier was is weg. Deze server antwoordt dan met 404.",
    412: "Er is niet voldaan aan een voorwaarde in het verzoek. Komt bij deze server niet voor.",
    415: "Wat er gestuurd wordt is geen `application/json`.",
    429: "Er komen te veel verzoeken tegelijk.",
    500: "Er ging iets mis in de server.",
}
"""Status -> what it means; every one is a component, whether or not an operation names it."""

CONDITIONAL = 412
"""Belongs to conditional writes, which the API does not have."""


def success(status: int, schema: Json | None, cacheable: bool) -> Json:
    """The answer that is hoped for."""
    content = None if schema is None else {"application/json": {"schema": schema}}
    headers = {
        "ETag": ETAG_HEADER if cacheable else None,
        "API-version": API_VERSION_HEADER,
        "Location": LOCATION_HEADER if status == 201 else None,
    }
    return given({"description": SUCCESSES[status], "headers": given(headers), "content": content})


def error_statuses(*, invalid: bool, absent: bool) -> list[int]:
    """The refusals of an operation.

    Args:
        invalid: whether it takes something that can be wrong.
        absent: whether it asks for something that may not exist.
    """
    never = {CONDITIONAL, *(() if invalid else (400,)), *(() if absent else (404,))}
    return [status for status in ERRORS if status not in never]


def error_responses() -> Json:
    """The component of each refusal."""
    return {
        str(status): {
            "description": description,
            "headers": {"API-version": API_VERSION_HEADER},
            "content": {
                "application/problem+json": {
                    "schema": ref("schemas", "ValidatieFout" if status == 400 else "Fout")
                }
            },
        }
        for status, description in ERRORS.items()
    }


# --- schemas ------------------------------------------------------------------------------------


def text(title: str, description: str, **facts: Any) -> Json:
    return {"title": title, "description": description, "type": "string", **facts}


def number(title: str, description: str, **facts: Any) -> Json:
    return {"title": title, "description": description, "type": "integer", **facts}


def record(properties: Json, *required: str) -> Json:
    """An object; what is `required` is always there."""
    return {"required": list(required), "type": "object", "properties": properties}


FOUT = record(
    {
        "type": text("Soort", "URL van een pagina die deze soort fout uitlegt."),
        "code": text("Code", "Vast woord voor de soort fout, voor programma's.", minLength=1),
        "title": text("Titel", "De soort fout in een paar woorden.", minLength=1),
        "status": number("Status", "De HTTP-status van het antwoord."),
        "detail": text("Uitleg", "Wat er in dit geval aan de hand is.", minLength=1),
        "instance": text(
            "Voorval",
            "URN van dit ene voorval; de beheerder vindt het eronder in het logboek.",
            minLength=1,
        ),
    },
    *("code", "title", "status", "detail", "instance"),
)
FIELD_VALIDATION_ERROR = record(
    {
        "name": text(
            "Naam",
            "Het veld, met punten tussen de niveaus; `nonFieldErrors` als het er niet om een gaat.",
            minLength=1,
        ),
        "code": text("Code", "Vast woord voor wat er aan schort, voor programma's.", minLength=1),
        "reason": text("Reden", "Waarom de waarde niet goed is.", minLength=1),
    },
    *("name", "code", "reason"),
)
VALIDATIE_FOUT = record(
    {
        **FOUT["properties"],
        "invalidParams": {
            "type": "array",
            "items": ref("schemas", "FieldValidationError"),
        },
    },
    *FOUT["required"],
    "invalidParams",
)
WIJZIGINGEN = {
    "title": "Wijzigingen",
    "type": "object",
    "properties": {
        "oud": {
            "title": "Oud",
            "description": "De klant van voor de wijziging; null als die er nog niet was.",
            "type": "object",
        },
        "nieuw": {
            "title": "Nieuw",
            "description": "De klant van na de wijziging.",
            "type": "object",
        },
    },
}
COMPONENTEN = {
    "ac": "Autorisaties API",
    "nrc": "Notificaties API",
    "zrc": "Zaken API",
    "ztc": "Catalogi API",
    "drc": "Documenten API",
    "brc": "Besluiten API",
    "cmc": "Contactmomenten API",
    "kc": "Klanten API",
}
AUDITTRAIL = record(
    {
        "uuid": text("UUID", "Het UUID van de regel.", format="uuid"),
        "bron": text(
            "Bron",
            explained("De API waarin iets gewijzigd is.", COMPONENTEN),
            enum=list(COMPONENTEN),
        ),
        "applicatieId": text(
            "Applicatie", "Kenmerk van de applicatie die het verzoek deed.", maxLength=100
        ),
        "applicatieWeergave": text(
            "Naam van de applicatie", "Hoe mensen die applicatie noemen.", maxLength=200
        ),
        "gebruikersId": text(
            "Gebruiker",
            "Kenmerk waaraan de eigen organisatie ziet wie de applicatie gebruikte.",
            maxLength=255,
        ),
        "gebruikersWeergave": text(
            "Naam van de gebruiker", "Hoe die gebruiker heet.", maxLength=255
        ),
        "actie": text(
            "Actie",
            explained("Wat er met de klant gedaan is.", {actie: actie.weergave for actie in Actie}),
            maxLength=50,
            minLength=1,
        ),
        "actieWeergave": text("Actie in woorden", "Dezelfde actie, voor mensen.", maxLength=200),
        "resultaat": number(
            "Resultaat",
            "De HTTP-status waarmee het verzoek beantwoord is.",
            maximum=599,
            minimum=100,
        ),
        "hoofdObject": text(
            "Hoofdobject",
            "URL van de klant waar de regel bij hoort.",
            format="uri",
            maxLength=1000,
            minLength=1,
        ),
        "resource": text(
            "Resource", "Wat voor gegeven er gewijzigd is.", maxLength=50, minLength=1
        ),
        "resourceUrl": text(
            "URL van de resource",
            "URL van wat er gewijzigd is.",
            format="uri",
            maxLength=1000,
            minLength=1,
        ),
        "toelichting": text("Toelichting", "De reden die het verzoek opgaf."),
        "resourceWeergave": text(
            "Naam van de resource",
            "Bronorganisatie en klantnummer van de klant.",
            maxLength=200,
            minLength=1,
        ),
        "aanmaakdatum": text(
            "Tijdstip", "Wanneer het gebeurde.", format="date-time", readOnly=True
        ),
        "wijzigingen": ref("schemas", "Wijzigingen"),
    },
    *("bron", "actie", "resultaat", "hoofdObject", "resource", "resourceUrl"),
    *("resourceWeergave", "wijzigingen"),
)

SCHEMAS = {
    "Fout": FOUT,
    "FieldValidationError": FIELD_VALIDATION_ERROR,
    "ValidatieFout": VALIDATIE_FOUT,
    "Wijzigingen": WIJZIGINGEN,
    "AuditTrail": AUDITTRAIL,
}
