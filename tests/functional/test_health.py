"""`/healthz` and `/readyz`: alive, and able to serve."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import webtest
from ZEO.Exceptions import ClientDisconnected

from klanten.evolve import SCHEMA_VERSION
from klanten.execution import write_lock
from klanten.monitoring.recent import Recent
from klanten.storage import tree
from tests.conftest import bearer
from tests.factories import make_klant
from tests.fouten import assert_fout
from tests.servers import Subjects, serving
from tests.storages.servers import Zeo, until

PAGES = ["/healthz", "/readyz", "/metrics"]


@pytest.fixture
def zeo() -> Iterator[Zeo]:
    with Zeo() as server:
        yield server


@pytest.fixture
def on_zeo(make_app: Callable[..., webtest.TestApp], zeo: Zeo) -> webtest.TestApp:
    """The application on a database server that can be stopped."""
    return make_app(zodbconn__uri=zeo.uri, klanten__database__timeout="2")


def test_a_server_is_alive_and_ready(app):
    assert app.get("/healthz").json == {"status": "ok"}
    assert app.get("/readyz").json == {"status": "ok", "schema": SCHEMA_VERSION}


@pytest.mark.parametrize("page", PAGES[:2])
def test_anyone_may_ask_and_the_answer_is_not_kept(shared_app, page):
    environ = {"HTTP_AUTHORIZATION": "", "REMOTE_ADDR": "192.0.2.1"}
    answer = shared_app.get(page, extra_environ=environ, headers={"Accept": "text/html"})
    assert answer.content_type == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "API-version" not in answer.headers


@pytest.mark.parametrize("page", PAGES)
def test_head_is_get_without_the_body(shared_app, page):
    environ = {"REMOTE_ADDR": "127.0.0.1"}
    got = shared_app.get(page, extra_environ=environ)
    head = shared_app.head(page, extra_environ=environ)
    assert (head.status_int, head.body) == (200, b"")
    assert head.content_type == got.content_type


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_other_methods_are_refused(shared_app, page, method):
    answer = shared_app.request(page, method=method, status=405)
    assert answer.json["code"] == "method_not_allowed"
    assert answer.headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize("page", PAGES)
def test_they_are_no_part_of_the_api(shared_app, page):
    shared_app.get(f"/api/v1{page}", status=404)


@pytest.mark.parametrize(
    ("version", "told"),
    [(SCHEMA_VERSION + 1, "install the release that wrote it"), (0, "klanten migrate")],
)
def test_another_schema_is_not_ready_and_the_answer_says_why(app, version, told):
    with tree(app.app.registry.database) as root:
        root.schema_version = version
    answer = app.get("/readyz", status=503)
    assert answer.json["status"] == "unavailable"
    assert f"has schema version {version}," in answer.json["reason"]
    assert told in answer.json["reason"]
    assert app.get("/healthz").status_int == 200
    # it was migrated under a server that still runs
    assert_fout(app.get("/api/v1/klanten", status=503), 503, "service_unavailable")
    created = app.post_json("/api/v1/klanten", make_klant(), status=503)
    assert_fout(created, 503, "service_unavailable")
    with tree(app.app.registry.database) as root:
        assert root.search({}).count == 0


def test_a_database_that_is_away_is_not_ready_until_it_is_back(on_zeo, zeo):
    zeo.kill()
    until(lambda: on_zeo.get("/readyz", expect_errors=True).status_int == 503, "not ready")
    assert on_zeo.get("/healthz").status_int == 200
    zeo.start()
    until(lambda: on_zeo.get("/readyz", expect_errors=True).status_int == 200, "ready again")


def test_a_database_that_says_nothing_is_not_ready_until_it_speaks(on_zeo, zeo, monkeypatch):
    monkeypatch.setattr("klanten.monitoring.health.PATIENCE", 0.2)
    zeo.pause()
    answer = on_zeo.get("/readyz", status=503)
    assert answer.json["reason"] == "the database does not answer in time"
    zeo.resume()
    until(lambda: on_zeo.get("/readyz", expect_errors=True).status_int == 200, "ready again")


def test_the_answer_tells_nothing_of_the_database_server_and_the_log_does(app, caplog, monkeypatch):
    def away(**options: Any) -> None:
        raise ClientDisconnected("can't connect to db.example.nl:8100")

    monkeypatch.setattr(app.app.registry.database, "open", away)
    answer = app.get("/readyz", status=503)
    assert answer.json == {"status": "unavailable", "reason": "the database can't be reached"}
    assert caplog.records[-1].fields["cause"] == (
        "ClientDisconnected: can't connect to db.example.nl:8100"
    )


def test_a_page_of_health_needs_no_clients_or_token(make_app, clients_file: Path):
    app = make_app()
    clients_file.unlink()
    for page in PAGES[:2]:
        app.get(page, headers={"Authorization": bearer("unknown")}, status=200)


def test_nobody_can_hold_them_up_with_a_method_that_waits_for_its_turn(app):
    with serving(app.app, {"Authorization": bearer("all")}) as server, write_lock:
        waiting = threading.Thread(target=server.request, args=("POST", server.origin + "/healthz"))
        waiting.start()
        for page in PAGES:
            assert server.request("GET", server.origin + page).status == 200
        assert waiting.is_alive()
    waiting.join()


def test_they_answer_while_every_thread_waits_for_somebody(app, subjects: Subjects):
    with serving(app.app, {"Authorization": bearer("all")}, threads=1) as server:
        waiting = make_klant(subject=subjects.url("/hang"))
        busy = threading.Thread(target=server.request, args=("POST", "/klanten", waiting))
        busy.start()
        subjects.wait_for_hanging()
        statuses = {page: server.request("GET", server.origin + page).status for page in PAGES}
        assert busy.is_alive()
        subjects.release()
        busy.join()
    assert statuses == dict.fromkeys(PAGES, 200)


# --- asking no more than needed -----------------------------------------------------------------


class Oracle:
    """Answers when told to; counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.may_answer = threading.Event()

    def __call__(self) -> int:
        self.asked += 1
        assert self.may_answer.wait(60)
        return self.asked


def test_an_answer_counts_for_a_while():
    oracle = Oracle()
    oracle.may_answer.set()
    recent = Recent(oracle, age=3600)
    assert [recent.get(60) for _ in range(3)] == [1, 1, 1]


def test_an_old_answer_is_asked_anew():
    oracle = Oracle()
    oracle.may_answer.set()
    recent = Recent(oracle, age=-1)
    assert [recent.get(60) for _ in range(3)] == [1, 2, 3]


def test_nobody_waits_longer_than_the_patience_and_one_thread_asks():
    oracle = Oracle()
    recent = Recent(oracle, age=-1)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            recent.get(0.05)
    assert oracle.asked == 1
    oracle.may_answer.set()
    assert recent.get(60) == 1
    assert recent.get(60) == 2


def test_a_failure_is_the_answer():
    recent: Recent[float] = Recent(lambda: 1 / 0, age=3600)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            recent.get(60)
