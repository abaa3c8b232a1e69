"""The pages that explain the kinds of faults."""

import re
from html import unescape

import pytest

from klanten.errors import PROBLEMS
from klanten.pages import page


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.name)
def test_each_kind_of_fault_has_a_page_that_explains_it(app, problem):
    response = app.get(f"/ref/fouten/{problem.name}/")
    text = unescape(response.text)
    for told in (problem.title, problem.detail, str(problem.status), problem.code):
        assert told in text


def test_the_page_of_all_faults_leads_to_each(app):
    overview = app.get("/ref/fouten/")
    links = re.findall(r'href="([^"]+)"', overview.text)
    assert links == [f"{problem.name}/" for problem in PROBLEMS]
    for link in links:
        overview.goto(link)


def test_a_page_needs_no_token(app):
    app.get("/ref/fouten/", headers={"Authorization": ""})


@pytest.mark.parametrize("path", ["", "Nothing/", "NotFound", "notfound/", "NotFound/x/", "%FF/"])
def test_no_other_page_is_there(app, path):
    place = f"/ref/fouten/{path}" if path else "/ref/fouten"
    assert app.get(place, status=404).json["code"] == "not_found"


def test_a_page_can_only_be_read(app):
    for method in ("POST", "PUT", "DELETE"):
        app.request("/ref/fouten/", method=method, status=404)


def test_a_page_runs_nothing_and_is_framed_by_nobody(app):
    policy = app.get("/ref/fouten/").headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy


def test_a_page_is_dutch_and_its_title_is_no_html():
    response = page("<script>", "<p>tekst</p>")
    assert '<html lang="nl">' in response.text
    assert "<script>" not in response.text
    assert "<p>tekst</p>" in response.text
