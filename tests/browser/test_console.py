"""The console in real Chromium: passkeys of a virtual authenticator, and users who try to run scripts."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect
from sqlalchemy import insert
from webauthn.helpers import base64url_to_bytes

from cambist.signer.console import read_key
from cambist.site import BUILT
from cambist.staff.roles import Role
from cambist.store.account_tables import addresses, sign_ins
from cambist.store.tables import api_keys
from tests.browser.staff import Colleague
from tests.browser.windows import Windows
from tests.integration.backoffice import ADDRESS, COIN, TWO_ABOVE_ATOMS, BackOffice, back_office
from tests.integration.rest_market import Trader

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


class Desks(Windows):
    """Of members of the staff."""

    def __init__(self, browser: Browser, office: BackOffice) -> None:
        super().__init__(browser)
        self._office = office

    def hire(self, name: str, *roles: Role) -> Colleague:
        """Somebody who has opened the link and made a passkey."""
        self._office.clock.put_on(10)
        code = self._office.invite(name, *roles)
        return Colleague.come_in(self.open(self._office.url), name, f"/#first={code}")


@pytest.fixture
def desks(browser: Browser, office: BackOffice) -> Iterator[Desks]:
    desks = Desks(browser, office)
    yield desks
    desks.close()
    assert not desks.wrong


def test_two_people_approve_a_withdrawal_with_passkeys(office, desks):
    number = office.withdrawal(office.market.trader(), TWO_ABOVE_ATOMS + 1)
    for name, approved in (("ann", 1), ("bob", 2)):
        colleague = desks.hire(name, Role.REVIEWER)
        colleague.open_withdrawal(number)
        colleague.press("Approve")
        expect(colleague.page.get_by_text(f"{approved} of 2 approvals")).to_be_visible()
    expect(colleague.page.get_by_role("heading", name="· approved")).to_be_visible()
    expect(colleague.page.get_by_role("button", name="Approve")).to_be_hidden()


def test_a_passkey_is_shown_as_the_signer_is_told_of_it(desks):
    ida = desks.hire("ida", Role.REVIEWER)
    ida.open("me")
    assert read_key("webauthn", ida.cell("Public key"))
    assert base64url_to_bytes(ida.cell("Credential"))


def test_somebody_signs_out_and_in_again_with_the_passkey_and_rejects(office, desks):
    number = office.withdrawal(office.market.trader(), COIN)
    cat = desks.hire("cat", Role.REVIEWER)
    cat.press("Sign out")
    cat.press("Sign in with a passkey")
    expect(cat.page.get_by_text("cat (")).to_be_visible()
    cat.open_withdrawal(number)
    cat.press("Reject")
    cat.give_reason("the owner did not ask for it")
    expect(cat.page.get_by_role("heading", name="· rejected")).to_be_visible()


def test_payouts_are_stopped_by_one_and_go_on_by_two(office, desks):
    dan, eve = desks.hire("dan", Role.OPERATOR), desks.hire("eve", Role.OPERATOR)
    dan.press("Stop all payouts")
    dan.give_reason("drill")
    expect(dan.page.get_by_text("Payouts stopped: dan: drill")).to_be_visible()
    dan.press("Propose to resume")
    dan.give_reason("drill is over")
    assert office.market.records.payouts_stopped() is not None
    eve.open("proposals")
    eve.press("Accept")
    expect(eve.page.get_by_role("heading", name="records.resume-payouts · done")).to_be_visible()
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
    fay.open("users")
    page = fay.page
    page.get_by_label("Search").fill(str(user))
    page.get_by_role("search").get_by_role("button").click()
    page.get_by_role("row").filter(has_text=str(trader.account)).get_by_role("button").first.click()
    expect(page.get_by_text(SCRIPTS[1]).first).to_be_visible()
    for each in withdrawals:
        fay.open_withdrawal(each)
        page.get_by_role("link", name="Back").click()
    fay.open("audit")
    expect(page.get_by_text("staff.first-key").first).to_be_visible()
    assert page.evaluate("window.hit") is None
    policy = page.request.get("/").headers["content-security-policy"]
    assert "script-src 'self'" in policy and "unsafe" not in policy


def test_the_console_speaks_chinese_and_has_no_serious_fault_for_screen_readers(office, desks):
    office.withdrawal(office.market.trader(), COIN)
    gil = desks.hire("gil", *Role)
    gil.page.get_by_label("Language").select_option("zh")
    expect(gil.page.get_by_role("button", name="退出登录")).to_be_visible()
    expect(gil.page.get_by_role("columnheader", name="申请时间")).to_be_visible()
    expect(gil.page.get_by_role("cell", name="待审核").first).to_be_visible()  # a state
    axe = (BUILT.parent / "node_modules/axe-core/axe.min.js").read_text()
    for part in ("withdrawals", "users", "trading", "markets", "wallets", "ledger", "proposals", "audit"):
        gil.open(part)
        gil.page.evaluate(axe)
        found = gil.page.evaluate("axe.run().then((found) => found.violations)")
        assert not [each["nodes"] for each in found if each["impact"] in ("serious", "critical")], part
        if pictures := os.environ.get("CAMBIST_PICTURES"):
            gil.page.screenshot(path=f"{pictures}/console-{part}.png")
