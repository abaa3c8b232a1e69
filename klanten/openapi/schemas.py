"""The schemas of a klant, from the table of fields."""

from collections.abc import Iterable, Iterator

from ..model.fields import IDENTIFICATIE, KLANT, Field, Filter, Kind, SubjectType
from .reference import Json, explained, given, ref

FORMATS = {Kind.URL: "uri", Kind.EMAIL: "email"}


def klant_schemas() -> Json:
    """The components that describe a klant, of no subjectType and of each.

    A klant of one type is everything that a klant is, and a `subjectIdentificatie`; its component
    is called like the value of the discriminator.
    """
    found = dict(nested_schemas(KLANT))
    found["Klant"] = {**members(KLANT), "discriminator": {"propertyName": "subjectType"}}
    for subject_type in SubjectType:
        identificatie = IDENTIFICATIE[subject_type]
        holder = f"subject_identificatie_{identificatie.schema}"
        found.update(nested_schemas([identificatie]))
        found[holder] = {
            "type": "object",
            "properties": {identificatie.name: value_schema(identificatie)},
        }
        found[subject_type.value] = {
            "type": "object",
            "allOf": [ref("schemas", "Klant"), ref("schemas", holder)],
        }
    return found


def nested_schemas(fields: Iterable[Field]) -> Iterator[tuple[str, Json]]:
    """Name and schema of every object within `fields`, the innermost first."""
    for field in fields:
        if field.schema is not None:
            yield from nested_schemas(field.fields)
            yield field.schema, object_schema(field)


def object_schema(field: Field) -> Json:
    """The component of a nested object."""
    return given(
        {
            "title": field.title,
            "description": field.description or None,
            **members(field.fields),
            "nullable": field.nullable or None,
        }
    )


def members(fields: Iterable[Field]) -> Json:
    """An object with these members; `required` must not be there when nothing is."""
    required = [field.name for field in fields if field.required]
    return given(
        {
            "required": required or None,
            "type": "object",
            "properties": {field.name: value_schema(field) for field in fields},
        }
    )


def value_schema(field: Field) -> Json:
    """What the value of a field may be."""
    if field.kind is Kind.OBJECT:
        return ref("schemas", str(field.schema))
    if field.kind is Kind.TEXTS:
        text = given({"title": field.title, "type": "string", "maxLength": field.max_length})
        return {"description": field.description, "type": "array", "items": text}
    return given(
        {
            "title": field.title,
            "description": explained(field.description, field.choices) or None,
            "type": "integer" if field.kind is Kind.INTEGER else "string",
            "format": FORMATS.get(field.kind),
            "pattern": field.pattern,
            "enum": list(field.choices) or None,
            "readOnly": field.read_only or None,
            "maxLength": field.max_length,
            "minLength": field.min_length,
            "maximum": field.maximum,
            "minimum": field.minimum,
            "nullable": field.nullable or None,
        }
    )


def filter_schema(found: Filter) -> Json:
    """What may be asked for: the form of a URL and the choices count, lengths do not."""
    field = found.field
    return given(
        {
            "type": "string",
            "format": "uri" if field.kind is Kind.URL else None,
            "enum": list(field.choices) or None,
        }
    )
