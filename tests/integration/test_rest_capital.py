"""Deposits and withdrawals as programs and pages ask for them, over a gateway and the office behind it."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from cambist.accounts import address_book, people
from cambist.accounts.api_keys import Scope
from cambist.engine.commands import Role
from cambist.gateway import capital
from cambist.match.courier import Courier, LocalDesk, results
from cambist.settings import Accounts
from cambist.store.tables import users
from cambist.store.wallet_tables import asset_networks, deposits, networks
from cambist.store.wallet_tables import withdrawals as withdrawal_rows
from cambist.wallets import withdrawals
from cambist.wallets.deposit_state import State as DepositState
from cambist.wallets.withdrawals import Withdrawals
from tests.integration.browsers import Browser, Street, street
from tests.integration.rest_market import Trader, limit_order

ADDRESS = "0x" + "5b" * 20
APPLY = "/sapi/v1/capital/withdraw/apply"
HISTORY = "/sapi/v1/capital/withdraw/history"
WITHDRAWS = Scope.READ | Scope.WITHDRAW


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    """BTC can be paid in and out on a network; its wallets hold what is asked for."""
    with street(tmp_path_factory.mktemp("exchange")) as town:
        market = town.market
        market.records.bind_log(bytes(16))
        row = {
            "asset": market.assets["BTC"],
            "asset_name": "BTC",
            "scale": 8,
            "network": "ETH",
            "contract": "",
            "decimals": 18,
            "mirror": 7,
            "confirmations": 12,
            "large_above_atoms": "500000000",
            "large_confirmations": 30,
            "deposit_min_atoms": "1000",
            "withdrawal_fee_atoms": "50000",
            "withdrawal_min_atoms": "100000",
            "withdrawal_daily_max_atoms": "300000000",
            "review_two_above_atoms": "100000000",
            "hot_max_units": "0",
            "is_deposit_open": True,
            "is_withdrawal_open": True,
            "halted": "",
        }
        with market.records.write() as db:
            db.execute(insert(networks).values(name="ETH", chain_id=1, xpub="", hot_address="0x" + "40" * 20))
            db.execute(insert(asset_networks).values(row))
        with _wallets(town):
            yield town


@contextmanager
def _wallets(town: Street) -> Iterator[None]:
    market = town.market
    courier = Courier(
        market.records,
        LocalDesk(market.server),
        "wallets",
        Role.WALLET,
        effects=withdrawals.effects(market.records, town.clock),
        results=partial(results, market.settings),
    )
    holding = Withdrawals(market.records, courier, "ETH", town.clock)
    stopped = threading.Event()

    def work() -> None:
        while not stopped.wait(0.01):
            holding.step()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


def trader(town: Street, scopes: Scope = WITHDRAWS, btc: str = "2", address: str = ADDRESS) -> Trader:
    """With a key bound to its address, a second factor, and an address book."""
    town.market.client.address = "192.0.2.1"
    made = town.market.trader(scopes, ip_allow=("192.0.2.1",), BTC=btc)
    with town.market.records.write() as db:
        db.execute(update(users).where(users.c.account == made.account).values(sealed_totp=b"one"))
        user_id = db.scalar(
            users.select().with_only_columns(users.c.id).where(users.c.account == made.account)
        )
        enter(db, user_id, address, town)
    return made


def enter(db: Any, user_id: Any, address: str, town: Street) -> int:
    return address_book.add(
        db,
        people.get(db, user_id),
        network="ETH",
        address=address,
        tag="",
        label="",
        now_ns=town.clock() - 1,
        settings=Accounts(address_wait_hours=0),
    ).id


def test_a_program_asks_for_a_withdrawal_and_sees_it(town: Street) -> None:
    ann = trader(town)
    made = ann.post(APPLY, coin="BTC", network="ETH", address=ADDRESS, amount="1.5", withdrawOrderId="mine")
    (row,) = ann.get(HISTORY)
    assert row["id"] == made["id"]
    assert (row["amount"], row["transactionFee"], row["status"]) == ("1.49950000", "0.00050000", 2)
    assert (row["coin"], row["network"], row["address"], row["txId"]) == ("BTC", "ETH", ADDRESS, "")
    assert row["withdrawOrderId"] == "mine" and len(row["applyTime"]) == 19
    (btc,) = ann.post("/sapi/v3/asset/getUserAsset", asset="BTC")
    assert (btc["free"], btc["locked"]) == ("0.50000000", "1.50000000")
    again = ann.post(APPLY, coin="BTC", network="ETH", address=ADDRESS, amount="1.5", withdrawOrderId="mine")
    assert again == made and len(ann.get(HISTORY)) == 1
    other = {"coin": "BTC", "address": ADDRESS, "amount": "0.1", "withdrawOrderId": "mine"}
    assert ann.refused("POST", APPLY, **other)[:2] == (400, -4001)
    assert ann.get(HISTORY, coin="ETP") == [] and len(ann.get(HISTORY, status=2)) == 1


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"coin": "XYZ"}, -4018),
        ({"network": "TRX"}, -4018),
        ({"address": "0x" + "00" * 20}, -4033),
        ({"address": "0x" + "6c" * 20}, -4035),
        ({"amount": "0.00099999"}, -4022),
        ({"amount": "3.00000001"}, -4023),
        ({"amount": "2.00000001"}, -4026),
        ({"amount": "1e-3"}, -4022),
        ({"amount": "٣"}, -4022),
        ({"amount": "-1"}, -4022),
        ({"amount": "0.000000001"}, -4022),
    ],
    ids=str,
)
def test_W13_what_cannot_be_paid_is_refused(town: Street, changed: dict[str, str], code: int) -> None:
    ann = trader(town)
    wanted = {"coin": "BTC", "network": "ETH", "address": ADDRESS, "amount": "0.5"} | changed
    assert ann.refused("POST", APPLY, **wanted)[:2] == (400, code)
    (btc,) = ann.post("/sapi/v3/asset/getUserAsset", asset="BTC")
    assert (btc["free"], btc["locked"]) == ("2.00000000", "0.00000000")


def test_W10_a_key_withdraws_only_with_its_scope_from_its_address_to_the_address_book(town: Street) -> None:
    wanted = {"coin": "BTC", "network": "ETH", "address": ADDRESS, "amount": "0.5"}
    reader = trader(town, Scope.READ | Scope.TRADE)
    assert reader.refused("POST", APPLY, **wanted)[:2] == (401, -2015)
    ann = trader(town)
    town.market.client.address = "192.0.2.2"
    assert ann.refused("POST", APPLY, **wanted)[:2] == (401, -2015)
    town.market.client.address = "192.0.2.1"
    stranger = wanted | {"address": "0x" + "6c" * 20}
    assert ann.refused("POST", APPLY, **stranger)[:2] == (400, -4035)
    assert ann.post(APPLY, **wanted)["id"]


def test_W01_of_two_hundred_at_once_on_a_balance_for_one_exactly_one_gets_it(town: Street) -> None:
    """Withdrawals and orders, each of them for all there is."""
    ann = trader(town, WITHDRAWS | Scope.TRADE, btc="0.01")

    def ask(nth: int) -> None:
        if nth % 4:
            ann.request("POST", APPLY, coin="BTC", network="ETH", address=ADDRESS, amount="0.01")
        else:
            ann.request("POST", "/api/v3/order", **limit_order("BUY", "1", "0.01", "ETPBTC"))

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(ask, range(200)))
    deadline = time.monotonic() + 120
    while "requested" in states_of(town, ann):  # whoever waited three seconds was told so
        assert time.monotonic() < deadline, "the wallets do not ask the ledger"
        time.sleep(0.05)
    states, orders = states_of(town, ann), ann.get("/api/v3/openOrders", symbol="ETPBTC")
    assert len(states) > 100, "hardly any withdrawal came as far as the ledger"
    assert set(states) <= {"held", "refused"}
    assert states.count("held") + len(orders) == 1
    (btc,) = ann.post("/sapi/v3/asset/getUserAsset", asset="BTC")
    assert (btc["free"], btc["locked"]) == ("0.00000000", "0.01000000")


def states_of(town: Street, ann: Trader) -> list[str]:
    wanted = select(withdrawal_rows.c.state).where(withdrawal_rows.c.account == ann.account)
    with town.market.records.read() as db:
        return list(db.scalars(wanted))


def test_W11_no_way_out_while_withdrawals_wait(town: Street) -> None:
    wanted = {"coin": "BTC", "network": "ETH", "address": ADDRESS, "amount": "0.5"}
    ann = trader(town)
    with town.market.records.write() as db:
        db.execute(
            update(users)
            .where(users.c.account == ann.account)
            .values(withdrawals_held_until_ns=town.clock() + 3_600 * 10**9)
        )
    assert ann.refused("POST", APPLY, **wanted)[:2] == (400, -4032)
    town.clock.put_on(3_601)
    assert ann.post(APPLY, **wanted)["id"]


def test_coins_show_their_networks(town: Street) -> None:
    ann = trader(town)
    btc, usdt = ann.get("/sapi/v1/capital/config/getall")[:2]
    assert (btc["depositAllEnable"], btc["withdrawAllEnable"], usdt["networkList"]) == (True, True, [])
    (network,) = btc["networkList"]
    assert (network["network"], network["withdrawFee"], network["minConfirm"]) == ("ETH", "0.00050000", 12)
    assert network["unLockConfirm"] == 30  # which is enough for any amount
    assert network["withdrawIntegerMultiple"] == "0.00000001" and network["isDefault"] is True
    detail = ann.get("/sapi/v1/asset/assetDetail", asset="BTC")["BTC"]
    assert detail == {
        "minWithdrawAmount": "0.00100000",
        "depositStatus": True,
        "withdrawFee": "0.00050000",
        "withdrawStatus": True,
        "depositTip": "",
    }


def test_deposits_are_listed_with_their_confirmations(town: Street) -> None:
    ann = trader(town)
    with town.market.records.write() as db:
        user_id = db.scalar(
            users.select().with_only_columns(users.c.id).where(users.c.account == ann.account)
        )
        row: dict[str, Any] = {"network": "ETH", "output": "0", "contract": "", "asset_network_id": 1}
        row |= {
            "address": ADDRESS,
            "user_id": user_id,
            "account": ann.account,
            "amount_units": "1" + "0" * 18,
        }
        row |= {"amount_atoms": "100000000", "reason": "", "height": 7, "block": "b"}
        for txid, state, credited_at_ns in (("0xa", "seen", None), ("0xb", "credited", town.clock())):
            times = {"seen_at_ns": town.clock(), "credited_at_ns": credited_at_ns}
            db.execute(insert(deposits).values(row | times | {"txid": txid, "state": state}))
    found = ann.get("/sapi/v1/capital/deposit/hisrec")
    assert [(each["txId"], each["status"], each["amount"]) for each in found] == [
        ("0xb", 1, "1.00000000"),
        ("0xa", 0, "1.00000000"),
    ]
    assert found[0]["confirmTimes"] == "0/12"
    assert [each["txId"] for each in ann.get("/sapi/v1/capital/deposit/hisrec", txId="0xa")] == ["0xa"]
    assert ann.get("/sapi/v1/capital/deposit/hisrec", offset=1, limit=5)[0]["txId"] == "0xa"


MANY = 1_250


def test_a_history_reaches_back_to_its_first_row(town: Street) -> None:
    ann = trader(town)
    first_ms = 1_700_000_000_000
    with town.market.records.write() as db:
        user_id = db.scalar(
            users.select().with_only_columns(users.c.id).where(users.c.account == ann.account)
        )
        of_ann = {"user_id": user_id, "account": ann.account, "asset_network_id": 1, "address": ADDRESS}
        deposit: dict[str, Any] = of_ann | {"network": "ETH", "output": "0", "contract": "", "reason": ""}
        deposit |= {"amount_units": "1", "amount_atoms": "1", "state": "credited", "height": 7, "block": "b"}
        paid: dict[str, Any] = of_ann | {"tag": "", "amount_atoms": "1", "fee_atoms": "1", "reason": ""}
        paid |= {"amount_units": "1", "digest": b"", "state": "settled", "via": "api", "risk": []}
        for number in range(MANY):
            time_ns = (first_ms + number) * 1_000_000 + 999_999
            said: dict[str, Any] = {"txid": f"{ann.account}-{number}"}
            db.execute(insert(deposits).values(deposit | said | {"seen_at_ns": time_ns}))
            said |= {"client_id": f"n{number}", "requested_at_ns": time_ns}
            db.execute(insert(withdrawal_rows).values(paid | said))
    for path in ("/sapi/v1/capital/deposit/hisrec", HISTORY):
        newest, rest = ann.get(path), ann.get(path, offset=1_000, limit=1_000)
        ids = [each["txId"] for each in newest + rest]
        assert ids == [f"{ann.account}-{number}" for number in reversed(range(MANY))]
        assert ann.get(path, limit=2, offset=5)[0]["txId"] == ids[5]
        span = ann.get(path, startTime=first_ms + 7, endTime=first_ms + 9)
        assert [each["txId"] for each in span] == ids[-10:-7]
        assert ann.get(path, startTime=first_ms + 7, endTime=first_ms + 9, offset=2) == span[2:]
        assert ann.get(path, endTime=first_ms, coin="BTC")[0]["txId"] == ids[-1]
        assert ann.get(path, coin="ETP") == ann.get(path, status=0) == ann.get(path, offset=10**18) == []
    (named,) = ann.get(HISTORY, withdrawOrderId="n3")
    assert named["txId"] == f"{ann.account}-3"
    numbers = [each["id"] for each in ann.get(HISTORY, limit=3)]
    assert [each["id"] for each in ann.get(HISTORY, idList=f"{numbers[2]},{numbers[0]},x")] == numbers[::2]
    assert ann.refused("GET", HISTORY, idList=",".join(["1"] * 46))[:2] == (400, -1130)


def test_every_state_has_its_status() -> None:
    assert capital._DEPOSIT_STATUS.keys() == {*DepositState} - {DepositState.ORPHANED}
    assert capital._WITHDRAWAL_STATUS.keys() == {*withdrawals.State}


def test_an_address_to_pay_to_needs_the_signer(town: Street) -> None:
    ann = trader(town)
    assert ann.refused("GET", "/sapi/v1/capital/deposit/address", coin="BTC")[:2] == (503, -1001)
    assert ann.refused("GET", "/sapi/v1/capital/deposit/address", coin="XYZ")[:2] == (400, -4018)


def withdrawer(town: Street) -> tuple[Browser, int]:
    """Somebody with a page, a second factor and two bitcoin; and the number of the address."""
    email = town.visitor()
    ann = town.person(email)
    ann.set_up_second_factor()
    town.clock.put_on(25 * 3_600)
    ann.sign_in(email, code=ann.code())
    person = town.find(email)
    assert person is not None and person.user.account is not None
    town.market.credit(person.user.account, "BTC", "2")
    with town.market.records.write() as db:
        return ann, enter(db, person.user.id, ADDRESS, town)


def test_a_page_asks_for_a_withdrawal_and_cancels_it(town: Street) -> None:
    ann, number = withdrawer(town)
    wanted = {"asset": "BTC", "network": "ETH", "addressId": number, "amount": "1.5"}
    made = ann.done("POST", "/wallet/withdrawals", wanted)
    assert (made["state"], made["amount"], made["fee"]) == ("held", "1.49950000", "0.00050000")
    assert ann.done("POST", "/wallet/withdrawals", wanted | {"amount": "1"})["state"] == "refused"
    ann.done("DELETE", f"/wallet/withdrawals/{made['id']}")
    newest, first = ann.done("GET", "/wallet/withdrawals")
    assert (newest["reason"], first["state"]) == ("insufficient balance", "cancelled")
    assert ann.refused("DELETE", f"/wallet/withdrawals/{made['id']}") == "too_late"
    assert ann.refused("DELETE", "/wallet/withdrawals/999999") == "withdrawal_unknown"


def test_W12_a_page_withdraws_only_with_a_fresh_proof(town: Street) -> None:
    ann, number = withdrawer(town)
    wanted = {"asset": "BTC", "network": "ETH", "addressId": number, "amount": "0.5"}
    town.clock.put_on(6 * 60)
    assert ann.refused("POST", "/wallet/withdrawals", wanted) == "proof_needed"
    ann.prove()
    assert ann.done("POST", "/wallet/withdrawals", wanted)["state"] == "held"
    other, _ = withdrawer(town)
    assert other.refused("POST", "/wallet/withdrawals", wanted) == "address_unknown"
