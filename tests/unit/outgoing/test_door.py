"""Calls to the services that the operator has named."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata

import pytest

from klanten.outgoing import door as door_module
from klanten.outgoing import exchange as exchange_module
from klanten.outgoing.exchange import Exchange, Wire

#: Seconds: far fewer than a server that never ends keeps on, far more than an honest one needs.
SHORT = 0.5
LONG = 60


@pytest.fixture
def service(remote, service_at):
    return service_at(remote.url(""))


def test_question_arrives_as_it_was_put(door, remote, service_at):
    service = service_at(remote.url("/echo/api/v1"))
    params = {"clientIds": "één & twee", "page": "2"}
    answer = door.ask(service, "GET", "/applicaties", params=params)
    path = "/echo/api/v1/applicaties?clientIds=%C3%A9%C3%A9n+%26+twee&page=2"
    assert json.loads(answer.body) == {"path": path, "body": ""}
    assert answer.status == 200
    assert answer.headers["x-kind"] == "echo"


def test_body_arrives_as_json(door, remote, service):
    answer = door.ask(service, "POST", "/echo", body={"kanaal": "één"})
    assert json.loads(json.loads(answer.body)["body"]) == {"kanaal": "één"}
    assert remote.received[0].method == "POST"
    assert remote.received[0].headers["Content-Type"] == "application/json"


def test_empty_object_is_a_body(door, remote, service):
    door.ask(service, "POST", "/ok", body={})
    assert remote.received[0].body == b"{}"


def test_question_says_who_asks(door, remote, service):
    door.ask(service, "GET", "/ok")
    headers = remote.received[0].headers
    assert headers["User-Agent"].startswith("klanten")
    assert headers["Accept"] == "application/json"
    assert headers["Authorization"].startswith("Bearer ")
    assert "Content-Type" not in headers


def test_question_names_our_version(make_door, remote, service, monkeypatch, tmp_path):
    installed = tmp_path / "klanten-98.7.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: klanten\nVersion: 98.7\n")
    monkeypatch.syspath_prepend(tmp_path)
    make_door().ask(service, "GET", "/ok")
    assert remote.received[0].headers["User-Agent"] == "klanten/98.7"


def test_question_names_no_version_of_what_is_not_installed(
    make_door, remote, service, monkeypatch
):
    def not_installed(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", not_installed)
    make_door().ask(service, "GET", "/ok")
    assert remote.received[0].headers["User-Agent"] == "klanten"


@pytest.mark.parametrize("status", [201, 204, 400, 403, 404, 429, 500])
def test_every_status_is_an_answer(door, service, status):
    assert door.ask(service, "POST", f"/status/{status}", body={}).status == status


def test_redirect_is_an_answer_and_not_followed(door, start, remote, service):
    elsewhere = start()
    answer = door.ask(service, "GET", f"/to?{elsewhere.url()}")
    assert (answer.status, answer.headers["Location"]) == (302, elsewhere.url())
    assert elsewhere.connections == []


# --- connections --------------------------------------------------------------------------------


def test_connection_is_used_again(door, remote, service):
    for number in range(5):
        assert door.ask(service, "POST", "/ok", body=number).status == 200
    assert len(remote.received) == 5
    assert len(remote.connections) == 1


def test_connection_that_the_service_closes_is_not_used_again(door, remote, service):
    assert [door.ask(service, "POST", "/close").status for _ in range(2)] == [200, 200]
    assert len(remote.connections) == 2


def test_connection_that_died_while_it_waited_is_not_used_again(door, remote, service):
    assert door.ask(service, "POST", "/quiet-close").status == 200
    assert remote.gone.wait(LONG)
    assert door.ask(service, "POST", "/ok").status == 200
    assert len(remote.connections) == 2


def test_question_is_put_again_when_a_kept_connection_breaks(door, remote, service):
    assert [door.ask(service, "GET", "/hangup-later").status for _ in range(2)] == [200, 200]
    assert len(remote.connections) == 2


def test_change_is_not_sent_again_when_a_kept_connection_breaks(door, reason, remote, service):
    assert door.ask(service, "POST", "/hangup-later").status == 200
    why = reason(door.ask, service, "POST", "/hangup-later")
    assert why == "the connection was closed without an answer"
    assert len(remote.received) == 2


def test_question_on_a_new_connection_is_put_once(door, reason, remote, service):
    assert reason(door.ask, service, "GET", "/hangup").startswith("the connection was closed")
    assert len(remote.received) == 1


def test_services_share_no_connection(door, remote, service_at):
    for client_id in ("one", "two"):
        door.ask(service_at(remote.url(""), client_id=client_id), "GET", "/ok")
    assert len(remote.connections) == 2


def test_only_some_connections_are_kept(door, remote, service, monkeypatch):
    monkeypatch.setattr(door_module, "MAX_IDLE", 1)
    door = door_module.Door()
    for connections in (2, 3):
        with ThreadPoolExecutor(2) as callers:
            together = [callers.submit(door.ask, service, "GET", "/meet") for _ in range(2)]
        assert [one.result().status for one in together] == [200, 200]
        assert len(remote.connections) == connections
    door.close()


def test_closed_door_keeps_no_connection(door, remote, service):
    door.ask(service, "GET", "/ok")
    door.close()
    for _ in range(2):
        door.ask(service, "GET", "/ok")
    assert len(remote.connections) == 3


def test_each_of_many_callers_gets_its_own_answer(door, remote, service):
    def ask(number):
        return json.loads(door.ask(service, "POST", f"/echo/{number}", body=number).body)

    with ThreadPoolExecutor(16) as callers:
        answers = list(callers.map(ask, range(400)))
    assert answers == [{"path": f"/echo/{n}", "body": str(n)} for n in range(400)]
    assert len(remote.connections) < 400


# --- TLS ----------------------------------------------------------------------------------------


def test_service_is_trusted_by_its_bundle(door, secure_remote, service_at, ca_bundle):
    service = service_at(secure_remote.url(""), ca_bundle=ca_bundle)
    assert [door.ask(service, "GET", "/ok").status for _ in range(2)] == [200, 200]
    assert len(secure_remote.connections) == 1


def test_service_with_an_unknown_certificate_hears_nothing(door, reason, secure_remote, service_at):
    why = reason(door.ask, service_at(secure_remote.url("")), "GET", "/ok")
    assert why.startswith("the certificate is refused: ")
    assert secure_remote.received == []


# --- no answer ----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/drip-head", "/drip-body", "/hang"])
def test_service_that_takes_too_long_is_left_in_time(door, reason, remote, service_at, path):
    service = service_at(remote.url(""), timeout=SHORT)
    assert reason(door.ask, service, "GET", path) == "no answer in time"


def test_dripping_service_is_cut_off(door, reason, remote, service_at):
    reason(door.ask, service_at(remote.url(""), timeout=SHORT), "POST", "/drip-body")
    assert remote.cut.wait(LONG)


@pytest.mark.parametrize("path", ["/drip-head", "/drip-body", "/hang"])
def test_kept_connection_is_left_in_time(door, reason, remote, service_at, path):
    service = service_at(remote.url(""), timeout=SHORT)
    assert door.ask(service, "GET", "/ok").status == 200
    assert reason(door.ask, service, "GET", path) == "no answer in time"
    assert len(remote.connections) == 1


@pytest.mark.parametrize("path", ["/drip-head", "/drip-body", "/hang"])
def test_kept_connection_with_tls_is_left_in_time(
    door, reason, secure_remote, service_at, ca_bundle, path
):
    service = service_at(secure_remote.url(""), ca_bundle=ca_bundle, timeout=SHORT)
    assert door.ask(service, "GET", "/ok").status == 200
    assert reason(door.ask, service, "GET", path) == "no answer in time"
    assert len(secure_remote.connections) == 1


def test_strangers_do_not_keep_a_service_waiting(make_door, remote, service, dns, monkeypatch):
    monkeypatch.setattr(door_module, "MAX_LOOK_UPS", 1)
    door = make_door()
    looking, found = threading.Event(), threading.Event()

    def slow():
        looking.set()
        found.wait(LONG)
        return []

    def stranger():
        with pytest.raises(door_module.Unreachable):
            door.follow("http://slow.example/", LONG)

    dns["slow.example"] = slow
    thread = threading.Thread(target=stranger)
    thread.start()
    assert looking.wait(LONG)
    assert door.ask(service, "GET", "/ok").status == 200
    found.set()
    thread.join()


def test_machine_without_threads_is_no_answer_and_recovers(
    make_door, reason, remote, service, monkeypatch
):
    def no_thread(*args, **kwargs):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(door_module, "MAX_LOOK_UPS", 1)
    door = make_door()
    with monkeypatch.context() as patch:
        patch.setattr(exchange_module.threading, "Thread", no_thread)
        for _ in range(2):
            assert reason(door.ask, service, "GET", "/ok") == "RuntimeError"
    assert door.ask(service, "GET", "/ok").status == 200


def test_service_that_is_down_is_no_answer(door, reason, start, service_at):
    server = start()
    server.stop()
    assert reason(door.ask, service_at(server.url("")), "GET", "/ok") == "Connection refused"


@pytest.mark.parametrize("path", ["/garbage", "/truncated", "/odd-length", "/flood-head"])
def test_broken_http_is_no_answer(door, reason, remote, service, path):
    assert reason(door.ask, service, "GET", path) == "the answer is no HTTP"
    assert door.ask(service, "GET", "/ok").status == 200
    assert len(remote.connections) == 2


def test_endless_body_is_no_answer(door, reason, remote, service):
    why = reason(door.ask, service, "GET", "/flood-body")
    assert why == "the answer is longer than 10,485,760 bytes"
    assert remote.cut.wait(LONG)


@pytest.mark.parametrize("path", ["/ok", "/chunked"])
def test_body_may_have_exactly_the_greatest_length(door, reason, service, path, monkeypatch):
    monkeypatch.setattr(door_module, "MAX_BODY_BYTES", 2)
    assert door.ask(service, "GET", path).body == b"{}"
    monkeypatch.setattr(door_module, "MAX_BODY_BYTES", 1)
    assert reason(door.ask, service, "GET", path) == "the answer is longer than 1 bytes"


def test_nothing_is_sent_or_read_when_the_time_is_over(remote):
    with Wire() as wire, Exchange(0).running():
        wire.connect((remote.host, remote.port))
        with pytest.raises(TimeoutError):
            wire.sendall(b"GET /ok HTTP/1.0\r\n\r\n")
        with pytest.raises(TimeoutError):
            wire.recv_into(bytearray(1))
    assert remote.received == []


# --- the log ------------------------------------------------------------------------------------


@pytest.fixture
def log(caplog):
    caplog.set_level("DEBUG")

    def lines():
        return [record.getMessage() for record in caplog.records]

    return lines


def test_call_is_one_line_without_query_and_token(door, remote, service, log):
    door.ask(service, "GET", "/ok/applicaties", params={"clientIds": "geheim"})
    (line,) = log()
    assert line.startswith(f"GET http://127.0.0.1:{remote.port}/ok/applicaties: 200, ")
    assert line.endswith(" ms")


@pytest.mark.parametrize("path", ["/garbage", "/hangup", "/truncated"])
def test_failed_call_is_one_line_that_quotes_nothing(door, reason, remote, service, log, path):
    bsn = "123456782"
    why = reason(door.ask, service, "POST", path, params={"bsn": bsn}, body=bsn)
    (line,) = log()
    assert line.startswith(f"POST http://127.0.0.1:{remote.port}{path}: {why}, ")
    assert bsn not in line
    assert "Bearer" not in line
