"""`/metrics`: what is counted, and who may see it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import webtest
from prometheus_client.parser import text_string_to_metric_families
from ZODB.POSException import ConflictError

from klanten.execution import WAITED, write_lock
from klanten.model.audittrail import Actie
from klanten.model.root import Root
from klanten.monitoring.state import backlog
from klanten.storage import tree
from tests.conftest import bearer
from tests.factories import make_klant
from tests.neighbours.autorisaties import Autorisaties
from tests.neighbours.server import CLIENT_ID
from tests.neighbours.server import SECRET as SERVICE_SECRET
from tests.servers import Pserve, Server, Subjects, serving
from tests.storages.servers import Zeo, until

KLANTEN = "/api/v1/klanten"
LOCAL = {"REMOTE_ADDR": "127.0.0.1"}
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


class Figures:
    """What /metrics said."""

    def __init__(self, text: str) -> None:
        self.samples: Samples = {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def __call__(self, name: str, **labels: str) -> float:
        """The figure with just these labels; 0 when it is not there."""
        return self.samples.get((name, tuple(sorted(labels.items()))), 0.0)

    @property
    def names(self) -> set[str]:
        return {name for name, _ in self.samples}


def scrape(app: webtest.TestApp) -> Figures:
    return Figures(app.get("/metrics", extra_environ=LOCAL).text)


@contextmanager
def growth(app: webtest.TestApp) -> Iterator[Callable[..., float]]:
    """How much a figure has grown in the context: counts of a process have no begin in a test."""
    before = scrape(app)

    def grown(name: str, **labels: str) -> float:
        return scrape(app)(name, **labels) - before(name, **labels)

    yield grown


@pytest.fixture
def asks_an_ac(
    make_app: Callable[..., webtest.TestApp], tmp_path: Path, clients_file: Path
) -> Iterator[tuple[webtest.TestApp, Autorisaties]]:
    """An application whose client `ac` has its rights from an Autorisaties API."""
    with clients_file.open("a") as clients:
        clients.write(f"\n[ac]\nsecret = {'a secret of more than thirty-two bytes'}\n")
    with Autorisaties() as neighbour:
        services = tmp_path / "services.ini"
        services.write_text(
            f"[autorisaties]\napi_root = {neighbour.api_root}\nclient_id = {CLIENT_ID}\n"
            f"secret = {SERVICE_SECRET}\ntimeout = 5\n"
        )
        services.chmod(0o600)
        app = make_app(klanten__services=str(services))
        yield app, neighbour
        app.app.registry.door.close()


# --- requests -----------------------------------------------------------------------------------


def test_requests_are_counted_by_operation_and_status(app):
    with growth(app) as grown:
        app.get(KLANTEN)
        app.get(KLANTEN)
        app.get(KLANTEN, headers={"Authorization": bearer("none")}, status=403)
        app.get("/nowhere", status=404)
        app.put(KLANTEN, status=405)
    assert grown("klanten_requests_total", operation="klant_list", status="200") == 2
    assert grown("klanten_requests_total", operation="klant_list", status="403") == 1
    assert grown("klanten_requests_total", operation="-", status="404") == 1
    assert grown("klanten_requests_total", operation="klanten", status="405") == 1


def test_durations_are_counted_in_buckets(app):
    with growth(app) as grown:
        app.get(KLANTEN)
    count = grown("klanten_request_seconds_count", operation="klant_list")
    assert count == grown("klanten_request_seconds_bucket", operation="klant_list", le="+Inf") == 1
    assert grown("klanten_request_seconds_bucket", operation="klant_list", le="10.0") == 1
    assert 0 < grown("klanten_request_seconds_sum", operation="klant_list") < 60


def test_the_first_failure_is_seen_as_a_change(shared_app):
    found = scrape(shared_app).samples
    for operation in ("klant_read", "klant_create", "audittrail_list"):
        for status in ("500", "503"):
            labels = (("operation", operation), ("status", status))
            assert ("klanten_requests_total", labels) in found


def test_nothing_that_a_caller_chooses_is_a_label(app):
    lax = webtest.TestApp(app.app, extra_environ=app.extra_environ, lint=False)
    lax.get(KLANTEN)
    before = set(scrape(app).samples)
    for word in ("123456782", "Wojciechowska"):
        lax.get(f"{KLANTEN}?achternaam={word}")
        lax.get(f"{KLANTEN}?page={word}", status=404)
        lax.request(f"/{word}", method=word, status=404)
        lax.get(KLANTEN, headers={"Authorization": bearer(word)}, status=403)
    for name, labels in set(scrape(app).samples) - before:
        assert {label for label, _ in labels} <= {"operation", "status", "code", "le"}, name
        assert not {"123456782", "Wojciechowska"} & {value for _, value in labels}


def test_refused_tokens_are_counted_by_code(app):
    with growth(app) as grown:
        app.get(KLANTEN, headers={"Authorization": bearer("all", {"exp": 1})}, status=403)
        app.get(KLANTEN, headers={"Authorization": bearer("none")}, status=403)
        app.get("/metrics", extra_environ={"REMOTE_ADDR": "192.0.2.1"}, status=403)
    assert grown("klanten_tokens_refused_total", code="jwt-expired") == 1
    assert grown("klanten_tokens_refused_total", code="permission_denied") == 0


# --- writing ------------------------------------------------------------------------------------


def test_transactions_and_stored_objects_are_counted(app):
    with growth(app) as grown:
        klant = app.post_json(KLANTEN, make_klant()).json["url"]
        app.get(klant)
        app.post_json(KLANTEN, {}, status=400)
    assert grown("klanten_database_commits_total") == 1
    assert grown("klanten_database_conflicts_total") == 0
    assert grown("klanten_database_stores_total") > 5
    assert grown("klanten_klanten") in (0, 1)  # as it was some seconds ago


def test_conflicts_and_retries_are_counted(app, monkeypatch):
    """Another process changes the same object while the request is under way."""
    create, met = Root.create, []

    def met_by_another(root: Root, *args: Any) -> Any:
        root.outbox.lease.beat += 1
        if not met:
            met.append(1)
            with tree(app.app.registry.database) as theirs:
                theirs.outbox.lease.beat += 1
        return create(root, *args)

    monkeypatch.setattr(Root, "create", met_by_another)
    with growth(app) as grown:
        app.post_json(KLANTEN, make_klant(), status=201)
    assert grown("klanten_database_conflicts_total") == 1
    assert grown("klanten_database_commits_total") == 2
    assert grown("klanten_request_retries_total") == 1


def test_a_conflict_in_reading_what_others_changed_counts_too(app):
    database = app.app.registry.database
    connection = database.open()
    with pytest.raises(ConflictError), connection._counting_conflicts():
        raise ConflictError
    assert connection.conflicts == 1
    connection.close()


def test_the_wait_for_the_write_lock_is_counted(app):
    with growth(app) as grown:
        app.get(KLANTEN)
        assert grown("klanten_write_lock_wait_seconds_count") == 0
        app.post_json(KLANTEN, make_klant())
        assert grown("klanten_write_lock_wait_seconds_count") == 1


def test_the_waits_of_all_turns_of_a_request_add_up(app):
    environ = {WAITED: 5.0}
    with app.app.execution_policy.inner._turn(environ):
        assert 5 <= environ[WAITED] < 6


def test_the_wait_for_the_write_lock_is_measured(server: Server, app):
    waiting = threading.Thread(target=server.request, args=("POST", "/klanten", make_klant()))
    with growth(app) as grown:
        with write_lock:
            waiting.start()
            waiting.join(0.5)
            assert waiting.is_alive()
        waiting.join()
    assert grown("klanten_write_lock_wait_seconds_sum") > 0.1


# --- the database -------------------------------------------------------------------------------


def test_the_caches_and_loads_are_counted(app):
    klant = app.post_json(KLANTEN, make_klant()).json["url"]
    app.get(klant)
    found = scrape(app)
    assert found("klanten_database_cache_objects") > 10
    assert found("klanten_database_cache_bytes") > 1000
    assert 1 <= found("klanten_database_connections") <= 4
    assert found("klanten_database_size_bytes") > 10_000
    app.app.registry.database.cacheMinimize()
    with growth(app) as grown:
        app.get(klant)
    assert grown("klanten_database_loads_total") > 3


def test_a_warm_request_loads_nothing(app):
    klant = app.post_json(KLANTEN, make_klant()).json["url"]
    app.get(klant)
    with growth(app) as grown:
        app.get(klant)
    assert grown("klanten_database_loads_total") == 0


def test_a_database_that_is_away_leaves_the_other_figures(app, monkeypatch):
    def away(**options: Any) -> None:
        raise OSError

    monkeypatch.setattr(app.app.registry.database, "open", away)
    found = scrape(app)
    assert found("klanten_database_up") == 0
    assert "klanten_requests_total" in found.names
    assert "klanten_outbox_pending" not in found.names


def test_figures_that_take_long_are_left_out(app, monkeypatch):
    slow = threading.Event()
    monkeypatch.setattr("klanten.monitoring.metrics.PATIENCE", 0.3)
    monkeypatch.setattr(app.app.registry.database, "getSize", lambda: slow.wait(60))
    found = scrape(app)
    slow.set()
    assert found("klanten_database_up") == 1
    assert "klanten_outbox_pending" not in found.names


def test_the_build_tells_version_and_storage(shared_app):
    [labels] = [
        labels for name, labels in scrape(shared_app).samples if name == "klanten_build_info"
    ]
    assert dict(labels).keys() == {"version", "python", "storage"}
    assert dict(labels)["storage"] == "FileStorage"


def test_hits_in_the_cache_of_zeo_are_counted(make_app):
    with Zeo() as zeo:
        app = make_app(zodbconn__uri=zeo.uri)
        klant = app.post_json(KLANTEN, make_klant()).json["url"]
        app.app.registry.database.cacheMinimize()
        with growth(app) as grown:
            app.get(klant)
        assert grown("klanten_database_loads_total") > 0
        assert grown("klanten_database_storage_cache_hits_total") > 0
        app.app.registry.database.close()


# --- the outbox ---------------------------------------------------------------------------------

MOMENT = "2020-01-31T12:00:00.000000Z"


def fill(app: webtest.TestApp, number: int, moment: str = MOMENT) -> list[str]:
    """Let so many notifications wait; their numbers."""
    numbers = [f"{uuid4()}/00000001" for _ in range(number)]
    with tree(app.app.registry.database) as root:
        for each in numbers:
            root.outbox._put(each, ("http://x/api/v1", Actie.CREATE, "", moment))
    return numbers


def test_what_waits_in_the_outbox_is_counted(app):
    aside, *_ = fill(app, 3)
    with tree(app.app.registry.database) as root:
        root.outbox.put_aside(aside, "400 invalid", MOMENT)
    found = scrape(app)
    assert found("klanten_outbox_pending") == 2
    assert found("klanten_outbox_failed") == 1
    assert found("klanten_outbox_oldest_seconds") > 5 * 365 * 86400
    assert found("klanten_outbox_trouble") == 0
    assert found("klanten_outbox_has_receiver") == 0


def test_an_empty_outbox_is_zero(app):
    found = scrape(app)
    assert found("klanten_outbox_pending") == found("klanten_outbox_oldest_seconds") == 0
    assert {"klanten_outbox_pending", "klanten_outbox_oldest_seconds"} <= found.names


def test_trouble_of_the_delivery_is_shown(app):
    with tree(app.app.registry.database) as root:
        root.outbox.lease.trouble = "403: we may not publish"
    assert scrape(app)("klanten_outbox_trouble") == 1


def test_a_large_outbox_is_estimated_from_a_part(app):
    fill(app, 4000)
    with tree(app.app.registry.database) as root:
        root._p_jar.cacheMinimize()
        estimate = backlog(root.outbox, enough=500)
        looked_at = sum(tree._p_changed is not None for tree in root.outbox._messages.trees)
        exact = backlog(root.outbox, enough=4000)
    assert exact.pending == 4000
    assert 0.75 < estimate.pending / 4000 < 1.25
    assert looked_at < 60
    assert estimate.oldest == exact.oldest == MOMENT


def test_the_oldest_of_all_is_found(app):
    fill(app, 20, "2026-01-01T12:00:00.000000Z")
    fill(app, 1, MOMENT)
    fill(app, 20, "2025-01-01T12:00:00.000000Z")
    with tree(app.app.registry.database) as root:
        assert backlog(root.outbox) == (41, MOMENT)


# --- other servers ------------------------------------------------------------------------------


def test_calls_for_subjects_are_counted_by_their_answer(app, subjects: Subjects):
    with growth(app) as grown:
        app.post_json(KLANTEN, make_klant(subject=subjects.url("/200")), status=201)
        app.post_json(KLANTEN, make_klant(subject=subjects.url("/404")), status=400)
        app.post_json(KLANTEN, make_klant(subject="http://192.0.2.1/"), status=400)
    for answer in ("2xx", "4xx", "none"):
        assert grown("klanten_outgoing_calls_total", service="subject", answer=answer) == 1
    assert grown("klanten_outgoing_call_seconds_count", service="subject") == 3


def test_rights_from_the_autorisaties_api_are_counted(asks_an_ac):
    app, neighbour = asks_an_ac
    neighbour.register("ac")
    with growth(app) as grown:
        for _ in range(3):
            app.get(KLANTEN, headers={"Authorization": bearer("ac")})
        app.get(KLANTEN)
    assert grown("klanten_rights_total", found="asked") == 1
    assert grown("klanten_rights_total", found="kept") == 2
    assert grown("klanten_outgoing_calls_total", service="autorisaties", answer="2xx") == 1


def test_unknown_rights_are_counted(asks_an_ac):
    app, neighbour = asks_an_ac
    neighbour.down()
    with growth(app) as grown:
        app.get(KLANTEN, headers={"Authorization": bearer("ac")}, status=503)
    neighbour.up()
    assert grown("klanten_rights_total", found="unknown") == 1
    assert grown("klanten_outgoing_calls_total", service="autorisaties", answer="none") == 1


# --- waitress -----------------------------------------------------------------------------------


def test_the_queue_of_waitress_is_shown(app, subjects: Subjects):
    """One thread, busy with a request that hangs, and others behind it."""
    with serving(app.app, {"Authorization": bearer("all")}, threads=1) as server:
        dispatcher = server_of(server, app)
        hanging = make_klant(subject=subjects.url("/hang"))
        threads = [
            threading.Thread(target=server.request, args=("POST", "/klanten", hanging)),
            *(threading.Thread(target=server.request, args=("GET", "/klanten")) for _ in range(3)),
        ]
        threads[0].start()
        subjects.wait_for_hanging()
        for thread in threads[1:]:
            thread.start()
        until(lambda: len(dispatcher.queue) == 3, "a longer queue")
        answer = server.request("GET", f"{server.origin}/metrics")
        subjects.release()
        for thread in threads:
            thread.join()
    found = Figures(answer.body.decode())
    assert found("klanten_server_queue") == 3
    assert found("klanten_server_threads") == found("klanten_server_busy_threads") == 1
    assert found("klanten_server_connections") >= 5


def server_of(server: Server, app: webtest.TestApp) -> Any:
    """The task dispatcher of a server in this process, found as /metrics finds it."""
    found = []
    policy = app.app.execution_policy.inner

    def look(environ: Any, router: Any) -> Any:
        found.append(environ["waitress.client_disconnected"].__self__.server.task_dispatcher)
        return policy(environ, router)

    app.app.execution_policy.inner = look
    server.request("GET", f"{server.origin}/healthz")
    app.app.execution_policy.inner = policy
    return found[0]


def test_another_server_has_no_queue_to_show(shared_app):
    assert "klanten_server_queue" not in scrape(shared_app).names
    assert "klanten_requests_total" in scrape(shared_app).names


# --- several processes --------------------------------------------------------------------------


def test_each_process_counts_for_itself_at_its_own_address(tmp_path, settings):
    with Zeo() as zeo:
        settings["zodbconn.uri"] = zeo.uri
        folders = [tmp_path / name for name in ("one", "two")]
        for folder in folders:
            folder.mkdir()
        processes = [
            Pserve(folder, settings, {"Authorization": bearer("all")}) for folder in folders
        ]
        try:
            one, two = (process.start() for process in processes)
            klant = one.request("POST", "/klanten", make_klant()).json["url"]
            for _ in range(2):
                two.request("GET", klant.replace(str(one.port), str(two.port)))
            figures = [
                Figures(each.request("GET", f"{each.origin}/metrics").body.decode())
                for each in (one, two)
            ]
        finally:
            for process in processes:
                process.stop()
    created = {"operation": "klant_create", "status": "201"}
    read = {"operation": "klant_read", "status": "200"}
    assert [each("klanten_requests_total", **created) for each in figures] == [1, 0]
    assert [each("klanten_requests_total", **read) for each in figures] == [0, 2]
    assert [each("klanten_database_up") for each in figures] == [1, 1]
    starts = [each("process_start_time_seconds") for each in figures]
    assert all(starts)
    assert figures[0]("klanten_server_threads") == 4


# --- who may see it -----------------------------------------------------------------------------

PROXY_HEADERS = [
    ("X-Forwarded-For", "127.0.0.1"),
    ("X-Forwarded-For", "203.0.113.9"),
    ("X-Forwarded-Host", "klanten.example.nl"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Prefix", "/x"),
    ("Forwarded", "for=127.0.0.1"),
    ("Via", "1.1 proxy"),
    ("X-Real-IP", "127.0.0.1"),
]


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_this_machine_may_see_the_figures(shared_app, address):
    answer = shared_app.get("/metrics", extra_environ={"REMOTE_ADDR": address})
    assert answer.content_type == "text/plain"
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "address", ["192.0.2.1", "10.0.0.1", "::2", "localhost", "", "unix", "127.0.0.1.example.nl"]
)
def test_others_may_not(shared_app, address):
    answer = shared_app.get("/metrics", extra_environ={"REMOTE_ADDR": address}, status=403)
    assert answer.json["code"] == "permission_denied"
    assert "klanten.monitoring.allow_networks" in answer.json["detail"]
    assert "klanten_requests_total" not in answer.text


def test_nobody_may_when_the_server_does_not_say_where_a_request_comes_from(shared_app):
    shared_app.get("/metrics", status=403)


def test_the_operator_says_who_may(make_app):
    app = make_app(klanten__monitoring__allow_networks="10.1.0.0/16 2001:db8::/32")
    for address, status in [("10.1.2.3", 200), ("2001:db8::7", 200), ("127.0.0.1", 403)]:
        app.get("/metrics", extra_environ={"REMOTE_ADDR": address}, status=status)


def test_nobody_may_when_the_operator_says_so(make_app):
    make_app(klanten__monitoring__allow_networks="").get(
        "/metrics", extra_environ=LOCAL, status=403
    )


@pytest.mark.parametrize(("name", "value"), PROXY_HEADERS)
def test_a_proxy_that_nobody_trusts_is_refused(shared_app, name, value):
    shared_app.get("/metrics", headers={name: value}, extra_environ=LOCAL, status=403)


def test_a_network_that_may_see_them_is_no_reason_to_trust_its_proxies(make_app):
    app = make_app(klanten__monitoring__allow_networks="10.1.0.0/16")
    environ = {"REMOTE_ADDR": "10.1.2.3"}
    app.get("/metrics", extra_environ=environ, status=200)
    app.get("/metrics", headers={"Via": "1.1 proxy"}, extra_environ=environ, status=403)


@pytest.mark.parametrize("clear", [True, False])
def test_so_it_is_behind_waitress_which_hides_these_headers(app, clear):
    with serving(app.app, clear_untrusted_proxy_headers=clear) as server:
        url = f"{server.origin}/metrics"
        for name, value in PROXY_HEADERS:
            assert server.request("GET", url, headers={name: value}).status == 403, name
        assert server.request("GET", url).status == 200


TRUSTED = {
    "trusted_proxy": "127.0.0.1",
    "trusted_proxy_count": 1,
    "trusted_proxy_headers": "x-forwarded-for x-forwarded-host x-forwarded-proto",
    "clear_untrusted_proxy_headers": True,
}


ASKED_BY = {
    "10.1.2.3": 200,
    "192.0.2.1, 10.1.2.3": 200,
    "10.1.2.3, 192.0.2.1": 403,
    "192.0.2.1": 403,
    "127.0.0.1": 403,
    "127.0.0.2": 403,
    "[::1]": 403,
    "unknown": 403,
}


def test_a_trusted_proxy_is_believed_but_not_that_it_was_asked_from_here(make_app):
    app = make_app(klanten__monitoring__allow_networks="10.1.0.0/16 127.0.0.0/8 ::1/128")
    with serving(app.app, **TRUSTED) as server:
        url = f"{server.origin}/metrics"
        for asker, status in ASKED_BY.items():
            headers = {"X-Forwarded-For": asker, "X-Forwarded-Proto": "https"}
            assert server.request("GET", url, headers=headers).status == status, asker


def test_a_trusted_proxy_that_does_not_say_who_asks_is_refused(app):
    with serving(app.app, **TRUSTED) as server:
        headers = {"X-Forwarded-Proto": "https"}
        answer = server.request("GET", f"{server.origin}/metrics", headers=headers)
        assert answer.status == 403


def test_behind_a_trusted_proxy_this_machine_may_still_ask_directly(app):
    with serving(app.app, **TRUSTED) as server:
        assert server.request("GET", f"{server.origin}/metrics").status == 200
