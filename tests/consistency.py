"""Everything that must hold of the stored tree, whatever was done to it.

A klant is in each way to it or in none: organisation and number, uuid, docid, the index of every
filter, its audittrail, the outbox.
"""

from collections import defaultdict
from typing import Any

from klanten.model.audittrail import Audittrail
from klanten.model.fields import FILTERS, IDENTIFICATIE, KLANT, Field
from klanten.model.klant import Klant
from klanten.model.postings import Selection
from klanten.model.root import Root


def assert_consistent(tree: Root, messages_are_kept: bool = True) -> list[Klant]:
    """Checks all of the tree; gives back its klanten in the order of the lists.

    `messages_are_kept`: nobody takes messages out of the outbox.
    """
    klanten = [klant for _, klant in tree.documents.items()]
    assert_every_way_leads_to(klanten, tree)
    assert_index_is_that_of(klanten, tree)
    for klant in klanten:
        assert_shape(KLANT, {"url": "", **klant.body})
        assert_identification(klant.body)
        assert_trail(klant)
    if messages_are_kept:
        assert_messages_of(klanten, tree)
    return klanten


def assert_every_way_leads_to(klanten: list[Klant], tree: Root) -> None:
    assert sorted(tree.uuids) == sorted(klant.uuid for klant in klanten)
    assert len(set(tree.uuids)) == len(klanten)
    owned = {
        (bronorganisatie, klantnummer): klant
        for bronorganisatie, organisatie in tree.organisaties.items()
        for klantnummer, klant in organisatie.items()
    }
    assert len(owned) == len(klanten)
    for klant in klanten:
        body = klant.body
        assert tree.find(klant.uuid) is klant
        assert tree.documents[klant.docid] is klant
        assert owned[body["bronorganisatie"], body["klantnummer"]] is klant
        assert tree.numbered(body["bronorganisatie"], body["klantnummer"]) is klant


def assert_index_is_that_of(klanten: list[Klant], tree: Root) -> None:
    wanted: dict[str, list[int]] = defaultdict(list)
    for klant in klanten:
        wanted[""].append(klant.docid)
        for found in FILTERS:
            if value := value_of(klant.body, found.path):
                wanted[f"{found.name}={value}"].append(klant.docid)
    assert {key: list(Selection([posting])) for key, posting in tree.catalog.items()} == wanted
    for klant in klanten:
        for found in FILTERS:
            if value := value_of(klant.body, found.path):
                assert klant.docid in list(tree.search({found.name: value}))


def value_of(body: Any, path: tuple[str, ...]) -> str:
    """What stands at a path of a body; a nested member counts for the klanten that have it."""
    for name in path:
        body = body.get(name) if isinstance(body, dict) else None
    return body or ""


def assert_shape(fields: tuple[Field, ...], body: dict[str, Any]) -> None:
    """The body has every field, each of its kind, and nothing else."""
    assert [name for name in body if name != "subjectIdentificatie"] == [
        field.name for field in fields
    ]
    for field in fields:
        value = body[field.name]
        if isinstance(value, dict):
            assert_shape(field.fields, value)
        else:
            assert (
                value is None or type(value) is type(field.nothing) or isinstance(value, int | str)
            )


def assert_identification(body: dict[str, Any]) -> None:
    subject_type = body["subjectType"]
    assert ("subjectIdentificatie" in body) == (subject_type is not None)
    if identificatie := body.get("subjectIdentificatie"):
        assert_shape(IDENTIFICATIE[subject_type].fields, identificatie)


def assert_trail(klant: Klant) -> None:
    """The trail begins with nothing, each line goes on where the one before ended, up to now."""
    lines = [regel.content for regel in Audittrail(klant)]
    assert len(lines) == klant.version
    assert len({line["uuid"] for line in lines}) == len(lines)
    before = None
    for line in lines:
        assert line["actie"] == "create" if before is None else line["actie"] != "create"
        assert line["wijzigingen"]["oud"] == before
        before = line["wijzigingen"]["nieuw"]
        assert line["resourceWeergave"] == f"{before['bronorganisatie']} - {before['klantnummer']}"
    assert before == klant.body


def assert_messages_of(klanten: list[Klant], tree: Root) -> None:
    """For each change one message, in order, also for klanten that are gone."""
    told: dict[str, list[str]] = defaultdict(list)
    for number in tree.outbox:
        message = tree.outbox[number]
        told[message.klant].append(message.actie)
        assert number == f"{message.klant}/{len(told[message.klant]):08d}"
    for klant in klanten:
        assert told.pop(klant.uuid) == [regel.content["actie"] for regel in Audittrail(klant)]
    for acties in told.values():
        assert acties[0] == "create"
        assert acties[-1] == "destroy"
        assert "destroy" not in acties[:-1]
