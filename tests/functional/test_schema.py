"""The OAS documents as anyone gets them."""

import re

import orjson
import pytest
import yaml
from webtest import TestApp

import klanten
from klanten.api import SERVICES
from klanten.openapi import document

JSON_PATHS = ["/api/v1/openapi.json", "/api/v1/schema/openapi.json"]
YAML_PATHS = ["/api/v1/openapi.yaml", "/api/v1/schema/openapi.yaml"]
PATHS = JSON_PATHS + YAML_PATHS

every_path = pytest.mark.parametrize("path", PATHS)


@pytest.fixture(scope="module")
def app(tmp_path_factory) -> TestApp:
    clients = tmp_path_factory.mktemp("schema") / "clients.ini"
    clients.touch(mode=0o600)
    settings = {"zodbconn.uri": "memory://", "klanten.clients": str(clients)}
    return TestApp(klanten.main(None, **settings))


def content(answer) -> dict:
    """The document in an answer."""
    if answer.content_type == "application/json":
        return answer.json
    return yaml.safe_load(answer.body)


# --- what is served -----------------------------------------------------------------------------


@every_path
def test_document_is_that_of_the_registered_services(app, path):
    served = content(app.get(path))
    del served["servers"]
    assert served == orjson.loads(orjson.dumps(document(SERVICES)))


@every_path
def test_document_names_its_own_root(app, path):
    assert content(app.get(path))["servers"] == [{"url": "http://localhost/api/v1"}]


@every_path
def test_root_is_the_one_that_this_caller_sees(app, path):
    behind = {"wsgi.url_scheme": "https", "SCRIPT_NAME": "/klanten"}
    first = app.get(path, headers={"Host": "api.example.nl"}, extra_environ=behind)
    second = app.get(path, headers={"Host": "localhost:6543"})
    assert [content(answer)["servers"] for answer in (first, second)] == [
        [{"url": "https://api.example.nl/klanten/api/v1"}],
        [{"url": "http://localhost:6543/api/v1"}],
    ]


@every_path
def test_any_host_that_is_one_leaves_the_document_whole(app, path):
    host = "a'b&c(d)*:1"
    assert content(app.get(path, headers={"Host": host}))["servers"] == [
        {"url": f"http://{host}/api/v1"}
    ]


@pytest.mark.parametrize("path", JSON_PATHS)
def test_json_is_json(app, path):
    answer = app.get(path)
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json["openapi"] == "3.0.0"


@pytest.mark.parametrize("path", YAML_PATHS)
def test_yaml_is_for_people_too(app, path):
    answer = app.get(path)
    text = answer.body.decode()
    assert answer.headers["Content-Type"] == "application/yaml"
    assert text.startswith("openapi: 3.0.0\ninfo:\n")
    assert "Coöperatie" in text
    assert re.search(r"[&*]id\d", text) is None


@every_path
def test_answer_names_the_version_of_the_specification(app, path):
    assert app.get(path).headers["X-OAS-Version"] == "3.0.0"


@every_path
def test_answer_has_the_headers_of_the_api(app, path):
    headers = app.get(path, headers={"Origin": "https://portaal.example.nl"}).headers
    assert headers["API-version"] == "1.0.0"
    assert headers["Allow"] == "GET, HEAD, OPTIONS"
    assert headers["Access-Control-Allow-Origin"] == "*"


# --- what does not matter -----------------------------------------------------------------------


@every_path
@pytest.mark.parametrize("query", ["v=3", "v=2", "page=0", "bronorganisatie=%ff"])
def test_query_changes_nothing(app, path, query):
    assert app.get(f"{path}?{query}").body == app.get(path).body


@every_path
@pytest.mark.parametrize("authorization", ["Bearer", "Bearer niets", "Bearer \xff"])
def test_token_does_not_matter(app, path, authorization):
    app.get(path, headers={"Authorization": authorization}, status=200)


@every_path
@pytest.mark.parametrize("accept", ["text/html", "application/json;q=0", "niets", ""])
def test_accept_does_not_matter(app, path, accept):
    app.get(path, headers={"Accept": accept}, status=200)


# --- other methods and paths --------------------------------------------------------------------


@every_path
def test_head_has_the_headers_of_get_and_no_body(app, path):
    got, asked = app.get(path).headers, app.head(path)
    del got["X-Request-ID"], asked.headers["X-Request-ID"]
    assert asked.headers == got
    assert (asked.status_int, asked.body) == (200, b"")


@every_path
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_other_methods_are_refused(app, path, method):
    answer = app.request(path, method=method, status=405)
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS"
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json["code"] == "method_not_allowed"


@every_path
def test_preflight_is_answered(app, path):
    asked = {"Origin": "https://portaal.example.nl", "Access-Control-Request-Method": "GET"}
    answer = app.options(path, headers=asked, status=200)
    assert answer.headers["Access-Control-Allow-Methods"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize(
    "path",
    [
        "/openapi.json",
        "/api/v1/openapi",
        "/api/v1/openapi.xml",
        "/api/v1/openapi.json/",
        "/api/v1/OpenAPI.json",
        "/api/v1/schema/klanten",
    ],
)
def test_other_paths_are_not_there(app, path):
    assert app.get(path, status=404).json["code"] == "not_found"
