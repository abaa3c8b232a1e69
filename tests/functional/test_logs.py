"""What is logged of requests: a line each, the same id everywhere, and nothing of what was sent."""

import io
import json
import logging
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import pytest
import webtest
from ZODB.POSException import ConflictError

from klanten import logs
from klanten.model.root import Root
from klanten.storage import DatabaseBusy
from tests.conftest import SECRET, bearer
from tests.factories import make_klant, make_person
from tests.servers import ANSWER_SECONDS, Pserve, Server, Subjects

KLANTEN = "/api/v1/klanten"
REQUEST_ID = "0f0e0d0c-1111-4222-8333-444455556666"


class Log:
    """All that this process logs, as objects."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    def of(self, logger: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["logger"] == logger]

    @property
    def requests(self) -> list[dict[str, Any]]:
        return self.of("klanten.access")

    @property
    def security(self) -> list[dict[str, Any]]:
        return self.of("klanten.security")

    def clear(self) -> None:
        self.stream.seek(0)
        self.stream.truncate()


@pytest.fixture
def log() -> Iterator[Log]:
    """Everything that is logged from now on, by anybody at any level."""
    found = Log()
    handler = logging.StreamHandler(found.stream)
    handler.setFormatter(logs.Formatter())
    root, level = logging.root, logging.root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield found
    root.setLevel(level)
    root.removeHandler(handler)


@pytest.fixture
def app(make_app: Callable[..., webtest.TestApp], log: Log) -> webtest.TestApp:
    app = lax(make_app(klanten__log__format="json"))
    log.clear()
    return app


def lax(app: webtest.TestApp) -> webtest.TestApp:
    """The same application, for requests that break the rules."""
    return webtest.TestApp(app.app, extra_environ=app.extra_environ, lint=False)


class Crash:
    """Instead of the schemas: any use of it fails, and the failure quotes what was sent."""

    def __init__(self, *quoted: str) -> None:
        self.quoted = quoted

    def create(self, body: Any, subject_exists: Any) -> None:
        try:
            raise KeyError(*self.quoted)
        except KeyError as fault:
            raise RuntimeError(f"{self.quoted} {body}") from fault


# --- one line for each request ------------------------------------------------------------------


def test_a_request_is_one_line(app, log):
    app.get(KLANTEN)
    [line] = log.requests
    assert line.pop("timestamp")
    assert line.pop("duration_ms") > 0
    assert UUID(line.pop("request_id")).version == 4
    assert line == {
        "level": "info",
        "logger": "klanten.access",
        "event": "request",
        "operation": "klant_list",
        "client_id": "all",
        "status": 200,
        "method": "GET",
        "path": "/api/v1/klanten",
    }


def test_every_operation_is_named_and_its_path_is_the_template(app, log):
    klant = app.post_json(KLANTEN, make_klant()).json["url"]
    [regel] = app.get(f"{klant}/audittrail").json
    app.get(f"{klant}/audittrail/{regel['uuid']}")
    app.head(klant)
    app.patch_json(klant, {})
    app.put_json(klant, make_klant())
    app.delete(klant)
    told = [(line["method"], line["operation"], line["path"]) for line in log.requests]
    one = "/api/v1/klanten/{uuid}"
    assert told == [
        ("POST", "klant_create", "/api/v1/klanten"),
        ("GET", "audittrail_list", "/api/v1/klanten/{klant_uuid}/audittrail"),
        ("GET", "audittrail_read", "/api/v1/klanten/{klant_uuid}/audittrail/{uuid}"),
        ("HEAD", "klant_read", one),
        ("PATCH", "klant_partial_update", one),
        ("PUT", "klant_update", one),
        ("DELETE", "klant_delete", one),
    ]


@pytest.mark.parametrize(
    ("method", "path", "operation", "template", "status"),
    [
        ("GET", "/nowhere/123456782", "-", "-", 404),
        ("GET", f"{KLANTEN}/123456782", "klant_read", "/api/v1/klanten/{uuid}", 404),
        ("PUT", KLANTEN, "klanten", "/api/v1/klanten", 405),
        ("GET", "/ref/fouten/NotFound/", "fout", "/ref/fouten/{name}/", 200),
        ("FNORD", KLANTEN, "klanten", "/api/v1/klanten", 405),
    ],
)
def test_any_request_is_a_line_without_its_path(
    app, log, method, path, operation, template, status
):
    app.request(path, method=method, status=status)
    [line] = log.requests
    shown = method if method != "FNORD" else "other"
    assert (line["method"], line["operation"], line["path"]) == (shown, operation, template)
    assert line["status"] == status


def test_a_fout_is_told_by_code_and_faults(app, log):
    app.post_json(KLANTEN, {"bronorganisatie": "1"}, status=400)
    [line] = log.requests
    assert line["code"] == "invalid"
    assert line["faults"] == ["bronorganisatie: invalid-length", "websiteUrl: required"]
    assert line["level"] == "info"


def test_a_crash_is_one_line_with_its_traceback(app, log):
    app.app.registry.klant_schemas = Crash("123456782")
    app.post_json(KLANTEN, make_klant(), status=500)
    [line] = [line for line in log.lines if line["level"] == "error"]
    assert (line["logger"], line["status"], line["code"]) == ("klanten.access", 500, "error")
    assert "in klant_create" in line["exception"]
    assert line["exception"].splitlines()[-1] == "RuntimeError"


def test_an_answer_of_503_tells_its_cause(app, log, monkeypatch):
    def busy(request: Any) -> Any:
        raise DatabaseBusy("no turn to write")

    monkeypatch.setattr("klanten.storage.connection_of", busy)
    app.get(KLANTEN, status=503)
    [line] = log.requests
    assert (line["level"], line["cause"]) == ("error", "DatabaseBusy: no turn to write")
    assert "exception" not in line


def test_what_escapes_everything_is_a_line_too(app, log):
    def broken(environ: Any, router: Any) -> Any:
        raise ValueError("123456782")

    app.app.execution_policy.inner = broken
    with pytest.raises(ValueError):
        app.get(KLANTEN)
    [line] = log.requests
    assert (line["status"], line["level"], line["operation"]) == (500, "error", "-")
    assert "in broken" in line["exception"]
    assert logs.current_request.get() == ""


def test_programs_that_ask_for_health_do_not_fill_the_log(app, log):
    for page in ("/healthz", "/readyz"):
        app.get(page)
    assert [line["level"] for line in log.requests] == ["debug"] * 2
    app.post("/healthz", status=405)
    assert log.requests[-1]["level"] == "info"


def test_lines_of_requests_can_be_turned_off(app, log, monkeypatch):
    monkeypatch.setattr(logging.getLogger("klanten.access"), "level", logging.WARNING)
    logging.getLogger("klanten.access").manager._clear_cache()
    app.get(KLANTEN)
    assert log.requests == []
    app.app.registry.klant_schemas = Crash()
    app.post_json(KLANTEN, make_klant(), status=500)
    assert [line["status"] for line in log.requests] == [500]


# --- the id of a request ------------------------------------------------------------------------


def test_the_id_is_in_the_line_the_header_and_the_fout(app, log):
    answer = app.get(f"{KLANTEN}/{uuid4()}", status=404)
    ours = answer.headers["X-Request-ID"]
    assert answer.json["instance"] == f"urn:uuid:{ours}"
    assert log.requests[0]["request_id"] == ours


def test_each_request_has_an_id_of_its_own(app):
    ids = [UUID(app.get("/healthz").headers["X-Request-ID"]) for _ in range(50)]
    assert len(set(ids)) == 50
    assert {(each.version, each.variant) for each in ids} == {(4, "specified in RFC 4122")}


@pytest.mark.parametrize(
    "sent", [REQUEST_ID, REQUEST_ID.upper(), REQUEST_ID.replace("-", "")], ids=repr
)
def test_a_uuid_that_came_along_is_taken(app, log, sent):
    answer = app.get(f"{KLANTEN}/{uuid4()}", headers={"X-Request-ID": sent}, status=404)
    assert answer.headers["X-Request-ID"] == REQUEST_ID
    assert answer.json["instance"] == f"urn:uuid:{REQUEST_ID}"
    [line] = log.requests
    assert line["request_id"] == REQUEST_ID
    assert "x_request_id" not in line


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("abc-1", "abc-1"),
        (f"{{{REQUEST_ID}}}", f"{{{REQUEST_ID}}}"),
        (f"urn:uuid:{REQUEST_ID}", f"urn:uuid:{REQUEST_ID}"),
        (f"{REQUEST_ID}\n", f"{REQUEST_ID}?"),
        ("x\r\nlevel=error\x1b[0m\x80", "x??level=error?[0m?"),
        ("y" * 5000, "y" * 64),
    ],
    ids=lambda each: ascii(each)[:20],
)
def test_another_id_is_logged_beside_ours(app, log, sent, shown):
    answer = app.get(KLANTEN, extra_environ={"HTTP_X_REQUEST_ID": sent})
    [line] = log.requests
    assert line["x_request_id"] == shown
    assert UUID(answer.headers["X-Request-ID"]) != UUID(REQUEST_ID)
    assert line["request_id"] == answer.headers["X-Request-ID"]


def test_an_empty_id_is_none(app, log):
    app.get(KLANTEN, headers={"X-Request-ID": ""})
    assert "x_request_id" not in log.requests[0]


def test_every_line_of_a_request_has_its_id(app, log, subjects):
    answer = app.post_json(KLANTEN, make_klant(subject=subjects.url("/200")))
    ids = {line.get("request_id") for line in log.lines if line["logger"].startswith("klanten")}
    assert ids == {answer.headers["X-Request-ID"]}
    assert [line["logger"] for line in log.lines if line["level"] == "info"] == [
        "klanten.outgoing",
        "klanten.access",
    ]


def test_all_attempts_of_a_request_are_one_line(app, log, monkeypatch):
    create, met = Root.create, []

    def unlucky(*args: Any) -> Any:
        if len(met) < 2:
            met.append(1)
            raise ConflictError("database conflict error")
        return create(*args)

    monkeypatch.setattr(Root, "create", unlucky)
    app.post_json(KLANTEN, make_klant(), status=201)
    [line] = log.requests
    assert (line["status"], line["retries"]) == (201, 2)


# --- security events ----------------------------------------------------------------------------


def test_a_removal_tells_which_klant_and_by_whom(app, log):
    klant = app.post_json(KLANTEN, make_klant()).json["url"]
    log.clear()
    answer = app.delete(klant, headers={"Authorization": bearer("verwijderen")})
    [event] = log.security
    assert event["event"] == "klant removed"
    assert event["uuid"] == klant.rsplit("/", 1)[1]
    assert event["client_id"] == "verwijderen"
    assert event["request_id"] == answer.headers["X-Request-ID"]


def test_a_removal_that_fails_is_none(app, log):
    app.delete(f"{KLANTEN}/{uuid4()}", status=404)
    assert log.security == []


@pytest.mark.parametrize(
    ("authorization", "code", "claimed"),
    [
        (bearer("unknown-client"), "invalid-client-identifier", "unknown-client"),
        (bearer("all", {"exp": 1}), "jwt-expired", "all"),
        (bearer("all")[:-4] + "AAAA", "invalid-jwt-signature", "all"),
        (bearer("123456782"), "invalid-client-identifier", "-"),
        (bearer("Jan Jansen"), "invalid-client-identifier", "-"),
        (bearer("a\nb"), "invalid-client-identifier", "-"),
        (bearer("x" * 51), "invalid-client-identifier", "-"),
        ("Bearer nonsense", "jwt-decode-error", "-"),
        ("Basic Zm9vOmJhcg==", "permission_denied", "-"),
    ],
    ids=lambda each: each[:25],
)
def test_a_refused_token_tells_the_code_and_who_it_claims_to_be_of(
    app, log, authorization, code, claimed
):
    environ = {"REMOTE_ADDR": "192.0.2.7"}
    app.get(KLANTEN, headers={"Authorization": authorization}, extra_environ=environ, status=403)
    [event] = log.security
    assert (event["event"], event["level"], event["code"]) == ("token refused", "warning", code)
    assert (event["claimed_client_id"], event["remote_address"]) == (claimed, "192.0.2.7")
    assert event["operation"] == "klant_list"


def test_a_client_that_may_not_is_known_and_no_refused_token(app, log):
    app.get(KLANTEN, headers={"Authorization": bearer("none")}, status=403)
    assert log.security == []
    assert (log.requests[0]["client_id"], log.requests[0]["code"]) == ("none", "permission_denied")


# --- nothing of what was sent -------------------------------------------------------------------

PRIVATE = {
    "bsn": "123456782",
    "name": "Wojciechowska",
    "mail": "w.private@example.nl",
    "street": "Geheimelaan",
    "explanation": "told-by-telephone",
    "user": "Ambtenaar-Bertens",
    "crash": "from-the-crash",
}


def private_klant(**overrides: Any) -> dict[str, Any]:
    klant = make_person(achternaam=PRIVATE["name"], emailadres=PRIVATE["mail"])
    klant["adres"]["straatnaam"] = PRIVATE["street"]
    klant["subjectIdentificatie"] |= {
        "inpBsn": PRIVATE["bsn"],
        "geslachtsnaam": PRIVATE["name"],
    }
    return klant | overrides


def everything(app: webtest.TestApp, subjects: Subjects) -> list[str]:
    """Use every operation, rightly and wrongly, with private data wherever some can be sent.

    Gives the tokens that were used.
    """
    bsn, name = PRIVATE["bsn"], PRIVATE["name"]
    token = bearer("all", user_id=PRIVATE["user"], user_representation=PRIVATE["user"])
    headers = {
        "Authorization": token,
        "X-Audit-Toelichting": PRIVATE["explanation"],
        "X-NLX-Request-User-Id": PRIVATE["user"],
        "X-NLX-Logrecord-ID": PRIVATE["user"],
    }
    query = f"subjectNatuurlijkPersoon__inpBsn={bsn}&achternaam={name}"

    def ask(method: str, path: str, body: Any = None, **options: Any) -> Any:
        content = b"" if body is None else json.dumps(body).encode()
        return app.request(
            path,
            method=method,
            body=content,
            headers=headers | {"Content-Type": "application/json"} | options,
            expect_errors=True,
        )

    klant = ask("POST", KLANTEN, private_klant(subject=subjects.url(f"/200/{bsn}"))).json["url"]
    ask("POST", KLANTEN, private_klant(subject=subjects.url(f"/404/{bsn}?{query}")))
    ask("POST", KLANTEN, private_klant(subject=f"http://192.0.2.1/{bsn}", klantnummer="K1"))
    for path in (KLANTEN, klant, f"{klant}/audittrail", f"/{name}", f"{KLANTEN}/{bsn}"):
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "OPTIONS", "DELETE", name):
            if (method, path) != ("DELETE", klant):
                ask(method, f"{path}?{query}", private_klant(klantnummer=name * 9))
    ask("GET", f"{klant}/audittrail/{bsn}?{query}")
    ask("GET", f"{KLANTEN}?bronorganisatie={name}&subject={name}&page={name}")
    ask("POST", KLANTEN, {name: bsn, "subjectType": name, "adres": name, "subject": name})
    ask("POST", KLANTEN, private_klant(), **{"Content-Type": name})
    ask("POST", KLANTEN, private_klant(), Accept=name)
    app.request(KLANTEN, method="POST", body=f'{{"{name}"'.encode(), headers=headers, status=415)
    app.post(KLANTEN, f'{{"{name}"', headers | {"Content-Type": "application/json"}, status=400)
    others = [bearer("all", {"exp": 1, "user_id": bsn}), f"Bearer {bsn}.{name}.{bsn}", bearer(bsn)]
    for other in others:
        ask("GET", KLANTEN, Authorization=other)
    ask("PATCH", klant, {"achternaam": name})
    ask("GET", klant, **{"If-None-Match": name, "Origin": f"https://{name}.example"})
    ask("DELETE", klant)
    schemas = app.app.registry.klant_schemas
    app.app.registry.klant_schemas = Crash(bsn, name, PRIVATE["crash"], token)
    assert ask("POST", KLANTEN, private_klant()).status_int == 500
    app.app.registry.klant_schemas = schemas
    return [token, *others]


@pytest.mark.parametrize("form", ["json", "text"])
def test_nothing_that_was_sent_is_in_the_log(make_app, log, subjects, form):
    app = lax(make_app(klanten__log__format=form))
    tokens = everything(app, subjects)
    written = log.stream.getvalue()
    assert len(re.findall("klanten.access", written)) > 50
    parts = {part for token in tokens for part in token.split()[1].split(".") if len(part) > 20}
    sent = {*PRIVATE.values(), quote(PRIVATE["mail"]), SECRET, *parts}
    assert {word for word in sent if word in written} == set()


def test_there_is_one_line_for_each_request_and_no_other_at_error(app, log, subjects):
    everything(app, subjects)
    ids = [line["request_id"] for line in log.requests]
    assert len(ids) == len(set(ids))
    assert [line["status"] for line in log.lines if line["level"] == "error"] == [500]


def test_nothing_of_a_path_is_logged_behind_a_real_server(server: Server, log: Log):
    name = PRIVATE["name"]
    server.request("GET", f"/klanten/{name}?achternaam={name}")
    server.request("GET", f"{server.origin}/{name}%0a{name}")
    server.send(f"GET /{name} HTTP/1.1\r\n{name}\r\n\r\n".encode())
    server.send(f"{name}\r\n\r\n".encode())
    server.request("GET", "/klanten", headers={"X-Forwarded-For": name, "X-Request-ID": "there"})
    assert "there" in log.stream.getvalue()
    assert name not in log.stream.getvalue()


# --- under pserve -------------------------------------------------------------------------------

CHECKOUT = Path(__file__).parents[2]


def logged_by(process: Pserve) -> list[str]:
    """What a server writes to standard error for one request."""
    server = process.start()
    try:
        answer = server.request("GET", "/klanten", headers={"X-Request-ID": REQUEST_ID})
        assert answer.headers["X-Request-ID"] == REQUEST_ID
        log = process.folder / "server.log"
        end = time.monotonic() + ANSWER_SECONDS
        while REQUEST_ID not in log.read_text() and time.monotonic() < end:
            time.sleep(0.01)
        return [line for line in log.read_text().splitlines() if "klanten.access" in line]
    finally:
        process.stop()


@pytest.fixture
def pserve(tmp_path: Path, settings: dict[str, str]) -> Iterator[Callable[..., Pserve]]:
    made = []

    def make(**overrides: str) -> Pserve:
        changed = {name.replace("__", "."): value for name, value in overrides.items()}
        made.append(Pserve(tmp_path, settings | changed, {"Authorization": bearer("all")}))
        return made[-1]

    yield make
    for process in made:
        process.kill()


def test_an_ini_file_without_logging_sections_logs_requests(pserve):
    [line] = logged_by(pserve(klanten__log__format="json"))
    assert json.loads(line)["request_id"] == REQUEST_ID


def test_the_logging_sections_that_we_ship_log_requests(pserve):
    process = pserve()
    shipped = (CHECKOUT / "production.ini").read_text()
    with process.ini.open("a") as ini:
        ini.write(shipped[shipped.index("[loggers]") :])
    [line] = logged_by(process)
    assert f"INFO [klanten.access] request request_id={REQUEST_ID}" in line


def test_an_unknown_form_ends_the_start_with_one_line(pserve, settings):
    process = pserve(klanten__log__format="xml")
    command = [Path(sys.executable).with_name("pserve"), process.ini]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "'xml' is no form of the log; write text or json" in done.stderr.splitlines()[-1]
