"""A database server that is killed, hangs or was never there, and comes back."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg2
import pytest
import webtest
from ZEO.Exceptions import ClientDisconnected

from klanten.execution import write_lock
from klanten.logs import USUAL_LEVELS
from klanten.storage import PooledConnection
from tests.factories import make_klant
from tests.ports import free_port
from tests.storages.conftest import TIMEOUT, Store
from tests.storages.servers import until

KLANTEN = "/api/v1/klanten"
AT_ONCE = 20
"""So many requests at once would take `AT_ONCE * TIMEOUT` seconds if their waits added up."""


def together(call: Callable[[], int]) -> tuple[list[int], float]:
    """What so many threads get at once, and the seconds until all have it."""
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(call())) for _ in range(AT_ONCE)]
    start = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found, time.monotonic() - start


def assert_unavailable(response: webtest.TestResponse) -> None:
    assert response.status_int == 503
    assert response.content_type == "application/problem+json"
    assert response.json["code"] == "service_unavailable"
    assert response.headers["Retry-After"].isdigit()
    assert response.headers["API-version"] == "1.0.0"


def assert_recovers(app: webtest.TestApp, url: str) -> None:
    until(lambda: app.get(url, expect_errors=True).status_int == 200, "the database")
    created = app.post_json(KLANTEN, make_klant(), status=201).json
    assert app.get(created["url"]).json == created
    assert app.patch_json(url, {"voornaam": "Anna"}).json["voornaam"] == "Anna"


@pytest.fixture(params=["killed", "paused"])
def lose(request: pytest.FixtureRequest, store: Store) -> Callable[[], None]:
    """Takes the server away: its process, or only its answers."""
    return store.server.kill if request.param == "killed" else store.server.pause


@pytest.fixture
def bring_back(store: Store) -> Callable[[], None]:
    def back() -> None:
        if store.server.process is None:
            store.server.start()
        store.server.resume()

    return back


def test_a_lost_server_is_a_503_for_all_and_its_return_is_noticed(
    app: webtest.TestApp, lose: Callable[[], None], bring_back: Callable[[], None]
):
    url = app.post_json(KLANTEN, make_klant()).json["url"]
    lose()
    assert_unavailable(app.get(url, expect_errors=True))
    assert_unavailable(app.post_json(KLANTEN, make_klant(), expect_errors=True))
    bring_back()
    assert_recovers(app, url)


def test_a_lost_server_is_told_in_lines_and_not_in_pages(
    app: webtest.TestApp,
    lose: Callable[[], None],
    bring_back: Callable[[], None],
    caplog: pytest.LogCaptureFixture,
):
    url = app.post_json(KLANTEN, make_klant()).json["url"]
    lose()
    for name, level in USUAL_LEVELS.items():
        caplog.set_level(level, name)
    caplog.handler.setLevel(logging.WARNING)  # the line above sets it too
    assert_unavailable(app.get(url, expect_errors=True))
    bring_back()
    assert "klanten.access" in {record.name for record in caplog.records}
    assert [record.name for record in caplog.records if record.exc_info] == []


def test_waits_for_a_lost_server_do_not_add_up(
    app: webtest.TestApp, lose: Callable[[], None], bring_back: Callable[[], None]
):
    url = app.post_json(KLANTEN, make_klant()).json["url"]
    lose()

    def write() -> int:
        status: int = app.post_json(KLANTEN, make_klant(), expect_errors=True).status_int
        return status

    def read() -> int:
        status: int = app.get(url, expect_errors=True).status_int
        return status

    for request in (write, read):
        answers, seconds = together(request)
        assert answers == [503] * AT_ONCE
        assert seconds < AT_ONCE * TIMEOUT / 2
    bring_back()
    assert_recovers(app, url)


def test_what_needs_no_database_is_answered_without_it(app: webtest.TestApp, store: Store):
    store.server.kill()
    app.get("/api/v1/nothing", status=404)
    app.put(KLANTEN, status=405)
    app.get(KLANTEN, headers={"Authorization": "Bearer x"}, status=403)
    app.post(KLANTEN, "x", headers={"Content-Type": "text/plain"}, status=415)
    app.post_json(KLANTEN, {}, status=400)


def test_requests_that_fail_leave_nothing_behind(app: webtest.TestApp, store: Store):
    app.get(KLANTEN)
    database = app.app.registry.database
    store.server.kill()
    app.get(KLANTEN, status=503)
    before = connections(database)
    for _ in range(3):
        app.get(KLANTEN, status=503)
    assert connections(database) == before
    store.server.start()


def connections(database: Any) -> int:
    """How many connections the storage keeps something for."""
    instances = getattr(database._mvcc_storage, "_instances", None)
    if isinstance(instances, set):  # ZEO
        return len(instances)
    return len(database.storage._cache.polling_state._registered_viewers)


@pytest.mark.parametrize(
    "uri", ["zeo://127.0.0.1:{}/?storage=1", "postgresql://klanten:secret@127.0.0.1:{}/klanten"]
)
def test_a_start_without_the_server_ends_in_one_line(
    uri: str, make_app: Callable[..., webtest.TestApp]
):
    settings = {"zodbconn.uri": uri.format(free_port()), "klanten.database.timeout": "1"}
    with pytest.raises(SystemExit) as told:
        make_app(**settings)
    text = str(told.value)
    assert text.startswith("klanten: zodbconn.uri in ")
    assert "\n" not in text
    assert "secret" not in text


def test_a_server_that_hangs_at_the_start_is_given_up(
    store: Store, make_app: Callable[..., webtest.TestApp]
):
    store.server.pause()
    with pytest.raises(SystemExit, match="can't be opened"):
        make_app(**{"zodbconn.uri": store.uri, "klanten.database.timeout": "1"})


def test_a_commit_that_may_have_been_kept_is_not_done_again(
    app: webtest.TestApp, store: Store, monkeypatch: pytest.MonkeyPatch
):
    lost = {"zeo": ClientDisconnected, "postgresql": psycopg2.OperationalError}
    failure = lost[store.uri.partition(":")[0]]
    finish = PooledConnection.tpc_finish

    def finish_without_a_word(self: PooledConnection, transaction: Any) -> None:
        finish(self, transaction)
        raise failure("the answer did not come")

    with monkeypatch.context() as patch:
        patch.setattr(PooledConnection, "tpc_finish", finish_without_a_word)
        klant = make_klant(klantnummer=...)
        assert_unavailable(app.post_json(KLANTEN, klant, expect_errors=True))
    assert app.get(KLANTEN).json["count"] == 1
    app.post_json(KLANTEN, make_klant(), status=201)


def test_a_turn_to_write_that_does_not_come_is_a_503(make_app: Callable[..., webtest.TestApp]):
    app = make_app(**{"klanten.database.timeout": "0.2"})
    url = app.post_json(KLANTEN, make_klant()).json["url"]
    with write_lock:
        assert_unavailable(app.post_json(KLANTEN, make_klant(), expect_errors=True))
        assert_unavailable(app.delete(url, expect_errors=True))
        app.post_json(KLANTEN, {}, status=400)
        app.get(url, status=200)
    app.delete(url, status=204)
