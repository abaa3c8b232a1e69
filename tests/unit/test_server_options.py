"""Options of the server that come from the environment."""

import pytest

from klanten.server.options import Options
from klanten.server.options.environment import NAMES, with_environment
from klanten.settings import SettingsError, unknown_variables


@pytest.fixture
def environ(monkeypatch):
    """Gives this process more variables."""
    return monkeypatch.setenv


def test_an_option_from_the_environment_wins(environ):
    environ("KLANTEN_SERVER_THREADS", " 7 ")
    environ("KLANTEN_SERVER_GRACEFUL_TIMEOUT", "3")
    environ("KLANTEN_SERVER_TRUSTED_PROXY", "*")
    given = {"trusted_proxy_headers": "forwarded", "clear_untrusted_proxy_headers": "true"}
    options = Options.read({"threads": "2", "trusted_proxy": "127.0.0.1", **given})
    assert (options.adjustments.threads, options.graceful_timeout) == (7, 3)
    assert options.adjustments.trusted_proxy == "*"


def test_an_empty_one_is_not_given(environ):
    environ("KLANTEN_SERVER_THREADS", "")
    assert Options.read({"threads": "2"}).adjustments.threads == 2


@pytest.mark.parametrize(
    "given", [{"listen": "127.0.0.1:81"}, {"host": "127.0.0.1", "port": "81"}, {"unix_socket": "s"}]
)
def test_where_to_listen_is_said_in_one_place(environ, given):
    environ("KLANTEN_SERVER_LISTEN", "127.0.0.1:82 127.0.0.1:83")
    options = Options.read(given)
    assert [place[3] for place in options.places()] == [("127.0.0.1", 82), ("127.0.0.1", 83)]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("THREADS", "four", "'four' is no number; write for instance 4"),
        ("LISTEN", "127.0.0.1:x", "'x' is no port of 1 to 65535; write for instance 8080"),
        ("REQUEST_TIMEOUT", "0", "must be more than 0; write for instance 5"),
        ("THREAD", "4", "is no option of the server; did you mean KLANTEN_SERVER_THREADS?"),
        ("NOTHING", "4", "is no option of the server; remove it"),
    ],
)
def test_a_wrong_one_is_named(environ, name, text, told):
    environ(f"KLANTEN_SERVER_{name}", text)
    with pytest.raises(SettingsError) as refusal:
        Options.read({}, "server.ini")
    assert str(refusal.value) == f"KLANTEN_SERVER_{name} in the environment: {told}"


def test_the_variables_of_kubernetes_for_a_service_of_that_name_are_passed_over():
    environ = {
        "KLANTEN_SERVER_SERVICE_HOST": "10.0.0.1",
        "KLANTEN_SERVER_PORT": "tcp://10.0.0.1:80",
        "KLANTEN_SERVER_PORT_80_TCP": "tcp://10.0.0.1:80",
    }
    assert with_environment({"threads": "2"}, environ) == {"threads": "2"}


def test_they_are_no_misspelt_settings():
    assert unknown_variables({"KLANTEN_SERVER_THREADS": "4", "KLANTEN_SERVER_X": ""}) == []


def test_all_but_a_few_can_come_from_there():
    assert {"listen", "unix_socket", "url_prefix", "trusted_proxy_headers"} < NAMES
    assert {"host", "port", "sockets"}.isdisjoint(NAMES)
