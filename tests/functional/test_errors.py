"""One shape for every refusal, whatever is wrong; the cause is in the log, and nobody's data."""

import errno
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
import webtest
from ZODB.Connection import Connection

from klanten.logs import Formatter
from klanten.model.outbox import Outbox
from tests.consistency import assert_consistent
from tests.factories import make_klant, make_person, rsin
from tests.fouten import assert_form_of_fout, assert_fout

KLANTEN = "/api/v1/klanten"
JSON = {"Content-Type": "application/json"}


def refusals(app: webtest.TestApp) -> list[webtest.TestResponse]:
    """One of every kind that a caller can cause."""
    klant = app.post_json(KLANTEN, make_klant()).json

    def ask(method: str, path: str, body: bytes = b"", **headers: str) -> webtest.TestResponse:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return app.request(path, method=method, body=body, headers=sent, status="*")

    return [
        ask("GET", "/nothing"),
        ask("GET", "/favicon.ico"),
        ask("GET", "/api"),
        ask("GET", "/api/v1"),
        ask("GET", "/api/v1/nothing"),
        ask("GET", "/api/v2/klanten"),
        ask("GET", "/api/v1/%ff"),
        ask("GET", "/%ff"),
        ask("GET", "/ref/fouten/Nothing/"),
        ask("POST", "/ref/fouten/"),
        ask("GET", f"{KLANTEN}/{uuid4()}"),
        ask("GET", f"{KLANTEN}/x"),
        ask("GET", f"{KLANTEN}/{uuid4()}/audittrail"),
        ask("GET", f"{klant['url']}/audittrail/{uuid4()}"),
        ask("DELETE", KLANTEN),
        ask("OPTIONS", KLANTEN),
        ask("POST", "/api/v1/openapi.json"),
        ask("GET", KLANTEN, Accept="text/html"),
        ask("GET", KLANTEN, Authorization=""),
        ask("GET", KLANTEN, Authorization="Bearer x"),
        ask("GET", f"{KLANTEN}?page=2"),
        ask("GET", f"{KLANTEN}?page=%ff"),
        ask("GET", f"{KLANTEN}?subjectType=x"),
        ask("POST", KLANTEN, b"{}", Content_Type="text/plain"),
        ask("POST", KLANTEN, b"{", **{"Content-Type": "application/json"}),
        ask("POST", KLANTEN, b"null", **{"Content-Type": "application/json"}),
        ask("POST", KLANTEN, b"{}", **{"Content-Type": "application/json"}),
        ask("POST", KLANTEN, 1048577 * b" ", **{"Content-Type": "application/json"}),
        app.post_json(KLANTEN, make_klant(klantnummer=klant["klantnummer"]), status="*"),
        app.post_json(KLANTEN, make_klant(subjectIdentificatie=...), status="*"),
        app.patch_json(klant["url"], {"subjectType": None}, status="*"),
    ]


def test_every_refusal_has_one_form(app):
    answers = refusals(app)
    assert {answer.status_int for answer in answers} == {400, 403, 404, 405, 406, 413, 415}
    for answer in answers:
        assert_form_of_fout(answer)


def test_the_type_of_every_refusal_is_a_page_of_this_server(app):
    for place in {urlsplit(answer.json["type"]).path for answer in refusals(app)}:
        page = app.get(place)
        assert page.content_type == "text/html"
        assert page.charset.lower() == "utf-8"


def test_each_refusal_has_an_instance_of_its_own(app):
    answers = refusals(app)
    assert len({answer.json["instance"] for answer in answers}) == len(answers)


def test_a_body_that_is_one_byte_too_long_is_refused_and_one_that_fits_is_not(make_app):
    app = make_app(klanten__body__max_size="1000")
    for size, status in ((1000, 400), (1001, 413)):
        response = app.post(KLANTEN, size * b" ", content_type="application/json", status=status)
        assert_form_of_fout(response)
        assert response.json["code"] == ("parse_error", "request_entity_too_large")[size - 1000]


# --- a crash ------------------------------------------------------------------------------------


@pytest.fixture
def crash(app: webtest.TestApp) -> Callable[[], webtest.TestResponse]:
    """Makes something go wrong that nobody thought of; gives back the answer."""

    def fail() -> webtest.TestResponse:
        app.app.registry.klant_schemas = None
        return app.post_json(KLANTEN, make_person(), status=500)

    return fail


def test_a_crash_has_the_form_of_any_refusal_and_tells_nothing(crash):
    answer = crash()
    assert_fout(answer, 500, "error")
    assert "NoneType" not in answer.text
    assert "Traceback" not in answer.text


def test_a_crash_changes_nothing(app, crash):
    crash()
    assert app.get(KLANTEN).json["count"] == 0


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_crash_in_the_middle_of_a_change_leaves_nothing_of_it(app, monkeypatch, method):
    """The message is put into the outbox last, when all else has been changed."""

    def fail(*_: Any) -> None:
        raise ZeroDivisionError

    before = app.post_json(KLANTEN, make_person()).json
    url = KLANTEN if method == "POST" else before["url"]
    with monkeypatch.context() as broken:
        broken.setattr(Outbox, "put", fail)
        body = json.dumps(make_klant(achternaam="Anders")).encode()
        answer = app.request(url, method=method, body=body, headers=JSON, status=500)
    assert_fout(answer, 500, "error")
    assert app.get(KLANTEN).json["results"] == [before]
    with app.app.registry.database.transaction() as connection:
        assert_consistent(connection.root()["klanten"])


def test_the_server_goes_on_after_a_crash(server, app):
    app.app.registry.klant_schemas, schemas = None, app.app.registry.klant_schemas
    assert_fout(server.request("POST", "/klanten", make_klant()), 500, "error")
    app.app.registry.klant_schemas = schemas
    assert server.request("POST", "/klanten", make_klant()).status == 201


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), 503, "service_unavailable"),
        (RuntimeError("nobody thought of this"), 500, "error"),
    ],
)
def test_a_commit_that_fails_is_a_refusal_and_leaves_nothing(
    app, monkeypatch, failure, status, code
):
    def fail(*_: Any) -> None:
        raise failure

    with monkeypatch.context() as broken:
        broken.setattr(Connection, "tpc_vote", fail)
        answer = app.post_json(KLANTEN, make_klant(), status=status)
    assert_fout(answer, status, code)
    assert answer.headers["API-version"] == "1.0.0"
    assert app.get(KLANTEN).json["count"] == 0


# --- the log ------------------------------------------------------------------------------------


class Lines(logging.Handler):
    """All that is logged, each line as it would be written, with the traceback below it."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(Formatter())
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    caplog.set_level(logging.DEBUG)
    handler = Lines()
    logging.root.addHandler(handler)
    yield handler.lines
    logging.root.removeHandler(handler)


def test_every_instance_is_in_the_log_beside_its_cause(app, log):
    for answer in refusals(app):
        fout = answer.json
        instance = fout["instance"].removeprefix("urn:uuid:")
        told = [line for line in log if instance in line and str(fout["status"]) in line]
        assert any(fout["code"] in line for line in told)
        for fault in fout.get("invalidParams", ()):
            assert any(f"{fault['name']}: {fault['code']}" in line for line in told)


def test_a_crash_is_in_the_log_with_its_traceback(crash, log):
    instance = crash().json["instance"].removeprefix("urn:uuid:")
    [told] = [line for line in log if instance in line and "Traceback" in line]
    assert "AttributeError" in told


def test_a_refused_caller_is_no_error_of_ours(app, caplog):
    caplog.set_level(logging.DEBUG)
    refusals(app)
    assert max(record.levelno for record in caplog.records) < logging.ERROR


def test_nobodys_data_are_in_the_log(app, log, subjects, token):
    """Neither of klanten that are stored nor of requests that are refused."""
    secret = "Geheimzinnig"
    bsn = rsin()
    person = make_person(
        achternaam=secret,
        klantnummer=secret[:8],
        emailadres=f"{secret}@example.nl",
        subject=subjects.url(f"/200/{secret}"),
    )
    person["subjectIdentificatie"]["inpBsn"] = bsn
    headers = {"X-Audit-Toelichting": secret, "Authorization": token("all", user_id="u")}
    klant = app.post_json(KLANTEN, person, headers=headers).json
    app.get(KLANTEN, {"subjectNatuurlijkPersoon__inpBsn": bsn, "achternaam": secret})
    app.get(KLANTEN, {"bronorganisatie": secret}, status=400)
    app.get(f"{KLANTEN}?page={secret}", status=404)
    app.get(f"{KLANTEN}/{secret}", status=404)
    app.get(f"/{secret}", status=404)
    app.post_json(KLANTEN, person, status=400)
    app.post_json(KLANTEN, person | {"bronorganisatie": secret}, status=400)
    app.post(KLANTEN, f'{{"{secret}', headers=JSON, status=400)
    app.post(KLANTEN, f'{{"{bsn}": [}}', headers=JSON, status=400)
    app.patch_json(klant["url"], {"functie": [secret]}, status=400)
    app.patch_json(klant["url"], {"subject": subjects.url(f"/404/{secret}")}, status=400)
    app.request(KLANTEN, headers={"Accept": secret}, status=406)
    app.request(KLANTEN, headers={"Authorization": f"Bearer {secret}"}, status=403)
    app.delete(klant["url"], headers=headers)
    assert log
    for line in log:
        assert secret[:8] not in line
        assert bsn not in line
