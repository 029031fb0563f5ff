"""How people come back into an account, keep others out, and what they see while the office is away."""

import json

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import Visits
from tests.browser.people import PASSWORD, Visitor
from tests.browser.words import words_of

NEW_PASSWORD = "seven brown kettles sing 41"
LANGUAGES = ["en", "zh"]


@pytest.fixture(params=LANGUAGES)
def words(request: pytest.FixtureRequest) -> dict[str, str]:
    return words_of(request.param)


def newcomer(visits: Visits, words: dict[str, str]) -> Visitor:
    """Has signed up, and reads on in this language."""
    visitor = visits.visitor()
    visitor.sign_up()
    if words == words_of("zh"):
        visitor.press("中文")
    return visitor


def enter(visitor: Visitor, words: dict[str, str], password: str) -> None:
    page = visitor.page
    page.get_by_label(words["email"]).fill(visitor.email)
    page.get_by_label(words["password"], exact=True).fill(password)
    page.locator("form").get_by_role("button", name=words["signIn"], exact=True).click()


def expect_signed_out(page: Page, words: dict[str, str]) -> None:
    expect(page.get_by_role("banner").get_by_role("link", name=words["signIn"], exact=True)).to_be_visible()


def test_somebody_who_forgot_the_password_sets_another_by_mail(visits, words):
    visitor = newcomer(visits, words)
    page = visitor.page
    visitor.press(words["signOut"])
    expect_signed_out(page, words)
    visitor.open("/sign-in")
    page.get_by_role("link", name=words["forgotten"]).click()
    page.get_by_label(words["email"]).fill(visitor.email)
    visitor.press(words["sendCode"])
    code = page.get_by_label(words["mailCode"])
    expect(code).to_be_visible()
    page.get_by_label(words["newPassword"]).fill(NEW_PASSWORD)
    code.fill("00000000")
    visitor.press(words["resetPassword"])
    expect(page.get_by_role("alert")).to_have_text(words["reason.code_wrong"])
    code.fill(visitor.mailed_code())
    visitor.press(words["resetPassword"])
    expect(page.get_by_text(words["resetDone"])).to_be_visible()
    page.get_by_role("main").get_by_role("link", name=words["signIn"]).click()
    enter(visitor, words, PASSWORD)
    expect(page.get_by_role("alert")).to_have_text(words["reason.sign_in_refused"])
    enter(visitor, words, NEW_PASSWORD)
    expect(page.get_by_role("button", name=words["signOut"])).to_be_visible()


def test_a_new_password_ends_every_other_session_before_the_eyes_of_whoever_has_it(visits, words):
    visitor = newcomer(visits, words)
    other = visits.visitor()
    other.email = visitor.email
    other.sign_in()
    expect(other.page.get_by_role("button", name="Sign out")).to_be_visible()
    other.open("/wallet")
    expect(other.page.get_by_text("No coins yet.")).to_be_visible()
    page = visitor.page
    visitor.open("/account/security")
    page.get_by_label(words["newPassword"]).fill("password12")
    visitor.press(words["changePassword"])
    expect(page.get_by_role("alert")).to_have_text(words["reason.password_weak"])
    page.get_by_label(words["newPassword"]).fill(NEW_PASSWORD)
    visitor.press(words["changePassword"])
    expect(page.get_by_text(words["passwordChanged"])).to_be_visible()
    expect(other.page.get_by_role("heading", name="Sign in")).to_be_visible()
    other.sign_in()
    expect(other.page.get_by_role("alert")).to_have_text("E-mail address or password is wrong.")
    visitor.open("/account/sessions")
    expect(page.get_by_text(words["thisOne"])).to_be_visible()
    expect(page.get_by_role("button", name=words["end"], exact=True)).to_have_count(0)


def test_a_frozen_account_neither_trades_nor_thaws_by_itself(visits, words):
    visitor = newcomer(visits, words)
    page = visitor.page
    visitor.receive("1000", "USDT")
    visitor.open("/account/security")
    freeze = page.get_by_role("button", name=words["freezeAccount"])
    freeze.click()
    asked = page.get_by_role("dialog")
    expect(asked).to_contain_text(words["freezeSure"])
    asked.get_by_role("button", name=words["cancel"]).click()
    expect(asked).to_be_hidden()
    expect(freeze).to_be_enabled()
    freeze.click()
    asked.get_by_role("button", name=words["confirm"]).click()
    expect(page.get_by_text(words["frozen"], exact=True)).to_be_visible()
    expect(freeze).to_be_disabled()
    visitor.open_market()
    page.locator("input[name=price]").fill("1000")
    page.locator("input[name=quantity]").fill("0.1")
    visitor.press(words["buyAsset"].replace("{asset}", "BTC"))
    visitor.hear(words["refusal.frozen"])
    visitor.open("/account/security")
    expect(freeze).to_be_disabled()


def away(route: Route) -> None:
    """As a gateway answers for the office while that starts."""
    problem = {"code": -1001, "msg": "Please try again.", "reason": "unavailable"}
    route.fulfill(status=503, content_type="application/json", body=json.dumps(problem))


def test_pages_wait_for_whoever_knows_the_sessions_and_go_on_by_themselves(visits, words):
    visitor = newcomer(visits, words)
    page = visitor.page
    page.route("**/api/account/v1/**", away)
    visitor.open("/wallet")
    expect(page.get_by_text(words["officeAway"])).to_be_visible()
    expect_signed_out(page, words)
    page.unroute("**/api/account/v1/**", away)
    expect(page.get_by_role("heading", name=words["balances"])).to_be_visible()
    expect(page.get_by_role("button", name=words["signOut"])).to_be_visible()
