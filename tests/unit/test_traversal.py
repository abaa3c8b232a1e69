"""Where a path leads, and that a context looks for nothing before it is asked."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pyramid.request
import pytest

from klanten.model.audittrail import Actie, Bewerking
from klanten.model.errors import KlantUnknown, RegelUnknown
from klanten.model.klant import Klant
from klanten.model.root import Root
from klanten.traversal import NO_UUID, AudittrailPlace, KlantPlace, RegelPlace, Top, Way


class Request(pyramid.request.Request):
    """A request that opens the tree when it is asked for, and tells whether it was."""

    opened = False

    @property
    def tree(self) -> Root:
        self.opened = True
        return self.environ["tree"]


@pytest.fixture
def request_() -> Any:
    return Request.blank("/", {"tree": Root()})


@pytest.fixture
def klant(request_: Any) -> Klant:
    body = {"bronorganisatie": "517439943", "websiteUrl": "", "subject": "http://a.nl"}
    return request_.tree.create(body, Bewerking(Actie.CREATE, datetime.now(UTC), "http://a.nl"))


def at(request: Any, *segments: str) -> Any:
    place: Any = Top(request)
    for segment in segments:
        place = place[segment]
    return place


def test_each_segment_leads_one_place_down(request_):
    place = at(request_, "klanten", "1", "audittrail", "2")
    kinds = []
    while place is not None:
        kinds.append((type(place), place.__name__))
        place = place.__parent__
    assert [kind for kind, _ in kinds[:3]] == [RegelPlace, AudittrailPlace, KlantPlace]
    assert [name for _, name in kinds] == ["2", "audittrail", "1", "klanten", ""]


def test_a_place_looks_for_nothing_by_itself(request_):
    at(request_, "klanten", str(uuid4()), "audittrail", str(uuid4()))
    assert not request_.opened


def test_a_place_finds_what_is_there(request_, klant):
    assert at(request_, "klanten", klant.uuid).klant is klant
    trail = at(request_, "klanten", klant.uuid, "audittrail")
    [regel] = trail.audittrail
    assert trail[regel.uuid].regel is regel


@pytest.mark.parametrize("uuid", [NO_UUID, "", "6ba7b810-9dad-41d1-80b4-00c04fd430c8"])
def test_a_klant_that_is_not_there_is_unknown(request_, uuid):
    with pytest.raises(KlantUnknown):
        _ = at(request_, "klanten", uuid).klant
    with pytest.raises(KlantUnknown):
        _ = at(request_, "klanten", uuid, "audittrail").audittrail
    with pytest.raises(KlantUnknown):
        _ = at(request_, "klanten", uuid, "audittrail", uuid).regel


def test_a_line_that_is_not_there_is_unknown(request_, klant):
    with pytest.raises(RegelUnknown):
        _ = at(request_, "klanten", klant.uuid, "audittrail", klant.uuid).regel


# --- one spelling of a UUID ---------------------------------------------------------------------

UUID = "6ba7b810-9dad-41d1-80b4-00c04fd430c8"


def canonical(segment: str) -> str:
    match = {"uuid": segment}
    assert Way("/klanten/{uuid}", Any)({"match": match}, Any)
    assert match["traverse"] == ("klanten", match["uuid"])
    return match["uuid"]


@pytest.mark.parametrize("spelling", [UUID, UUID.upper(), UUID.replace("-", ""), UUID.title()])
def test_a_uuid_is_written_in_one_way(spelling):
    assert canonical(spelling) == UUID


@pytest.mark.parametrize(
    "segment",
    [
        "",
        "x",
        "..",
        "@@view",
        f"{{{UUID}}}",
        f"urn:uuid:{UUID}",
        f"{UUID}\n",
        f" {UUID}",
        UUID[:-1],
        UUID + "0",
        UUID.replace("-", "", 1),
        UUID.replace("a", "g"),
        UUID.replace("0", "\u0660"),
    ],
)
def test_what_is_no_uuid_is_none(segment):
    assert canonical(segment) == NO_UUID


def test_every_segment_of_a_path_is_written_in_one_way():
    match = {"klant_uuid": UUID.upper(), "uuid": "x"}
    Way("/klanten/{klant_uuid}/audittrail/{uuid}", Any)({"match": match}, Any)
    way = ("klanten", UUID, "audittrail", NO_UUID)
    assert match == {"klant_uuid": UUID, "uuid": NO_UUID, "traverse": way}
