"""What people do with their accounts: sign up, sign in, protect what they have, and get back in."""

from collections.abc import Iterator

import pytest

from cambist.accounts.mail import Kind
from cambist.errors import Unavailable
from cambist.match.courier import Courier
from tests.integration.browsers import PASSWORD, Street, street
from tests.integration.rest_market import rest_market

HOUR_S = 3_600


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    with street(tmp_path_factory.mktemp("accounts")) as town:
        yield town


@pytest.fixture(autouse=True)
def email(town: Street) -> str:
    """Of a visitor, who is somebody else in each test."""
    return town.visitor()


def kinds(town: Street, email: str) -> list[Kind]:
    return [each.kind for each in town.mails(email)]


def test_a_code_from_the_mail_makes_an_account_that_trades(town, email):
    ann = town.person(email)
    session = ann.done("GET", "/session")
    assert session["email"] == email and session["account"] > 1_000
    person = town.find(email)
    assert person is not None and person.user.account == session["account"]
    town.market.credit(session["account"], "BTC", "2")
    balances = ann.send("GET", "/api/v3/account").json()["balances"]
    assert {each["asset"]: each["free"] for each in balances}["BTC"] == "2.00000000"


def test_an_account_whose_making_was_cut_off_is_made_at_the_sign_in(town, email, monkeypatch):
    ann = town.browser()
    handle = ann.done("POST", "/sign-up", {"email": email, "password": PASSWORD})["handle"]

    def away(*_: object) -> bytes:
        raise Unavailable("nobody leads here")

    monkeypatch.setattr(Courier, "_deliver", away)
    sent = {"handle": handle, "code": town.code_for(email)}
    assert ann.refused("POST", "/sign-up/verify", sent) == "unavailable"
    assert ann.refused("POST", "/sign-in", {"email": email, "password": PASSWORD}) == "unavailable"
    monkeypatch.undo()
    assert ann.sign_in(email)["account"] > 1_000


def test_nothing_is_kept_of_an_address_whose_code_has_not_come_back(town, email):
    browser = town.browser()
    browser.done("POST", "/sign-up", {"email": email, "password": PASSWORD})
    assert town.find(email) is None
    assert browser.refused("POST", "/sign-in", {"email": email, "password": PASSWORD}) == "sign_in_refused"


def test_a_code_is_good_for_ten_minutes_once_and_for_who_asked(town, email):
    ann, eve = town.browser(), town.browser()
    wanted = {"email": email, "password": PASSWORD}
    handle = ann.done("POST", "/sign-up", wanted)["handle"]
    code = town.code_for(email)
    other = eve.done("POST", "/sign-up", wanted | {"password": "what eve would like"})["handle"]
    assert eve.refused("POST", "/sign-up/verify", {"handle": other, "code": code}) == "code_wrong"
    ann.done("POST", "/sign-up/verify", {"handle": handle, "code": code})
    assert ann.refused("POST", "/sign-up/verify", {"handle": handle, "code": code}) == "code_wrong"
    late = ann.done("POST", "/sign-up", {"email": f"late-{email}", "password": PASSWORD})["handle"]
    town.clock.put_on(601)
    sent = {"handle": late, "code": town.code_for(f"late-{email}")}
    assert ann.refused("POST", "/sign-up/verify", sent) == "code_wrong"


def test_five_wrong_guesses_end_a_code(town, email):
    ann = town.browser()
    handle = ann.done("POST", "/sign-up", {"email": email, "password": PASSWORD})["handle"]
    code = town.code_for(email)
    wrong = f"{(int(code) + 1) % 10**8:08}"
    for _ in range(5):
        assert ann.refused("POST", "/sign-up/verify", {"handle": handle, "code": wrong}) == "code_wrong"
    assert ann.refused("POST", "/sign-up/verify", {"handle": handle, "code": code}) == "code_wrong"


@pytest.mark.parametrize("password", ["short one", "password123!", "1234567890", "abcabcabcabc", "x" * 129])
def test_a_password_that_is_guessed_first_is_refused(town, email, password):
    browser = town.browser()
    assert browser.refused("POST", "/sign-up", {"email": email, "password": password}) == "password_weak"


def test_a_password_that_says_the_address_again_is_refused(town):
    wanted = {"email": "mortimer.smith@example.org", "password": "Mortimer.Smith1"}
    assert town.browser().refused("POST", "/sign-up", wanted) == "password_weak"


def test_a_session_ends_when_its_owner_signs_out(town, email):
    ann = town.person(email)
    ann.done("DELETE", "/session")
    assert ann.refused("GET", "/session") == "not_signed_in"


def test_a_session_ends_after_an_idle_hour_and_after_a_day(town, email):
    ann = town.person(email)
    for _ in range(26):
        town.clock.put_on(HOUR_S - 300)
        ann.done("GET", "/session")
    town.clock.put_on(HOUR_S - 300)
    assert ann.refused("GET", "/session") == "not_signed_in"
    ann.sign_in(email)
    town.clock.put_on(HOUR_S + 1)
    assert ann.refused("GET", "/session") == "not_signed_in"


def test_sessions_are_listed_and_ended_from_another_one(town, email):
    ann, at_work = town.person(email), town.browser("another browser")
    at_work.sign_in(email)
    found = ann.done("GET", "/sessions")
    assert [(each["agent"], each["isThis"]) for each in found] == [
        ("another browser", False),
        ("a browser", True),
    ]
    ann.done("DELETE", f"/sessions/{found[0]['id']}")
    assert at_work.refused("GET", "/session") == "not_signed_in"
    ann.done("GET", "/session")


def test_a_new_device_is_told_of_by_mail_and_in_the_history(town, email):
    ann = town.person(email)
    assert Kind.NEW_DEVICE not in kinds(town, email)  # the first one is no news
    ann.sign_in(email)
    assert Kind.NEW_DEVICE not in kinds(town, email)
    town.browser("somebody's").sign_in(email)
    assert kinds(town, email)[0] == Kind.NEW_DEVICE
    history = ann.done("GET", "/sign-ins")
    assert [(each["outcome"], each["agent"], each["isKnownDevice"]) for each in history] == [
        ("signed_in", "somebody's", False),
        ("signed_in", "a browser", True),
        ("signed_in", "a browser", False),
    ]


def test_a_hash_with_older_parameters_is_made_anew_at_the_next_sign_in(town, email, monkeypatch):
    ann = town.person(email)
    before = town.find(email).password_hash
    monkeypatch.setattr(town.passwords, "is_outdated", lambda stored: True)
    ann.sign_in(email)
    assert town.find(email).password_hash != before
    monkeypatch.undo()
    ann.sign_in(email)


def test_with_an_authenticator_a_password_alone_opens_nothing(town, email):
    ann = town.person(email)
    ann.set_up_second_factor()
    wanted = {"email": email, "password": PASSWORD}
    assert ann.refused("POST", "/sign-in", wanted) == "second_factor_needed"
    assert ann.refused("POST", "/sign-in", wanted | {"secondFactor": "000000"}) == "second_factor_wrong"
    ann.sign_in(email, code=ann.code())


def test_an_authenticator_counts_only_once_a_code_of_it_has_come(town, email):
    ann = town.person(email)
    ann.done("POST", "/second-factor")
    assert ann.refused("POST", "/second-factor/confirm", {"code": "000000"}) == "second_factor_wrong"
    ann.sign_in(email)
    assert not ann.done("GET", "/session")["hasSecondFactor"]


def test_a_recovery_code_lets_in_once_and_holds_withdrawals(town, email):
    ann = town.person(email)
    codes = ann.set_up_second_factor()
    assert len(codes) == len(set(codes)) == 10
    town.clock.put_on(25 * HOUR_S)  # what setting it up has held is over
    session = ann.sign_in(email, code=codes[0].upper())
    assert session["withdrawalsHeldUntil"] > town.clock() // 1_000_000 + 71 * HOUR_S * 1_000
    assert kinds(town, email)[0] == Kind.RECOVERY_CODE_USED
    wanted = {"email": email, "password": PASSWORD, "secondFactor": codes[0]}
    assert ann.refused("POST", "/sign-in", wanted) == "second_factor_wrong"


def test_what_is_sensitive_needs_a_proof_that_is_not_older_than_five_minutes(town, email):
    ann = town.person(email)
    town.clock.put_on(301)
    key = {"label": "bot", "scopes": ["read"]}
    assert ann.refused("POST", "/api-keys", key) == "proof_needed"
    assert ann.refused("POST", "/password", {"newPassword": "another good one"}) == "proof_needed"
    assert ann.refused("POST", "/second-factor") == "proof_needed"
    assert ann.refused("POST", "/session/prove", {"password": "a wrong one"}) == "sign_in_refused"
    assert ann.refused("POST", "/api-keys", key) == "proof_needed"
    ann.prove()
    ann.done("POST", "/api-keys", key)


def test_an_owner_freezes_the_account_at_once(town, email):
    ann = town.person(email)
    account = ann.done("GET", "/session")["account"]
    town.market.credit(account, "BTC", "2")
    ann.done("POST", "/freeze")
    assert ann.done("GET", "/session")["isFrozen"]
    assert kinds(town, email)[0] == Kind.FROZEN
    order = "/api/v3/order?symbol=BTCUSDT&side=SELL&type=MARKET&quantity=1"
    assert ann.send("POST", order).json()["msg"] == "This action is disabled on this account."
    assert ann.refused("POST", "/api-keys", {"label": "bot", "scopes": ["read"]}) == "self_frozen"


def test_an_address_waits_a_day_and_again_when_it_comes_back(town, email):
    ann = town.person(email)
    wanted = {"network": "ethereum", "address": "0x" + "ab" * 20, "label": "cold"}
    assert ann.refused("POST", "/addresses", wanted) == "second_factor_required"
    ann.set_up_second_factor()
    entry = ann.done("POST", "/addresses", wanted)
    assert entry["usableFrom"] - entry["createdAt"] == 24 * HOUR_S * 1_000
    assert kinds(town, email)[0] == Kind.NEW_ADDRESS
    town.clock.put_on(100)
    assert ann.done("POST", "/addresses", wanted) == entry
    ann.done("DELETE", f"/addresses/{entry['id']}")
    assert ann.done("GET", "/addresses") == []
    assert ann.done("POST", "/addresses", wanted)["usableFrom"] > entry["usableFrom"]


def test_a_phrase_of_the_owners_stands_in_every_mail(town, email):
    ann = town.person(email)
    ann.done("PUT", "/profile", {"language": "zh", "phrase": "blue heron"})
    ann.done("POST", "/api-keys", {"label": "bot", "scopes": ["read"]})
    newest = town.mails(email)[0]
    assert (newest.language, newest.content["phrase"]) == ("zh", "blue heron")


def test_two_browsers_behind_one_gateway_stay_apart(town, email):
    ann, bob = town.person(email), town.person(f"bob-{email}")
    assert ann.done("GET", "/session")["email"] == email
    assert bob.done("GET", "/session")["email"] == f"bob-{email}"
    stranger = town.browser()
    assert stranger.refused("GET", "/session") == "not_signed_in"


def test_without_an_office_the_gateway_says_so(tmp_path):
    with rest_market(tmp_path) as market:
        answer = market.client.get("/api/account/v1/session")
    assert (answer.status_code, answer.json()["reason"]) == (503, "unavailable")
