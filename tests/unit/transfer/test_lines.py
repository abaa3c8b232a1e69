"""What a line must be: a klant that the API would take, or has held."""

import pytest

from klanten.schemas.klant import KlantSchemas
from klanten.transfer.lines import Candidate, Checker, Line, Reject, is_uuid, unreadable
from tests.factories import make_klant

UUID = "6a107b75-677f-4cbd-8c22-af58be6521cc"
CHECKER = Checker(KlantSchemas(), lambda url: True)


def check(checker=CHECKER, **overrides):
    return checker.check(Line(7, make_klant(**overrides)))


def faults(checked):
    assert isinstance(checked, list)
    assert {reject.number for reject in checked} == {7}
    return sorted((reject.fault.name, reject.fault.code) for reject in checked)


def test_a_right_line_keeps_its_uuid_and_drops_its_url():
    candidate = check(uuid=UUID, url="https://example.nl/klanten/1")
    assert isinstance(candidate, Candidate)
    assert (candidate.number, candidate.uuid) == (7, UUID)
    assert not {"uuid", "url"} & set(candidate.sent)


def test_a_line_without_a_uuid_is_right():
    assert check().uuid is None


@pytest.mark.parametrize(
    "uuid",
    [
        UUID.replace("-", ""),
        "6a107b75-677f-1cbd-8c22-af58be6521cc",
        f"{UUID}\n",
        "",
        None,
        12,
        f"urn:uuid:{UUID}",
        "6a107b75-677f-4cbd-7c22-af58be6521cc",
    ],
)
def test_another_uuid_than_one_of_version_4_in_its_usual_spelling_is_rejected(uuid):
    assert not is_uuid(uuid)
    assert faults(check(uuid=uuid)) == [("uuid", "invalid")]


def test_a_uuid_in_capitals_is_taken_in_its_usual_spelling():
    assert check(uuid=UUID.upper()).uuid == UUID


@pytest.mark.parametrize("uuid", [UUID, UUID.upper()])
def test_without_a_uuid_that_of_the_url_counts(uuid):
    assert check(url=f"https://example.nl/klanten/{uuid}").uuid == UUID


@pytest.mark.parametrize("url", ["https://example.nl/klanten/1", "x", 12, [UUID], {"a": 1}])
def test_a_url_that_names_no_klant_is_rejected(url):
    assert faults(check(url=url)) == [("url", "invalid")]


@pytest.mark.parametrize("url", ["", None])
def test_an_empty_url_is_none(url):
    assert check(url=url).uuid is None


def test_all_faults_of_a_line_are_told():
    assert faults(check(uuid="x", emailadres="x", websiteUrl="")) == [
        ("emailadres", "invalid"),
        ("uuid", "invalid"),
        ("websiteUrl", "blank"),
    ]


@pytest.mark.parametrize("value", [None, [], "klant", 12])
def test_a_line_that_is_no_object_is_rejected(value):
    assert faults(CHECKER.check(Line(7, value)))[0][0] == "nonFieldErrors"


def test_a_line_that_can_not_be_read_is_rejected():
    assert faults(CHECKER.check(unreadable(7, "Wat?"))) == [("nonFieldErrors", "parse_error")]


def test_an_identification_of_null_is_kept_as_the_api_shows_it():
    assert check(subjectIdentificatie=None).sent["subjectIdentificatie"] is None


def test_an_identification_of_null_without_a_type_is_left_out():
    candidate = check(subjectType=None, subjectIdentificatie=None)
    assert "subjectIdentificatie" not in candidate.sent


def test_a_subject_is_asked_for():
    asked = []
    checker = Checker(KlantSchemas(), lambda url: bool(asked.append(url)))
    assert faults(check(checker, subject="https://example.nl/1")) == [("subject", "bad-url")]
    assert asked == ["https://example.nl/1"]


def test_a_reject_tells_where_and_what():
    [reject] = check(websiteUrl="")
    assert reject.as_dict() == {
        "number": 7,
        "field": "websiteUrl",
        "code": "blank",
        "reason": "Dit veld moet zijn ingevuld.",
    }
    assert str(reject) == "7: websiteUrl: blank (Dit veld moet zijn ingevuld.)"


def test_a_reject_of_a_known_klant_names_it():
    [reject] = check(websiteUrl="")
    named = Reject(*reject[:2], UUID)
    assert named.as_dict()["uuid"] == UUID
    assert str(named).startswith(f"{UUID}: websiteUrl")
