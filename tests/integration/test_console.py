"""A day in the back office: coming in, withdrawals, users, markets, and what takes two people."""

from collections.abc import Iterator

import pytest

from cambist.staff import sessions
from cambist.staff.keys import Purpose
from cambist.staff.roles import Role
from cambist.wallets import review
from tests.integration.backoffice import (
    ADDRESS,
    COIN,
    TWO_ABOVE_ATOMS,
    BackOffice,
    back_office,
    refusal,
)
from tests.integration.rest_market import limit_order, ok
from tests.passkeys import Passkey


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackOffice]:
    with back_office(tmp_path_factory.mktemp("office")) as office:
        yield office


def passkey(office: BackOffice) -> Passkey:
    return Passkey("localhost", office.url)


def test_a_link_makes_a_member_once(office):
    code = office.invite("first.ann", Role.SUPPORT)
    ann = office.colleague("first.ann").first(code)
    me = ann.done("GET", "/me")
    assert (me["name"], me["roles"], len(me["keys"])) == ("first.ann", ["support"], 1)
    again = office.colleague("thief").ask("POST", "/first/begin", {"code": code})
    assert refusal(again) == (403, "invite_invalid")


def test_somebody_signs_in_with_either_kind_of_key_and_out_again(office):
    with_key = office.somebody(Role.REVIEWER)
    with_passkey = office.colleague("pass.key", passkey(office))
    with_passkey.first(office.invite("pass.key", Role.REVIEWER))
    for somebody in (with_key, with_passkey):
        somebody.done("DELETE", "/session")
        assert refusal(somebody.ask("GET", "/me")) == (401, "not_signed_in")
        assert somebody.sign_in()["name"] == somebody.done("GET", "/me")["name"]


def test_a_passkey_without_its_owners_pin_or_of_another_page_or_copied_is_refused(office):
    bob = office.colleague("bob", passkey(office))
    bob.first(office.invite("bob", Role.REVIEWER))
    assert bob.passkey is not None
    bob.sign_in()
    for change, back in (
        ({"is_verified": False}, {"is_verified": True}),
        ({"rp_id": "example.org"}, {"rp_id": "localhost"}),
        ({"origin": "https://example.org"}, {"origin": office.url}),
        ({"count": 0}, {"count": 100}),
    ):
        vars(bob.passkey).update(change)
        challenge = bob.done("POST", "/sign-in/begin")["challenge"]
        sent = {"challenge": challenge, "proof": bob.proof(Purpose.SIGN_IN, challenge)}
        assert refusal(bob.ask("POST", "/sign-in", sent)) == (403, "proof_wrong")
        vars(bob.passkey).update(back)
    bob.sign_in()


def test_what_was_signed_once_is_not_signed_in_with_twice(office):
    ann = office.somebody(Role.SUPPORT)
    challenge = ann.done("POST", "/sign-in/begin")["challenge"]
    sent = {"challenge": challenge, "proof": ann.proof(Purpose.SIGN_IN, challenge)}
    assert ann.ask("POST", "/sign-in", sent).status_code == 200
    assert refusal(ann.ask("POST", "/sign-in", sent)) == (403, "challenge_invalid")


def test_a_session_that_is_idle_for_half_an_hour_is_over(office):
    ann = office.somebody(Role.SUPPORT)
    office.clock.put_on(sessions.IDLE_FOR_NS // 10**9 + 1)
    assert refusal(ann.ask("GET", "/me")) == (401, "not_signed_in")


def test_a_further_key_needs_one_that_is_enrolled(office):
    ann, other = office.somebody(Role.SUPPORT), office.colleague("other")
    for by, status in ((other, 403), (ann, 200)):
        challenge = ann.done("POST", "/keys/begin")["challenge"]
        body = {
            "challenge": challenge,
            "label": "second",
            "proof": other.new_key(challenge),
            "by": by.proof(Purpose.ENROL, challenge),
        }
        assert ann.ask("POST", "/keys", body).status_code == status
    keys = ann.done("GET", "/me")["keys"]
    assert [key["label"] for key in keys] == ["my key", "second"]
    ann.done("DELETE", f"/keys/{keys[1]['id']}")
    assert refusal(ann.ask("DELETE", f"/keys/{keys[0]['id']}")) == (400, "key_invalid")


def test_a_small_withdrawal_needs_one_approval_and_a_large_one_two(office):
    ann, bob = office.pair(Role.REVIEWER)
    trader = office.market.trader()
    small = office.withdrawal(trader, TWO_ABOVE_ATOMS)
    large = office.withdrawal(trader, TWO_ABOVE_ATOMS + 1)
    assert ok(ann.approve(small)) == {"state": "approved"}
    assert ok(ann.approve(large)) == {"state": "held"}
    assert ok(bob.approve(large)) == {"state": "approved"}
    detail = bob.done("GET", f"/withdrawals/{large}")
    assert [word["by"] for word in detail["words"]] == [ann.name, bob.name]
    assert (detail["withdrawal"]["needed"], detail["withdrawal"]["approved"]) == (2, 2)


def test_a_passkey_approves_and_leaves_what_the_signer_needs(office):
    pam = office.colleague("pam", passkey(office))
    pam.first(office.invite("pam", Role.REVIEWER))
    number = office.withdrawal(office.market.trader(), COIN)
    assert ok(pam.approve(number)) == {"state": "approved"}
    with office.market.records.read() as db:
        (approval,) = review.approvals_of(db, number)
    assert pam.passkey is not None
    assert (approval.approver, approval.kind, approval.credential_id) == ("pam", "webauthn", pam.passkey.id)
    assert approval.client_data and approval.authenticator_data and approval.signature


def test_a_rejection_needs_a_reason_and_ends_the_matter(office):
    ann, bob = office.pair(Role.REVIEWER)
    number = office.withdrawal(office.market.trader(), COIN)
    assert ann.ask("POST", f"/withdrawals/{number}/reject", {"reason": ""}).status_code == 400
    assert ok(ann.ask("POST", f"/withdrawals/{number}/reject", {"reason": "looks stolen"})) == {
        "state": "rejected"
    }
    assert refusal(bob.approve(number)) == (409, "withdrawal_not_held")
    assert bob.done("GET", f"/withdrawals/{number}")["withdrawal"]["reason"] == "looks stolen"


def test_a_reviewer_sees_what_is_known_of_the_owner(office):
    ann = office.one(Role.REVIEWER)
    trader = office.market.trader()
    number = office.withdrawal(trader, COIN, risk=["first withdrawal"])
    detail = ann.done("GET", f"/withdrawals/{number}")
    assert detail["withdrawal"]["risk"] == ["first withdrawal"]
    assert {check["name"]: check["isFine"] for check in detail["checks"]} == {
        "email_verified": False,
        "second_factor": False,
        "not_cooling": True,
        "not_self_frozen": True,
        "address_in_book": False,
        "address_waited": False,
    }
    assert number in [each["id"] for each in ann.done("GET", "/withdrawals?state=held")]
    assert [each["address"] for each in ann.done("GET", f"/withdrawals?user={office.user_of(trader)}")] == [
        ADDRESS
    ]


def test_a_user_is_found_frozen_and_let_go_and_the_trail_says_by_whom_and_why(office):
    operator = office.one(Role.OPERATOR)
    trader = office.market.trader(BTC="1")
    number = office.user_of(trader)
    trader.order("SELL", "0.1", "50000", "BTCUSDT")
    office.market.settle()
    detail = operator.done("GET", f"/users/{number}")
    assert detail["openOrders"] == 1 and detail["user"]["account"] == trader.account
    assert {each["asset"]: each["held"] for each in detail["balances"]} == {"BTC": "0.10000000"}
    found = operator.done("GET", f"/users?find={detail['user']['email'].upper()}")
    assert [each["id"] for each in found] == [number]
    assert operator.done("POST", f"/users/{number}/cancel-orders", {"reason": "owner asks"}) == {"orders": 1}
    assert operator.done("POST", f"/users/{number}/freeze", {"reason": "police letter"})["isFrozen"] is True
    assert operator.done("POST", f"/users/{number}/unfreeze", {"reason": "letter ended"})["isFrozen"] is False
    said = [(actor, action, details["reason"]) for actor, action, details in office.audit()[-3:]]
    mine = f"staff:{operator.name}"
    assert said == [
        (mine, "user.cancel-orders", "owner asks"),
        (mine, "user.freeze", "police letter"),
        (mine, "user.freeze", "letter ended"),
    ]


def test_orders_trades_and_fees_can_be_looked_up(office):
    auditor = office.one(Role.AUDITOR)
    seller, buyer = office.market.trader(BTC="1"), office.market.trader(USDT="100000")
    seller.order("SELL", "0.1", "60000", "BTCUSDT")
    buyer.order("BUY", "0.1", "60000", "BTCUSDT")
    office.market.settle()
    (order,) = auditor.done("GET", f"/orders?account={buyer.account}")
    assert (order["side"], order["price"], order["status"]) == ("BUY", "60000.00000000", "FILLED")
    (trade,) = auditor.done("GET", f"/trades?account={seller.account}&market=BTCUSDT")
    assert (trade["makerOrder"], trade["takerOrder"], trade["quantity"]) == (
        auditor.done("GET", f"/orders?account={seller.account}")[0]["order"],
        order["order"],
        "0.10000000",
    )
    fees = {each["asset"]: each["amount"] for each in auditor.done("GET", "/own") if each["kind"] == "fees"}
    assert set(fees) == {"BTC", "USDT"}
    ledger = auditor.done("GET", "/ledger")
    assert ledger["isBalanced"] and ledger["byClass"]["BTC"]["sum"] == "0.00000000"


def test_one_stops_a_market_and_two_open_it(office):
    ann, bob = office.pair(Role.OPERATOR)
    stopped = ann.done("POST", "/markets/ETPBTC/halt", {"state": "halted", "reason": "odd prices"})
    assert {each["symbol"]: each["state"] for each in stopped["markets"]}["ETPBTC"] == "halted"
    answer = ann.ask("POST", "/markets/ETPBTC/halt", {"state": "trading", "reason": "fine again"})
    assert answer.status_code == 400
    proposal = ann.propose("market.state", symbol="ETPBTC", state="trading")
    assert refusal(ann.decide(proposal)) == (403, "second_person_needed")
    assert ok(bob.decide(proposal))["proposal"]["state"] == "done"
    listed = ann.done("GET", "/listed")["markets"]
    assert {each["symbol"]: each["state"] for each in listed}["ETPBTC"] == "trading"
    assert refusal(bob.decide(proposal)) == (409, "not_waiting")


def test_what_the_exchange_refuses_is_said_and_nothing_is_tried_again(office):
    ann, bob = office.pair(Role.OPERATOR)
    decided = ok(bob.decide(ann.propose("asset.add", name="BTC")))
    assert decided["proposal"]["state"] == "failed"
    assert "ALREADY_LISTED" in decided["proposal"]["outcome"]


def test_a_proposal_is_rejected_or_taken_back_and_then_nothing_comes_of_it(office):
    ann, bob = office.pair(Role.OPERATOR)
    first = ann.propose("asset.add", name="DOGE")
    assert ok(bob.decide(first, accept=False))["proposal"]["state"] == "rejected"
    second = ann.propose("asset.add", name="DOGE")
    why = {"reason": "not wanted"}
    assert refusal(bob.ask("POST", f"/proposals/{second['id']}/withdraw", why)) == (403, "not_permitted")
    assert ann.done("POST", f"/proposals/{second['id']}/withdraw", why)["state"] == "withdrawn"
    assert refusal(bob.decide(second)) == (409, "not_waiting")
    assert "DOGE" not in [each["name"] for each in ann.done("GET", "/listed")["assets"]]


def test_a_new_member_takes_two_administrators_and_the_link_is_shown_to_the_second_only(office):
    ann, bob = office.pair(Role.ADMINISTRATOR)
    proposal = ann.propose("staff.invite", name="newcomer", email="new@example.org", roles=["reviewer"])
    decided = ok(bob.decide(proposal))
    code = decided["answer"]["link"].partition("#first=")[2]
    assert office.colleague("newcomer").first(code).done("GET", "/me")["roles"] == ["reviewer"]
    assert code not in str(ann.done("GET", "/proposals")) and code not in str(office.audit())


def test_the_trail_is_shown_newest_first_and_verified(office):
    auditor = office.one(Role.AUDITOR)
    rows = auditor.done("GET", "/audit")
    assert [row["row"] for row in rows] == sorted((row["row"] for row in rows), reverse=True)
    older = auditor.done("GET", f"/audit?before={rows[-1]['row']}")
    assert not older or older[0]["row"] == rows[-1]["row"] - 1
    assert auditor.done("GET", "/audit/check")["rows"] == rows[0]["row"]


def test_wallets_and_deposits_are_shown_with_what_stops_them(office):
    auditor = office.one(Role.AUDITOR)
    shown = auditor.done("GET", "/wallets")
    assert [(each["asset"], each["reviewTwoAbove"]) for each in shown["assets"]] == [("ETH", "5.00000000")]
    assert [(each["name"], each["halted"]) for each in shown["networks"]] == [("ETH", "not read yet")]
    assert auditor.done("GET", "/deposits?state=suspense") == []


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/users?find=a&find=b", "malformed"),
        ("/users?other=a", "malformed"),
        ("/orders?account=x", "malformed"),
        ("/users/" + "9" * 30, "unknown"),
        ("/users/9999", "unknown"),
        ("/withdrawals/9999", "withdrawal_unknown"),
        ("/nothing", "no_such_route"),
    ],
)
def test_what_cannot_be_read_or_found_is_refused(office, path, reason):
    operator = office.one(Role.OPERATOR)
    answer = operator.ask("GET", path)
    if reason == "no_such_route":
        assert answer.status_code == 404
    else:
        assert refusal(answer)[1] == reason


def test_limit_orders_are_not_placed_here(office):
    operator = office.one(Role.OPERATOR)
    order = limit_order("BUY", "1", "1", "BTCUSDT")
    assert refusal(operator.ask("POST", "/orders", order)) == (405, "wrong_method")
