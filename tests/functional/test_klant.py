"""`/klanten/{uuid}`: reading, changing and removing one klant."""

import errno
import json
import logging
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
import webtest
from pyramid import traversal
from ZODB.Connection import Connection

from tests.factories import klantnummer, make_klant, make_person, rsin
from tests.fouten import assert_fout

KLANTEN = "/api/v1/klanten"
PUT, PATCH = "PUT", "PATCH"
BOTH = pytest.mark.parametrize("method", [PUT, PATCH])


@pytest.fixture(scope="module")
def app(shared_app: webtest.TestApp) -> webtest.TestApp:
    """Shared: no test here looks at a klant of another."""
    return shared_app


@pytest.fixture
def klant(app: webtest.TestApp) -> Any:
    """A natural person with every field filled in."""
    return app.post_json(KLANTEN, make_person(), status=201).json


@pytest.fixture
def create(app: webtest.TestApp) -> Callable[..., Any]:
    return lambda **overrides: app.post_json(KLANTEN, make_klant(**overrides), status=201).json


@pytest.fixture
def change(app: webtest.TestApp) -> Callable[..., Any]:
    """Changes a klant; with PUT the required fields are sent along as they are."""

    def send(method: str, klant: Any, status: int = 200, **sent: Any) -> Any:
        if method == PUT:
            sent = {name: klant[name] for name in ("bronorganisatie", "websiteUrl")} | sent
        return getattr(app, f"{method.lower()}_json")(klant["url"], sent, status=status)

    return send


def in_outbox(app: webtest.TestApp, klant: Any) -> list[str]:
    """What the messages about a klant tell, oldest first."""
    with app.app.registry.database.transaction() as connection:
        outbox = connection.root()["klanten"].outbox
        messages = [outbox[number] for number in sorted(outbox)]
    return [message.actie for message in messages if message.url == klant["url"]]


# --- read ---------------------------------------------------------------------------------------


def spellings(url: str) -> list[str]:
    root, _, place = url.rpartition("/")
    uuid = UUID(place)
    return [f"{root}/{text}" for text in (str(uuid).upper(), uuid.hex, uuid.hex.upper())]


def test_a_uuid_counts_in_upper_case_and_without_dashes(app, klant):
    for url in spellings(klant["url"]):
        assert app.get(url).json == klant


def test_no_other_spelling_of_a_uuid_counts(app, klant):
    root, _, uuid = klant["url"].rpartition("/")
    for spelling in (
        f"%7B{uuid}%7D",
        f"urn:uuid:{uuid}",
        f"%20{uuid}",
        f"{uuid}%20",
        f"{uuid}%0A",
        f"{uuid}%00",
        uuid[:-1],
        uuid.replace("-", "", 1),
        uuid.replace("-", "_"),
        uuid.replace("-", "%E2%80%90"),
        uuid.replace("4", "%D9%A4", 1),
    ):
        assert_fout(app.get(f"{root}/{spelling}", status=404), 404, "not_found")


def test_a_change_is_answered_under_the_usual_spelling(app, klant):
    for url in spellings(klant["url"]):
        assert app.patch_json(url, {"functie": "f"}).json["url"] == klant["url"]


# --- put and patch merge ------------------------------------------------------------------------


@BOTH
def test_what_is_not_sent_stays(change, klant, method):
    assert change(method, klant, functie="bakkerin").json == klant | {"functie": "bakkerin"}


@BOTH
def test_what_is_sent_empty_is_emptied(change, klant, method):
    assert change(method, klant, achternaam="").json["achternaam"] == ""


@BOTH
@pytest.mark.parametrize("adres", [None, {}, {"unknown": 1}])
def test_an_address_without_a_known_key_changes_nothing(change, klant, method, adres):
    assert change(method, klant, adres=adres).json == klant


@BOTH
def test_an_address_merges(change, klant, method):
    changed = change(method, klant, adres={"huisletter": "z"}).json
    assert changed["adres"] == klant["adres"] | {"huisletter": "z"}


@BOTH
def test_an_identification_merges_at_every_level(change, klant, method):
    sent = {
        "voorletters": "Z.",
        "verblijfsadres": {
            "aoaIdentificatie": "2",
            "gorOpenbareRuimteNaam": "Kade",
            "aoaHuisnummer": None,
        },
    }
    identificatie = klant["subjectIdentificatie"]
    merged = identificatie | sent
    merged["verblijfsadres"] = identificatie["verblijfsadres"] | sent["verblijfsadres"]
    assert change(method, klant, subjectIdentificatie=sent).json["subjectIdentificatie"] == merged


@BOTH
@pytest.mark.parametrize("sent", [{}, {"unknown": 1}, {"verblijfsadres": None}])
def test_an_identification_without_anything_new_changes_nothing(change, klant, method, sent):
    assert change(method, klant, subjectIdentificatie=sent).json == klant


@BOTH
def test_an_identification_of_null_is_refused(change, klant, method):
    response = change(method, klant, 400, subjectIdentificatie=None)
    assert_fout(response, 400, "invalid", ("subjectIdentificatie", "null"))


@BOTH
def test_a_list_is_replaced(change, create, method):
    klant = create(subjectType="vestiging", subjectIdentificatie={"handelsnaam": ["a", "b"]})
    changed = change(method, klant, subjectIdentificatie={"handelsnaam": ["c"]}).json
    assert changed["subjectIdentificatie"]["handelsnaam"] == ["c"]
    changed = change(method, klant, subjectIdentificatie={"handelsnaam": []}).json
    assert changed["subjectIdentificatie"]["handelsnaam"] == []


@BOTH
@pytest.mark.parametrize(
    ("name", "required"),
    [
        ("verblijfsadres", ["aoaIdentificatie", "gorOpenbareRuimteNaam"]),
        ("subVerblijfBuitenland", ["lndLandcode", "lndLandnaam"]),
    ],
)
def test_a_nested_address_asks_for_its_members_although_they_are_stored(
    change, klant, method, name, required
):
    response = change(method, klant, 400, subjectIdentificatie={name: {}})
    faults = [(f"subjectIdentificatie.{name}.{member}", "required") for member in required]
    assert_fout(response, 400, "invalid", *faults)


@BOTH
def test_an_identification_may_come_later(change, create, subjects, method):
    klant = create(subject=subjects.url("/200"), subjectIdentificatie=...)
    assert klant["subjectIdentificatie"] is None
    changed = change(method, klant, subjectIdentificatie={"voorletters": ""}).json
    assert changed["subjectIdentificatie"]["voorletters"] == ""
    assert changed["subjectIdentificatie"]["verblijfsadres"] is None


@BOTH
def test_a_klant_may_be_left_with_neither_subject_nor_identification(
    change, create, subjects, method
):
    klant = create(subject=subjects.url("/200"), subjectType=..., subjectIdentificatie=...)
    assert change(method, klant, subject="").json["subject"] == ""


def test_put_asks_for_what_is_required(app, klant):
    response = app.put_json(klant["url"], {}, status=400)
    assert_fout(
        response, 400, "invalid", ("bronorganisatie", "required"), ("websiteUrl", "required")
    )


@pytest.mark.parametrize("body", [b"", b"{}"])
def test_patch_asks_for_nothing(app, klant, body):
    assert app.patch(klant["url"], body, content_type="application/json").json == klant
    assert len(app.get(klant["url"] + "/audittrail").json) == 2


def test_put_without_any_body_is_an_empty_object(app, klant):
    assert_fout(
        app.put(klant["url"], status=400),
        400,
        "invalid",
        ("bronorganisatie", "required"),
        ("websiteUrl", "required"),
    )


@BOTH
@pytest.mark.parametrize(("body", "code"), [(b"null", "null"), (b"[]", "invalid")])
def test_a_body_that_is_no_object_is_refused(app, klant, method, body, code):
    response = app.request(
        klant["url"], method=method, body=body, content_type="application/json", status=400
    )
    assert_fout(response, 400, "invalid", ("nonFieldErrors", code))


@BOTH
def test_the_url_can_not_be_changed(change, klant, method):
    assert change(method, klant, url="http://elsewhere.example/1").json == klant


# --- the type is fixed --------------------------------------------------------------------------


@BOTH
def test_the_same_type_may_be_sent(change, klant, method):
    assert change(method, klant, subjectType="natuurlijk_persoon").json == klant


@BOTH
@pytest.mark.parametrize("other", ["vestiging", "niet_natuurlijk_persoon", None, ""])
def test_a_type_can_not_become_another_or_none(app, change, klant, method, other):
    response = change(method, klant, 400, subjectType=other)
    assert_fout(response, 400, "invalid", ("subjectType", "wijzigen-niet-toegelaten"))
    assert app.get(klant["url"]).json == klant


@pytest.fixture
def untyped(create: Any, subjects: Any) -> Any:
    return create(subject=subjects.url("/200"), subjectType=..., subjectIdentificatie=...)


@BOTH
@pytest.mark.parametrize("other", ["natuurlijk_persoon", ""])
def test_no_type_can_not_become_one(change, untyped, method, other):
    response = change(method, untyped, 400, subjectType=other)
    assert_fout(response, 400, "invalid", ("subjectType", "wijzigen-niet-toegelaten"))


@BOTH
def test_no_type_may_be_sent_as_such(change, untyped, method):
    assert change(method, untyped, subjectType=None).json == untyped


@BOTH
def test_without_a_type_an_identification_stays_ignored(change, untyped, method):
    assert change(method, untyped, subjectIdentificatie={"inpBsn": "no BSN"}).json == untyped


@BOTH
@pytest.mark.parametrize("other", ["person", " vestiging", "Vestiging", 1, True, [], {}])
def test_what_is_no_type_at_all_is_no_choice(change, klant, method, other):
    response = change(method, klant, 400, subjectType=other)
    assert_fout(response, 400, "invalid", ("subjectType", "invalid_choice"))


@BOTH
def test_a_change_of_type_is_told_beside_the_other_faults(change, klant, method, subjects):
    response = change(
        method,
        klant,
        400,
        subjectType="vestiging",
        functie=[],
        subject=subjects.url("/200"),
        subjectIdentificatie={"inpBsn": 1},
    )
    assert_fout(
        response,
        400,
        "invalid",
        ("subjectType", "wijzigen-niet-toegelaten"),
        ("functie", "invalid"),
    )
    assert subjects.asked == []


# --- the subject is looked for again ------------------------------------------------------------


@BOTH
def test_a_subject_that_is_sent_is_looked_for(change, klant, subjects, method):
    assert change(method, klant, subject=subjects.url("/200")).json["subject"]
    response = change(
        method, klant, 400, subject=subjects.url("/404"), subjectIdentificatie={"inpBsn": 1}
    )
    assert_fout(response, 400, "invalid", ("subject", "bad-url"))
    assert subjects.asked == ["/200", "/404"]


@BOTH
def test_a_subject_that_is_not_sent_is_not(change, create, subjects, method):
    klant = create(subject=subjects.url("/200"))
    change(method, klant, functie="f")
    assert subjects.asked == ["/200"]


@BOTH
def test_nothing_is_fetched_for_a_klant_that_is_not_there(app, subjects, method):
    sent = make_klant(subject=subjects.url("/200"))
    url = f"{KLANTEN}/{uuid4()}"
    assert_fout(getattr(app, f"{method.lower()}_json")(url, sent, status=404), 404, "not_found")
    assert subjects.asked == []


# --- remove -------------------------------------------------------------------------------------


def test_a_removed_klant_is_nowhere(app, klant):
    response = app.delete(klant["url"], status=204)
    assert response.body == b""
    assert "Content-Type" not in response.headers
    for url in (klant["url"], klant["url"] + "/audittrail"):
        assert_fout(app.get(url, status=404), 404, "not_found")
    for name, value in {
        "klantnummer": klant["klantnummer"],
        "subjectNatuurlijkPersoon__inpBsn": klant["subjectIdentificatie"]["inpBsn"],
    }.items():
        assert app.get(KLANTEN, {name: value}).json["count"] == 0


def test_a_klant_can_be_removed_once(app, klant):
    app.delete(klant["url"], status=204)
    for method in ("DELETE", "PUT", "PATCH"):
        assert_fout(app.request(klant["url"], method=method, status=404), 404, "not_found")


def test_a_klantnummer_is_free_again_when_its_klant_is_removed(app, klant):
    app.delete(klant["url"])
    again = app.post_json(KLANTEN, make_klant(klantnummer=klant["klantnummer"]), status=201).json
    assert again["url"] != klant["url"]


def removals_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the log says of removed klanten, the values beside the text included."""
    return [str(vars(record)) for record in caplog.records if "removed" in record.getMessage()]


def test_a_removal_is_in_the_log_with_who_did_it(app, klant, token, caplog):
    caplog.set_level(logging.INFO)
    app.delete(klant["url"], headers={"Authorization": token("verwijderen")})
    [line] = removals_in(caplog)
    assert klant["url"].rpartition("/")[2] in line
    assert "verwijderen" in line


def test_a_removal_that_is_refused_is_not_in_the_log(app, klant, token, caplog):
    caplog.set_level(logging.INFO)
    app.delete(klant["url"], headers={"Authorization": token("lezen")}, status=403)
    assert not removals_in(caplog)


def test_a_removal_that_did_not_come_to_a_commit_is_not_in_the_log(app, klant, caplog, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    caplog.set_level(logging.INFO)
    monkeypatch.setattr(Connection, "tpc_vote", full)
    app.delete(klant["url"], status=503)
    assert not removals_in(caplog)


def test_a_body_with_a_removal_is_ignored(app, klant):
    app.request(klant["url"], method="DELETE", body=b"{", status=204)


# --- what remains -------------------------------------------------------------------------------


def test_every_write_leaves_a_message(app, change, klant):
    change(PUT, klant, functie="a")
    change(PATCH, klant, functie="b")
    app.delete(klant["url"])
    assert in_outbox(app, klant) == ["create", "update", "partial_update", "destroy"]


@pytest.mark.parametrize(
    ("method", "sent"), [(PUT, {"functie": []}), (PATCH, {"functie": []}), (PATCH, [])]
)
def test_a_refused_change_leaves_nothing(app, klant, method, sent):
    app.request(
        klant["url"],
        method=method,
        body=json.dumps(sent).encode(),
        content_type="application/json",
        status=400,
    )
    assert app.get(klant["url"]).json == klant
    assert len(app.get(klant["url"] + "/audittrail").json) == 1
    assert in_outbox(app, klant) == ["create"]


def test_a_klant_is_found_by_its_new_values_and_not_by_the_old(app, change, klant):
    number, bsn = klantnummer(), rsin()
    change(PATCH, klant, klantnummer=number, subjectIdentificatie={"inpBsn": bsn})
    old_bsn = klant["subjectIdentificatie"]["inpBsn"]
    for name, new, old in (
        ("klantnummer", number, klant["klantnummer"]),
        ("subjectNatuurlijkPersoon__inpBsn", bsn, old_bsn),
    ):
        assert [found["url"] for found in app.get(KLANTEN, {name: new}).json["results"]] == [
            klant["url"]
        ]
        assert app.get(KLANTEN, {name: old}).json["count"] == 0


# --- memory -------------------------------------------------------------------------------------


def test_no_klant_that_was_ever_asked_for_is_remembered(app, klant):
    # this cache of Pyramid has no bound
    before = len(traversal._segment_cache)
    for path in (klant["url"], f"{klant['url']}/audittrail", f"{KLANTEN}/{uuid4()}"):
        app.get(path, status="*")
    app.patch_json(klant["url"], {"functie": "f"})
    app.delete(klant["url"])
    assert len(traversal._segment_cache) == before
