"""What people do in a browser, as they would: by what they see and are told."""

import base64
import re
import secrets
import time

from playwright.sync_api import Page, expect

from cambist.accounts import totp
from tests.e2e.harness import Exchange, cambist

PASSWORD = "green horse under bridge 77"
MARKET = "BTCUSDT"


class Visitor:
    """Somebody at a browser. Reads mails where a sandbox shows them."""

    def __init__(self, page: Page, exchange: Exchange) -> None:
        self.page = page
        self.exchange = exchange
        self.email = f"visitor-{secrets.token_hex(5)}@example.test"  # never eight digits, which a code has

    def open(self, path: str) -> None:
        self.page.goto(path)

    def open_market(self, market: str = MARKET) -> None:
        """And waits until everything on it is live."""
        self.open(f"/trade/{market}")
        expect(self.page.locator("table[data-state=live]")).to_be_attached()

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def sign_up(self) -> None:
        self.open("/sign-up")
        self.page.get_by_label("E-mail address").fill(self.email)
        self.page.get_by_label("Password", exact=True).fill(PASSWORD)
        self.press("Sign up")
        code = self.page.get_by_label("Code from the mail")
        expect(code).to_be_visible()  # from here on the mail is there
        code.fill(self.mailed_code())
        self.press("Verify")
        expect(self.page.get_by_role("button", name="Sign out")).to_be_visible()

    def mailed_code(self) -> str:
        """From the inbox page, in a tab beside."""
        inbox = self.page.context.new_page()
        inbox.goto("/inbox")
        mail = inbox.locator("article", has_text=self.email).first
        expect(mail).to_be_visible()
        found = re.search(r"\b[0-9]{8}\b", mail.inner_text())
        assert found is not None, mail.inner_text()
        inbox.close()
        return found[0]

    def sign_in(self, password: str = PASSWORD) -> None:
        """Tries to."""
        self.open("/sign-in")
        self.page.get_by_label("E-mail address").fill(self.email)
        self.page.get_by_label("Password").fill(password)
        self.press("Sign in")

    def sign_out(self) -> None:
        self.press("Sign out")
        expect(self.page.get_by_role("link", name="Sign in", exact=True)).to_be_visible()

    def set_up_second_factor(self) -> bytes:
        """As an authenticator app would: the secret that it keeps."""
        self.open("/account/security")
        self.press("Set up")
        text = self.page.locator("code").first.inner_text()
        secret = base64.b32decode(text + "=" * (-len(text) % 8))
        self.page.get_by_label("Code of the authenticator app").fill(self.factor_code(secret))
        self.press("Confirm")
        expect(self.page.get_by_text("Each of these is good once")).to_be_visible()
        self.press("I have kept them")
        return secret

    @staticmethod
    def factor_code(secret: bytes, steps_later: int = 0) -> str:
        return totp.code_at(secret, int(time.time()) // totp.STEP_S + steps_later)

    def receive(self, amount: str, asset: str) -> None:
        cambist(self.exchange.home, "sandbox", "credit", self.email, asset, amount)

    def order(self, side: str, price: str, quantity: str) -> None:
        """A limit order."""
        self.press("Buy" if side == "BUY" else "Sell")
        self.page.locator("input[name=price]").fill(price)
        self.page.locator("input[name=quantity]").fill(quantity)
        self.page.get_by_role("button", name=re.compile("^(Buy|Sell) [A-Z]+$")).click()

    def hear(self, answer: str) -> None:
        """Waits until the order form says so."""
        expect(self.page.locator("form .said")).to_contain_text(answer)
