"""`klanten check`: the Autorisaties API, the Notificaties API, and clocks."""

import pytest

from tests.neighbours import server as neighbour
from tests.neighbours.server import garbage, status

# --- the Autorisaties API -----------------------------------------------------------------------


def test_what_clients_may_do_is_shown(service, ac):
    ac.applicaties.clear()
    ac.register("balie", scopes="klanten.lezen klanten.aanmaken", label="De balie")
    shown = "client balie (De balie) may do: klanten.aanmaken, klanten.lezen"
    assert ("Autorisaties API", shown) in service.right()


def test_client_without_an_applicatie_is_found(service, ac):
    ac.applicaties.clear()
    _, what, mend = service.fault()
    assert what == "client balie has no Applicatie there, and may do nothing"
    assert "register it there" in mend


def test_client_without_scopes_of_ours_is_found(service, ac):
    ac.applicaties.clear()
    ac.register("balie", scopes="klanten.lezen", component="zrc")
    _, what, mend = service.fault()
    assert what == "client balie has none of our scopes in component kc, so no rights"
    assert "klanten.component" in mend
    service.settings["klanten.component"] = "zrc"
    service.right()


def test_clients_with_scopes_in_the_file_are_not_asked_about(service, ac):
    service.right()
    assert {client_id for asked in ac.asked for _, client_id in asked.params} == {
        neighbour.CLIENT_ID,
        "balie",
    }


@pytest.mark.parametrize(
    ("mood", "what"),
    [
        (status(500), "gives no answer: status 500"),
        (status(200, []), "gives no answer: there is no object around count in its answer"),
        (garbage(b""), "gives no answer: the connection was closed without an answer"),
        (status(401), "refuses our token: status 401"),
        (status(403), "refuses our token: status 403"),
        (status(404), "does not tell what clients may do: status 404"),
    ],
)
def test_autorisaties_api_that_does_not_do_its_duty_is_found(service, ac, mood, what):
    ac.mood = mood
    assert service.fault()[:2] == ("Autorisaties API", f"{ac.api_root} {what}")
    assert len(ac.asked) == 1


def test_autorisaties_api_that_hangs_or_is_away_is_found(service, ac):
    service.services["autorisaties"]["timeout"] = "0.2"
    with ac.in_the_mood(ac.hang):
        assert service.fault()[1] == f"{ac.api_root} gives no answer: no answer in time"
    ac.down()
    assert service.fault()[1] == f"{ac.api_root} gives no answer: Connection refused"
    ac.up()


# --- the Notificaties API -----------------------------------------------------------------------


def test_missing_kanaal_is_found(service, nrc):
    nrc.kanalen.clear()
    subject, what, mend = service.fault()
    assert subject == "Notificaties API"
    assert what == "kanaal klanten is not registered, so that no message is accepted"
    assert "klanten notifications INI register" in mend


@pytest.mark.parametrize("mood", [status(500), status(200, {}), status(302), garbage()])
def test_notificaties_api_that_does_not_do_its_duty_is_found(service, nrc, mood):
    nrc.mood = mood
    assert service.fault()[0] == "Notificaties API"


def test_refusal_of_our_token_is_found(service, nrc):
    nrc.mood = status(401)
    subject, what, mend = service.fault()
    assert subject == "Notificaties API"
    assert "our token is refused" in what
    assert "client_id and secret" in mend


def test_notificaties_api_that_is_away_is_found(service, nrc):
    nrc.down()
    assert service.fault()[:2] == ("Notificaties API", f"{nrc.api_root}: Connection refused")
    nrc.up()


# --- clocks -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seconds", "side"), [(3600, "ahead of"), (-3600, "behind")])
@pytest.mark.parametrize("name", ["ac", "nrc"])
def test_clock_that_differs_is_found(request, service, name, seconds, side):
    request.getfixturevalue(name).clock_ahead = seconds
    subject, what, mend = service.fault()
    assert subject == {"ac": "Autorisaties API", "nrc": "Notificaties API"}[name]
    assert what.startswith(("its clock is 3,600 seconds", "its clock is 3,599 seconds"))
    assert what.endswith(f" {side} ours")
    assert "NTP" in mend


@pytest.mark.parametrize("date", ["", "Date: soon\r\n"])
def test_server_that_tells_no_time_is_right(service, ac, date):
    body = '{"count": 0, "results": []}'
    head = f"HTTP/1.1 200 OK\r\n{date}Content-Length: {len(body)}\r\n\r\n"
    del service.clients["balie"]
    ac.mood = garbage(f"{head}{body}".encode())
    told = [what for subject, what in service.right() if subject == "Autorisaties API"]
    assert told == [f"{ac.api_root} answers, and accepts our token"]
