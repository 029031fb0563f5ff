"""The article's example, played by an unmodified ccxt: 10 ETP for 0.01 BTC, to the last unit.

A is alice, who bids; B is bob, who offers. ETP/BTC has no fees, so what one gives is what the other gets.
"""

import re
import socket
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import ccxt
import pytest

from cambist.flow.rest import Credentials
from tests.conftest import CHECKOUT
from tests.e2e.harness import HOST, Exchange, running

PRICE, AMOUNT = 0.001, 10
SYMBOL = "ETP/BTC"


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    with running(tmp_path_factory.mktemp("ccxt") / "var", "--demo") as exchange:
        yield exchange


@pytest.fixture(autouse=True)
def only_this_machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A URL that was left as it is would carry our key to another host: any look-up of one fails the test."""
    resolve = socket.getaddrinfo
    elsewhere: list[object] = []

    def guarded(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host != HOST:
            elsewhere.append(host)
            raise socket.gaierror(socket.EAI_NONAME, "no host but this machine in this test")
        return resolve(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", guarded)
    yield
    assert elsewhere == []


def client(exchange: Exchange, user: Credentials | None = None, **options: Any) -> Any:
    """ccxt as it comes, with nothing changed but the URLs that README.md names."""
    base = f"http://{HOST}:{exchange.port}"
    urls = {
        "public": f"{base}/api/v3",
        "private": f"{base}/api/v3",
        "sapi": f"{base}/sapi/v1",
        "sapiV2": f"{base}/sapi/v2",
        "sapiV3": f"{base}/sapi/v3",
        "sapiV4": f"{base}/sapi/v4",
        "fapiPublic": f"{base}/fapi/v1",
        "dapiPublic": f"{base}/dapi/v1",
    }
    keys = {} if user is None else {"apiKey": user.api_key, "secret": user.secret_key}
    return ccxt.binance({"urls": {"api": urls}, **keys, **options})


@pytest.fixture
def alice(exchange: Exchange) -> Any:
    return client(exchange, exchange.users()["alice"])


@pytest.fixture
def bob(exchange: Exchange) -> Any:
    return client(exchange, exchange.users()["bob"])


@pytest.fixture(autouse=True)
def empty_book(exchange: Exchange) -> Iterator[None]:
    yield
    for user in exchange.users().values():
        each = client(exchange, user)
        for order in each.fetch_open_orders(SYMBOL):
            each.cancel_order(order["id"], SYMBOL)


def funds(user: Any) -> dict[str, tuple[Decimal, Decimal, Decimal]]:
    """Free, used and total of each asset, from the strings that came over the wire."""
    balance = user.fetch_balance()
    exact = {
        each["asset"]: (Decimal(each["free"]), Decimal(each["locked"]))
        for each in balance["info"]["balances"]
    }
    for asset, (free, used) in exact.items():
        assert (balance[asset]["free"], balance[asset]["used"]) == (float(free), float(used))
    return {asset: (free, used, free + used) for asset, (free, used) in exact.items()}


def change(
    before: dict[str, tuple[Decimal, Decimal, Decimal]], after: dict[str, tuple[Decimal, Decimal, Decimal]]
) -> dict[str, tuple[Decimal, Decimal]]:
    """By how much free and used changed, where they did."""
    changes = {
        asset: (after[asset][0] - before[asset][0], after[asset][1] - before[asset][1]) for asset in before
    }
    return {asset: each for asset, each in changes.items() if any(each)}


def test_ten_etp_change_hands_for_a_hundredth_of_a_bitcoin(exchange: Exchange, alice: Any, bob: Any) -> None:
    alice_before, bob_before = funds(alice), funds(bob)

    bid = alice.create_order(SYMBOL, "limit", "buy", AMOUNT, PRICE)
    assert (bid["status"], bid["amount"], bid["filled"], bid["remaining"]) == ("open", 10, 0, 10)
    assert change(alice_before, funds(alice)) == {"BTC": (Decimal("-0.01"), Decimal("0.01"))}
    assert [order["id"] for order in alice.fetch_open_orders(SYMBOL)] == [bid["id"]]
    assert alice.fetch_order_book(SYMBOL)["bids"] == [[PRICE, AMOUNT]]

    offer = bob.create_order(SYMBOL, "limit", "sell", AMOUNT, PRICE)
    assert (offer["status"], offer["filled"], offer["cost"], offer["average"]) == ("closed", 10, 0.01, PRICE)

    nothing = Decimal(0)
    assert change(alice_before, funds(alice)) == {
        "BTC": (Decimal("-0.01"), nothing),
        "ETP": (Decimal(10), nothing),
    }
    assert change(bob_before, funds(bob)) == {
        "BTC": (Decimal("0.01"), nothing),
        "ETP": (Decimal(-10), nothing),
    }

    for user, order, side, role in ((alice, bid, "buy", "maker"), (bob, offer, "sell", "taker")):
        kept = user.fetch_order(order["id"], SYMBOL)
        assert (kept["status"], kept["side"], kept["filled"], kept["cost"]) == ("closed", side, 10, 0.01)
        assert kept["clientOrderId"] == order["clientOrderId"]
        trade = user.fetch_my_trades(SYMBOL)[-1]
        assert (trade["order"], trade["side"], trade["takerOrMaker"]) == (order["id"], side, role)
        assert (trade["price"], trade["amount"], trade["cost"]) == (PRICE, 10, 0.01)
        assert Decimal(trade["info"]["commission"]) == 0
        assert user.fetch_open_orders(SYMBOL) == []

    public = client(exchange)
    (printed,) = public.fetch_trades(SYMBOL)
    assert (printed["price"], printed["amount"], printed["side"]) == (PRICE, 10, "sell")
    book = public.fetch_order_book(SYMBOL)
    assert (book["bids"], book["asks"]) == ([], [])
    assert public.fetch_last_prices([SYMBOL])[SYMBOL]["price"] == PRICE


def test_a_bid_shows_in_the_book_and_in_the_best_prices(exchange: Exchange, alice: Any, bob: Any) -> None:
    alice.create_order(SYMBOL, "limit", "buy", 3, 0.0009)
    bob.create_order(SYMBOL, "limit", "sell", 2, 0.0011)
    public = client(exchange)
    book = public.fetch_order_book(SYMBOL)
    assert (book["bids"], book["asks"]) == ([[0.0009, 3]], [[0.0011, 2]])
    best = public.fetch_bids_asks([SYMBOL])[SYMBOL]
    assert (best["bid"], best["bidVolume"], best["ask"], best["askVolume"]) == (0.0009, 3, 0.0011, 2)


def test_the_market_has_the_steps_and_no_fees(exchange: Exchange, alice: Any) -> None:
    markets = alice.load_markets()
    assert {"BTC/USDT", "ETH/USDT", "ETH/BTC", SYMBOL} <= set(markets)
    assert all(market["spot"] for market in markets.values())
    assert markets[SYMBOL]["precision"] == markets[SYMBOL]["precision"] | {"price": 1e-7, "amount": 0.1}
    fee = alice.fetch_trading_fee(SYMBOL)
    assert (fee["maker"], fee["taker"]) == (0, 0)
    assert client(exchange).load_markets().keys() == markets.keys()
    assert alice.fetch_status()["status"] == "ok"
    assert alice.fetch_time() > 0


def test_more_than_one_has_is_refused_as_insufficient_funds(alice: Any) -> None:
    before = funds(alice)
    with pytest.raises(ccxt.InsufficientFunds):
        alice.create_order(SYMBOL, "limit", "buy", 10_000, 0.01)
    assert funds(alice) == before
    assert alice.fetch_open_orders(SYMBOL) == []


def test_a_post_only_order_that_would_take_is_refused_as_immediately_fillable(alice: Any, bob: Any) -> None:
    alice.create_order(SYMBOL, "limit", "buy", 1, PRICE)
    with pytest.raises(ccxt.OrderImmediatelyFillable):
        bob.create_order(SYMBOL, "limit", "sell", 1, PRICE, {"postOnly": True})
    rests = bob.create_order(SYMBOL, "limit", "sell", 1, PRICE + 0.0001, {"postOnly": True})
    (shown,) = bob.fetch_open_orders(SYMBOL)
    assert (shown["id"], shown["postOnly"]) == (rests["id"], True)


def test_an_order_is_cancelled_once(alice: Any) -> None:
    before = funds(alice)
    order = alice.create_order(SYMBOL, "limit", "buy", 5, PRICE, {"clientOrderId": "only-once"})
    cancelled = alice.cancel_order(order["id"], SYMBOL)
    assert (cancelled["id"], cancelled["status"]) == (order["id"], "canceled")
    assert funds(alice) == before
    assert alice.fetch_order(order["id"], SYMBOL)["status"] == "canceled"
    with pytest.raises(ccxt.OrderNotFound):
        alice.cancel_order(order["id"], SYMBOL)
    with pytest.raises(ccxt.OrderNotFound):
        alice.fetch_order("987654321", SYMBOL)


@pytest.mark.parametrize(
    ("amount", "price", "filter_name", "raised"),
    [
        ("10.05", "0.001", "LOT_SIZE", ccxt.InvalidOrder),
        ("10", "0.00100005", "PRICE_FILTER", ccxt.InvalidOrder),
        ("0.1", "0.0001", "NOTIONAL", ccxt.BadRequest),  # ccxt knows this one only by its code
    ],
)
def test_what_a_filter_refuses_says_which_filter(
    alice: Any, amount: str, price: str, filter_name: str, raised: type[Exception]
) -> None:
    """Sent as it stands: ccxt's own rounding to the market's steps would hide the refusal."""
    order = {"symbol": "ETPBTC", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
    with pytest.raises(raised, match=filter_name):
        alice.private_post_order({**order, "quantity": amount, "price": price})


@pytest.mark.parametrize("readme", ["README.md", "README.zh-CN.md"])
def test_the_example_in_the_readme_runs_as_it_stands(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], readme: str
) -> None:
    (example,) = re.findall("```python\n(.*?)```", (CHECKOUT / readme).read_text(), re.DOTALL)
    monkeypatch.chdir(exchange.home.parent)  # where it finds var/demo/users.json
    exec(example.replace("127.0.0.1:8000", f"{HOST}:{exchange.port}"), {})
    printed = capsys.readouterr().out
    assert " open " in printed and "'used': 0.01" in printed


def test_a_wrong_secret_is_refused_as_authentication_error(exchange: Exchange) -> None:
    alice = exchange.users()["alice"]
    with pytest.raises(ccxt.AuthenticationError):
        client(exchange, alice._replace(secret_key="0" * 64)).fetch_balance()
