"""Against a strict Notificaties API on a real socket."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.message import Message as Headers
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klanten.kanalen import KANALEN, KLANTEN
from klanten.model.outbox import Message
from klanten.outgoing.door import Answer, Door
from klanten.outgoing.notificaties import (
    Notificaties,
    NotificatiesError,
    Verdict,
    judge,
    notification,
    retry_after,
)
from klanten.outgoing.services import Service
from tests.neighbours import notificaties as neighbour
from tests.neighbours.server import CLIENT_ID, SECRET, garbage, status

MESSAGE = Message(
    "d1a4c7a6-6a6b-4b5d-9f5e-6c1f2b3a4d5e",
    "https://klanten.example.nl/api/v1",
    "create",
    "vestiging",
    "2026-03-01T12:30:15.123456Z",
)
URL = "https://klanten.example.nl/api/v1/klanten/d1a4c7a6-6a6b-4b5d-9f5e-6c1f2b3a4d5e"
LINK = "https://klanten.example.nl/ref/kanalen/"


@pytest.fixture
def nrc() -> Iterator[neighbour.Notificaties]:
    """One that does not know the kanaal yet."""
    with neighbour.Notificaties() as nrc:
        yield nrc


@pytest.fixture
def client(nrc: neighbour.Notificaties) -> Iterator[Notificaties]:
    door = Door()
    yield Notificaties(door, Service(nrc.api_root, CLIENT_ID, SECRET, timeout=5))
    door.close()


def answer(code: int, body: object = None, **headers: str) -> Answer:
    found = Headers()
    for name, value in headers.items():
        found[name.replace("_", "-")] = value
    return Answer(code, found, b"" if body is None else json.dumps(body).encode())


# --- the message --------------------------------------------------------------------------------


def test_a_message_has_exactly_the_fields_of_the_standard():
    assert notification(MESSAGE) == {
        "kanaal": "klanten",
        "hoofdObject": URL,
        "resource": "klant",
        "resourceUrl": URL,
        "actie": "create",
        "aanmaakdatum": "2026-03-01T12:30:15.123456Z",
        "kenmerken": {"subjectType": "vestiging"},
    }


def test_a_strict_api_accepts_a_message(nrc, client):
    nrc.with_kanaal()
    assert client.publish(MESSAGE).verdict is Verdict.DELIVERED
    assert nrc.messages == [notification(MESSAGE)]
    assert nrc.wrong == []


# --- what the answer means ----------------------------------------------------------------------


@pytest.mark.parametrize("code", [200, 201, 202, 204])
def test_every_2xx_is_delivered(code):
    assert judge(answer(code), MESSAGE).verdict is Verdict.DELIVERED


@pytest.mark.parametrize("code", [400, 404, 405, 409, 410, 413, 415, 422, 451])
def test_what_will_never_succeed_is_refused(code):
    reaction = judge(answer(code), MESSAGE)
    assert (reaction.verdict, reaction.reason) == (Verdict.REFUSED, str(code))


@pytest.mark.parametrize("code", [301, 302, 401, 403, 408, 421, 425, 500, 502, 503, 504, 599])
def test_what_is_no_judgement_of_the_message_is_a_failure(code):
    reaction = judge(answer(code), MESSAGE)
    assert reaction.verdict is Verdict.FAILED
    assert reaction.reason.startswith(str(code))
    assert reaction.answered


@pytest.mark.parametrize(
    ("code", "mend"), [(301, "api_root"), (401, "secret"), (403, "notificaties.publiceren")]
)
def test_a_matter_of_configuration_says_what_to_mend(code, mend):
    assert mend in judge(answer(code), MESSAGE).reason


def test_an_api_that_asks_for_rest_is_busy():
    for code in (429, 503):
        reaction = judge(answer(code, Retry_After="7"), MESSAGE)
        assert (reaction.verdict, reaction.retry_after) == (Verdict.BUSY, 7.0)
    assert judge(answer(429), MESSAGE).verdict is Verdict.BUSY


def test_a_500_may_ask_for_rest_too():
    reaction = judge(answer(500, Retry_After="7"), MESSAGE)
    assert (reaction.verdict, reaction.retry_after) == (Verdict.FAILED, 7.0)


def test_a_message_that_comes_too_early_for_a_slow_clock_is_not_refused():
    behind = answer(400, Date="Sun, 01 Mar 2026 12:30:10 GMT")
    assert judge(behind, MESSAGE).verdict is Verdict.EARLY
    # whole seconds: the clock may have been before the message or after it
    same_second = answer(400, Date="Sun, 01 Mar 2026 12:30:15 GMT")
    assert judge(same_second, MESSAGE).verdict is Verdict.EARLY
    after = answer(400, Date="Sun, 01 Mar 2026 12:30:16 GMT")
    assert judge(after, MESSAGE).verdict is Verdict.REFUSED


@pytest.mark.parametrize("code", [404, 422])
def test_only_a_400_can_be_a_matter_of_clocks(code):
    behind = answer(code, Date="Sun, 01 Mar 2026 12:30:10 GMT")
    assert judge(behind, MESSAGE).verdict is Verdict.REFUSED


def test_a_dead_api_is_a_failure_without_an_answer(nrc, client):
    nrc.down()
    reaction = client.publish(MESSAGE)
    nrc.up()
    assert (reaction.verdict, reaction.answered) == (Verdict.FAILED, False)
    assert reaction.reason == "Connection refused"


def test_an_answer_that_is_no_http_is_a_failure(nrc, client):
    with nrc.in_the_mood(garbage()):
        reaction = client.publish(MESSAGE)
    assert (reaction.verdict, reaction.answered) == (Verdict.FAILED, False)


# --- Retry-After --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        (" 5 ", 5),
        ("3601", 3600),
        ("9" * 5000, 3600),
        ("", 0),
        ("soon", 0),
        ("-5", 0),
        ("1.5", 0),
        ("²", 0),
        ("Sun, 01 Mar 2026 12:30:45 GMT", 30),
        ("Sun, 01 Mar 2026 12:30:45 -0000", 30),
        ("Sunday, 01-Mar-26 12:30:45 GMT", 30),
        ("Sun, 01 Mar 2026 12:29:00 GMT", 0),
        ("Sun, 01 Mar 2076 12:29:00 GMT", 3600),
        ("Sun, 01 Mar 99999 12:29:00 GMT", 0),
        ("Sun, 01 Mar 9999999999999999999999 12:29:00 GMT", 0),
    ],
)
def test_retry_after_is_read_as_seconds_and_as_a_date(text, seconds):
    told = answer(429, Retry_After=text, Date="Sun, 01 Mar 2026 12:30:15 GMT")
    assert retry_after(told) == seconds


def test_without_a_date_of_its_own_an_answer_is_of_now():
    until = datetime.now(UTC) + timedelta(seconds=100)
    told = answer(503, Retry_After=format_datetime(until, usegmt=True))
    assert 95 < retry_after(told) <= 100


def test_no_retry_after_is_no_rest():
    assert retry_after(answer(429)) == 0


@given(st.text(), st.text())
def test_nothing_in_a_date_is_an_error(text, date):
    told = Answer(429, {"Retry-After": text, "Date": date})
    assert 0 <= retry_after(told) <= 3600


# --- reasons quote nothing but codes ------------------------------------------------------------


def test_the_reason_gives_the_codes_of_a_refusal():
    body = {
        "code": "invalid",
        "title": "Invalid input.",
        "invalidParams": [
            {"name": "kenmerken.subjectType", "code": "null", "reason": "secret stuff"},
            {"name": "kanaal", "code": "unknown"},
        ],
    }
    reason = judge(answer(400, body), MESSAGE).reason
    assert reason == "400 invalid kenmerken.subjectType=null kanaal=unknown"


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        "text",
        {"code": 5},
        {"code": "999993653"},
        {"code": "eyJ" + "x" * 60},
        {"code": "two words"},
        {"invalidParams": "text"},
        {"invalidParams": [1, {"name": "a"}, {"code": "b"}, {"name": "a b", "code": "c"}]},
        {"detail": "Bearer eyJ"},
    ],
)
def test_the_reason_gives_nothing_that_is_no_code(body):
    assert judge(answer(400, body), MESSAGE).reason == "400"


def test_a_body_that_is_no_json_is_not_repeated():
    told = Answer(400, Headers(), b"<html>Bearer eyJ</html>")
    assert judge(told, MESSAGE).reason == "400"


def test_a_reason_is_short():
    body = {"invalidParams": [{"name": "x" * 50, "code": "y" * 50}] * 1000}
    assert len(judge(answer(400, body), MESSAGE).reason) < 600


# --- the kanaal ---------------------------------------------------------------------------------


def test_the_kanaal_is_registered_with_its_filter_and_a_link(nrc, client):
    assert client.register(KLANTEN, LINK)
    assert nrc.kanalen["klanten"] == {
        "naam": "klanten",
        "documentatieLink": LINK,
        "filters": ["subject_type"],
    }
    assert nrc.wrong == []


def test_a_kanaal_that_is_known_is_left_as_it_is(nrc, client):
    assert client.register(KLANTEN, LINK)
    assert not client.register(KLANTEN, "https://elsewhere.example.nl")
    assert nrc.kanalen["klanten"]["documentatieLink"] == LINK
    assert [asked.method for asked in nrc.asked] == ["GET", "POST", "GET"]


def test_another_kanaal_is_not_ours(nrc, client):
    nrc.kanalen["zaken"] = {"naam": "zaken", "filters": []}
    assert not client.knows(KLANTEN)


def test_two_who_register_at_once_are_both_content(nrc, client):
    def first_by_another(asked, handler):
        nrc.with_kanaal()
        handler.reply(400, {"code": "invalid"})

    nrc.kanaal_create = first_by_another
    assert not client.register(KLANTEN, LINK)


def test_a_registration_that_is_refused_says_so(nrc, client):
    nrc.kanaal_create = lambda asked, handler: handler.reply(400, {"code": "invalid"})
    with pytest.raises(NotificatiesError, match="not registered: 400 invalid"):
        client.register(KLANTEN, LINK)


@pytest.mark.parametrize(
    "mood", [status(500), status(403), status(200, {"count": 0}), status(200, None), garbage()]
)
def test_an_api_that_shows_no_list_is_an_error(nrc, client, mood):
    with nrc.in_the_mood(mood), pytest.raises(NotificatiesError):
        client.knows(KLANTEN)


def test_a_list_of_something_else_has_no_kanaal(nrc, client):
    with nrc.in_the_mood(status(200, ["klanten", {"naam": ["klanten"]}])):
        assert not client.knows(KLANTEN)


def test_the_kanalen_fit_the_standard():
    assert [kanaal.name for kanaal in KANALEN] == ["klanten"]
    assert [kenmerk.key for kenmerk in KLANTEN.kenmerken] == ["subjectType"]
    assert all(kanaal.explanation and len(kanaal.name) <= 50 for kanaal in KANALEN)
