"""Bodies of klanten as the model stores them, drawn from the table of fields."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from klanten.model.fields import IDENTIFICATIE, KLANT, Field, Kind
from klanten.model.klant import Klant, new_body
from klanten.schemas.klant import KlantSchemas

SCHEMAS = KlantSchemas(frozenset({"websiteUrl"}))

# What spreadsheets, CSV and JSON have a meaning for comes up more often than by chance.
SIGNS = st.one_of(
    st.sampled_from("=+-@'\"\\,;\t\n\r 0123456789eE./:[]{}|_ë\ufeff\u2028"),
    st.characters(codec="utf-8", exclude_characters="\0"),
)
TELLING = st.sampled_from(
    ["012345678", "1980-01-31", "1E5", "true", "Waar", "'s-Gravenhage", "''=1", "=1+1", "{}", "[]"]
)


def texts(field: Field) -> st.SearchStrategy[str]:
    longest, shortest = field.max_length or 20, field.min_length or 0
    drawn = st.text(SIGNS, min_size=1, max_size=min(longest, 6)).map(str.strip)
    telling = TELLING.map(lambda text: text[:longest])
    return st.one_of(st.just("" if not shortest else "x"), telling, drawn).filter(
        lambda text: len(text) >= shortest
    )


def values(field: Field) -> st.SearchStrategy[Any]:
    match field.kind:
        case Kind.OBJECT:
            return st.one_of(st.none(), objects(field.fields))
        case Kind.TEXTS:
            return st.lists(texts(field), max_size=4)
        case Kind.INTEGER:
            return st.one_of(st.none(), st.integers(field.minimum, field.maximum))
        case Kind.CHOICE:
            return st.sampled_from([field.nothing, *field.choices])
        case Kind.ELEVEN_TEST:
            right = st.sampled_from(["111222333", "000000000", "012345672", "517439943"])
            return right if field.required else st.one_of(st.just(""), right)
        case Kind.A_NUMMER:
            return st.sampled_from(["", "1234567890"])
        case Kind.URL:
            return st.sampled_from(["", "https://example.nl/1?a=1;b,2", "https://example.nl/'\""])
        case Kind.EMAIL:
            return st.sampled_from(["", "anna@example.nl", '"=1+1"@example.nl', "+1@example.nl"])
        case _:
            return texts(field)


def objects(fields: tuple[Field, ...]) -> st.SearchStrategy[dict[str, Any]]:
    members: Mapping[str, st.SearchStrategy[Any]] = {
        field.name: values(field) for field in fields if not field.read_only
    }
    return st.fixed_dictionaries(dict(members))


OWN = objects(KLANT)
IDENTITIES = {kind: objects(identity.fields) for kind, identity in IDENTIFICATIE.items()}


@st.composite
def bodies(draw: st.DrawFn) -> dict[str, Any]:
    """A body that the API could hold: one that an update left without a subject as well."""
    value = draw(OWN)
    if value["subjectType"]:
        value["subjectIdentificatie"] = draw(IDENTITIES[value["subjectType"]])
    body = new_body(SCHEMAS.create(value, lambda url: True))
    if value["subjectType"] and draw(st.booleans()):
        body["subjectIdentificatie"] = None
    return body


UUIDS = st.uuids(version=4).map(str)
KLANTEN = st.builds(Klant, UUIDS, bodies())


def a_klant(body: Mapping[str, Any], uuid: str | None = None) -> Klant:
    """A klant that isn't stored, of what a consumer sent."""
    return Klant(
        uuid or str(UUID(int=0, version=4)), new_body(SCHEMAS.create(body, lambda u: True))
    )
