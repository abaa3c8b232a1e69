"""Notifications of every write, delivered by the server itself to a strict Notificaties API."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import webtest

from klanten import delivery
from klanten.delivery import ailments, outage
from klanten.model.outbox import Failure
from klanten.storage import tree
from tests.conftest import SECRET as CLIENT_SECRET
from tests.conftest import bearer
from tests.factories import make_klant, make_person
from tests.neighbours.notificaties import Notificaties
from tests.neighbours.server import CLIENT_ID, PATIENCE, SECRET, Handler, Mood, garbage, status
from tests.servers import Server, serving

KLANTEN = "/api/v1/klanten"
BSN = "999993653"


@pytest.fixture
def nrc() -> Iterator[Notificaties]:
    """The Notificaties API; whatever it is asked must be right by its standard."""
    with Notificaties().with_kanaal() as nrc:
        yield nrc
    assert nrc.wrong == []


@pytest.fixture
def _brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same waits as ever, but shorter."""
    monkeypatch.setattr(delivery, "PAUSE_SECONDS", 0.02)
    monkeypatch.setattr(delivery, "JOIN_SECONDS", 0.01)
    for module in (outage, ailments):
        monkeypatch.setattr(module, "backoff", lambda failures: 0.05)


@pytest.fixture
def services_file(tmp_path: Path, nrc: Notificaties) -> Path:
    path = tmp_path / "services.ini"
    path.write_text(
        f"[notificaties]\napi_root = {nrc.api_root}\nclient_id = {CLIENT_ID}\nsecret = {SECRET}\n"
        "timeout = 2\n"
    )
    path.chmod(0o600)
    return path


@pytest.fixture
def start(
    make_app: Callable[..., webtest.TestApp],
    services_file: Path,
    _brisk: None,
    _nothing_secret_is_logged: None,
) -> Iterator[Callable[[], webtest.TestApp]]:
    """Starts the application with a Notificaties API."""
    started = []

    def starter() -> webtest.TestApp:
        started.append(make_app(klanten__services=str(services_file)))
        return started[-1]

    yield starter
    for app in started:
        app.app.registry.delivery.stop()
        app.app.registry.door.close()


@pytest.fixture
def app(start: Callable[[], webtest.TestApp]) -> webtest.TestApp:
    return start()


@pytest.fixture
def server(app: webtest.TestApp) -> Iterator[Server]:
    with serving(app.app, {"Authorization": bearer("all")}) as server:
        yield server


@pytest.fixture
def _nothing_secret_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """In every test: no secret, no token and nothing personal is in any log."""
    caplog.set_level(logging.DEBUG, "klanten")
    yield
    logged = "".join(
        record.getMessage() + str(record.exc_text or "") for record in caplog.get_records("call")
    )
    found = [word for word in (SECRET, CLIENT_SECRET, "Bearer", "eyJ", BSN) if word in logged]
    assert found == []


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What an operator is told of the delivery."""
    return lambda: [
        record.getMessage() for record in caplog.records if record.name == "klanten.delivery"
    ]


def waiting(app: webtest.TestApp) -> int:
    with tree(app.app.registry.database) as root:
        return len(root.outbox)


def put_aside(app: webtest.TestApp) -> list[Failure]:
    with tree(app.app.registry.database) as root:
        return list(root.outbox.failures())


def until(done: Callable[[], Any], what: str) -> Any:
    end = time.monotonic() + PATIENCE
    while not (found := done()):
        assert time.monotonic() < end, f"waited too long for {what}"
        time.sleep(0.01)
    return found


def until_empty(app: webtest.TestApp) -> None:
    until(lambda: waiting(app) == 0, "an empty outbox")


def create(app: webtest.TestApp, **fields: Any) -> str:
    """The URL of a new klant."""
    url: str = app.post_json(KLANTEN, make_klant(**fields)).json["url"]
    return url


def for_actie(actie: str, mood: Mood) -> Callable[[dict[str, Any]], Mood | None]:
    """A mood for the messages about this only."""
    return lambda message: mood if message["actie"] == actie else None


def once(mood: Mood) -> Callable[[dict[str, Any]], Mood | None]:
    """A mood for the first message only."""
    moods = [mood]
    return lambda message: moods.pop() if moods else None


# --- what is told -------------------------------------------------------------------------------


def test_every_write_is_told_in_order(app, nrc):
    klant = make_klant()
    url = app.post_json(KLANTEN, klant).json["url"]
    app.put_json(url, klant | {"functie": "molenaar"})
    app.patch_json(url, {"functie": "smid"})
    app.delete(url)
    messages = nrc.wait_for_messages(4)
    assert [message["actie"] for message in messages] == [
        "create",
        "update",
        "partial_update",
        "destroy",
    ]
    for message in messages:
        del message["actie"], message["aanmaakdatum"]
        assert message == {
            "kanaal": "klanten",
            "hoofdObject": url,
            "resource": "klant",
            "resourceUrl": url,
            "kenmerken": {"subjectType": "natuurlijk_persoon"},
        }
    until_empty(app)


def test_the_message_is_sent_by_post_to_notificaties(app, nrc):
    create(app)
    nrc.wait_for_messages(1)
    assert [(asked.method, asked.path) for asked in nrc.asked] == [("POST", "/api/v1/notificaties")]


def test_urls_are_those_that_the_writer_saw(server, nrc):
    answer = server.request("POST", "/klanten", make_klant(), headers={"Host": "klanten.example"})
    [message] = nrc.wait_for_messages(1)
    assert message["hoofdObject"] == answer.json["url"]
    assert message["hoofdObject"].startswith("http://klanten.example/api/v1/klanten/")


def test_a_klant_without_a_type_sends_an_empty_kenmerk(app, nrc, subjects):
    create(app, subjectType=..., subjectIdentificatie=..., subject=subjects.url("/200").lower())
    [message] = nrc.wait_for_messages(1)
    assert message["kenmerken"] == {"subjectType": ""}


def test_reads_and_refused_writes_are_not_told(app, nrc):
    app.get(KLANTEN)
    app.post_json(KLANTEN, make_klant(bronorganisatie="1"), status=400)
    app.delete(f"{KLANTEN}/a9d4ba2f-0a41-4b1d-93ef-24ab2a0f3dc8", status=404)
    app.post_json(KLANTEN, make_klant(), headers={"Authorization": bearer("lezen")}, status=403)
    url = create(app)
    assert [message["hoofdObject"] for message in nrc.wait_for_messages(1)] == [url]
    until_empty(app)
    assert len(nrc.attempts) == 1


def test_nothing_personal_is_told(app, nrc):
    klant = make_person()
    klant["subjectIdentificatie"]["inpBsn"] = BSN
    app.post_json(KLANTEN, klant)
    nrc.wait_for_messages(1)
    sent = nrc.asked[0].body.decode()
    texts = [value for value in klant.values() if isinstance(value, str) and len(value) > 3]
    assert [text for text in [*texts, BSN, "Berta"] if text in sent] == ["natuurlijk_persoon"]


# --- what the Notificaties API answers ----------------------------------------------------------


@pytest.mark.parametrize("code", [200, 202, 204])
def test_every_2xx_is_delivered(app, nrc, code):
    nrc.mood_for = once(status(code))
    create(app)
    until_empty(app)
    assert len(nrc.attempts) == 1
    assert put_aside(app) == []


@pytest.mark.parametrize("code", [400, 404, 410, 413, 422])
def test_a_refused_message_is_put_aside_and_in_nobodys_way(app, nrc, told, code):
    refusal = {"code": "invalid", "invalidParams": [{"name": "kanaal", "code": "unknown"}]}
    # a 400 in the second of the message may be a matter of clocks
    nrc.clock_ahead = 1
    nrc.mood_for = for_actie("create", status(code, refusal))
    url = create(app)
    app.patch_json(url, {"functie": "smid"})
    other = create(app, subjectType="vestiging", subjectIdentificatie={"handelsnaam": ["De Punt"]})
    app.delete(other)
    nrc.wait_for_messages(2)
    until_empty(app)
    assert nrc.acties() == {url: ["partial_update"], other: ["destroy"]}
    assert {(one.message.url, one.message.actie, one.reason) for one in put_aside(app)} == {
        (url, "create", f"{code} invalid kanaal=unknown"),
        (other, "create", f"{code} invalid kanaal=unknown"),
    }
    assert len(nrc.attempts) == 4
    assert 1 <= len(told()) <= 2
    assert all(f"{code} invalid kanaal=unknown" in line for line in told())


def test_a_message_that_is_too_early_for_the_clock_of_the_api_comes_later(app, nrc):
    nrc.clock_ahead = -2
    url = create(app)
    until(lambda: len(nrc.wrong) > 1, "a second refusal")
    assert put_aside(app) == []
    nrc.clock_ahead = 0
    nrc.wait_for_messages(1)
    until_empty(app)
    assert nrc.acties() == {url: ["create"]}
    assert set(nrc.wrong) == {"aanmaakdatum is in the future"}
    nrc.wrong.clear()


@pytest.mark.parametrize("mood", [status(500), status(503), status(301), garbage()])
def test_an_api_that_fails_is_asked_again(app, nrc, mood):
    nrc.mood_for = lambda message: mood if len(nrc.attempts) < 4 else None
    url = create(app)
    app.patch_json(url, {"functie": "smid"})
    nrc.wait_for_messages(2)
    until_empty(app)
    assert nrc.acties() == {url: ["create", "partial_update"]}
    assert put_aside(app) == []


@pytest.mark.parametrize("code", [401, 403])
def test_an_api_that_refuses_our_token_costs_no_message(app, nrc, told, code):
    nrc.mood_for = lambda message: status(code)
    create(app)
    create(app)
    until(told, "a line in the log")
    nrc.mood_for = lambda message: None
    nrc.wait_for_messages(2)
    until_empty(app)
    assert put_aside(app) == []
    assert f"{code}: " in told()[0]
    assert "services file" in told()[0]


@pytest.mark.parametrize("code", [429, 503])
def test_the_api_is_left_alone_for_as_long_as_it_asks(app, nrc, code):
    asked_at = []

    def mood_for(message):
        asked_at.append(time.monotonic())
        return status(code, headers={"Retry-After": "1"}) if len(asked_at) == 1 else None

    nrc.mood_for = mood_for
    create(app)
    nrc.wait_for_attempts(1)
    create(app)
    nrc.wait_for_messages(2)
    assert asked_at[1] - asked_at[0] >= 1
    until_empty(app)


def test_a_write_does_not_wait_for_an_api_that_hangs(app, nrc):
    nrc.mood = nrc.hang
    url = create(app)
    nrc.wait_for_hanging()
    # nothing but a time limit would let this one be answered if it waited
    app.patch_json(url, {"functie": "smid"})
    assert nrc.messages == []
    nrc.mood = None
    nrc.release()
    nrc.wait_for_messages(2)
    until_empty(app)


def test_an_api_that_hangs_is_left_in_time(app, nrc):
    nrc.mood = nrc.hang
    create(app)
    nrc.wait_for_hanging()
    nrc.wait_for_hanging()
    nrc.mood = None
    nrc.wait_for_messages(1)
    until_empty(app)


# --- an outage ----------------------------------------------------------------------------------


def test_a_thousand_writes_during_an_outage_are_all_told(app, nrc, told, caplog):
    nrc.down()
    urls = [create(app) for _ in range(1000)]
    assert waiting(app) == 1000
    until(told, "a line in the log")
    nrc.up()
    nrc.wait_for_messages(1000)
    until_empty(app)
    assert Counter(message["hoofdObject"] for message in nrc.messages) == Counter(urls)
    begin, end = told()
    assert "Connection refused" in begin
    assert "again" in end
    assert [record for record in caplog.records if record.exc_info] == []


def test_during_an_outage_one_message_at_a_time_tries(app, nrc, told):
    busy, overlaps = threading.Lock(), []

    def mood(handler: Handler) -> None:
        alone = busy.acquire(blocking=False)
        overlaps.append(not alone)
        time.sleep(0.02)
        if alone:
            busy.release()
        handler.reply(500)

    nrc.mood_for = lambda message: mood
    for _ in range(20):
        create(app)
    until(told, "a line in the log")
    before = len(overlaps)
    nrc.wait_for_attempts(before + 10)
    assert not any(overlaps[before:])
    # not always the same one: it could be the message
    assert len({message["hoofdObject"] for message in nrc.attempts[before:]}) == 10
    nrc.mood_for = lambda message: None
    nrc.wait_for_messages(20)


def test_an_operator_sees_what_the_trouble_is(app, nrc):
    def trouble() -> str:
        with tree(app.app.registry.database) as root:
            found: str = root.outbox.lease.trouble
            return found

    nrc.mood_for = lambda message: status(500)
    create(app)
    assert until(trouble, "trouble").endswith("Z: 500")
    nrc.mood_for = lambda message: None
    until(lambda: not trouble(), "the end of the trouble")


def test_a_message_on_which_the_api_stumbles_does_not_hold_up_others(app, nrc, monkeypatch):
    monkeypatch.setattr(ailments, "HOPELESS", 3)
    poison = create(app)
    nrc.wait_for_messages(1)
    nrc.mood_for = lambda message: status(500) if message["hoofdObject"] == poison else None
    app.patch_json(poison, {"functie": "smid"})
    told_of = set()
    while not put_aside(app):
        told_of.add(create(app))
        nrc.wait_for_messages(1 + len(told_of))
        time.sleep(0.05)
    [failure] = put_aside(app)
    assert (failure.message.url, failure.message.actie) == (poison, "partial_update")
    assert failure.reason.startswith("500")
    until_empty(app)
    assert set(nrc.acties()) == {poison, *told_of}


def test_later_messages_of_the_same_klant_do_not_wait_for_a_bad_one_for_ever(app, nrc, monkeypatch):
    monkeypatch.setattr(ailments, "HOPELESS", 3)
    nrc.mood_for = for_actie("create", status(500))
    url = create(app)
    for number in range(5):
        app.patch_json(url, {"functie": str(number)})
    nrc.wait_for_messages(5)
    assert nrc.acties() == {url: ["partial_update"] * 5}


def test_a_message_that_was_put_aside_can_be_told_after_all(app, nrc):
    nrc.mood_for = once(status(422))
    url = create(app)
    [failure] = until(lambda: put_aside(app), "a message put aside")
    with tree(app.app.registry.database) as root:
        assert root.outbox.retry([failure.number]) == 1
    nrc.wait_for_messages(1)
    assert nrc.acties() == {url: ["create"]}
    until_empty(app)


# --- many at a time -----------------------------------------------------------------------------


def test_the_messages_of_a_klant_are_told_in_order_while_many_write(server, nrc):
    def story(number: int) -> str:
        url: str = server.request("POST", "/klanten", make_klant()).json["url"]
        for step in range(10):
            server.request("PATCH", url, {"functie": f"{number} {step}"})
        server.request("DELETE", url)
        return url

    with ThreadPoolExecutor(4) as pool:
        urls = list(pool.map(story, range(12)))
    nrc.wait_for_messages(12 * 12)
    assert nrc.acties() == {url: ["create", *["partial_update"] * 10, "destroy"] for url in urls}
    moments: dict[str, list[str]] = {}
    for message in nrc.messages:
        moments.setdefault(message["hoofdObject"], []).append(message["aanmaakdatum"])
    assert all(found == sorted(found) for found in moments.values())
    assert len(nrc.attempts) == 12 * 12


def test_several_messages_are_sent_at_a_time(make_app, start, nrc):
    before = make_app()
    for _ in range(4):
        create(before)
    before.app.registry.database.close()
    together = threading.Barrier(4)

    def mood(handler: Handler) -> None:
        # none of them gets through alone
        together.wait(PATIENCE)
        handler.reply(201)

    nrc.mood_for = lambda message: mood
    until_empty(start())
    assert len(nrc.attempts) == 4


# --- when it delivers ---------------------------------------------------------------------------


def test_without_a_notificaties_api_messages_are_kept(make_app):
    app = make_app()
    create(app)
    assert app.app.registry.delivery is None
    assert waiting(app) == 1


def test_a_server_that_shall_not_deliver_does_not(make_app, services_file, nrc):
    app = make_app(klanten__services=str(services_file), klanten__notifications__deliver="false")
    create(app)
    assert app.app.registry.delivery is None
    assert waiting(app) == 1
    assert nrc.asked == []


def test_what_waited_from_before_is_delivered_at_the_start(make_app, start, nrc):
    before = make_app()
    url = create(before)
    before.app.registry.database.close()
    start()
    [message] = nrc.wait_for_messages(1)
    assert message["hoofdObject"] == url


def test_a_stop_finishes_what_is_on_its_way(app, nrc):
    going = threading.Event()

    def mood(handler: Handler) -> None:
        going.set()
        time.sleep(0.3)
        handler.reply(201)

    nrc.mood_for = lambda message: mood
    create(app)
    assert going.wait(PATIENCE)
    app.app.registry.delivery.stop()
    assert waiting(app) == 0
    with tree(app.app.registry.database) as root:
        assert root.outbox.lease.holder == ""


def test_a_database_that_fails_is_told_once_and_survived(app, nrc, told, monkeypatch):
    monkeypatch.setattr(delivery, "DATABASE_SECONDS", 0.01)
    broken = threading.Event()
    whole = delivery.tree

    def tree_or_not(database: Any, note: str = "") -> Any:
        if broken.is_set():
            raise OSError("a text that may hold a password")
        return whole(database, note)

    monkeypatch.setattr(delivery, "tree", tree_or_not)
    broken.set()
    url = create(app)
    until(told, "a line in the log")
    time.sleep(0.1)
    broken.clear()
    nrc.wait_for_messages(1)
    until_empty(app)
    assert nrc.acties() == {url: ["create"]}
    [line] = told()
    assert line == "notifications wait, the database fails: OSError"
