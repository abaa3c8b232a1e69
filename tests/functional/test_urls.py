"""Every URL in an answer follows the request: host, scheme and prefix, also behind a proxy."""

import json
import re
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.factories import make_klant
from tests.servers import Server, serving

KLANTEN = "/api/v1/klanten"


def urls_in(value: Any) -> set[str]:
    """All URLs of this server in some JSON (the websites and subjects of a klant are not)."""
    text = value if isinstance(value, str) else json.dumps(value)
    own = r"https?://[^\s\"]*?(?:/api/v1|/ref/)"
    return {re.sub(r"(/api/v1|/ref/)$", "", found) for found in re.findall(own, text)}


def everything(server: Server, **headers: str) -> set[str]:
    """The roots of all URLs that the server shows in all kinds of answers."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}

    def ask(method: str, path: str, body: Any = None, status: int = 200) -> Any:
        answer = server.request(method, server.origin + path, body, headers=sent)
        assert answer.status == status
        shown.update(urls_in(answer.body.decode()))
        shown.update(urls_in(answer.headers.get("Location", "")))
        return answer.json if answer.headers["Content-Type"] != "application/yaml" else None

    shown: set[str] = set()
    klant = ask("POST", KLANTEN, make_klant(), 201)
    place = f"{KLANTEN}/{klant['url'].rpartition('/')[2]}"
    ask("GET", place)
    ask("PATCH", place, {"functie": "f"})
    [_, regel] = ask("GET", place + "/audittrail")
    ask("GET", f"{place}/audittrail/{regel['uuid']}")
    ask("GET", KLANTEN)
    ask("POST", KLANTEN, {}, 400)
    ask("GET", f"{KLANTEN}/x", status=404)
    ask("GET", "/nothing", status=404)
    for document in ("openapi.json", "openapi.yaml", "schema/openapi.json", "schema/openapi.yaml"):
        ask("GET", f"/api/v1/{document}")
    return shown


# --- without a proxy ----------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["other.example", "other.example:8080", "[::1]:7000", "LOCALHOST"])
def test_urls_show_the_host_that_was_asked(server, host):
    assert everything(server, Host=host) == {f"http://{host}"}


@pytest.mark.parametrize("host", ["", "caf\xe9.nl"])
def test_urls_show_the_name_of_the_server_where_no_host_was_asked(server, host):
    [origin] = everything(server, Host=host)
    assert origin.endswith(f":{server.port}")


def test_the_port_of_the_scheme_is_not_shown(server):
    assert everything(server, Host="other.example:80") == {"http://other.example"}


def test_a_klant_made_under_one_host_is_shown_under_another(server):
    klant = server.request("POST", "/klanten", make_klant(), headers={"Host": "a.nl"}).json
    place = server.origin + urlsplit(klant["url"]).path
    shown = server.request("GET", place, headers={"Host": "b.nl"}).json
    assert shown == klant | {"url": klant["url"].replace("a.nl", "b.nl")}


def test_headers_of_a_proxy_that_is_not_trusted_count_for_nothing(server):
    shown = everything(
        server,
        Host="a.nl",
        X_Forwarded_Host="evil.example",
        X_Forwarded_Proto="https",
        X_Forwarded_Port="444",
        X_Forwarded_Prefix="/evil",
        Forwarded="host=evil.example;proto=https",
        X_Script_Name="/evil",
    )
    assert shown == {"http://a.nl"}


def test_links_of_pages_follow_the_request(server):
    for number in range(101):
        server.request("POST", "/klanten", make_klant(klantnummer=f"{number}"))
    headers = {"Host": "pages.example"}
    first = server.request("GET", "/klanten", headers=headers).json
    second = server.request("GET", "/klanten?page=2", headers=headers).json
    assert first["next"] == "http://pages.example/api/v1/klanten?page=2"
    assert second["previous"] == "http://pages.example/api/v1/klanten"


# --- behind a proxy -----------------------------------------------------------------------------


def test_urls_show_the_prefix_of_the_server(app, server):
    with serving(app.app, server.headers, url_prefix="/klanten-api") as behind:
        assert everything(behind, Host="a.nl") == {"http://a.nl/klanten-api"}


def test_a_path_with_the_prefix_is_the_same_path(app, server):
    with serving(app.app, server.headers, url_prefix="/klanten-api") as behind:
        answer = behind.request("GET", behind.origin + "/klanten-api/api/v1/klanten")
        assert (answer.status, answer.headers["API-version"]) == (200, "1.0.0")


def test_urls_show_what_a_trusted_proxy_says(app, server):
    options = {
        "trusted_proxy": "127.0.0.1",
        "trusted_proxy_headers": {"x-forwarded-host", "x-forwarded-proto", "x-forwarded-port"},
        "clear_untrusted_proxy_headers": True,
        "url_prefix": "/gemeente/klanten",
    }
    with serving(app.app, server.headers, **options) as behind:
        shown = everything(behind, Host="inner", X_Forwarded_Host="a.nl", X_Forwarded_Proto="https")
        assert shown == {"https://a.nl/gemeente/klanten"}
        shown = everything(
            behind,
            Host="inner",
            X_Forwarded_Host="a.nl",
            X_Forwarded_Proto="https",
            X_Forwarded_Port="8443",
        )
        assert shown == {"https://a.nl:8443/gemeente/klanten"}


def test_urls_show_what_a_trusted_proxy_says_in_the_standard_header(app, server):
    options = {
        "trusted_proxy": "*",
        "trusted_proxy_headers": {"forwarded"},
        "clear_untrusted_proxy_headers": True,
    }
    with serving(app.app, server.headers, **options) as behind:
        shown = everything(behind, Forwarded="for=1.2.3.4;host=a.nl;proto=https")
        assert shown == {"https://a.nl"}


@pytest.mark.parametrize(
    ("prefix", "shown"),
    [("/a/b", "/a/b"), ("/met spatie", "/met%20spatie"), ("/caf\xc3\xa9", "/caf%C3%A9")],
)
def test_any_prefix_of_a_gateway_works(app, prefix, shown):
    """As mod_wsgi and others hand it over."""
    answer = app.post_json(KLANTEN, make_klant(), extra_environ={"SCRIPT_NAME": prefix})
    assert answer.json["url"] == answer.headers["Location"]
    assert answer.json["url"].startswith(f"http://localhost{shown}/api/v1/klanten/")
