"""Rights from the Autorisaties API, over HTTP: for the clients without scopes in clients.ini."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from klanten.clients import Client
from klanten.security import LOOK_EVERY
from klanten.tokens import make_token
from tests.conftest import SECRET, bearer
from tests.factories import make_klant
from tests.neighbours import server as neighbour
from tests.neighbours.autorisaties import Autorisaties
from tests.neighbours.server import garbage, status

KLANTEN = "/api/v1/klanten"
#: Clients of which the file has no scopes.
BALIE, PORTAAL = "balie", "portaal"
HEADERS = {"Authorization": bearer(BALIE)}


@pytest.fixture
def ac():
    """The Autorisaties API; whatever is asked must be right by its standard."""
    with Autorisaties() as ac:
        yield ac
    assert ac.wrong == []


@pytest.fixture
def clients_file(clients_file):
    with clients_file.open("a") as file:
        for client_id in (BALIE, PORTAAL):
            file.write(f"\n[{client_id}]\nsecret = {SECRET}\nlabel = Label in the file\n")
    return clients_file


@pytest.fixture
def make_ac_app(tmp_path, make_app, ac):
    """Starts the application beside the Autorisaties API, with these keys in its section."""
    started = []

    def make(overrides=None, **keys):
        given = {
            "api_root": ac.api_root,
            "client_id": neighbour.CLIENT_ID,
            "secret": neighbour.SECRET,
        } | keys
        lines = "\n".join(f"{name} = {value}" for name, value in given.items())
        services = tmp_path / "services.ini"
        services.write_text(f"[autorisaties]\n{lines}\n")
        services.chmod(0o600)
        started.append(make_app(klanten__services=str(services), **(overrides or {})))
        return started[-1]

    yield make
    for app in started:
        app.app.registry.door.close()


@pytest.fixture
def app(make_ac_app):
    return make_ac_app()


def fout(response, expected, code):
    """The answer is a Fout of this status and code."""
    assert (response.status_int, response.json["code"]) == (expected, code)
    assert response.content_type == "application/problem+json"
    assert response.headers["API-version"] == "1.0.0"
    return response


def read(app, headers=HEADERS):
    return app.get(KLANTEN, headers=headers, status="*")


def create(app, headers=HEADERS, **overrides):
    return app.post_json(KLANTEN, make_klant(**overrides), headers=headers, status="*")


# --- what the Applicatie says -------------------------------------------------------------------


def test_client_with_all_autorisaties_may_do_everything(ac, app):
    ac.register(BALIE)
    klant = create(app).headers["Location"]
    assert app.get(klant, headers=HEADERS).status_int == 200
    assert app.patch_json(klant, {"functie": "bakker"}, headers=HEADERS).status_int == 200
    assert app.get(f"{klant}/audittrail", headers=HEADERS).status_int == 200
    assert app.delete(klant, headers=HEADERS).status_int == 204
    assert ac.asked_about(BALIE) == 1


def test_client_may_do_what_its_scopes_say(ac, app):
    ac.register(BALIE, scopes="klanten.lezen")
    assert read(app).status_int == 200
    fout(create(app), 403, "permission_denied")


def test_scopes_of_another_component_do_not_count(ac, app):
    ac.register(BALIE, scopes="klanten.lezen", component="zrc")
    fout(read(app), 403, "permission_denied")


def test_the_label_of_our_component_is_a_setting(ac, make_ac_app):
    ac.register(BALIE, scopes="klanten.lezen", component="zrc")
    app = make_ac_app({"klanten__component": "zrc"})
    assert read(app).status_int == 200


def test_scopes_of_two_applicaties_add_up(ac, app):
    ac.register(BALIE, scopes="klanten.lezen")
    ac.register(BALIE, scopes="klanten.aanmaken")
    assert read(app).status_int == 200
    assert create(app).status_int == 201


def test_client_without_an_applicatie_may_do_nothing(ac, app):
    fout(read(app), 403, "permission_denied")
    fout(create(app), 403, "permission_denied")
    assert ac.asked_about(BALIE) == 1


def test_client_with_scopes_in_the_file_keeps_them(ac, app):
    ac.register("all", "lezen", "none", scopes="klanten.aanmaken")
    assert read(app, {"Authorization": bearer("lezen")}).status_int == 200
    fout(create(app, {"Authorization": bearer("lezen")}), 403, "permission_denied")
    fout(read(app, {"Authorization": bearer("none")}), 403, "permission_denied")
    assert ac.asked == []


def test_without_an_autorisaties_api_a_client_without_scopes_may_do_nothing(make_app):
    fout(read(make_app()), 403, "permission_denied")


def test_refused_token_is_not_asked_about(ac, app):
    ac.register(BALIE)
    stranger = Client(BALIE, "another secret of more than thirty-two bytes", BALIE, None)
    headers = {"Authorization": f"Bearer {make_token(stranger)}"}
    fout(read(app, headers), 403, "invalid-jwt-signature")
    assert ac.asked == []


@pytest.mark.parametrize(
    ("method", "path", "accept", "code"),
    [
        ("GET", "/api/v1/x", "*/*", 404),
        ("DELETE", KLANTEN, "*/*", 405),
        ("GET", KLANTEN, "a/b", 406),
    ],
)
def test_what_is_refused_before_the_rights_is_not_asked_about(ac, app, method, path, accept, code):
    headers = HEADERS | {"Accept": accept}
    assert app.request(path, method=method, headers=headers, status="*").status_int == code
    assert ac.asked == []


def test_rights_come_before_the_klant_and_the_body(ac, app):
    ac.mood = status(500)
    unknown = f"{KLANTEN}/6f3a1a44-31c2-4a0f-9fd4-2a2c0f3b6b1e"
    fout(app.put(unknown, b"{", headers=HEADERS, status="*"), 503, "service_unavailable")


# --- the audittrail -----------------------------------------------------------------------------


def test_audittrail_shows_the_applicatie(ac, app):
    applicatie = ac.register(BALIE, label="De balie")
    klant = create(app).headers["Location"]
    (line,) = app.get(f"{klant}/audittrail").json
    assert line["applicatieId"] == applicatie["url"].rpartition("/")[2]
    assert line["applicatieWeergave"] == "De balie"


def test_audittrail_shows_the_first_applicatie_that_may_do_anything(ac, app):
    ac.register(BALIE, label="Nothing", scopes="zaken.lezen")
    ac.register(BALIE, label="Creates", scopes="klanten.aanmaken")
    ac.register(BALIE, label="Everything")
    klant = create(app).headers["Location"]
    assert app.get(f"{klant}/audittrail").json[0]["applicatieWeergave"] == "Creates"


def test_audittrail_shows_a_client_with_scopes_in_the_file_by_its_id(app):
    klant = create(app, {"Authorization": bearer("all")}).headers["Location"]
    (line,) = app.get(f"{klant}/audittrail").json
    assert (line["applicatieId"], line["applicatieWeergave"]) == ("all", "Label of all")


# --- refusals of the AC, and no answer ----------------------------------------------------------


@pytest.mark.parametrize("code", [401, 403])
def test_refusal_of_our_own_token_has_a_code_of_its_own(ac, app, code):
    ac.mood = status(code)
    fout(read(app), 403, "not_authenticated_for_ac")
    fout(create(app), 403, "not_authenticated_for_ac")


@pytest.mark.parametrize("code", [400, 404, 410])
def test_another_4xx_gives_no_rights(ac, app, code):
    ac.mood = status(code)
    fout(read(app), 403, "permission_denied")


MOODS = {
    "500": status(500),
    "503": status(503, {}, {"Retry-After": "1"}),
    "redirect": status(302, {}, {"Location": "/api/v1/applicaties"}),
    "1xx": garbage(b"HTTP/1.1 102 Processing\r\n\r\n"),
    "no HTTP": garbage(),
    "no JSON": garbage(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>"),
    "wrong shape": status(200, {"results": "*"}),
    "a plain list": status(200, []),
    "nothing": garbage(b""),
}


@pytest.mark.parametrize("mood", MOODS)
def test_ac_without_an_answer_is_a_clear_refusal(ac, app, mood):
    ac.register(BALIE)
    ac.mood = MOODS[mood]
    response = fout(read(app), 503, "service_unavailable")
    assert int(response.headers["Retry-After"]) > 0
    assert "Autorisaties API" in response.json["detail"]
    fout(create(app), 503, "service_unavailable")
    assert app.get(KLANTEN).json["count"] == 0
    assert len(ac.asked) == 1


def test_ac_that_hangs_is_a_clear_refusal(ac, make_ac_app):
    app = make_ac_app(timeout=0.2)
    ac.mood = ac.hang
    fout(read(app), 503, "service_unavailable")
    fout(read(app), 503, "service_unavailable")
    assert len(ac.asked) == 1


def test_ac_that_is_away_and_comes_back_is_asked_again(ac, make_ac_app):
    app = make_ac_app(cache_ttl=0)
    ac.register(BALIE)
    ac.down()
    fout(read(app), 503, "service_unavailable")
    ac.up()
    assert create(app).status_int == 201


def test_clients_with_scopes_in_the_file_notice_nothing(ac, app):
    ac.down()
    assert create(app, {"Authorization": bearer("all")}).status_int == 201
    ac.up()


# --- how long an answer counts ------------------------------------------------------------------


def test_changed_and_withdrawn_rights_count_after_the_time_to_live(ac, make_ac_app):
    app = make_ac_app(cache_ttl=0.1)
    applicatie = ac.register(BALIE, scopes="klanten.lezen")
    assert read(app).status_int == 200
    applicatie["autorisaties"][0]["scopes"] = ["klanten.aanmaken"]
    time.sleep(0.1)
    fout(read(app), 403, "permission_denied")
    assert create(app).status_int == 201
    ac.applicaties.clear()
    time.sleep(0.1)
    fout(create(app), 403, "permission_denied")


def test_last_answer_counts_while_the_ac_is_down(ac, make_ac_app):
    app = make_ac_app(cache_ttl=0, stale_ttl=600)
    ac.register(BALIE, label="De balie")
    assert read(app).status_int == 200
    ac.down()
    klant = create(app).headers["Location"]
    assert app.get(f"{klant}/audittrail").json[0]["applicatieWeergave"] == "De balie"
    fout(read(app, {"Authorization": bearer(PORTAAL)}), 503, "service_unavailable")
    ac.up()


def test_last_answer_does_not_count_when_it_is_too_old(ac, make_ac_app):
    app = make_ac_app(cache_ttl=0, stale_ttl=0)
    ac.register(BALIE)
    assert read(app).status_int == 200
    ac.mood = status(500)
    fout(read(app), 503, "service_unavailable")


def test_client_that_leaves_the_file_is_refused(ac, app, clients_file):
    ac.register(BALIE)
    assert read(app).status_int == 200
    clients_file.write_text(clients_file.read_text().replace(f"[{BALIE}]", "[another]"))
    time.sleep(LOOK_EVERY)
    fout(read(app), 403, "invalid-client-identifier")


# --- many at once -------------------------------------------------------------------------------


@pytest.mark.parametrize("ask", [read, create])
def test_nobody_else_waits_while_the_ac_is_asked(ac, app, ask):
    ac.mood = ac.hang
    with ThreadPoolExecutor(1) as other:
        waiting = other.submit(ask, app)
        ac.wait_for_hanging()
        assert create(app, {"Authorization": bearer("all")}).status_int == 201
        assert not waiting.done()
        ac.release()
        fout(waiting.result(), 503, "service_unavailable")


def test_many_requests_cause_one_call_for_each_client_and_time_to_live(ac, make_ac_app):
    ttl, threads = 0.2, 4
    app = make_ac_app(cache_ttl=ttl)
    ac.register(BALIE, PORTAAL)
    start = time.monotonic()
    barrier = threading.Barrier(threads, timeout=60)

    def hammer(client_id):
        headers = {"Authorization": bearer(client_id)}
        statuses = []
        barrier.wait()
        while time.monotonic() < start + 1.5:
            statuses.append(read(app, headers).status_int)
        return statuses

    with ThreadPoolExecutor(threads) as many:
        found = [status for heard in many.map(hammer, [BALIE, PORTAAL] * 2) for status in heard]
    allowed = (time.monotonic() - start) / ttl + 1
    assert set(found) == {200}
    assert len(found) > 4 * allowed
    for client_id in (BALIE, PORTAAL):
        assert 1 < ac.asked_about(client_id) <= allowed


def test_rights_and_subject_are_both_asked_about(ac, app, subjects):
    ac.register(BALIE)
    assert create(app, subject=subjects.url("/200")).status_int == 201
    assert create(app, subject=subjects.url("/404")).status_int == 400
    assert ac.asked_about(BALIE) == 1


# --- the log ------------------------------------------------------------------------------------


def test_no_log_line_shows_a_secret_or_a_token_and_an_outage_is_no_traceback(
    ac, make_ac_app, caplog
):
    caplog.set_level("DEBUG")
    app = make_ac_app(cache_ttl=0)
    ac.register(BALIE)
    answers = []
    moods = [None, status(403), status(404), *MOODS.values()]
    for mood in moods:
        ac.mood = mood
        answers += [read(app), create(app), read(app, {"Authorization": bearer(PORTAAL)})]
    tokens = [asked.headers["Authorization"].split()[1] for asked in ac.asked]
    assert len(tokens) >= len(moods)
    said = caplog.text + "".join(response.text for response in answers)
    for secret in (neighbour.SECRET, SECRET, *tokens, HEADERS["Authorization"].split()[1]):
        assert secret not in said
    assert [record for record in caplog.records if record.exc_info] == []
