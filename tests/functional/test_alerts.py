"""The alerts and the dashboard fit what a server exposes, and each alert fires when it should.

It is Prometheus itself that reads the expressions.
"""

import contextlib
import json
import os
import re
import resource
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import webtest
import yaml
from ZODB.POSException import ConflictError

from klanten.execution import write_lock
from klanten.model.audittrail import Actie, Bewerking
from klanten.storage import tree
from tests.conftest import SECRET, bearer
from tests.factories import make_klant
from tests.ports import free_port
from tests.prometheus import Prometheus, Scrapes, prometheus
from tests.servers import Server, Subjects, serving
from tests.storages.servers import Zeo, until

DEPLOY = Path(__file__).parents[2] / "deploy"
ALERTS: dict[str, dict[str, Any]] = {
    rule["alert"]: rule
    for group in yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
}
PANELS = [
    panel
    for panel in json.loads((DEPLOY / "grafana" / "klanten.json").read_text())["panels"]
    if panel["type"] != "row"
]
EXPRESSIONS = {
    **{name: rule["expr"] for name, rule in ALERTS.items()},
    **{
        f"{panel['title']} {number}": target["expr"].replace("$instance", ".*")
        for panel in PANELS
        for number, target in enumerate(panel["targets"])
    },
}
METRIC = re.compile(r"\b(?:up|(?:klanten|process|python)_\w+)\b")
SELECTOR = re.compile(r"(\w+){([^}]*)}")
LABEL = re.compile(r"(\w+)(?:=~|!~|!=|=)")

pytestmark = pytest.mark.program("prometheus")
MINUTE = 60.0


class Watched:
    """A server as Prometheus sees it: scraped before and after something happens to it."""

    def __init__(self, server: Server, app: webtest.TestApp, folder: Path) -> None:
        self.server = server
        self.app = app
        self.scrapes = Scrapes()
        self._folder = folder

    def scrape(self, second: float) -> None:
        try:
            answer = self.server.request("GET", f"{self.server.origin}/metrics")
        except OSError:
            self.scrapes.add(second, None)
        else:
            assert answer.status == 200
            self.scrapes.add(second, answer.body.decode())

    @contextmanager
    def while_something_happens(self) -> Iterator[None]:
        self.scrape(0)
        yield
        self.forget_the_database()
        self.scrape(MINUTE)

    def forget_the_database(self) -> None:
        """What it said counts for some seconds."""
        state = self.app.app.registry.database_state
        state.ready._age = state.figures._age = -1

    def prometheus(self) -> AbstractContextManager[Prometheus]:
        return prometheus(self._folder, self.scrapes)

    @property
    def firing(self) -> set[str]:
        with self.prometheus() as found:
            return {name for name, rule in ALERTS.items() if found.evaluate(rule["expr"])}

    def request(self, *arguments: Any, **named: Any) -> int:
        return self.server.request(*arguments, **named).status


Watch = Callable[..., Any]


@pytest.fixture
def watch(make_app: Callable[..., webtest.TestApp], tmp_path: Path) -> Watch:
    """Starts a server with these settings and options of waitress, and watches it."""

    @contextmanager
    def begin(settings: dict[str, str] | None = None, **options: Any) -> Iterator[Watched]:
        app = make_app(**(settings or {}))
        with serving(app.app, {"Authorization": bearer("all")}, **options) as server:
            yield Watched(server, app, tmp_path / "prometheus")
        app.app.registry.door.close()

    return begin


@pytest.fixture
def services(tmp_path: Path, clients_file: Path) -> dict[str, str]:
    """Settings with an Autorisaties API for the client `ac` and a Notificaties API, both away."""
    with clients_file.open("a") as clients:
        clients.write(f"\n[ac]\nsecret = {SECRET}\n")
    file = tmp_path / "services.ini"
    file.write_text(
        "\n".join(
            f"[{name}]\napi_root = http://127.0.0.1:{free_port()}/api/v1\nclient_id = kc\n"
            f"secret = {SECRET}"
            for name in ("autorisaties", "notificaties")
        )
    )
    file.chmod(0o600)
    return {"klanten__services": str(file), "klanten__notifications__deliver": "false"}


# --- they fit -----------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", ["rules --lint-fatal alerts.yml", "config prometheus.yml"])
def test_prometheus_can_read_the_examples(arguments):
    command = ["promtool", "check", *arguments.split()]
    done = subprocess.run(command, cwd=DEPLOY / "prometheus", capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def metrics_in(expression: str) -> set[str]:
    return set(METRIC.findall(expression))


def test_every_figure_that_is_used_is_exposed_with_its_labels(watch, services, subjects):
    with watch(services) as watched:
        with watched.while_something_happens():
            klant = make_klant(subject=subjects.url("/200"))
            assert watched.request("POST", "/klanten", klant) == 201
            watched.request("GET", "/klanten", headers={"Authorization": "Bearer x"})
        scrapes = watched.scrapes
        for name, expression in EXPRESSIONS.items():
            assert metrics_in(expression), name
            assert metrics_in(expression) - scrapes.names == set(), name
            for metric, matchers in SELECTOR.findall(expression):
                missing = set(LABEL.findall(matchers)) - scrapes.labels(metric)
                assert missing == set(), f"{name}: {metric} has no {missing}"


def test_every_panel_shows_something(watch, services, subjects):
    with watch(services) as watched:
        for _ in range(2):  # what begins has not grown
            with watched.while_something_happens():
                klant = make_klant(subject=subjects.url("/200"))
                assert watched.request("POST", "/klanten", klant) == 201
                watched.request("GET", "/klanten", headers={"Authorization": "Bearer x"})
                watched.request("GET", "/klanten", headers={"Authorization": bearer("ac")})
        with watched.prometheus() as found:
            empty = {
                name
                for name, expression in EXPRESSIONS.items()
                if name not in ALERTS and not found.evaluate(expression)
            }
    assert empty == set()


def test_every_figure_of_ours_is_on_the_dashboard(watch, subjects):
    with watch() as watched, watched.while_something_happens():
        watched.request("POST", "/klanten", make_klant(subject=subjects.url("/200")))
        watched.request("GET", "/klanten", headers={"Authorization": "Bearer x"})
    used = {metric for expression in EXPRESSIONS.values() for metric in metrics_in(expression)}
    ours = {name for name in watched.scrapes.names if name.startswith("klanten_")}
    ours = {name for name in ours if not name.endswith(("_sum", "_count"))}
    assert ours - used == set()


def test_a_dashboard_panel_is_explained_and_says_its_unit():
    for panel in PANELS:
        assert panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        for target in panel["targets"]:
            assert target["datasource"]["uid"] == "${datasource}"


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_what_is_the_matter_and_what_to_do(name):
    rule = ALERTS[name]
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert set(rule["annotations"]) == {"summary", "description"}
    assert len(rule["annotations"]["summary"]) < 90
    assert len(rule["annotations"]["description"]) > 80


def test_prometheus_is_told_of_the_alerts_and_names_the_job_that_they_expect():
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    assert config["rule_files"] == ["alerts.yml"]
    assert [job["job_name"] for job in config["scrape_configs"]] == ["klanten"]


# --- they fire ----------------------------------------------------------------------------------

FIRED: set[str] = set()


def fires(*names: str) -> pytest.MarkDecorator:
    """Marks a test in which these alerts, its `names`, fire."""
    FIRED.update(names)
    return pytest.mark.parametrize("names", [set(names)], ids=[" ".join(names)])


def test_every_alert_is_fired():
    assert set(ALERTS) == FIRED


def test_nothing_fires_in_a_usual_hour(watch, services, subjects):
    with watch(services) as watched:
        with watched.while_something_happens():
            for _ in range(20):
                assert watched.request("POST", "/klanten", make_klant()) == 201
                assert watched.request("GET", "/klanten") == 200
            assert watched.request("POST", "/klanten", {}) == 400
            refused = {"headers": {"Authorization": "Bearer x"}}
            assert watched.request("GET", "/klanten", **refused) == 403
            klant = make_klant(subject=subjects.url("/404"))
            assert watched.request("POST", "/klanten", klant) == 400
        assert watched.firing == set()


@fires("KlantenDown")
def test_a_server_that_is_down(watch, names):
    with watch() as watched:
        watched.scrape(0)
    watched.scrape(MINUTE)
    assert watched.firing == names


@fires("KlantenDatabaseDown", "KlantenUnavailable")
def test_a_database_that_is_down_and_requests_that_need_it(watch, names):
    with Zeo() as zeo:
        settings = {"zodbconn__uri": zeo.uri, "klanten__database__timeout": "1"}
        with watch(settings) as watched, watched.while_something_happens():
            assert watched.request("GET", "/klanten") == 200
            zeo.kill()
            until(lambda: watched.request("GET", "/klanten") == 503, "no answer")
    # who waited in vain was slow too, or not quite
    assert watched.firing - {"KlantenSlow"} == names


@fires("KlantenCrashes")
def test_a_crash(watch, names):
    with watch() as watched:
        with watched.while_something_happens():
            watched.app.app.registry.klant_schemas = None
            assert watched.request("POST", "/klanten", make_klant()) == 500
        assert watched.firing == names


@fires("KlantenWritersWait", "KlantenSlow")
def test_writers_that_wait_and_so_are_slow(watch, names):
    with watch() as watched:
        with watched.while_something_happens():
            writer = threading.Thread(
                target=watched.request, args=("POST", "/klanten", make_klant())
            )
            with write_lock:
                writer.start()
                writer.join(1.5)
                assert writer.is_alive()
            writer.join()
        assert watched.firing == names


@fires("KlantenQueue")
def test_a_queue(watch, subjects: Subjects, names):
    """One thread that hangs, and many requests behind it."""
    with watch(threads=1) as watched:
        watched.scrape(0)
        dispatcher = dispatcher_of(watched)
        hanging = make_klant(subject=subjects.url("/hang"))
        ask = ("GET", "/klanten")
        threads = [threading.Thread(target=watched.request, args=("POST", "/klanten", hanging))]
        threads += [threading.Thread(target=watched.request, args=ask) for _ in range(12)]
        threads[0].start()
        subjects.wait_for_hanging()
        for thread in threads[1:]:
            thread.start()
        until(lambda: len(dispatcher.queue) == 12, "a longer queue")
        watched.scrape(MINUTE)
        subjects.release()
        for thread in threads:
            thread.join()
        assert watched.firing == names


def dispatcher_of(watched: Watched) -> Any:
    """The task dispatcher of waitress, found as /metrics finds it."""
    found = []
    policy = watched.app.app.execution_policy

    def look(environ: Any, router: Any) -> Any:
        found.append(environ["waitress.client_disconnected"].__self__.server.task_dispatcher)
        return policy(environ, router)

    watched.app.app.execution_policy = look
    watched.request("GET", f"{watched.server.origin}/healthz")
    watched.app.app.execution_policy = policy
    return found[0]


def change_at_once(database: Any) -> None:
    with tree(database) as ours:
        ours.outbox.lease.beat += 1
        with tree(database) as theirs:
            theirs.outbox.lease.beat += 1


@fires("KlantenConflicts")
def test_conflicts(watch, names):
    with watch() as watched:
        database = watched.app.app.registry.database
        with watched.while_something_happens(), pytest.raises(ConflictError):
            change_at_once(database)
        assert watched.firing == names


def put_in_outbox(database: Any, moment: datetime) -> None:
    with tree(database) as root:
        sent = {
            name: value for name, value in make_klant().items() if name != "subjectIdentificatie"
        } | {"subject": "http://127.0.0.1/"}
        root.create(sent, Bewerking(Actie.CREATE, moment, "http://127.0.0.1/api/v1"))


@fires("KlantenNotificationsLate")
def test_notifications_that_wait_long(watch, services, names):
    with watch(services) as watched:
        with watched.while_something_happens():
            put_in_outbox(watched.app.app.registry.database, datetime(2020, 1, 1, tzinfo=UTC))
        assert watched.firing == names


def test_notifications_that_wait_where_nobody_wants_them_are_no_alert(watch):
    with watch() as watched:
        with watched.while_something_happens():
            put_in_outbox(watched.app.app.registry.database, datetime(2020, 1, 1, tzinfo=UTC))
        assert watched.firing == set()


@fires("KlantenNotificationsPutAside")
def test_notifications_that_were_put_aside(watch, names):
    with watch() as watched:
        database = watched.app.app.registry.database
        with watched.while_something_happens():
            put_in_outbox(database, datetime.now(UTC))
            with tree(database) as root:
                root.outbox.put_aside(next(iter(root.outbox)), "400 invalid", "2026-01-01")
        assert watched.firing == names


@fires("KlantenRightsUnknown", "KlantenOutgoingCallsFail", "KlantenUnavailable")
def test_an_autorisaties_api_that_is_down(watch, services, names):
    with watch(services) as watched:
        with watched.while_something_happens():
            client = {"headers": {"Authorization": bearer("ac")}}
            assert watched.request("GET", "/klanten", **client) == 503
        assert watched.firing == names


@fires("KlantenClientsFileBroken")
def test_a_clients_file_that_breaks(watch, clients_file, names):
    right = clients_file.read_text()
    with watch() as watched:
        with watched.while_something_happens():
            clients_file.write_text("[all\n")
            until(lambda: watched.app.app.registry.clients.is_broken, "the file to be read")
            assert watched.request("GET", "/klanten") == 200
        assert watched.firing == names
        clients_file.write_text(right)
        until(lambda: not watched.app.app.registry.clients.is_broken, "the file to be read")


@fires("KlantenTokensRefused")
def test_tokens_that_are_refused_again_and_again(watch, names):
    with watch() as watched:
        with watched.while_something_happens():
            refuse(watched, 1)
        # what begins has not grown: the first refusal of a process begins the series
        with watched.while_something_happens():
            refuse(watched, 400)
        assert watched.firing == names


def refuse(watched: Watched, times: int) -> None:
    for _ in range(times):
        watched.request("GET", "/klanten", headers={"Authorization": "Bearer x"})


@fires("KlantenFilesRunOut")
def test_files_that_run_out(watch, names):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with watch() as watched, contextlib.ExitStack() as files:
        for _ in range(200):
            files.enter_context(open(os.devnull))
        resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 20, hard))
        try:
            watched.scrape(MINUTE)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert watched.firing == names
