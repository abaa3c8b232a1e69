"""The page on which the API can be tried, in a real browser against a real server."""

import re
import subprocess

import pytest

from klanten.pages import PAGES
from tests.conftest import bearer
from tests.factories import make_klant
from tests.servers import serving

pytestmark = pytest.mark.program("chromium")

TRIAL = PAGES["trial"]
TOKEN = bearer("all").removeprefix("Bearer ")


@pytest.fixture
def trial(server, opened):
    """The page, with a token in it."""
    with opened(server, TRIAL) as page:
        page.get_by_label("Token").fill(TOKEN)
        page.locator("button:enabled").wait_for()
        yield page


def choose(page, operation: str) -> None:
    option = page.locator("#operation option", has_text=f"{operation} - ")
    page.get_by_label("Bewerking").select_option(option.get_attribute("value"))


def send(page, status: int) -> None:
    """Send, and wait for an answer with this status."""
    page.get_by_role("button", name="Versturen").click()
    page.get_by_role("status").filter(has_text=re.compile(f"^{status} ")).wait_for()


def create(page) -> None:
    choose(page, "POST /klanten")
    send(page, 201)


def answer(page) -> str:
    return page.get_by_label("Inhoud van het antwoord").inner_text()


def headers(page) -> dict[str, str]:
    lines = page.locator("#answer-headers").text_content().splitlines()
    return dict(line.split(": ", 1) for line in lines)


def curl(page) -> str:
    return page.get_by_label("Regel voor curl").inner_text()


def arguments(line: str) -> list[str]:
    """What curl would be given by a shell."""
    script = f"""curl() {{ printf '%s\\0' "$@"; }}; TOKEN=secret; {line}"""
    done = subprocess.run(["sh", "-c", script], capture_output=True, check=True)
    return done.stdout.decode().split("\0")[:-1]


# --- what it is for -----------------------------------------------------------------------------


def test_every_operation_can_be_chosen(server, trial):
    document = server.request("GET", "/openapi.json").json
    expected = {
        f"{method.upper()} {path} - {item[method]['summary']}"
        for path, item in document["paths"].items()
        for method in item.keys() - {"parameters"}
    }
    assert set(trial.locator("#operation option").all_inner_texts()) == expected


def test_klant_is_made_and_read(trial):
    create(trial)
    assert '"geslachtsnaam": "Jansen"' in answer(trial)
    choose(trial, "GET /klanten/{uuid}")
    # the one that was just made
    send(trial, 200)
    assert '"geslachtsnaam": "Jansen"' in answer(trial)
    assert headers(trial)["api-version"] == "1.0.0"


def test_klant_is_changed_and_removed(trial):
    create(trial)
    choose(trial, "PATCH /klanten/{uuid}")
    send(trial, 200)
    assert '"emailadres": "jansen@example.nl"' in answer(trial)
    choose(trial, "PUT /klanten/{uuid}")
    send(trial, 200)
    choose(trial, "DELETE /klanten/{uuid}")
    send(trial, 204)
    assert answer(trial) == "(leeg)"


def test_list_is_filtered(server, trial):
    for place in ("Utrecht", "Zwolle"):
        klant = make_klant(adres={"woonplaatsnaam": place})
        assert server.request("POST", "/klanten", json=klant).status == 201
    trial.get_by_text("Filters en pagina").click()
    trial.get_by_label("adres__woonplaatsNaam").fill("Zwolle")
    trial.get_by_label("subjectType").select_option("natuurlijk_persoon")
    send(trial, 200)
    assert '"count": 1,' in answer(trial)


def test_tag_of_an_answer_is_asked_for_again(trial):
    create(trial)
    choose(trial, "GET /klanten/{uuid}")
    send(trial, 200)
    tag = headers(trial)["etag"]
    trial.locator("#parameters summary").click()
    trial.get_by_label("If-None-Match").fill(tag)
    send(trial, 304)


def test_header_may_hold_any_text(trial):
    choose(trial, "POST /klanten")
    trial.locator("#parameters summary").click()
    trial.get_by_label("X-Audit-Toelichting").fill("Belde over € 5")
    send(trial, 201)
    choose(trial, "GET /klanten/{klant_uuid}/audittrail")
    send(trial, 200)
    assert '"toelichting": "Belde over € 5"' in answer(trial)


def test_refusal_leads_to_its_explanation(trial):
    choose(trial, "POST /klanten")
    trial.get_by_label("Inhoud (JSON)").fill("{")
    send(trial, 400)
    assert '"code": "parse_error"' in answer(trial)
    trial.get_by_role("link", name="Wat deze fout betekent").click()
    trial.get_by_role("heading", name="Onleesbaar verzoek").wait_for()


def test_required_parameter_is_asked_for(trial):
    choose(trial, "GET /klanten/{uuid}")
    trial.get_by_role("button", name="Versturen").click()
    assert trial.get_by_label("uuid").evaluate("field => field.validity.valueMissing")
    assert trial.get_by_role("status").inner_text() == "Er is nog niets verstuurd."


def test_word_before_the_token_may_be_pasted_too(trial):
    trial.get_by_label("Token").fill(f" Bearer {TOKEN}\n")
    send(trial, 200)


def test_without_a_token_it_is_refused(trial):
    trial.get_by_label("Token").fill("")
    send(trial, 403)
    assert "geen token" in answer(trial)


def test_token_that_was_folded_is_unfolded(trial):
    trial.get_by_label("Token").fill(f"{TOKEN[:40]}\n  {TOKEN[40:]}")
    send(trial, 200)


def test_it_can_be_used_without_a_mouse(trial):
    trial.get_by_label("Token").focus()
    trial.keyboard.press("Tab")
    trial.keyboard.type("POST")
    trial.get_by_label("Inhoud (JSON)").focus()
    trial.keyboard.press("Tab")
    trial.keyboard.press("Enter")
    trial.get_by_role("status").filter(has_text=re.compile("^201 ")).wait_for()
    assert trial.locator(":focus").inner_text() == "Versturen"


# --- the line for curl --------------------------------------------------------------------------


def test_line_for_curl_is_the_same_request(server, trial):
    body = """{"functie": "bakker's hulp", "x": "$HOME `id` \\\\"}"""
    choose(trial, "POST /klanten")
    trial.get_by_label("Inhoud (JSON)").fill(body)
    trial.locator("#parameters summary").click()
    trial.get_by_label("X-Audit-Toelichting").fill("'t is zo")
    send(trial, 400)
    assert arguments(curl(trial)) == [
        *("-sS", "-i", "-X", "POST", f"{server.root}/klanten"),
        *("-H", "Authorization: Bearer secret"),
        *("-H", "X-Audit-Toelichting: 't is zo"),
        *("-H", "Content-Type: application/json"),
        *("--data-binary", body),
    ]


def test_line_for_curl_has_the_filters(server, trial):
    trial.get_by_text("Filters en pagina").click()
    trial.get_by_label("bedrijfsnaam").fill("Bakker & zoon's")
    send(trial, 200)
    url = arguments(curl(trial))[4]
    assert url == f"{server.root}/klanten?bedrijfsnaam=Bakker+%26+zoon%27s"


# --- the token ----------------------------------------------------------------------------------


def test_token_is_in_its_field_and_nowhere_else(trial):
    create(trial)
    kept = "JSON.stringify([localStorage, sessionStorage, document.cookie, location.href, name])"
    assert TOKEN not in trial.evaluate(kept)
    assert TOKEN not in trial.content()
    assert TOKEN not in curl(trial)


def test_token_is_gone_when_the_page_is_left(trial):
    trial.get_by_role("link", name="Scopes").click()
    trial.go_back()
    assert trial.get_by_label("Token").input_value() == ""


# --- where it is --------------------------------------------------------------------------------


def test_it_works_under_a_prefix(app, opened):
    def below(environ, start_response):
        """What a proxy or PasteDeploy does for a prefix."""
        environ["SCRIPT_NAME"] = "/klanten"
        environ["PATH_INFO"] = environ["PATH_INFO"].removeprefix("/klanten")
        return app.app(environ, start_response)

    with serving(below) as server, opened(server, f"/klanten{TRIAL}") as page:
        page.get_by_label("Token").fill(TOKEN)
        create(page)
        assert f'"url": "{server.origin}/klanten/api/v1/klanten/' in answer(page)
        page.get_by_role("link", name="Documentatie").click()
        page.get_by_role("heading", name="Een nieuwe klant vastleggen.").wait_for()


def test_server_that_is_away_is_told_of(server, opened):
    with opened(server, TRIAL) as page:
        # no more than this: what the browser still loads at its leisure, as the icon, may come
        page.route("**/api/v1/klanten*", lambda route: route.abort("connectionrefused"))
        page.get_by_role("button", name="Versturen").click()
        page.get_by_role("status").filter(has_text="Er kwam geen antwoord: ").wait_for()
