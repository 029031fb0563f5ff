"""The article's story by nothing but pages: the exchange's for customers, the console's for reviewers.

A bids 0.01 BTC for 10 ETP and B, whose coins have come over the chain, sells them. B takes 10 ETP home: the
request is held, two people look at it and approve it with passkeys, the signer signs, the chain confirms.
Every process is real; after every step the books balance.
"""

import io
import re
from collections.abc import Iterator
from decimal import Decimal

import pytest
import zxingcpp
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import Visits, wait_for_office
from tests.browser.people import Visitor
from tests.browser.staff import Colleague
from tests.e2e import story
from tests.e2e.harness import Exchange, running
from tests.e2e.story import COIN, OUTSIDE, balanced, chain_of, enrol, held_outside, invited, send_etp
from tests.nodes import ANVIL, Node

# The demo keeps a chain only where npm could bring one; without it there is none to pay over.
pytestmark = pytest.mark.skipif(not ANVIL.exists(), reason="anvil is not installed: npm was missing at setup")

CONFIRMATIONS = "2/2"


@pytest.fixture(scope="module")
def exchange(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    """With a chain, which the other tests of pages have no need of."""
    home = tmp_path_factory.mktemp("story") / "home"
    with running(home, "--demo", settings=story.settings()) as exchange:
        wait_for_office(exchange)
        yield exchange


@pytest.fixture
def node(exchange: Exchange) -> Iterator[Node]:
    with chain_of(exchange) as node:
        yield node


def scanned(code: Locator) -> str:
    """What a telephone reads from the page."""
    found = zxingcpp.read_barcode(Image.open(io.BytesIO(code.screenshot())))
    assert found is not None, "this is no QR code"
    return found.text


def deposit_address(visitor: Visitor) -> str:
    visitor.open("/wallet/deposit")
    code = visitor.page.get_by_role("img", name="QR code of")
    expect(code).to_be_visible()
    address = visitor.page.get_by_text(re.compile("^0x[0-9a-fA-F]{40}$")).inner_text()
    assert scanned(code) == address
    return address


def deposited(visitor: Visitor, shown: str) -> None:
    """Waits until a deposit of so much has its confirmations and is credited, as the page says."""
    row = visitor.page.get_by_role("row").filter(has_text=shown)
    expect(row).to_contain_text("Credited")
    expect(row).to_contain_text(CONFIRMATIONS)


def has(visitor: Visitor, asset: str, free: str, locked: str) -> None:
    """As the wallet page says."""
    visitor.open("/wallet")
    balances = visitor.page.get_by_role("region", name="Balances")
    row = balances.get_by_role("row").filter(has=visitor.page.get_by_role("cell", name=asset, exact=True))
    total = (Decimal(free) + Decimal(locked)).normalize()
    shown = [asset, free, locked, f"{total:f}"]
    expect(row.get_by_role("cell")).to_have_text(shown)


def books_balance(exchange: Exchange, auditor: Colleague) -> None:
    """To the console's pages, and to the ledger and the records themselves."""
    auditor.open("ledger")
    expect(auditor.page.get_by_text("Every asset sums to zero.")).to_be_visible()
    balanced(exchange)


def withdraw(visitor: Visitor, asset: str, address: str, amount: str) -> None:
    """The address goes into the book first; a code of the authenticator app is asked for again."""
    page = visitor.page
    visitor.open("/account/addresses")
    page.get_by_label("Name").fill("home")
    page.get_by_label("Address", exact=True).fill(address)
    visitor.press("Add")
    expect(page.get_by_role("cell", name="home", exact=True)).to_be_visible()
    visitor.open("/wallet/withdraw")
    page.get_by_label("Asset").select_option(label=f"{asset} · ETH")
    page.get_by_label(f"Amount ({asset})").fill(amount)
    expect(page.get_by_text(f"Arrives: {amount} {asset}")).to_be_visible()
    visitor.press("Withdraw")
    asked = page.get_by_role("dialog")
    expect(asked).to_contain_text(f"Withdraw {amount} {asset} to {address}?")
    asked.get_by_role("button", name="Confirm").click()
    expect(page.get_by_text("Requested. A person looks at it before it is sent.")).to_be_visible()


def make_count(exchange: Exchange, colleague: Colleague) -> None:
    """What the console shows of a passkey is enrolled at the signer."""
    colleague.open("me")
    key, credential = colleague.cell("Public key"), colleague.cell("Credential")
    enrol(exchange, colleague.name, "--type", "webauthn", "--key", key, "--credential", credential)


def approve(colleague: Colleague, number: int, approved: str) -> None:
    colleague.open_withdrawal(number)
    expect(colleague.page.get_by_text(OUTSIDE)).to_be_visible()
    colleague.press("Approve")
    expect(colleague.page.get_by_text(approved)).to_be_visible()


def txid_in(page: Page) -> str:
    return page.get_by_text(re.compile("^0x[0-9a-f]{64}$")).first.inner_text()


def test_two_people_trade_and_one_takes_the_coins_home(
    visits: Visits, exchange: Exchange, node: Node
) -> None:
    link = exchange.said("console_link")
    console = link.partition("/#")[0]
    admin = Colleague.come_in(visits.open(console), "admin", link)
    carl = Colleague.come_in(visits.open(console), "carl", invited(exchange, "carl"))
    for colleague in (admin, carl):
        make_count(exchange, colleague)
    ann, bob = visits.visitor(), visits.visitor()
    ann.sign_up()
    bob.sign_up()
    ann.receive("1", "BTC")
    books_balance(exchange, admin)

    address = deposit_address(bob)
    node.send(address, value=2 * COIN)
    send_etp(node, address, 30 * COIN)
    deposited(bob, "2 ETH")
    deposited(bob, "30 ETP")
    has(bob, "ETH", "2", "0")
    has(bob, "ETP", "30", "0")
    books_balance(exchange, admin)

    ann.open_market("ETPBTC")
    ann.order("BUY", "0.001", "10")
    ann.hear("Order placed: Buy 10 ETP")
    has(ann, "BTC", "0.99", "0.01")
    bob.open_market("ETPBTC")
    bob.order("SELL", "0.001", "10")
    bob.hear("Filled: 10 ETP")
    has(ann, "ETP", "10", "0")
    has(bob, "BTC", "0.01", "0")
    has(bob, "ETP", "20", "0")
    books_balance(exchange, admin)

    bob.set_up_second_factor()
    withdraw(bob, "ETP", OUTSIDE, "10")
    withdrawal = bob.page.get_by_role("row").filter(has_text=OUTSIDE)
    expect(withdrawal).to_contain_text("In review")
    has(bob, "ETP", "10", "10")
    books_balance(exchange, admin)

    number = 1
    approve(admin, number, "1 of 2 approvals")
    admin.press("Approve")
    expect(admin.page.get_by_role("alert")).to_be_visible()
    approve(carl, number, "2 of 2 approvals")
    bob.open("/wallet/withdraw")
    expect(withdrawal).to_contain_text("Done")
    txid = txid_in(bob.page)
    assert (node.receipt(txid)["status"], held_outside(node)) == ("0x1", 10 * COIN)
    carl.open_withdrawal(number, "settled")
    assert txid_in(carl.page) == txid
    has(bob, "ETP", "10", "0")
    has(bob, "ETH", "2", "0")
    books_balance(exchange, admin)


def test_the_faucet_of_the_demo_pays_whoever_asks(visits: Visits, node: Node) -> None:
    visitor = visits.visitor()
    visitor.sign_up()
    visitor.open("/wallet/deposit")
    visitor.press("Faucet: send me some ETH")
    expect(visitor.page.get_by_text("On its way.")).to_be_visible()
    deposited(visitor, "1 ETH")
