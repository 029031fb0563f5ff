"""A running exchange, and real Chromium in front of it. Without Chromium or built pages tests are skipped.

What went wrong in a page fails the test that saw it: see windows.py.
"""

import os
import shutil
import time
from collections.abc import Iterator
from typing import Unpack

import pytest
from playwright.sync_api import Browser, sync_playwright

from cambist.site import BUILT
from tests.browser.people import Visitor
from tests.browser.windows import Look, Windows
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


class Visits(Windows):
    """Of visitors of one exchange."""

    def __init__(self, browser: Browser, exchange: Exchange) -> None:
        super().__init__(browser)
        self._exchange = exchange

    def visitor(self, **look: Unpack[Look]) -> Visitor:
        page = self.open(f"http://127.0.0.1:{self._exchange.port}", **look)
        return Visitor(page, self._exchange)


@pytest.fixture
def visits(browser: Browser, exchange: Exchange) -> Iterator[Visits]:
    visits = Visits(browser, exchange)
    yield visits
    visits.close()
    assert not visits.wrong
