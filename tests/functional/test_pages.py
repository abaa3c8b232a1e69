"""The pages for people, as any program gets them; tests/browser looks at them in a browser."""

import gzip
import re
from hashlib import sha256
from shutil import copytree, ignore_patterns
from urllib.parse import unquote, urljoin, urlsplit

import pytest
from webob import Request
from webtest import TestApp

import klanten
from klanten.errors import PROBLEMS
from klanten.kanalen import KANALEN
from klanten.pages import PAGES, files
from klanten.pages.files import Files
from klanten.schemas.faults import Rule
from klanten.scopes import Scope
from klanten.tokens import Reason
from tests.fouten import assert_fout

FOUTEN = [f"/ref/fouten/{problem.name}/" for problem in PROBLEMS]
PATHS = [path for path in PAGES.values() if "{" not in path] + FOUTEN
DOCUMENTATION = PAGES["documentation"]
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
PREFIX = {"SCRIPT_NAME": "/klanten", "wsgi.url_scheme": "https", "HTTP_HOST": "api.example.nl"}


@pytest.fixture(scope="module")
def app(tmp_path_factory) -> TestApp:
    clients = tmp_path_factory.mktemp("pages") / "clients.ini"
    clients.touch(mode=0o600)
    settings = {"zodbconn.uri": "memory://", "klanten.clients": str(clients)}
    return TestApp(klanten.main(None, **settings))


every_page = pytest.mark.parametrize("path", PATHS)


def policy(answer) -> dict[str, str]:
    """Directive -> sources of the Content Security Policy."""
    directives = answer.headers["Content-Security-Policy"].split("; ")
    return dict(directive.split(" ", 1) for directive in directives)


def words(answer) -> str:
    """The text that a page shows, without its line breaks."""
    return " ".join(answer.html.get_text(" ").split())


def references(answer) -> set[str]:
    """The paths of this server to which a page refers."""
    found = {urljoin(answer.request.url, tag["href"]) for tag in answer.html.select("[href]")}
    found |= {urljoin(answer.request.url, tag["src"]) for tag in answer.html.select("[src]")}
    found |= {
        urljoin(answer.request.url, tag["data-document"])
        for tag in answer.html.select("[data-document]")
    }
    here = urlsplit(answer.request.url).netloc
    return {unquote(url.partition("#")[0]) for url in found if urlsplit(url).netloc == here}


# --- what they have in common -------------------------------------------------------------------


@every_page
def test_page_is_dutch_html_with_a_heading_and_a_title(app, path):
    answer = app.get(path)
    html = answer.html
    assert answer.headers["Content-Type"] == "text/html; charset=UTF-8"
    assert answer.text.startswith("<!DOCTYPE html>")
    assert html.html["lang"] == "nl"
    assert html.title.text.endswith("Klanten API")
    assert html.select_one("main#inhoud")
    # ReDoc brings its own
    assert len(html.select("h1")) == (path != DOCUMENTATION)


def test_titles_tell_the_pages_apart(app):
    titles = {app.get(path).html.title.text for path in PATHS}
    assert len(titles) == len(PATHS)


@pytest.mark.parametrize("path", [path for path in PAGES.values() if "{" not in path])
def test_menu_shows_where_the_reader_is(app, path):
    [current] = app.get(path).html.select("nav [aria-current=page]")
    assert current["href"] == path


@every_page
@pytest.mark.parametrize("authorization", ["", "Bearer niets", "Basic \xff"])
def test_token_does_not_matter(app, path, authorization):
    app.get(path, headers={"Authorization": authorization}, status=200)


@every_page
@pytest.mark.parametrize("accept", ["application/json", "text/html;q=0", "niets", ""])
def test_accept_does_not_matter(app, path, accept):
    assert app.get(path, headers={"Accept": accept}).content_type == "text/html"


def test_pages_need_no_database(make_app):
    app = make_app()
    app.app.registry.database.close()
    app.get("/api/v1/klanten", status=500)
    for path in PATHS:
        app.get(path, status=200)


@every_page
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_other_methods_are_refused(app, path, method):
    answer = app.request(path, method=method, status=405, headers=BROWSER)
    assert_fout(answer, 405, "method_not_allowed")
    assert answer.headers["Allow"] == "GET, HEAD"


@every_page
def test_head_has_the_headers_of_get_and_no_body(app, path):
    own = {"X-Request-ID", "Content-Security-Policy"}
    got, asked = app.get(path), app.head(path)
    assert [pair for pair in asked.headers.items() if pair[0] not in own] == [
        pair for pair in got.headers.items() if pair[0] not in own
    ]
    assert (asked.status_int, asked.body) == (200, b"")


# --- what a browser may do with them ------------------------------------------------------------


@every_page
def test_page_has_the_headers_that_guard_it(app, path):
    headers = app.get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"


@every_page
def test_policy_begins_with_nothing_and_opens_nothing_to_others(app, path):
    sources = policy(app.get(path))
    assert sources["default-src"] == "'none'"
    assert sources["frame-ancestors"] == "'none'"
    assert sources["base-uri"] == "'none'"
    assert sources["form-action"] == "'none'"
    allowed = {word for value in sources.values() for word in value.split()}
    assert not {word for word in allowed if "unsafe" in word or "//" in word or "*" in word}
    assert {word for word in allowed if word[0] != "'"} <= {"data:"}


def test_policy_allows_scripts_on_two_pages_only(app):
    scripted = {path for path in PATHS if "script-src" in policy(app.get(path))}
    assert scripted == {DOCUMENTATION, PAGES["trial"]}
    for path in scripted:
        sources = policy(app.get(path))
        assert (sources["script-src"], sources["connect-src"]) == ("'self'", "'self'")


def test_policy_makes_no_script_of_a_text_where_a_token_is_pasted(app):
    sources = policy(app.get(PAGES["trial"]))
    assert sources["require-trusted-types-for"] == "'script'"
    assert sources["trusted-types"] == "'none'"
    assert sources["style-src"] == "'self'"


@every_page
def test_nothing_is_inline(app, path):
    html = app.get(path).html
    assert all(script["src"] and not script.text for script in html.select("script"))
    assert not html.select("style, [style]")
    attributes = {name for tag in html.find_all(True) for name in tag.attrs}
    assert not {name for name in attributes if name.startswith("on")}


def test_each_answer_of_the_documentation_has_a_nonce_of_its_own(app):
    nonces = set()
    for _ in range(2):
        answer = app.get(DOCUMENTATION)
        [nonce] = re.findall(r"'nonce-([^']+)'", answer.headers["Content-Security-Policy"])
        [script] = answer.html.select("script[nonce]")
        assert script["nonce"] == nonce
        assert answer.headers["Cache-Control"] == "no-store"
        assert "ETag" not in answer.headers
        nonces.add(nonce)
    assert len(nonces) == 2


@pytest.mark.parametrize("path", [path for path in PATHS if path != DOCUMENTATION])
def test_page_that_did_not_change_is_not_sent_again(app, path):
    answer = app.get(path)
    assert answer.headers["Cache-Control"] == "no-cache"
    again = app.get(path, headers={"If-None-Match": answer.headers["ETag"]}, status=304)
    assert again.body == b""
    assert again.headers["Cache-Control"] == "no-cache"
    assert again.headers["Content-Security-Policy"] == answer.headers["Content-Security-Policy"]


# --- where they lead ----------------------------------------------------------------------------


def visit(app, **options) -> dict[str, set[str]]:
    """Every page that can be reached from the first one -> what it refers to."""
    visited: dict[str, set[str]] = {}
    to_do = {"/"}
    while to_do:
        path = to_do.pop()
        answer = app.get(path, **options)
        html = answer.content_type == "text/html"
        visited[path] = references(answer) if html else set()
        prefix = options.get("extra_environ", {}).get("SCRIPT_NAME", "")
        found = {urlsplit(url)._replace(scheme="", netloc="").geturl() for url in visited[path]}
        assert all(path.startswith(f"{prefix}/") for path in found)
        to_do |= {path.removeprefix(prefix) for path in found} - visited.keys()
    return visited


def test_every_page_and_every_link_is_reached_from_the_first_page(app):
    assert visit(app).keys() >= set(PATHS)


def test_links_follow_a_prefix(app):
    assert visit(app, extra_environ=PREFIX).keys() >= set(PATHS)


def test_first_page_says_what_runs_here_and_where(app):
    text = words(app.get("/", extra_environ=PREFIX))
    assert "https://api.example.nl/klanten/api/v1 " in text
    assert "versie 1.0.0 " in text
    assert re.search(r"klanten \d+\.\d+\.\d+", text)


def test_documentation_is_of_our_own_document(app):
    for name in ("documentation", "trial"):
        [place] = app.get(PAGES[name]).html.select("[data-document]")
        assert app.get(place["data-document"]).json["info"]["title"] == "Klanten API"


def test_documentation_of_a_checkout_that_was_not_built_says_what_to_do(app, monkeypatch, tmp_path):
    copy = tmp_path / "static"
    copytree(files.CONTENTS, copy, ignore=ignore_patterns("redoc.*"))
    monkeypatch.setattr(files, "CONTENTS", copy)
    monkeypatch.setattr(files, "_digest", files._digest.__wrapped__)
    answer = app.get(DOCUMENTATION, status=200)
    assert "pip install" in words(answer)
    [document] = [url for url in references(answer) if url.endswith("/openapi.yaml")]
    assert "Klanten API" in app.get(document).text


# --- what they explain --------------------------------------------------------------------------


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.name)
def test_each_kind_of_fault_has_a_page_that_explains_it(app, problem):
    text = words(app.get(f"/ref/fouten/{problem.name}/"))
    for told in (problem.title.rstrip("."), problem.detail, str(problem.status), problem.code):
        assert told in text


def test_page_of_all_faults_shows_each(app):
    items = app.get("/ref/fouten/").html.select("main li")
    shown = [" ".join(item.text.split()) for item in items]
    assert shown == [
        f"{problem.title.rstrip('.')}: status {problem.status}, {problem.code}"
        for problem in PROBLEMS
    ]


def test_type_of_a_fout_is_the_address_of_its_page(app):
    for path in ("/api/v1/klanten", "/api/v1/nergens"):
        fout = app.get(path, extra_environ=PREFIX, expect_errors=True).json
        prefix = "https://api.example.nl/klanten"
        assert fout["type"].startswith(f"{prefix}/ref/fouten/")
        page = app.get(fout["type"].removeprefix(prefix), extra_environ=PREFIX)
        assert fout["title"].rstrip(".") == page.html.h1.text


def codes_on(answer) -> dict[str, list[str]]:
    """Code -> what it can mean."""
    codes: dict[str, list[str]] = {}
    for item in answer.html.select("dl.codes > *"):
        if item.name == "dt":
            meanings = codes.setdefault(item.text, [])
        else:
            meanings.append(item.text)
    return codes


def test_page_of_a_refused_token_has_every_code(app):
    codes = codes_on(app.get("/ref/fouten/PermissionDenied/"))
    assert codes.keys() == {reason.code for reason in Reason} | {"not_authenticated_for_ac"}
    for reason in Reason:
        assert reason.detail.replace("{claim}", "[...]") in codes[reason.code]


def test_page_of_invalid_data_has_every_code(app):
    codes = codes_on(app.get("/ref/fouten/ValidationError/"))
    assert codes.keys() == {rule.code for rule in Rule}
    for rule in Rule:
        assert rule.reason.replace("{limit}", "[...]") in codes[rule.code]


def test_page_of_scopes_explains_each(app):
    text = words(app.get("/ref/scopes/"))
    for scope in Scope:
        assert f"{scope.value} {scope.explanation}" in text


def test_page_of_kanalen_explains_each_where_its_anchor_points(app):
    html = app.get("/ref/kanalen/").html
    for kanaal in KANALEN:
        section = html.find(id=kanaal.name)
        assert section.h2.text == kanaal.name
        for kenmerk in kanaal.kenmerken:
            assert kenmerk.name in section.text
            assert kenmerk.key in section.text
    assert "`" not in html.text


# --- the files ----------------------------------------------------------------------------------


@pytest.fixture
def script(app) -> str:
    """The path of ReDoc."""
    [path] = [tag["src"] for tag in app.get(DOCUMENTATION).html.select("script[src*=standalone]")]
    return path


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("pages.css", "text/css"),
        ("trial.js", "javascript"),
        ("icon.svg", "image/svg+xml"),
        ("redoc.LICENSE.txt", "text/plain"),
    ],
)
def test_file_is_kept_for_a_year_and_then_asked_for_by_its_tag(app, name, media_type):
    answer = app.get(f"/static/{name}")
    assert media_type in answer.headers["Content-Type"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "max-age=31536000" in answer.headers["Cache-Control"]
    headers = {"If-None-Match": answer.headers["ETag"]}
    again = app.get(f"/static/{name}", headers=headers, status=304)
    assert again.body == b""
    # RFC 9110 15.4.5
    for kept in ("Cache-Control", "Vary"):
        assert again.headers.get(kept) == answer.headers.get(kept)


def test_path_of_a_file_tells_its_content(app):
    for url in visit(app):
        if url.startswith("/static/"):
            assert sha256(app.get(url).body).hexdigest().startswith(url.partition("?v=")[2])


def test_redoc_is_sent_compressed_to_who_can_read_that(app, script):
    plain = Request.blank(script).get_response(app.app)
    packed = Request.blank(script, accept_encoding="gzip").get_response(app.app)
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.headers["Vary"] == plain.headers["Vary"] == "Accept-Encoding"
    assert packed.headers["ETag"] != plain.headers["ETag"]
    assert len(packed.body) < len(plain.body) / 3
    assert gzip.decompress(packed.body) == plain.body


def test_redoc_asks_no_other_server_for_pictures(app, script):
    assert b"cdn.redoc.ly" not in app.get(script).body


@pytest.mark.parametrize(
    "path",
    ["", "/", "/nothing.js", "/../views.py", "/%2e%2e/views.py", "/..%2fviews.py", "/x\0y", "/%ff"],
)
def test_nothing_else_is_a_file(app, path):
    assert_fout(app.get(f"/static{path}", status=404), 404, "not_found")


def test_files_that_are_not_there_are_forgotten(app):
    for number in range(3):
        app.get(f"/static/{number}", status=404)
    [view] = [
        entry["introspectable"]["callable"]
        for entry in app.app.registry.introspector.get_category("views")
        if isinstance(entry["introspectable"]["callable"], Files)
    ]
    assert view.filemap == {}


# --- nothing there ------------------------------------------------------------------------------

NOWHERE = [
    "/nergens",
    "/ref/",
    "/ref/fouten/Nothing/",
    "/ref/fouten/NotFound/x/",
    "/%ff",
    "/klanten/",
]


@pytest.mark.parametrize("path", NOWHERE)
def test_wrong_link_shows_a_browser_the_way_back(app, path):
    answer = app.get(path, headers=BROWSER, status=404)
    assert answer.html.h1.text == "Niet gevonden"
    assert answer.html.select('main a[href="/"]')
    assert policy(answer)["default-src"] == "'none'"


@pytest.mark.parametrize("path", NOWHERE)
@pytest.mark.parametrize("accept", [None, "*/*", "application/json"])
def test_wrong_link_is_a_fout_for_a_program(app, path, accept):
    headers = {} if accept is None else {"Accept": accept}
    assert_fout(app.get(path, headers=headers, status=404), 404, "not_found")


@pytest.mark.parametrize("path", ["", "/", "/schema", "/nergens", "/schema//", "/klanten/", "/%ff"])
def test_below_the_root_of_the_api_it_is_always_a_fout(app, path):
    assert_fout(app.get(f"/api/v1{path}", headers=BROWSER, status=404), 404, "not_found")


def test_wrong_link_is_not_repeated(app):
    answer = app.get("/ref/fouten/<b>vet</b>/", headers=BROWSER, status=404)
    assert "vet" not in answer.text


@pytest.mark.parametrize(
    "path", ["/proberen", "/ref/fouten", "/ref/fouten/NotFound", "/ref/scopes"]
)
def test_forgotten_slash_is_added_for_a_browser(app, path):
    answer = app.get(f"{path}?v=1", headers=BROWSER, extra_environ=PREFIX, status=301)
    assert answer.headers["Location"] == f"https://api.example.nl/klanten{path}/?v=1"
    assert_fout(app.get(path, status=404), 404, "not_found")


@pytest.mark.parametrize(
    "path", ["//example.nl", "//example.nl/ref/fouten", "/\\example.nl/ref/scopes"]
)
def test_slash_leads_to_no_other_server(app, path):
    app.get(path, headers=BROWSER, status=404)


def test_forgotten_slash_is_not_added_when_something_is_sent(app):
    assert_fout(app.post("/proberen", headers=BROWSER, status=404), 404, "not_found")
