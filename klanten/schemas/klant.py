"""What may come in as a klant: the bodies of POST, PUT and PATCH."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import colander

from ..model.fields import IDENTIFICATIE, KLANT, Field
from .faults import Fault, Rule, ValidationFailed
from .nodes import object_node
from .types import faults_of

SubjectExists = Callable[[str], bool]
"""Says whether a GET of this URL ends in a 200; may raise what it wants."""

_SUBJECT_TYPE = next(field for field in KLANT if field.name == "subjectType")


class KlantSchemas:
    """Reads the bodies of klanten. Built once: making schemas is far dearer than using them.

    A body is judged in phases, and the faults of one phase are reported together: first the
    klant's own fields, then whether its subject exists, then `subjectIdentificatie`, whose shape
    depends on the type of the klant. What can only be known with the stored klanten at hand
    (uniqueness, a subject at creation) is for the model.

    A result holds the known fields that were sent, with cleaned values, and nothing else; nested
    objects likewise. `subjectIdentificatie` is ignored for a klant without a type.

    Args:
        optional_fields: names of required fields that may be left out or empty all the same.
    """

    def __init__(self, optional_fields: frozenset[str] = frozenset()) -> None:
        created = tuple(_relaxed(KLANT, optional_fields))
        changed = tuple(_with_settled_type(created))
        self._create = object_node(created)
        self._update = object_node(changed)
        self._partial_update = object_node(replace(field, required=False) for field in changed)
        self._identificatie = {
            subject_type: object_node([field]) for subject_type, field in IDENTIFICATIE.items()
        }

    def create(self, body: Any, subject_exists: SubjectExists) -> dict[str, Any]:
        """A new klant.

        Args:
            body: any parsed JSON value.
            subject_exists: asked once at most, and only when all else of the first phase is right.

        Raises:
            ValidationFailed: with every fault of the first phase that has any.
        """
        own = _deserialize(self._create, body)
        return self._finish(own, body, own.get("subjectType"), subject_exists)

    def update(
        self, body: Any, subject_type: str | None, subject_exists: SubjectExists
    ) -> dict[str, Any]:
        """A change of a klant with all required fields (PUT); `subject_type` is the stored one.

        Arguments and exceptions are otherwise those of `create`.
        """
        return self._change(self._update, body, subject_type, subject_exists)

    def partial_update(
        self, body: Any, subject_type: str | None, subject_exists: SubjectExists
    ) -> dict[str, Any]:
        """A change of a klant without required fields of its own (PATCH); otherwise as `update`.

        An address within `subjectIdentificatie` does ask for its required members.
        """
        return self._change(self._partial_update, body, subject_type, subject_exists)

    def _change(
        self,
        schema: colander.SchemaNode,
        body: Any,
        subject_type: str | None,
        subject_exists: SubjectExists,
    ) -> dict[str, Any]:
        own = _deserialize(schema, body, _changes_of_type(body, subject_type))
        return self._finish(own, body, subject_type, subject_exists)

    def _finish(
        self,
        own: dict[str, Any],
        body: Mapping[str, Any],
        subject_type: str | None,
        subject_exists: SubjectExists,
    ) -> dict[str, Any]:
        subject = own.get("subject")
        if subject and not subject_exists(subject):
            raise ValidationFailed([Rule.FOUND.broken_at("subject")])
        if subject_type is None:
            return own
        return own | _deserialize(self._identificatie[subject_type], body)


def _deserialize(
    schema: colander.SchemaNode, body: Any, more_faults: Iterable[Fault] = ()
) -> dict[str, Any]:
    faults: list[Fault] = []
    result = {}
    try:
        result = schema.deserialize(body)
    except colander.Invalid as invalid:
        faults.extend(faults_of(invalid))
    faults.extend(more_faults)
    if faults:
        raise ValidationFailed(faults)
    return result


def _changes_of_type(body: Any, subject_type: str | None) -> Iterator[Fault]:
    """The fault of sending another type than the stored one, however right by itself."""
    if not isinstance(body, dict) or "subjectType" not in body:
        return
    sent = body["subjectType"]
    if sent != subject_type and sent in (None, "", *_SUBJECT_TYPE.choices):
        yield Rule.UNCHANGED.broken_at("subjectType")


def _relaxed(fields: Iterable[Field], optional: frozenset[str]) -> Iterator[Field]:
    for field in fields:
        if field.name in optional:
            yield replace(field, required=False, min_length=None)
        else:
            yield field


def _with_settled_type(fields: Iterable[Field]) -> Iterator[Field]:
    # An empty type is no value of the list, but on a klant that has one it is a change of type.
    for field in fields:
        if field.name == _SUBJECT_TYPE.name:
            yield replace(field, choices={**field.choices, "": ""})
        else:
            yield field
