"""A real browser, without a window: that of the system."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

import klanten
from tests.conftest import bearer, new_clients_file
from tests.servers import ANSWER_SECONDS, Server, serving

# Nothing is asked of anyone but the server of the test.
OPTIONS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
NO_FAULT = "Failed to load resource: "
"""What the browser says of a refusal, also when somebody asked for one."""


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for all, with a database in memory: what one test leaves there is in no other's way."""
    clients = new_clients_file(tmp_path_factory.mktemp("browser"))
    settings = {"zodbconn.uri": "memory://", "klanten.clients": str(clients)}
    with serving(klanten.main(None, **settings), {"Authorization": bearer("all")}) as server:
        yield server


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=OPTIONS)
        yield browser
        browser.close()


class Complaints(list[str]):
    """What the browser says is wrong with a page, and every request to another server."""

    def __init__(self, origin: str) -> None:
        super().__init__()
        self.origin = origin

    def watch(self, page: Page) -> None:
        page.on("console", self._note_message)
        page.on("pageerror", lambda error: self.append(str(error)))
        page.on("request", self._note_request)

    def _note_message(self, message: ConsoleMessage) -> None:
        about = message.location.get("url", "")
        asked_for = message.page.url == about or "/api/v1/klanten" in about
        if message.type in ("error", "warning") and not (
            asked_for and message.text.startswith(NO_FAULT)
        ):
            self.append(f"{message.text} ({about})")

    def _note_request(self, request: Request) -> None:
        if not request.url.startswith(self.origin + "/"):
            self.append(request.url)


Open = Callable[..., Any]


@pytest.fixture
def opened(browser: Browser) -> Open:
    """`with opened(server, path, **options) as page:`: a page in a fresh browser.

    The browser must have nothing to complain of in the end.
    """

    @contextmanager
    def opened(server: Server, path: str, **options: Any) -> Iterator[Page]:
        complaints = Complaints(server.origin)
        with browser.new_context(**options) as context:
            context.set_default_timeout(ANSWER_SECONDS * 1000)
            page = context.new_page()
            complaints.watch(page)
            page.goto(server.origin + path)
            yield page
        assert complaints == []

    return opened
