"""Browsers, each with its own cookies; and what went wrong in them."""

from typing import Literal, TypedDict, Unpack

from playwright.sync_api import Browser, BrowserContext, Dialog, Page, expect

from tests.e2e.harness import WAIT_SECONDS

WAIT_MS = WAIT_SECONDS * 1_000

expect.set_options(timeout=WAIT_MS)


class Look(TypedDict, total=False):
    """Of a browser; without more a wide one, in English and dark."""

    width: int
    height: int
    locale: str
    theme: Literal["dark", "light"]


class Windows:
    """Whatever a page breaks of its own security policy, and every error of its scripts, is in `wrong`."""

    def __init__(self, browser: Browser) -> None:
        self.wrong: list[str] = []
        self._browser = browser
        self._contexts: list[BrowserContext] = []

    def open(
        self,
        url: str,
        **look: Unpack[Look],
    ) -> Page:
        """An empty page, from which the site's paths lead."""
        context = self._browser.new_context(
            base_url=url,
            viewport={"width": look.get("width", 1440), "height": look.get("height", 900)},
            locale=look.get("locale", "en-US"),
            color_scheme=look.get("theme", "dark"),
        )
        context.set_default_timeout(WAIT_MS)
        context.on("page", self._watch)
        self._contexts.append(context)
        return context.new_page()

    def close(self) -> None:
        for context in self._contexts:
            context.close()

    def _watch(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("dialog", self._dismiss)
        page.on(
            "console",
            lambda said: self.wrong.append(said.text) if "Security Policy" in said.text else None,
        )

    def _dismiss(self, dialog: Dialog) -> None:
        self.wrong.append(f"dialog: {dialog.message}")
        dialog.dismiss()
