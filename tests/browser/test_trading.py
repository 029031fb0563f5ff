"""From signing up to a traded order in a real browser, and what the page does when it may not be trusted."""

from typing import Any

from playwright.sync_api import Route, WebSocketRoute, expect

from tests.browser.conftest import Visits
from tests.browser.people import MARKET

# Each would show itself: by a dialog, by a broken policy, or by an element that nobody made.
HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "'><iframe srcdoc='<b>x</b>'>",
    "javascript:alert(1)",
    "{@html '<b id=made>x</b>'}",
    "</td></tr></table><b id=made>x</b>",
    "&lt;b id=made&gt;",
]


def test_from_signing_up_to_an_order_and_its_cancellation(visits: Visits):
    visitor = visits.visitor()
    visitor.sign_up()
    visitor.receive("100000", "USDT")
    visitor.open_market()
    page = visitor.page
    expect(page.get_by_text("100,000 USDT")).to_be_visible()
    visitor.order("BUY", "60000.01", "0.5")
    visitor.hear("Order placed: Buy 0.5 BTC")
    row = page.get_by_role("row", name="BTCUSDT Limit Buy 60,000.01")
    expect(row).to_be_visible()
    expect(page.get_by_text("69,999.995 USDT")).to_be_visible()
    row.get_by_role("button").click()
    expect(page.get_by_text("You have no open orders.")).to_be_visible()
    expect(page.get_by_text("100,000 USDT")).to_be_visible()
    page.get_by_role("tab", name="Order history").click()
    expect(page.get_by_role("row", name="60,000.01").get_by_text("Cancelled")).to_be_visible()


def test_orders_of_every_resting_type_are_confirmed(visits: Visits):
    visitor = visits.visitor()
    visitor.sign_up()
    visitor.receive("100000", "USDT")
    visitor.open_market()
    page = visitor.page
    visitor.press("Limit maker")
    visitor.order("BUY", "60000", "0.1")
    visitor.hear("Order placed: Buy 0.1 BTC")
    visitor.press("Stop-limit")
    page.locator("input[name=stopPrice]").fill("90000")
    visitor.order("BUY", "60000", "0.2")
    visitor.hear("Order placed: Buy 0.2 BTC")
    expect(page.get_by_role("row", name="BTCUSDT Stop-limit Buy")).to_be_visible()


def test_what_an_order_came_to_is_said_in_the_language_that_is_chosen_then(visits: Visits):
    visitor = visits.visitor()
    visitor.sign_up()
    visitor.receive("100000", "USDT")
    visitor.open_market()
    visitor.order("BUY", "1000", "0.1")
    visitor.hear("This price is too far from what is paid now.")
    visitor.press("中文")
    visitor.hear("该价格偏离当前市价过多。")
    visitor.press("English")
    visitor.order("BUY", "60000", "0.1")
    visitor.hear("Order placed: Buy 0.1 BTC")
    visitor.press("中文")
    visitor.hear("已下单：买入 0.1 BTC")


def test_a_market_order_trades_at_once_and_the_balances_follow(visits: Visits):
    visitor = visits.visitor()
    visitor.sign_up()
    visitor.receive("500", "USDT")
    visitor.open_market()
    page = visitor.page
    expect(page.get_by_text("500 USDT")).to_be_visible()
    visitor.press("Market")
    visitor.press("50%")
    expect(page.locator("input[name=total]")).to_have_value("250")
    visitor.press("Buy BTC")
    visitor.hear("Filled:")
    page.get_by_role("tab", name="Balances").click()
    expect(page.get_by_role("tabpanel").get_by_role("row", name="BTC")).to_be_visible()


def test_what_breaks_a_rule_is_said_before_it_is_sent(visits: Visits):
    visitor = visits.visitor()
    visitor.sign_up()
    visitor.receive("100", "USDT")
    visitor.open_market()
    page = visitor.page
    expect(page.get_by_text("100 USDT")).to_be_visible()
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if "/api/v3/order" in request.url else None)
    for price, quantity, said in [
        ("1000.001", "0.5", "Price must be a multiple of 0.01"),
        ("1000", "x", "Quantity is not a number"),
        ("1000", "0.5", "Only 100 USDT available"),
    ]:
        visitor.order("BUY", price, quantity)
        expect(page.get_by_text(said)).to_be_visible()
    assert not sent


def test_a_second_factor_is_asked_for_from_then_on(visits: Visits):
    visitor = visits.visitor()
    visitor.sign_up()
    secret = visitor.set_up_second_factor()
    visitor.sign_out()
    visitor.sign_in()
    page = visitor.page
    page.get_by_label("Code of the authenticator app").fill(visitor.factor_code(secret, 1))
    visitor.press("Sign in")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()


def test_A06_what_people_enter_is_text_and_nothing_else(visits: Visits):
    visitor = visits.visitor()
    visitor.sign_up()
    visitor.set_up_second_factor()
    page = visitor.page
    visitor.open("/account/api-keys")
    for label in HOSTILE:
        page.get_by_label("Name").fill(label)
        visitor.press("Create")
        expect(page.get_by_role("cell", name=label, exact=True)).to_be_visible()
        visitor.press("Close")
    visitor.open("/account/addresses")
    for number, label in enumerate(HOSTILE):
        page.get_by_label("Name").fill(label)
        page.get_by_label("Network").fill("ETH")
        page.get_by_label("Address", exact=True).fill(f"0x{number + 1:040x}")
        page.get_by_label("Memo or tag (optional)").fill(label)
        visitor.press("Add")
        expect(page.get_by_role("cell", name=label, exact=True)).to_be_visible()
    page.reload()
    for label in HOSTILE:
        expect(page.get_by_role("cell", name=label, exact=True)).to_be_visible()
    assert page.locator("#made, td script, td img, td svg, td iframe").count() == 0


class Wire:
    """Between the page and the exchange's streams: loses changes of the book while `loses`."""

    def __init__(self) -> None:
        self.loses = False
        self.lost = 0

    def __call__(self, page_side: WebSocketRoute) -> None:
        exchange_side = page_side.connect_to_server()

        def hand_on(message: Any) -> None:
            if self.loses and "depthUpdate" in str(message):
                self.lost += 1
            else:
                page_side.send(message)

        exchange_side.on_message(hand_on)


def test_a_gap_in_the_stream_is_shown_as_stale_and_never_drawn_as_truth(visits: Visits):
    visitor = visits.visitor()
    page = visitor.page
    wire = Wire()
    page.route_web_socket("**/stream", wire)
    visitor.open_market()
    # From here on changes get lost, and no new snapshot is to be had.
    page.route("**/api/v3/depth*", refuse)
    wire.loses = True
    while wire.lost < 2:
        page.wait_for_timeout(50)
    wire.loses = False
    expect(page.locator("table[data-state=stale]")).to_be_visible()
    expect(page.get_by_text("This book is old.")).to_be_visible()
    page.unroute("**/api/v3/depth*", refuse)
    expect(page.locator("table[data-state=live]")).to_be_visible()


def refuse(route: Route) -> None:
    route.abort()


def test_old_prices_are_not_traded_on(visits: Visits):
    visitor = visits.visitor()
    visitor.sign_up()
    page = visitor.page
    wire = Wire()
    page.route_web_socket("**/stream", wire)
    visitor.open(f"/trade/{MARKET}")
    expect(page.get_by_role("button", name="Buy BTC")).to_be_enabled()
    page.route("**/api/v3/depth*", refuse)
    wire.loses = True
    while wire.lost < 2:
        page.wait_for_timeout(50)
    wire.loses = False
    expect(page.get_by_role("button", name="Buy BTC")).to_be_disabled()
