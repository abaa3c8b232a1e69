"""A request as a number of attempts: the lock of writers, retries, questions to other servers."""

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import pytest
import webtest
from ZODB.Connection import Connection
from ZODB.POSException import ConflictError

from klanten.execution import ATTEMPTS, QUESTIONS, Question, answer, write_lock
from klanten.model.audittrail import Actie, Bewerking
from klanten.storage import tree
from tests.factories import make_klant

SUBJECT = "http://subject.example/1"


class Asked:
    """Stands in for the check of a subject; notes how things are when it is asked."""

    def __init__(self, ask: Callable[[], bool] = lambda: True) -> None:
        self.urls: list[str] = []
        self.ask = ask

    def exists(self, url: str) -> bool:
        self.urls.append(url)
        return self.ask()


@pytest.fixture
def registry(app: webtest.TestApp) -> Any:
    return app.app.registry


def create(app: webtest.TestApp, status: int = 201, **overrides: Any) -> Any:
    return app.post_json("/api/v1/klanten", make_klant(**overrides), status=status).json


def connections_in_use(registry: Any) -> int:
    pool = registry.database.pool
    return len(pool.all) - len(pool.available)


def call(app: webtest.TestApp, path: str = "/api/v1/klanten", **environ: Any) -> tuple[int, Any]:
    """Call the application as a server does that checks nothing: status, and JSON of the answer."""
    sent = webtest.TestRequest.blank(path, method="POST", content_type="application/json").environ
    statuses: list[str] = []
    answer = app.app(
        sent | app.extra_environ | environ, lambda status, headers: statuses.append(status)
    )
    return int(statuses[0][:3]), json.loads(b"".join(answer))


# --- the lock of writers ------------------------------------------------------------------------


def in_a_thread(do: Callable[[], Any]) -> threading.Thread:
    thread = threading.Thread(target=do)
    thread.start()
    return thread


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_write_waits_for_the_lock(app, method):
    answered = threading.Event()

    def write() -> None:
        app.request("/api/v1/klanten", method=method, status="*")
        answered.set()

    with write_lock:
        thread = in_a_thread(write)
        assert not answered.wait(0.2)
    thread.join()
    assert answered.is_set()


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_a_read_passes_the_lock_by(app, method):
    with write_lock:
        app.request("/api/v1/klanten", method=method, status="*")


def test_the_body_is_read_before_the_lock_is_taken(app):
    locked: list[bool] = []

    class SlowBody(BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            locked.append(write_lock.locked())
            return super().read(size)

    call(app, CONTENT_LENGTH="2", **{"wsgi.input": SlowBody(b"{}")})
    assert locked
    assert not any(locked)


# --- retries ------------------------------------------------------------------------------------


@pytest.fixture
def conflicts(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Makes that many of the next commits fail, as another process could."""
    vote = Connection.tpc_vote
    left = [0]

    def tpc_vote(connection: Connection, current: Any) -> Any:
        if left[0]:
            left[0] -= 1
            raise ConflictError
        return vote(connection, current)

    monkeypatch.setattr(Connection, "tpc_vote", tpc_vote)
    return lambda number: left.__setitem__(0, number)


def test_a_conflict_with_another_process_is_tried_again(app, conflicts):
    conflicts(4)
    create(app)
    assert app.get("/api/v1/klanten").json["count"] == 1


def test_after_too_many_conflicts_the_caller_may_try_again_later(app, conflicts):
    conflicts(ATTEMPTS)
    response = app.post_json("/api/v1/klanten", make_klant(), status=503)
    assert response.json["code"] == "service_unavailable"
    assert int(response.headers["Retry-After"]) > 0
    assert app.get("/api/v1/klanten").json["count"] == 0


def test_a_klantnummer_that_another_process_takes_meanwhile_is_refused(app, registry, monkeypatch):
    """The first attempt ends in a real conflict; the second sees the klant of the other."""
    taken = make_klant()
    begin = Connection.tpc_begin

    def tpc_begin(connection: Connection, current: Any) -> Any:
        monkeypatch.setattr(Connection, "tpc_begin", begin)
        with tree(registry.database) as other:
            other.create(taken, Bewerking(Actie.CREATE, datetime.now(UTC), "http://other/api/v1"))
        return begin(connection, current)

    monkeypatch.setattr(Connection, "tpc_begin", tpc_begin)
    refusal = app.post_json("/api/v1/klanten", taken, status=400).json
    assert [fault["code"] for fault in refusal["invalidParams"]] == ["unique"]
    assert app.get("/api/v1/klanten").json["count"] == 1


# --- questions ----------------------------------------------------------------------------------


def test_a_question_is_asked_while_nothing_is_held(app, registry):
    held: list[tuple[bool, int]] = []

    def look() -> bool:
        held.append((write_lock.locked(), connections_in_use(registry)))
        return True

    registry.subject_check = Asked(look)
    create(app, subject=SUBJECT)
    assert held == [(False, 0)]


def test_a_question_is_asked_once_whatever_the_number_of_attempts(app, registry, conflicts):
    registry.subject_check = asked = Asked()
    conflicts(3)
    create(app, subject=SUBJECT)
    assert asked.urls == [SUBJECT]


def test_each_request_asks_anew(app, registry):
    registry.subject_check = asked = Asked()
    create(app, subject=SUBJECT)
    create(app, subject=SUBJECT)
    assert asked.urls == [SUBJECT, SUBJECT]


def test_a_question_that_fails_is_answered_like_any_other_failure(app, registry):
    def fail() -> bool:
        raise LookupError("the check is broken")

    registry.subject_check = Asked(fail)
    refusal = app.post_json("/api/v1/klanten", make_klant(subject=SUBJECT), status=500)
    assert refusal.content_type == "application/problem+json"
    assert refusal.headers["API-version"] == "1.0.0"
    assert app.get("/api/v1/klanten").json["count"] == 0


def test_what_happened_meanwhile_counts(app, registry):
    """Nothing is held while the question is asked, so another may take the klantnummer."""
    taken = make_klant(subject=SUBJECT)

    def take() -> bool:
        if len(asked.urls) == 1:
            app.post_json("/api/v1/klanten", taken)
        return True

    registry.subject_check = asked = Asked(take)
    refusal = app.post_json("/api/v1/klanten", taken, status=400).json
    assert [fault["code"] for fault in refusal["invalidParams"]] == ["unique"]


class Request:
    def __init__(self) -> None:
        self.environ: dict[str, Any] = {}


def test_a_request_that_asks_again_and_again_is_ended():
    request = Request()
    for number in range(QUESTIONS):
        with pytest.raises(Question) as question:
            answer(request, number, str)
        assert (question.value.key, question.value.ask) == (number, str)
        request.environ["klanten.answers"][number] = object()
    with pytest.raises(RuntimeError, match="again and again"):
        answer(request, "one more", str)


# --- the body -----------------------------------------------------------------------------------


class Pieces(BytesIO):
    """Gives one byte at a time, whatever is asked for."""

    def read(self, size: int | None = -1) -> bytes:
        return super().read(1)


class Endless(BytesIO):
    """A server that waits for more and does not mark the end."""

    def read(self, size: int | None = -1) -> bytes:
        raise AssertionError("waits for ever")


def code_of(app: webtest.TestApp, body: BytesIO, length: str, **environ: Any) -> str:
    """The code of the refusal of a body: `invalid` when it could be read, and is a {}."""
    _, fout = call(app, CONTENT_LENGTH=length, **{"wsgi.input": body}, **environ)
    code: str = fout["code"]
    return code


def test_a_body_ends_where_its_length_says(app):
    assert code_of(app, BytesIO(b"{}GET /"), "2") == "invalid"
    assert code_of(app, BytesIO(b"{}GET /"), "3") == "parse_error"


def test_a_body_that_comes_in_pieces_is_read_whole(app):
    body = json.dumps(make_klant()).encode()
    status, _ = call(app, CONTENT_LENGTH=str(len(body)), **{"wsgi.input": Pieces(body)})
    assert status == 201


def test_a_body_that_ends_early_is_what_came(app):
    assert code_of(app, BytesIO(b"{}"), "9") == "invalid"
    assert code_of(app, BytesIO(b"{"), "9") == "parse_error"


def test_a_body_without_a_length_is_read_where_the_server_marks_its_end(app):
    assert code_of(app, BytesIO(b"{"), "", **{"wsgi.input_terminated": True}) == "parse_error"


@pytest.mark.parametrize("length", ["", "abc", "-1", "1e3"])
def test_without_a_length_there_is_no_body(app, length):
    assert code_of(app, Endless(), length) == "invalid"


def test_no_more_of_a_body_is_read_than_tells_that_it_is_too_long(make_app):
    read: list[int | None] = []

    class Long(BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            read.append(size)
            return super().read(size)

    app = make_app(klanten__body__max_size="10")
    assert code_of(app, Long(b" " * 1000), "2000000000") == "request_entity_too_large"
    assert read == [11]


# --- paths that no route must misread -----------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    ["/api/v1/klanten%0A", "/api/v1/klanten%0A%0A", "/api/v1/openapi.json%0A", "/ref/fouten/%0A"],
)
def test_a_line_break_at_the_end_makes_another_path(app, path):
    app.get(path, status=404)


@pytest.mark.parametrize("path", ["/%ff", "/api/v1/%c3", "/%ed%a0%80", "/api/v1/klanten/%80"])
def test_a_path_that_is_no_utf8_leads_nowhere(app, path):
    assert app.get(path, status=404).json["code"] == "not_found"


def test_a_prefix_that_is_no_utf8_is_read_as_latin_1(app):
    klant = app.post_json("/api/v1/klanten", make_klant(), extra_environ={"SCRIPT_NAME": "/\xe9"})
    assert klant.json["url"].startswith("http://localhost/%C3%A9/api/v1/klanten/")


def test_a_path_without_path_info_is_the_top(app):
    def status(path: str, *left_out: str) -> str:
        sent = webtest.TestRequest.blank(path).environ
        for name in left_out:
            del sent[name]
        statuses: list[str] = []
        list(app.app(sent, lambda status, headers: statuses.append(status)))
        return statuses[0]

    assert status("/", "PATH_INFO", "SCRIPT_NAME") == status("/")
