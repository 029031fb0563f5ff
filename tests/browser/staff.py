"""A member of the staff at the console's pages, with a passkey of a virtual authenticator."""

from typing import Self

from playwright.sync_api import Page, expect

AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


class Colleague:
    """`page` is at the console."""

    def __init__(self, page: Page, name: str) -> None:
        self.page = page
        self.name = name

    @classmethod
    def come_in(cls, page: Page, name: str, link: str) -> Self:
        """By a link for the first sign-in; makes a passkey."""
        devices = page.context.new_cdp_session(page)
        devices.send("WebAuthn.enable")
        devices.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
        page.goto(link)
        page.get_by_role("button", name="Make a passkey").click()
        expect(page.get_by_text(f"{name} (")).to_be_visible()
        return cls(page, name)

    def open(self, part: str) -> None:
        self.page.goto(f"/#{part}")
        expect(self.page.locator(f"a[href='#{part}'][aria-current=page]")).to_be_visible()

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def cell(self, column: str, row: int = 1) -> str:
        """What a table of the page says there."""
        table = self.page.get_by_role("table").filter(
            has=self.page.get_by_role("columnheader", name=column, exact=True)
        )
        headings = [each.strip() for each in table.get_by_role("columnheader").all_inner_texts()]
        shown = table.get_by_role("row").nth(row).get_by_role("cell").nth(headings.index(column))
        return shown.inner_text()

    def open_withdrawal(self, number: int, state: str = "held") -> None:
        """From the queue of those in this state."""
        self.open("withdrawals")
        self.page.get_by_role("combobox", name="State").select_option(state)
        self.press(str(number))
        expect(self.page.get_by_role("heading", name=f"#{number} ")).to_be_visible()

    def give_reason(self, reason: str) -> None:
        asked = self.page.get_by_role("textbox", name="Reason")
        asked.fill(reason)
        self.press("Confirm")
        expect(asked).to_be_hidden()
