"""Every page in a real browser, as wide as a desk and as narrow as a phone."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from klanten.pages import PAGES

pytestmark = pytest.mark.program("chromium")

DOCUMENTATION = PAGES["documentation"]
SIMPLE = [path for path in PAGES.values() if "{" not in path and path != DOCUMENTATION]
SIMPLE += ["/ref/fouten/ValidationError/", "/nergens"]
DESK = {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"}
PHONE = {"viewport": {"width": 360, "height": 740}, "color_scheme": "dark", "is_mobile": True}
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
HABITS = ["best-practice"]


def violations(page, rules: list[str]) -> list[str]:
    """What axe-core finds to be against these rules."""
    results = Axe().run(page, options={"runOnly": rules})
    return [
        f"{found['id']}: {node['html']}"
        for found in results.response["violations"]
        for node in found["nodes"]
    ]


def width(page) -> int:
    found: int = page.evaluate("document.documentElement.scrollWidth")
    return found


@pytest.mark.parametrize("path", SIMPLE)
@pytest.mark.parametrize("screen", [DESK, PHONE], ids=["desk", "phone"])
def test_page_is_for_everyone_and_fits(server, opened, path, screen):
    with opened(server, path, **screen) as page:
        assert violations(page, RULES + HABITS) == []
        assert width(page) == screen["viewport"]["width"]


def test_colours_are_those_that_the_reader_prefers(server, opened):
    colours = set()
    for screen in (DESK, PHONE):
        with opened(server, "/", **screen) as page:
            colours.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert len(colours) == 2


def test_documentation_shows_every_operation_and_field_to_everyone(server, opened):
    document = server.request("GET", "/openapi.json").json
    with opened(server, DOCUMENTATION, **DESK) as page:
        page.get_by_role("heading", name="Klanten API").wait_for()
        text = page.locator("#redoc").inner_text()
        # ReDoc skips levels of headings, which is a habit
        assert violations(page, RULES) == []
    for item in document["paths"].values():
        for method in item.keys() - {"parameters"}:
            assert item[method]["summary"] in text
    for name in document["components"]["schemas"]["Klant"]["properties"]:
        assert name in text


def test_documentation_fits_a_phone(server, opened):
    with opened(server, DOCUMENTATION, **PHONE) as page:
        page.get_by_role("heading", name="Een nieuwe klant vastleggen.").wait_for()
        assert width(page) == PHONE["viewport"]["width"]


def test_without_scripts_pages_say_where_else_to_look(server, opened):
    for path in (DOCUMENTATION, PAGES["trial"]):
        with opened(server, path, java_script_enabled=False) as page:
            assert "script" in page.locator("main").inner_text().lower()
            assert page.locator("main a").first.is_visible()


def test_first_press_of_tab_leads_past_the_menu(server, opened):
    with opened(server, "/ref/scopes/", **DESK) as page:
        page.keyboard.press("Tab")
        focused = page.locator(":focus")
        assert focused.inner_text() == "Naar de inhoud"
        assert focused.is_visible()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        assert page.locator("main :focus").count() == 1
