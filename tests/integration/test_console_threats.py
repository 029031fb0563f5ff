"""The attacks on the back office that the threat analysis names, each over real HTTP."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection

import msgspec
import pytest
from cryptography.exceptions import InvalidSignature
from sqlalchemy import text, update

from cambist.accounts import web_sessions
from cambist.console import changes
from cambist.console.app import COOKIE
from cambist.console.openapi import document
from cambist.console.routes import PREFIX, ROUTES
from cambist.control.exchange import Request
from cambist.control.protocol import OwnRequest, read_request
from cambist.engine.commands import AccountFreeze
from cambist.engine.system_accounts import HOUSE
from cambist.settings import Settings
from cambist.signer.approvals import ED25519
from cambist.staff.keys import Purpose
from cambist.staff.roles import ROLES, Action, Role
from cambist.store.audit import Act
from cambist.store.records import Records
from cambist.store.wallet_tables import withdrawals
from cambist.wallets import review
from tests.integration.backoffice import COIN, TWO_ABOVE_ATOMS, BackOffice, Colleague, back_office, refusal
from tests.integration.rest_market import ok
from tests.integration.spellings import operations, other_spellings

WHY = {"reason": "because it has to be"}
SIGNED_IN = {key: route for key, route in ROUTES.items() if route.action is not None}
# Who asks here is signed out by it, or loses a key.
_ENDS = {("DELETE", f"{PREFIX}/session")}


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory):
    with back_office(tmp_path_factory.mktemp("threats")) as office:
        yield office


def inside(path: str) -> str:
    return path.removeprefix(PREFIX).replace("{id}", "999")


def refused_rows(office: BackOffice, actor: str) -> int:
    return sum(1 for each, action, _ in office.audit() if (each, action) == (f"staff:{actor}", "refused"))


@pytest.mark.parametrize(("method", "path"), SIGNED_IN)
def test_A01_nothing_of_the_back_office_is_answered_to_a_stranger(office, method, path):
    stranger = office.colleague("stranger")
    for cookie in (None, "0" * 43):  # none, and one that was made up; as a customer's as well
        if cookie is not None:
            stranger.http.cookies.update({COOKIE: cookie, web_sessions.COOKIE: cookie})
        answer = stranger.ask(method, inside(path), None if method == "GET" else {})
        assert refusal(answer) == (401, "not_signed_in")


def test_A01_a_colleagues_key_is_as_if_it_did_not_exist(office):
    ann, bob = office.pair(Role.ADMINISTRATOR)
    (theirs,) = bob.done("GET", "/me")["keys"]
    for key in (theirs["id"], 987654321):
        assert refusal(ann.ask("DELETE", f"/keys/{key}")) == (400, "key_invalid")
    assert bob.done("GET", "/me")["keys"] == [theirs]


@pytest.mark.parametrize("role", list(Role))
def test_B01_each_role_may_do_what_the_table_says_and_nothing_else(office, role):
    somebody = office.one(role)
    before, denied = refused_rows(office, somebody.name), 0
    for (method, path), route in SIGNED_IN.items():
        if (method, path) in _ENDS:
            continue
        may = route.action in ROLES[role] or route.action is Action.OWN_KEYS
        answer = somebody.ask(method, inside(path), None if method == "GET" else {})
        is_denied = answer.status_code == 403 and answer.json()["reason"] == "not_permitted"
        assert is_denied is not may, (method, path, answer.text)
        denied += is_denied
    assert refused_rows(office, somebody.name) - before == denied > 0


def test_B01_nobody_gives_himself_a_role_and_a_role_that_is_taken_is_gone_at_once(office):
    ann = office.somebody(Role.ADMINISTRATOR)
    invitation = {"name": ann.name, "email": f"{ann.name}@example.org", "roles": ["reviewer"]}
    proposal = ann.propose("staff.invite", **invitation)
    assert refusal(ann.decide(proposal)) == (403, "second_person_needed")
    assert ann.done("GET", "/me")["roles"] == ["administrator"]
    office.invite(ann.name, Role.AUDITOR)  # at the machine: other roles, and a new link
    assert refusal(ann.ask("GET", "/staff")) == (401, "not_signed_in")


def test_B01_a_role_that_may_propose_some_changes_may_not_propose_or_decide_others(office):
    operator, administrator = office.one(Role.OPERATOR), office.one(Role.ADMINISTRATOR)
    body = {"request": {"operation": "asset.add", "name": "DOGE"}, **WHY}
    assert refusal(administrator.ask("POST", "/proposals", body)) == (403, "not_permitted")
    assert refusal(administrator.decide(operator.propose("asset.add", name="DOGE"))) == (403, "not_permitted")


def test_B02_one_person_is_not_two(office):
    ann, bob = office.pair(Role.REVIEWER)
    number = office.withdrawal(office.market.trader(), TWO_ABOVE_ATOMS + 1)
    assert ok(ann.approve(number)) == {"state": "held"}
    assert refusal(ann.approve(number)) == (403, "said_already")
    # Another one's session with the first one's key, which is the delegate.
    stolen = bob.private
    bob.private = ann.private
    assert refusal(bob.approve(number)) == (403, "proof_wrong")
    bob.private = stolen
    # A second account with the same key.
    twin = office.colleague("twin")
    twin.private = ann.private
    code = office.invite("twin", Role.REVIEWER)
    wanted = twin.done("POST", "/first/begin", {"code": code})
    body = {"code": code, "challenge": wanted["challenge"], "label": "k"}
    answer = twin.ask("POST", "/first", body | {"proof": twin.new_key(wanted["challenge"])})
    assert refusal(answer) == (400, "key_invalid")
    assert ok(bob.approve(number)) == {"state": "approved"}


def test_B02_a_session_without_the_key_approves_nothing_and_decides_nothing(office):
    ann, bob = office.pair(Role.REVIEWER)
    number = office.withdrawal(office.market.trader(), COIN)
    digest = ann.done("GET", f"/withdrawals/{number}")["digest"]
    # A signature for something else, or over something else, is none.
    for proof in (ann.proof(Purpose.SIGN_IN, digest), ann.proof(Purpose.APPROVE, "AAAA")):
        answer = ann.ask("POST", f"/withdrawals/{number}/approve", {"proof": proof})
        assert refusal(answer) == (403, "proof_wrong")
    first, second = office.pair(Role.OPERATOR)
    proposal = first.propose("asset.add", name="DOGE")
    body = {"accept": True, "proof": bob.proof(Purpose.DECIDE, proposal["digest"])}
    answer = second.ask("POST", f"/proposals/{proposal['id']}/decide", body)
    assert refusal(answer) == (403, "proof_wrong")


@pytest.mark.parametrize(
    ("column", "value"),
    [("address", "0x" + "cd" * 20), ("amount_units", "1"), ("fee_atoms", "0"), ("tag", "7")],
)
def test_B03_what_is_changed_after_an_approval_is_approved_by_nobody(office, column, value):
    ann, bob = office.pair(Role.REVIEWER)
    number = office.withdrawal(office.market.trader(), TWO_ABOVE_ATOMS + 1)
    signed = ann.done("GET", f"/withdrawals/{number}")["digest"]
    ok(ann.approve(number))
    with office.market.records.write() as db:
        db.execute(update(withdrawals).where(withdrawals.c.id == number).values({column: value}))
    detail = bob.done("GET", f"/withdrawals/{number}")
    assert detail["isUnchanged"] is False and detail["digest"] != signed
    assert refusal(bob.approve(number)) == (409, "payment_changed")
    with office.market.records.read() as db:
        (approval,) = review.approvals_of(db, number)
        payment = review.payment_of(db, number)
    assert approval.kind == ED25519
    with pytest.raises(InvalidSignature):
        ann.private.public_key().verify(approval.signature, Purpose.APPROVE.value + payment.digest())


def test_B03_a_proposal_that_was_changed_is_decided_by_nobody(office):
    ann, bob = office.pair(Role.OPERATOR)
    proposal = ann.propose("market.state", symbol="BTCUSDT", state="halted")
    with office.market.records.write() as db:
        db.execute(text("UPDATE proposals SET content = replace(content, 'BTCUSDT', 'ETPBTC')"))
    assert refusal(bob.decide(proposal)) == (403, "proof_wrong")


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE audit SET details = '{}' WHERE id = :row",
        "UPDATE audit SET actor = 'somebody' WHERE id = :row",
        "UPDATE audit SET time_ns = time_ns + 1 WHERE id = :row",
        "UPDATE audit SET hash = zeroblob(32) WHERE id = :row",
        "DELETE FROM audit WHERE id = :row",
        "UPDATE audit SET id = id + 1000000 WHERE id = :row",
    ],
)
def test_B04_whatever_is_done_to_the_audit_trail_shows(office, damage):
    auditor = office.one(Role.AUDITOR)
    office.somebody(Role.AUDITOR)  # of which rows come
    rows = auditor.done("GET", "/audit/check")["rows"]
    row = rows - 2
    with office.market.records.read() as db:
        kept = db.execute(text("SELECT * FROM audit WHERE id >= :row"), {"row": row}).mappings().all()
    with office.market.records.write() as db:
        db.execute(text(damage), {"row": row})
    found = [refusal(auditor.ask("GET", path)) for path in ("/audit/check", "/audit")]
    with office.market.records.write() as db:
        db.execute(text("DELETE FROM audit WHERE id >= :row"), {"row": row})
        for each in kept:
            names = ", ".join(each)
            places = ", ".join(f":{name}" for name in each)
            db.execute(text(f"INSERT INTO audit ({names}) VALUES ({places})"), dict(each))
    assert found == [(500, "audit_broken"), (500, "audit_broken")]
    assert auditor.done("GET", "/audit/check")["rows"] == rows


def test_B06_no_route_and_no_proposal_sets_a_balance(office):
    """Money moves by trades, deposits and withdrawals; a correction of the ledger is not offered at all."""
    ann = office.one(Role.OPERATOR)
    proposable = set(changes.Proposable.__args__)
    assert all(issubclass(each, Request) for each in proposable)
    others = [each for each in OwnRequest.__args__ if each not in proposable]
    for each in others:
        tag = each.__struct_config__.tag
        request = {
            "operation": tag,
            "email": "a@example.org",
            "asset": "BTC",
            "amount": "1",
            "reference": "r",
        }
        answer = ann.ask("POST", "/proposals", {"request": request, **WHY})
        assert refusal(answer) == (400, "malformed"), tag


def test_B10_payouts_are_stopped_by_one_whatever_the_exchange_does_and_go_on_by_two(office):
    ann, bob = office.pair(Role.OPERATOR)
    office.control.stop()
    office.settings.socket_file.unlink()
    try:
        stopped = ann.done("POST", "/payouts/stop", {"reason": "coins leave"})
        other = Records.open(Settings(home=office.settings.home), is_shared=True)
        assert other.payouts_stopped() == stopped["stopped"] == f"{ann.name}: coins leave"
        other.close()
        # What changes the exchange is refused, and nothing is waited for.
        answer = ann.ask("POST", "/markets/BTCUSDT/halt", {"state": "halted", **WHY})
        assert refusal(answer) == (503, "unavailable")
    finally:
        office.restart_control()
    with pytest.raises(msgspec.ValidationError):  # nor does the operator of the machine alone
        read_request(b'{"operation": "records.resume-payouts", "reason": "all is well"}')
    proposal = ann.propose("records.resume-payouts", reason="the leak is closed")
    assert refusal(ann.decide(proposal)) == (403, "second_person_needed")
    assert ann.done("GET", "/payouts")["stopped"] is not None
    assert ok(bob.decide(proposal))["proposal"]["state"] == "done"
    assert ann.done("GET", "/payouts")["stopped"] is None


def test_B10_the_house_goes_on_by_two_after_a_deposit_of_it_was_reversed(office):
    ann, bob = office.pair(Role.OPERATOR)
    frozen = AccountFreeze(account=HOUSE, frozen=True)
    office.exchange.execute(Act("wallets", "deposit.reverse", {}, office.clock()), frozen)
    with pytest.raises(msgspec.ValidationError):
        read_request(b'{"operation": "house.unfreeze"}')
    proposal = ann.propose("house.unfreeze")
    assert refusal(ann.decide(proposal)) == (403, "second_person_needed")
    assert ok(bob.decide(proposal))["answer"] == {"is_frozen": False}
    assert (f"staff:{bob.name}", "house.unfreeze") in [row[:2] for row in office.audit()]
    again = ok(bob.decide(ann.propose("house.unfreeze")))["proposal"]
    assert (again["state"], again["outcome"]) == ("failed", "the house's account is not frozen")


@pytest.mark.parametrize(
    "request_",
    [
        {"operation": "market.fees", "symbol": "BTCUSDT", "maker": "-0.001"},
        {"operation": "market.fees", "symbol": "BTCUSDT", "taker": "0.03"},
        {"operation": "network.set", "network": "ETH", "asset": "ETH", "terms": {"confirmations": 0}},
        {
            "operation": "network.set",
            "network": "ETH",
            "asset": "ETH",
            "terms": {"withdrawal_daily_max": "0"},
        },
    ],
)
def test_B09_what_is_out_of_bounds_is_not_even_proposed(office, request_):
    ann = office.one(Role.OPERATOR)
    answer = ann.ask("POST", "/proposals", {"request": request_, **WHY})
    assert answer.status_code == 400 and answer.json()["reason"] in ("out_of_bounds", "malformed")


def test_B11_who_leaves_is_out_at_the_next_request(office):
    ann = office.one(Role.ADMINISTRATOR)
    leaver = office.somebody(Role.REVIEWER)
    number = office.withdrawal(office.market.trader(), COIN)
    ann.done("POST", f"/staff/{leaver.name}/disable", WHY)
    assert refusal(leaver.ask("GET", f"/withdrawals/{number}")) == (401, "not_signed_in")
    challenge = leaver.done("POST", "/sign-in/begin")["challenge"]
    sent = {"challenge": challenge, "proof": leaver.proof(Purpose.SIGN_IN, challenge)}
    assert refusal(leaver.ask("POST", "/sign-in", sent)) == (403, "proof_wrong")


@pytest.mark.parametrize(
    "path",
    [
        "/API/CONSOLE/V1/users",
        "/api/console/v1/users/",
        "/api/console/v1//users",
        "/api/console/v1/./users",
        "/api/console/v1/x/..;/users",
        "/api/console/v1/x/%2e%2e/users",
        "/api/console/v1/users%2f",
        "/api/console/v1/users;a=b",
        "/api/console/v1/users%00",
        "/assets/../api/console/v1/users",
        "/..%2f..%2fetc/passwd",
        "/api/account/v1/session",
    ],
)
def test_A02_another_spelling_of_a_path_leads_nowhere(office, path):
    somebody, support = office.colleague("nobody"), office.one(Role.SUPPORT)
    for each in (somebody, support):
        answer = each.http.request("GET", path, headers={"x-csrf-token": each.csrf})
        # The client itself tidies /./ and /../ away: then it is the plain path, and asks who is there.
        if answer.request.url.raw_path.decode() == f"{PREFIX}/users":
            assert answer.status_code == (401 if each is somebody else 200)
        else:
            assert answer.status_code == 404


@pytest.mark.parametrize("role", [None, *Role])
def test_A02_no_spelling_of_a_documented_path_opens_what_a_role_does_not(office, role):
    somebody = office.colleague("nobody") if role is None else office.one(role)
    allowed = set() if role is None else {*ROLES[role], Action.OWN_KEYS}
    with connected(somebody) as ask:
        for method, path in operations(document(ROUTES)):
            action = ROUTES[method, path].action
            if action is None or action in allowed:
                continue
            for spelled in other_spellings(path):
                assert ask(method, spelled) in (401, 403, 404, 405), (method, spelled)


@contextmanager
def connected(somebody: Colleague) -> Iterator[Callable[[str, str], int]]:
    """Gives the status of an answer to a path that goes out as it is; httpx would tidy it."""
    cookies = "; ".join(f"{name}={value}" for name, value in somebody.http.cookies.items())
    headers = {"cookie": cookies, "x-csrf-token": somebody.csrf, "origin": str(somebody.http.base_url)}
    headers = {name: value.rstrip("/") for name, value in headers.items()}
    connection = HTTPConnection(somebody.http.base_url.host, somebody.http.base_url.port, timeout=60)

    def ask(method: str, path: str) -> int:
        connection.request(method, path, headers=headers | {"content-type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        return answer.status

    yield ask
    connection.close()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 421),
        ({"host": "127.0.0.1"}, 421),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"x-csrf-token": "0" * 64}, 403),
        ({"content-type": "text/plain"}, 415),
    ],
)
def test_another_sites_page_changes_nothing(office, headers, status):
    ann = office.one(Role.OPERATOR)
    before = office.audit()
    answer = ann.ask("POST", "/payouts/stop", WHY, headers={"content-type": "application/json"} | headers)
    assert answer.status_code == status
    assert office.audit() == before


def test_what_a_browser_is_told_keeps_others_out(office):
    ann = office.one(Role.OPERATOR)
    ann.sign_in()
    answer = ann.ask("GET", "/me")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
    assert answer.headers["cache-control"] == "no-store"
    challenge = ann.done("POST", "/sign-in/begin")["challenge"]
    sent = {"challenge": challenge, "proof": ann.proof(Purpose.SIGN_IN, challenge)}
    answer = ann.ask("POST", "/sign-in", sent)
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie
    ann.csrf = answer.json()["csrfToken"]


def test_strangers_are_let_in_slowly(office):
    stranger = office.colleague("stranger")
    answers = [stranger.ask("POST", "/sign-in/begin").status_code for _ in range(31)]
    assert answers[-1] == 429
    office.clock.put_on(61)
    assert stranger.ask("POST", "/sign-in/begin").status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b'{"reason": "fine", "reason": "other"}',
        b'{"reason": "fine", "more": 1}',
        b'{"reason": "no"}',
        b"[]",
        b'{"reason": ' + b"[" * 100 + b"]" * 100 + b"}",
        b'{"reason": "' + b"x" * 20_000 + b'"}',
        b"\xff",
        b"",
    ],
)
def test_a_body_that_says_anything_else_is_refused(office, body):
    ann = office.one(Role.OPERATOR)
    headers = {"x-csrf-token": ann.csrf, "content-type": "application/json"}
    answer = ann.http.post(f"{PREFIX}/payouts/stop", content=body, headers=headers)
    assert answer.status_code in (400, 413)
    assert office.market.records.payouts_stopped() is None
