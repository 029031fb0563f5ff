"""A running exchange, and real Chromium in front of it. Without Chromium or built pages tests are skipped.

Whatever a page breaks of its own security policy, and every error of its scripts, fails the test that saw it.
"""

import os
import shutil
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Dialog, Page, sync_playwright

from cambist.site import BUILT
from tests.browser.people import Visitor
from tests.e2e.harness import WAIT_SECONDS, Exchange, running

CHROMIUM = os.environ.get("CAMBIST_CHROMIUM") or shutil.which("chromium")
OPTIONS = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
SETTINGS = {
    "CAMBIST_PROCESSES_OFFICE": "true",
    "CAMBIST_MODE_DEMO_CHAIN": "false",
    "CAMBIST_ACCOUNTS_CHANGE_WAIT_HOURS": "0",
    "CAMBIST_ACCOUNTS_ADDRESS_WAIT_HOURS": "0",
}


# Playwright keeps an event loop running in this thread; while it does, no other test can run one of its own.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # Set-up installs Chromium as root on Debian only, and builds the pages only where npm is: elsewhere there
    # is nothing to look at, and everything else is tested all the same.
    if CHROMIUM is None:
        pytest.skip("Chromium is missing (Debian: apt-get install chromium)")
    if not (BUILT / "index.html").exists():
        pytest.skip("the pages were not built: npm was missing at set-up")
    # In a container the sandbox of Chromium has no rights to be made; the pages are our own.
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=[*OPTIONS, *sandbox])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def exchange(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    home = tmp_path_factory.mktemp("browser") / "home"
    with running(home, "--demo", settings=SETTINGS) as exchange:
        wait_for_office(exchange)
        yield exchange


def wait_for_office(exchange: Exchange) -> None:
    """It starts beside the gateway, which answers for it until it is there."""
    deadline = time.monotonic() + WAIT_SECONDS
    while exchange.get("/api/account/v1/inbox").status != 200:
        assert time.monotonic() < deadline, "the office does not start"
        time.sleep(0.1)


class Visits:
    """Opens browsers, each with its own cookies, and remembers what went wrong in them."""

    def __init__(self, browser: Browser, exchange: Exchange) -> None:
        self.wrong: list[str] = []
        self._browser = browser
        self._exchange = exchange
        self._contexts: list[BrowserContext] = []

    def visitor(
        self, *, width: int = 1440, height: int = 900, locale: str = "en-US", theme: str = "dark"
    ) -> Visitor:
        context = self._browser.new_context(
            base_url=f"http://127.0.0.1:{self._exchange.port}",
            viewport={"width": width, "height": height},
            locale=locale,
            color_scheme="dark" if theme == "dark" else "light",
        )
        context.set_default_timeout(WAIT_SECONDS * 1_000)
        context.on("page", self._watch)
        self._contexts.append(context)
        return Visitor(context.new_page(), self._exchange)

    def close(self) -> None:
        for context in self._contexts:
            context.close()

    def _dismiss(self, dialog: Dialog) -> None:
        self.wrong.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _watch(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("dialog", self._dismiss)
        page.on(
            "console",
            lambda said: self.wrong.append(said.text) if "Security Policy" in said.text else None,
        )


@pytest.fixture
def visits(browser: Browser, exchange: Exchange) -> Iterator[Visits]:
    visits = Visits(browser, exchange)
    yield visits
    visits.close()
    assert not visits.wrong
