"""Every page: quick, in both languages, on a phone, for keyboard and screen reader, with a strict policy."""

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visits
from tests.browser.people import MARKET, Visitor

FIRST_LOAD_MAX_BYTES = 150_000
AXE = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
OPEN_TO_ALL = [f"/trade/{MARKET}", "/sign-in", "/sign-up", "/reset", "/inbox"]
OWN = ["/account/security", "/account/sessions", "/account/api-keys", "/account/addresses", "/wallet"]
OWN += ["/wallet/deposit", "/wallet/withdraw"]
PHONE_WIDTH, PHONE_HEIGHT = 390, 844


def settle(visitor: Visitor, path: str) -> None:
    """Until the page shows what it is about."""
    if path.startswith("/trade"):
        visitor.open_market()
    else:
        visitor.open(path)
        expect(visitor.page.get_by_text("Loading…")).to_have_count(0)
        expect(visitor.page.locator("#content")).not_to_be_empty()


def serious(visitor: Visitor) -> list[str]:
    """What axe finds that keeps people out."""
    visitor.page.evaluate(AXE.read_text())
    found: dict[str, Any] = visitor.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{each['id']}: {each['nodes'][0]['html'][:200]}"
        for each in found["violations"]
        if each["impact"] in ("serious", "critical")
    ]


def test_the_trade_page_shows_a_live_market(visits: Visits):
    visitor = visits.visitor()
    visitor.open_market()
    page = visitor.page
    expect(page.get_by_role("heading", level=1)).to_have_text("BTC/USDT")
    expect(page.locator("tbody.bids tr").first).to_be_visible()
    expect(page.locator("tbody.asks tr").first).to_be_visible()
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    expect(page.locator(".candles canvas").first).to_be_visible()
    expect(page.locator(".depth svg path")).to_have_count(2)


def test_the_trade_page_first_loads_less_than_150_kb(visits: Visits):
    visitor = visits.visitor()
    sizes: dict[str, int] = {}
    kinds = ("document", "script", "stylesheet", "image")

    def count(request: Any) -> None:
        if request.resource_type in kinds:
            sizes[request.url] = request.sizes()["responseBodySize"]

    visitor.page.on("requestfinished", count)
    visitor.open_market()
    visitor.page.wait_for_load_state("load")
    assert any(url.endswith(".js") for url in sizes)
    assert sum(sizes.values()) < FIRST_LOAD_MAX_BYTES, sizes


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_axe_finds_nothing_serious_on_pages_for_all(visits: Visits, theme):
    visitor = visits.visitor(theme=theme)
    for path in OPEN_TO_ALL:
        settle(visitor, path)
        assert not serious(visitor), path


def test_axe_finds_nothing_serious_on_own_pages_and_phones_show_them_whole(visits: Visits):
    visitor = visits.visitor()
    visitor.sign_up()
    for path in [f"/trade/{MARKET}", *OWN]:
        settle(visitor, path)
        assert not serious(visitor), path
    visitor.page.set_viewport_size({"width": PHONE_WIDTH, "height": PHONE_HEIGHT})
    for path in [f"/trade/{MARKET}", *OWN]:
        settle(visitor, path)
        assert visitor.page.evaluate("document.scrollingElement.scrollWidth") <= PHONE_WIDTH, path


def test_on_a_phone_one_view_of_the_market_is_shown_at_a_time(visits: Visits):
    visitor = visits.visitor(width=PHONE_WIDTH, height=PHONE_HEIGHT)
    visitor.open_market()
    book = visitor.page.locator("tbody.bids tr").first
    expect(book).to_be_hidden()
    visitor.press("Order book")
    expect(book).to_be_visible()
    expect(visitor.page.locator(".candles canvas").first).to_be_hidden()
    assert visitor.page.evaluate("document.scrollingElement.scrollWidth") <= PHONE_WIDTH


def test_a_chinese_browser_reads_chinese_and_may_choose_otherwise(visits: Visits):
    visitor = visits.visitor(locale="zh-CN")
    visitor.open_market()
    page = visitor.page
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    expect(page.get_by_role("heading", name="盘口")).to_be_visible()
    visitor.press("English")
    expect(page.get_by_role("heading", name="Order book")).to_be_visible()
    page.reload()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.get_by_role("heading", name="Order book")).to_be_visible()


@pytest.mark.parametrize("path", [f"/trade/{MARKET}", "/sign-in", "/sign-up", "/reset"])
def test_a_chinese_page_leaves_no_english_behind(visits: Visits, path):
    visitor = visits.visitor(locale="zh-CN")
    visitor.open(path)
    if path.startswith("/trade"):
        expect(visitor.page.locator("table[data-state=live]")).to_be_attached()
    expect(visitor.page.get_by_role("link", name="登录", exact=True).first).to_be_visible()
    text = visitor.page.locator("body").inner_text()
    known = re.compile(r"English|Cambist|TradingView|Lightweight|Charts|USDT|BTC|ETH|ETP")
    assert re.findall(r"[A-Za-z]{4,}", known.sub("", text)) == []


def test_the_chosen_theme_stays(visits: Visits):
    visitor = visits.visitor(theme="light")
    visitor.open("/sign-in")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = visitor.page.evaluate(ground)
    visitor.press("Light or dark")
    dark = visitor.page.evaluate(ground)
    assert dark != light
    visitor.page.reload()
    expect(visitor.page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert visitor.page.evaluate(ground) == dark


def test_the_keyboard_reaches_the_content_first(visits: Visits):
    visitor = visits.visitor()
    visitor.open("/sign-in")
    expect(visitor.page.get_by_label("Password")).to_be_visible()
    visitor.page.keyboard.press("Tab")
    expect(visitor.page.get_by_role("link", name="Skip to the content")).to_be_focused()


def test_the_policy_refuses_a_script_that_is_not_ours(visits: Visits):
    visitor = visits.visitor()
    visitor.open("/sign-in")
    visitor.page.evaluate(
        """() => { const made = document.createElement('script'); made.textContent = 'window.ran = true';
        document.body.append(made); }"""
    )
    assert visitor.page.evaluate("window.ran") is None
    assert len(visits.wrong) == 1 and "Security Policy" in visits.wrong.pop()


def test_the_page_can_be_installed(visits: Visits):
    visitor = visits.visitor()
    visitor.open("/sign-in")
    manifest = visitor.page.context.request.get("/manifest.webmanifest").json()
    assert manifest["display"] == "standalone" and manifest["start_url"] == "/"
    for icon in manifest["icons"]:
        answer = visitor.page.context.request.get(icon["src"])
        assert answer.ok and answer.headers["content-type"] == icon["type"]
