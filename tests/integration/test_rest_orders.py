"""Orders through the REST API: what is sent, what comes back, and what the account then holds."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from cambist.engine.commands import MarketStatus
from tests.integration.rest_market import RestMarket, Trader, limit_order, ok, rest_market

ORDER = "/api/v3/order"


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestMarket]:
    with rest_market(tmp_path_factory.mktemp("exchange")) as market:
        yield market


@pytest.fixture
def empty_book(market: RestMarket) -> Iterator[RestMarket]:
    """The market, whose books are empty again afterwards."""
    yield market
    market.cancel_everything()


def balances(trader: Trader) -> dict[str, tuple[str, str]]:
    answer = trader.get("/api/v3/account", omitZeroBalances="true")
    return {each["asset"]: (each["free"], each["locked"]) for each in answer["balances"]}


def test_a_resting_bid_holds_its_value_and_is_shown_as_new(empty_book):
    ann = empty_book.trader(USDT="1000")
    answer = ann.order("BUY", "0.5", "100.25", newClientOrderId="first")
    assert answer == {
        "symbol": "BTCUSDT",
        "orderId": answer["orderId"],
        "orderListId": -1,
        "clientOrderId": "first",
        "transactTime": answer["transactTime"],
        "price": "100.25000000",
        "origQty": "0.50000000",
        "executedQty": "0.00000000",
        "origQuoteOrderQty": "0.00000000",
        "cummulativeQuoteQty": "0.00000000",
        "status": "NEW",
        "timeInForce": "GTC",
        "type": "LIMIT",
        "side": "BUY",
        "workingTime": answer["transactTime"],
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "fills": [],
    }
    assert balances(ann) == {"USDT": ("949.87500000", "50.12500000")}


def test_a_match_shows_its_fills_and_moves_base_quote_and_fees(empty_book):
    ann, bob = empty_book.trader(USDT="1000"), empty_book.trader(BTC="2")
    ann.order("BUY", "0.5", "101")
    ann.order("BUY", "0.5", "100")
    answer = bob.order("SELL", "0.8", "100")
    assert (answer["status"], answer["executedQty"], answer["cummulativeQuoteQty"]) == (
        "FILLED",
        "0.80000000",
        "80.50000000",
    )
    assert [
        (fill["price"], fill["qty"], fill["commission"], fill["commissionAsset"]) for fill in answer["fills"]
    ] == [
        ("101.00000000", "0.50000000", "0.10100000", "USDT"),
        ("100.00000000", "0.30000000", "0.06000000", "USDT"),
    ]
    assert balances(bob) == {"BTC": ("1.20000000", "0.00000000"), "USDT": ("80.33900000", "0.00000000")}
    # The maker's 0.1 % comes out of the base that she bought; 0.2 are still to be bought at 100.
    assert balances(ann) == {"BTC": ("0.79920000", "0.00000000"), "USDT": ("899.50000000", "20.00000000")}


def test_the_articles_example_agrees_to_the_last_unit(empty_book):
    ann, bob = empty_book.trader(BTC="1"), empty_book.trader(ETP="1000")
    ann.order("BUY", "10", "0.001", symbol="ETPBTC")
    assert balances(ann) == {"BTC": ("0.99000000", "0.01000000")}
    assert bob.order("SELL", "10", "0.001", symbol="ETPBTC")["status"] == "FILLED"
    assert balances(ann) == {"BTC": ("0.99000000", "0.00000000"), "ETP": ("10.00000000", "0.00000000")}
    assert balances(bob) == {"BTC": ("0.01000000", "0.00000000"), "ETP": ("990.00000000", "0.00000000")}


def test_an_order_reads_back_the_same_while_open_and_after(empty_book):
    ann, bob = empty_book.trader(USDT="1000"), empty_book.trader(BTC="1")
    placed = ann.order("BUY", "0.5", "100", newClientOrderId="back")
    opened = ann.get(ORDER, symbol="BTCUSDT", orderId=placed["orderId"])
    assert (opened["status"], opened["isWorking"], opened["time"]) == ("NEW", True, placed["transactTime"])
    assert ann.get("/api/v3/openOrders", symbol="BTCUSDT") == [opened]
    bob.order("SELL", "0.2", "100")
    assert ann.get(ORDER, symbol="BTCUSDT", origClientOrderId="back")["status"] == "PARTIALLY_FILLED"
    bob.order("SELL", "0.3", "100")
    closed = ann.get(ORDER, symbol="BTCUSDT", origClientOrderId="back")
    assert (closed["status"], closed["executedQty"], closed["cummulativeQuoteQty"]) == (
        "FILLED",
        "0.50000000",
        "50.00000000",
    )
    assert set(closed) == set(opened)
    assert ann.get("/api/v3/openOrders") == []


def test_cancelling_gives_the_order_back_with_both_names_and_frees_the_hold(empty_book):
    ann = empty_book.trader(USDT="1000")
    placed = ann.order("BUY", "0.5", "100", newClientOrderId="mine")
    answer = ann.delete(ORDER, symbol="BTCUSDT", origClientOrderId="mine", newClientOrderId="its-cancel")
    assert answer["status"] == "CANCELED"
    assert (answer["orderId"], answer["origClientOrderId"], answer["clientOrderId"]) == (
        placed["orderId"],
        "mine",
        "its-cancel",
    )
    assert balances(ann) == {"USDT": ("1000.00000000", "0.00000000")}
    assert ann.get(ORDER, symbol="BTCUSDT", orderId=placed["orderId"])["status"] == "CANCELED"


def test_an_order_is_found_only_by_its_owner_in_its_market_under_its_names(empty_book):
    ann, bob = empty_book.trader(USDT="1000"), empty_book.trader()
    order_id = ann.order("BUY", "0.5", "100", newClientOrderId="hidden")["orderId"]
    unknown = (400, -2013, "Order does not exist.")
    for trader, named in [
        (bob, {"symbol": "BTCUSDT", "orderId": order_id}),
        (bob, {"symbol": "BTCUSDT", "origClientOrderId": "hidden"}),
        (ann, {"symbol": "ETPBTC", "orderId": order_id}),
        (ann, {"symbol": "BTCUSDT", "orderId": order_id, "origClientOrderId": "other"}),
        (ann, {"symbol": "BTCUSDT", "orderId": order_id + 1}),
    ]:
        assert trader.refused("GET", ORDER, **named) == unknown
        assert trader.refused("DELETE", ORDER, **named) == (400, -2011, "Unknown order sent.")
    assert ann.get(ORDER, symbol="BTCUSDT", orderId=order_id, origClientOrderId="hidden")["status"] == "NEW"


def test_a_closed_order_is_found_while_an_order_of_another_market_has_its_client_id(empty_book):
    ann = empty_book.trader(USDT="1000", BTC="1")
    closed = ann.order("BUY", "0.5", "100", newClientOrderId="mine")
    ann.delete(ORDER, symbol="BTCUSDT", orderId=closed["orderId"])
    ann.order("BUY", "10", "0.001", "ETPBTC", newClientOrderId="mine")
    found = ann.get(ORDER, symbol="BTCUSDT", origClientOrderId="mine")
    assert (found["orderId"], found["status"]) == (closed["orderId"], "CANCELED")
    assert ann.get(ORDER, symbol="ETPBTC", origClientOrderId="mine")["status"] == "NEW"


def test_cancelling_all_lists_every_order_of_that_market_and_of_no_other(empty_book):
    ann = empty_book.trader(USDT="1000", BTC="1")
    in_market = [ann.order("BUY", "0.1", str(price))["orderId"] for price in (100, 101, 102)]
    elsewhere = ann.order("BUY", "1", "0.001", symbol="ETPBTC")["orderId"]
    answer = ann.delete("/api/v3/openOrders", symbol="BTCUSDT")
    assert [each["orderId"] for each in answer] == in_market
    assert {each["status"] for each in answer} == {"CANCELED"}
    assert [each["orderId"] for each in ann.get("/api/v3/openOrders")] == [elsewhere]
    assert ann.refused("DELETE", "/api/v3/openOrders", symbol="BTCUSDT") == (
        400,
        -2011,
        "Unknown order sent.",
    )


def test_cancelling_more_orders_than_one_command_takes_lists_them_all(tmp_path):
    with rest_market(tmp_path) as market:
        market.list_market("ETP", "USDT", tick="0.01", lot="0.001", max_orders=200, notional_min_atoms=1)
        ann = market.trader(USDT="1000")
        placed = [ann.order("BUY", "0.1", "1", symbol="ETPUSDT")["orderId"] for _ in range(150)]
        answer = ann.delete("/api/v3/openOrders", symbol="ETPUSDT")
        assert [each["orderId"] for each in answer] == placed
        assert balances(ann) == {"USDT": ("1000.00000000", "0.00000000")}


@pytest.mark.parametrize(
    ("time_in_force", "executed", "reason"),
    [
        ("IOC", "0.20000000", "UNFILLED_IOC_QUANTITY_EXPIRED"),
        ("FOK", "0.00000000", "UNFILLED_FOK_ORDER_EXPIRED"),
    ],
)
def test_what_may_not_rest_expires_and_says_why(empty_book, time_in_force, executed, reason):
    ann, bob = empty_book.trader(USDT="1000"), empty_book.trader(BTC="1")
    ann.order("BUY", "0.2", "100")
    answer = bob.order("SELL", "0.5", "100", timeInForce=time_in_force)
    assert (answer["status"], answer["executedQty"], answer["expiryReason"]) == ("EXPIRED", executed, reason)
    assert balances(bob)["BTC"][1] == "0.00000000"


def test_a_market_order_by_quantity_takes_what_is_there(empty_book):
    ann, bob = empty_book.trader(BTC="1"), empty_book.trader(USDT="1000")
    ann.order("SELL", "0.2", "100")
    answer = bob.post(ORDER, symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.5")
    assert (answer["status"], answer["origQty"], answer["executedQty"]) == (
        "EXPIRED",
        "0.50000000",
        "0.20000000",
    )
    assert (answer["price"], answer["timeInForce"]) == ("0.00000000", "GTC")
    assert answer["expiryReason"] == "INSUFFICIENT_LIQUIDITY"


def test_a_market_order_by_quote_budget_spends_at_most_that(empty_book):
    ann, bob = empty_book.trader(BTC="1"), empty_book.trader(USDT="1000")
    ann.order("SELL", "0.5", "100")
    answer = bob.post(ORDER, symbol="BTCUSDT", side="BUY", type="MARKET", quoteOrderQty="25.05")
    assert (answer["status"], answer["origQuoteOrderQty"]) == ("FILLED", "25.05000000")
    assert (answer["origQty"], answer["executedQty"], answer["cummulativeQuoteQty"]) == (
        "0.25000000",
        "0.25000000",
        "25.00000000",
    )
    assert balances(bob)["USDT"] == ("975.00000000", "0.00000000")
    again = bob.get(ORDER, symbol="BTCUSDT", orderId=answer["orderId"])
    assert (again["origQty"], again["executedQty"], again["status"]) == ("0.25000000", "0.25000000", "FILLED")


@pytest.mark.parametrize(
    ("mode", "taker", "maker"),
    [
        ("EXPIRE_MAKER", "NEW", "EXPIRED_IN_MATCH"),
        ("EXPIRE_TAKER", "EXPIRED_IN_MATCH", "NEW"),
        ("EXPIRE_BOTH", "EXPIRED_IN_MATCH", "EXPIRED_IN_MATCH"),
        ("NONE", "FILLED", "FILLED"),
    ],
)
def test_the_takers_mode_decides_how_a_self_trade_ends(empty_book, mode, taker, maker):
    ann = empty_book.trader(USDT="1000", BTC="1")
    resting = ann.order("BUY", "0.2", "100", selfTradePreventionMode="NONE")
    answer = ann.order("SELL", "0.2", "100", selfTradePreventionMode=mode)
    assert answer["status"] == taker
    assert answer["selfTradePreventionMode"] == mode
    assert ann.get(ORDER, symbol="BTCUSDT", orderId=resting["orderId"])["status"] == maker


@pytest.mark.parametrize(
    ("order_type", "default"),
    [("LIMIT", {"fills", "status"}), ("LIMIT_MAKER", set())],
)
def test_the_answers_length_follows_the_type_unless_asked_for(empty_book, order_type, default):
    ann = empty_book.trader(USDT="1000")
    wanted = {"type": order_type, "timeInForce": "GTC" if order_type == "LIMIT" else None}
    assert {"fills", "status"} & set(ann.order("BUY", "0.1", "100", **wanted)) == default
    assert "status" not in ann.order("BUY", "0.1", "100", newOrderRespType="ACK", **wanted)
    result = ann.order("BUY", "0.1", "100", newOrderRespType="RESULT", **wanted)
    assert "status" in result and "fills" not in result
    assert ann.order("BUY", "0.1", "100", newOrderRespType="FULL", **wanted)["fills"] == []


def test_a_client_id_is_made_up_if_none_is_sent(empty_book):
    ann = empty_book.trader(USDT="1000")
    first, second = (ann.order("BUY", "0.1", "100")["clientOrderId"] for _ in range(2))
    assert first != second
    assert ann.get(ORDER, symbol="BTCUSDT", origClientOrderId=first)["clientOrderId"] == first


def test_times_come_in_microseconds_when_asked_for(empty_book):
    ann = empty_book.trader(USDT="1000")
    ann.order("BUY", "0.1", "100")
    query = ann.signed(f"timestamp={empty_book.clock() // 1_000_000}")
    for unit, digits in (("MICROSECOND", 16), ("microsecond", 16), ("MILLISECOND", 13)):
        response = empty_book.client.get(
            f"/api/v3/openOrders?{query}", headers=ann.headers() | {"X-MBX-TIME-UNIT": unit}
        )
        assert len(str(response.json()[0]["time"])) == digits


def send(market: RestMarket, trader: Trader, method: str, query: str, body: str, content_type: str) -> Any:
    return ok(
        market.client.request(
            method,
            f"{ORDER}?{query}",
            headers=trader.headers() | {"content-type": content_type},
            content=body,
        )
    )


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/x-www-form-urlencoded", "text/plain", ""]
)
def test_parameters_are_read_from_the_body_whatever_it_calls_itself(empty_book, content_type):
    ann = empty_book.trader(USDT="1000")
    wanted = limit_order("BUY", "0.1", "100", "BTCUSDT") | {"timestamp": empty_book.clock() // 1_000_000}
    placed = send(empty_book, ann, "POST", "", ann.signed(urlencode(wanted)), content_type)
    named = f"symbol=BTCUSDT&orderId={placed['orderId']}&timestamp={wanted['timestamp']}"
    assert send(empty_book, ann, "DELETE", "", ann.signed(named), content_type)["status"] == "CANCELED"


def test_parameters_may_be_split_between_query_and_body_and_the_query_wins(empty_book):
    ann = empty_book.trader(USDT="1000")
    query = urlencode(limit_order("BUY", "0.1", "100", "BTCUSDT"))
    body = f"price=101&timestamp={empty_book.clock() // 1_000_000}"
    signature = ann.signature(query + body)
    placed = send(empty_book, ann, "POST", query, f"{body}&signature={signature}", "")
    assert placed["price"] == "100.00000000"


def test_numbers_are_compared_by_value(empty_book):
    ann = empty_book.trader(USDT="1000")
    for price in ("100", "100.0", "100.00000000", "00100.0000000000"):
        assert ann.order("BUY", "0.1000000000", price)["price"] == "100.00000000"


# Refusals


def test_what_the_engine_declines_has_the_code_and_text_that_clients_know(empty_book):
    ann, bob = empty_book.trader(USDT="1000"), empty_book.trader(BTC="1")
    bob.order("SELL", "0.5", "100", newClientOrderId="taken")
    assert ann.refused_order(quantity="11") == (
        -2010,
        "Account has insufficient balance for requested action.",
    )
    assert ann.refused_order(type="LIMIT_MAKER", timeInForce=None, price="100") == (
        -2010,
        "Order would immediately match and take.",
    )
    assert bob.refused_order(side="SELL", quantity="0.1", newClientOrderId="taken") == (
        -2010,
        "Duplicate order sent.",
    )


@pytest.mark.parametrize("state", [MarketStatus.CANCEL_ONLY, MarketStatus.HALTED])
def test_a_market_that_is_not_trading_takes_cancels_and_no_orders(empty_book, state):
    ann = empty_book.trader(USDT="1000")
    order_id = ann.order("BUY", "0.1", "100")["orderId"]
    empty_book.set_state("BTCUSDT", state)
    try:
        assert ann.refused_order() == (-2010, "Market is closed.")
        assert ann.delete(ORDER, symbol="BTCUSDT", orderId=order_id)["status"] == "CANCELED"
    finally:
        empty_book.set_state("BTCUSDT", MarketStatus.TRADING)


def test_a_frozen_account_may_cancel_and_nothing_else(empty_book):
    ann = empty_book.trader(USDT="1000")
    order_id = ann.order("BUY", "0.1", "100")["orderId"]
    empty_book.freeze(ann.account)
    assert ann.refused_order() == (-2010, "This action is disabled on this account.")
    assert ann.get("/api/v3/account")["canTrade"] is False
    assert ann.delete(ORDER, symbol="BTCUSDT", orderId=order_id)["status"] == "CANCELED"


def test_an_account_may_have_only_so_many_open_orders(empty_book):
    ann = empty_book.trader(USDT="1000")
    for _ in range(20):
        ann.order("BUY", "0.1", "100")
    assert ann.refused_order(quantity="0.1") == (-1013, "Filter failure: MAX_NUM_ORDERS")
    ann.delete("/api/v3/openOrders", symbol="BTCUSDT")
    assert ann.order("BUY", "0.1", "100")["status"] == "NEW"
