"""The console in real Chromium: passkeys of a virtual authenticator, and users who try to run scripts."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Dialog, Page, expect
from sqlalchemy import insert

from cambist.site import BUILT
from cambist.staff.roles import Role
from cambist.store.account_tables import addresses, sign_ins
from cambist.store.tables import api_keys
from tests.integration.backoffice import ADDRESS, COIN, TWO_ABOVE_ATOMS, BackOffice, back_office
from tests.integration.rest_market import Trader

WAIT_MS = 120_000
AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}
SCRIPTS = (
    "<script>window.hit=1</script>",
    "<img src=x onerror=window.hit=1>",
    '"><svg onload=window.hit=1>',
    "javascript:window.hit=1",
    "{{constructor.constructor('window.hit=1')()}}",
    "</td></table><iframe srcdoc='<script>parent.hit=1</script>'>",
)


@pytest.fixture(scope="module")
def office(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackOffice]:
    with back_office(tmp_path_factory.mktemp("console-pages"), BUILT) as office:
        yield office


class Desks:
    """Browsers of members of the staff, each with an authenticator; and what went wrong in them."""

    def __init__(self, browser: Browser, office: BackOffice) -> None:
        self.wrong: list[str] = []
        self._browser = browser
        self._office = office
        self._contexts: list[BrowserContext] = []

    def hire(self, name: str, *roles: Role) -> Page:
        """Somebody who has opened the link and made a passkey."""
        self._office.clock.put_on(10)
        code = self._office.invite(name, *roles)
        page = self._open()
        devices = page.context.new_cdp_session(page)
        devices.send("WebAuthn.enable")
        devices.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
        page.goto(f"/#first={code}")
        page.get_by_role("button", name="Make a passkey").click()
        expect(page.get_by_text(f"{name} (")).to_be_visible(timeout=WAIT_MS)
        return page

    def close(self) -> None:
        for context in self._contexts:
            context.close()

    def _dismiss(self, dialog: Dialog) -> None:
        self.wrong.append(dialog.message)
        dialog.dismiss()

    def _open(self) -> Page:
        context = self._browser.new_context(
            base_url=self._office.url, locale="en-US", viewport={"width": 1280, "height": 900}
        )
        context.set_default_timeout(WAIT_MS)
        self._contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("dialog", self._dismiss)
        page.on(
            "console",
            lambda said: self.wrong.append(said.text) if "Security Policy" in said.text else None,
        )
        return page


@pytest.fixture
def desks(browser: Browser, office: BackOffice) -> Iterator[Desks]:
    desks = Desks(browser, office)
    yield desks
    desks.close()
    assert not desks.wrong


def open_withdrawal(page: Page, number: int) -> None:
    page.goto("/#withdrawals")
    page.get_by_role("button", name=str(number), exact=True).click()
    expect(page.get_by_role("heading", name=f"#{number} ")).to_be_visible(timeout=WAIT_MS)


def give_reason(page: Page, reason: str) -> None:
    page.get_by_role("textbox", name="Reason").fill(reason)
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_role("textbox", name="Reason")).to_be_hidden(timeout=WAIT_MS)


def test_two_people_approve_a_withdrawal_with_passkeys(office, desks):
    number = office.withdrawal(office.market.trader(), TWO_ABOVE_ATOMS + 1)
    for name, approved in (("ann", 1), ("bob", 2)):
        page = desks.hire(name, Role.REVIEWER)
        open_withdrawal(page, number)
        page.get_by_role("button", name="Approve").click()
        expect(page.get_by_text(f"{approved} of 2 approvals")).to_be_visible(timeout=WAIT_MS)
    expect(page.get_by_role("heading", name="· approved")).to_be_visible(timeout=WAIT_MS)
    expect(page.get_by_role("button", name="Approve")).to_be_hidden()


def test_somebody_signs_out_and_in_again_with_the_passkey_and_rejects(office, desks):
    number = office.withdrawal(office.market.trader(), COIN)
    cat = desks.hire("cat", Role.REVIEWER)
    cat.get_by_role("button", name="Sign out").click()
    cat.get_by_role("button", name="Sign in with a passkey").click()
    expect(cat.get_by_text("cat (")).to_be_visible(timeout=WAIT_MS)
    open_withdrawal(cat, number)
    cat.get_by_role("button", name="Reject").click()
    give_reason(cat, "the owner did not ask for it")
    expect(cat.get_by_role("heading", name="· rejected")).to_be_visible(timeout=WAIT_MS)


def test_payouts_are_stopped_by_one_and_go_on_by_two(office, desks):
    dan, eve = desks.hire("dan", Role.OPERATOR), desks.hire("eve", Role.OPERATOR)
    dan.get_by_role("button", name="Stop all payouts").click()
    give_reason(dan, "drill")
    expect(dan.get_by_text("Payouts stopped: dan: drill")).to_be_visible(timeout=WAIT_MS)
    dan.get_by_role("button", name="Propose to resume").click()
    give_reason(dan, "drill is over")
    assert office.market.records.payouts_stopped() is not None
    eve.goto("/#proposals")
    eve.get_by_role("button", name="Accept").click()
    expect(eve.get_by_role("heading", name="records.resume-payouts · done")).to_be_visible(timeout=WAIT_MS)
    assert office.market.records.payouts_stopped() is None


def write_scripts(office: BackOffice, trader: Trader) -> int:
    """Into whatever a user can write. The user's number."""
    number, now_ns = office.user_of(trader), office.clock()
    with office.market.records.write() as db:
        for place, script in enumerate(SCRIPTS):
            mine: dict[str, Any] = {"user_id": number}
            book = {"network": "ETH", "address": ADDRESS, "tag": script, "label": script[:64]}
            times = {"created_at_ns": now_ns, "usable_from_ns": now_ns}
            db.execute(insert(addresses).values(mine | book | times))
            came = {"time_ns": now_ns, "outcome": "ok", "address": "192.0.2.1", "is_known_device": False}
            db.execute(insert(sign_ins).values(mine | came | {"agent": script}))
            key = {"id": f"{place}{script[:20]}", "account": trader.account, "kind": "hmac", "scopes": 1}
            made = {"sealed_key": b"", "ip_allow": [], "created_at_ns": now_ns, "created_by": "user"}
            db.execute(insert(api_keys).values(mine | key | made | {"label": script[:64]}))
    return number


def test_A06_nothing_that_a_user_writes_is_run_in_the_console(office, desks):
    trader = office.market.trader(BTC="1")
    user = write_scripts(office, trader)
    office.market.settle()
    withdrawals = [
        office.withdrawal(trader, COIN, tag=script[:64], reason=script, risk=[script]) for script in SCRIPTS
    ]
    fay = desks.hire("fay", Role.REVIEWER, Role.OPERATOR, Role.AUDITOR)
    fay.goto("/#users")
    fay.get_by_label("Search").fill(str(user))
    fay.get_by_role("search").get_by_role("button").click()
    fay.get_by_role("row").filter(has_text=str(trader.account)).get_by_role("button").first.click()
    expect(fay.get_by_text(SCRIPTS[1]).first).to_be_visible(timeout=WAIT_MS)
    for each in withdrawals:
        open_withdrawal(fay, each)
        fay.get_by_role("button", name="Back").click()
    fay.goto("/#audit")
    expect(fay.get_by_text("staff.first-key").first).to_be_visible(timeout=WAIT_MS)
    assert fay.evaluate("window.hit") is None
    policy = fay.request.get("/").headers["content-security-policy"]
    assert "script-src 'self'" in policy and "unsafe" not in policy


def test_the_console_speaks_chinese_and_has_no_serious_fault_for_screen_readers(office, desks):
    office.withdrawal(office.market.trader(), COIN)
    gil = desks.hire("gil", *Role)
    gil.get_by_label("Language").select_option("zh")
    expect(gil.get_by_role("button", name="退出登录")).to_be_visible()
    axe = (BUILT.parent / "node_modules/axe-core/axe.min.js").read_text()
    for part in ("withdrawals", "users", "trading", "markets", "wallets", "ledger", "proposals", "audit"):
        gil.goto(f"/#{part}")
        expect(gil.locator(f"a[href='#{part}'][aria-current=page]")).to_be_visible(timeout=WAIT_MS)
        gil.evaluate(axe)
        found = gil.evaluate("axe.run().then((found) => found.violations)")
        assert not [each["nodes"] for each in found if each["impact"] in ("serious", "critical")], part
        if pictures := os.environ.get("CAMBIST_PICTURES"):
            gil.screenshot(path=f"{pictures}/console-{part}.png")
