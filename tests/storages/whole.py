"""Whether a tree is whole: everything that is said twice in it says the same."""

from collections import defaultdict

from klanten.model.audittrail import Audittrail
from klanten.model.catalog import ALL
from klanten.model.fields import index_entries
from klanten.model.klant import Klant
from klanten.model.postings import Selection
from klanten.model.root import Root


def klanten_of(root: Root) -> dict[str, Klant]:
    """Every klant by uuid, from the containers that own them; each must say where it is."""
    klanten: dict[str, Klant] = {}
    for bronorganisatie, organisatie in root.organisaties.items():
        for klantnummer, klant in organisatie.items():
            body = klant.body
            assert (body["bronorganisatie"], body["klantnummer"]) == (bronorganisatie, klantnummer)
            assert klant.uuid not in klanten
            klanten[klant.uuid] = klant
    return klanten


def assert_whole(root: Root) -> dict[str, Klant]:
    """All klanten, when uuids, docids, indexes and trails agree with the containers."""
    klanten = klanten_of(root)
    assert dict(root.uuids.items()) == klanten
    assert dict(root.documents.items()) == {klant.docid: klant for klant in klanten.values()}
    assert len({klant.docid for klant in klanten.values()}) == len(klanten)
    entries: defaultdict[str, set[int]] = defaultdict(set)
    for klant in klanten.values():
        for name, value in {"": "", **index_entries(klant.body)}.items():
            if value or not name:
                entries[f"{name}={value}" if name else ALL].add(klant.docid)
        assert_unbroken(klant)
    assert {key: set(Selection([posting])) for key, posting in root.catalog.items()} == entries
    return klanten


def assert_unbroken(klant: Klant) -> None:
    """Each line of the trail begins where the one before it ended, the last at the klant."""
    lines = [regel.content["wijzigingen"] for regel in Audittrail(klant)]
    assert len(lines) == klant.version
    assert [line["oud"] for line in lines] == [None, *(line["nieuw"] for line in lines[:-1])]
    assert lines[-1]["nieuw"] == klant.body
