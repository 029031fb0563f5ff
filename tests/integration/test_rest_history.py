"""Closed orders and trades come from the views: in time, or with a timeout, never as if they were not there.

While the data server is paused the views stand still, as if its process were stopped.
"""

import threading

import pytest

from tests.integration.rest_market import Trader, rest_market

NOT_IN_TIME = (504, -1007)
NO_SUCH_ORDER = (400, -2013)


@pytest.fixture
def market(tmp_path):
    with rest_market(tmp_path) as market:
        yield market


@pytest.fixture
def ann(market):
    return market.trader(BTC="10", USDT="10000")


@pytest.fixture
def bob(market):
    return market.trader(BTC="10", USDT="10000")


def refused(trader: Trader, path: str, **params: object) -> tuple[int, int]:
    status, code, _ = trader.refused("GET", path, **params)
    return status, code


def test_a_filled_order_is_there_although_the_views_are_half_a_second_behind(market, ann, bob):
    bob.order("SELL", "1", "100")
    market.settle()
    market.data.pause()
    order = ann.order("BUY", "1", "100")
    threading.Timer(0.5, market.data.resume).start()
    found = ann.get("/api/v3/order", symbol="BTCUSDT", orderId=order["orderId"])
    assert (found["status"], found["executedQty"]) == ("FILLED", "1.00000000")


def test_what_the_views_do_not_show_in_time_is_a_timeout_and_not_missing(market, ann, bob):
    bob.order("SELL", "1", "100")
    market.settle()
    market.data.pause()
    order = ann.order("BUY", "1", "100")
    for path, params in (
        ("/api/v3/order", {"orderId": order["orderId"]}),
        ("/api/v3/order", {"origClientOrderId": order["clientOrderId"]}),
        ("/api/v3/allOrders", {}),
        ("/api/v3/myTrades", {}),
    ):
        assert refused(ann, path, symbol="BTCUSDT", **params) == NOT_IN_TIME
    market.data.resume()
    assert ann.get("/api/v3/order", symbol="BTCUSDT", orderId=order["orderId"])["status"] == "FILLED"


def test_an_order_that_somebody_else_filled_is_neither_open_nor_missing_until_the_views_know(
    market, ann, bob
):
    resting = ann.order("BUY", "1", "100")
    market.settle()
    market.data.pause()
    bob.order("SELL", "1", "100")  # nothing of this was answered to Ann
    assert refused(ann, "/api/v3/order", symbol="BTCUSDT", orderId=resting["orderId"]) == NOT_IN_TIME
    market.data.resume()
    assert ann.get("/api/v3/order", symbol="BTCUSDT", orderId=resting["orderId"])["status"] == "FILLED"


def test_what_was_closed_long_ago_needs_no_waiting(market, ann, bob):
    old = ann.order("BUY", "1", "100", timeInForce="IOC")
    market.settle()
    market.data.pause()
    bob.order("SELL", "1", "200")
    assert ann.get("/api/v3/order", symbol="BTCUSDT", orderId=old["orderId"])["status"] == "EXPIRED"
    assert [each["orderId"] for each in ann.get("/api/v3/allOrders", symbol="BTCUSDT")] == [old["orderId"]]
    assert ann.get("/api/v3/myTrades", symbol="BTCUSDT") == []


def test_an_open_order_is_the_engines_whatever_the_views_say(market, ann):
    market.settle()
    market.data.pause()
    order = ann.order("BUY", "1", "100")
    assert ann.get("/api/v3/order", symbol="BTCUSDT", orderId=order["orderId"])["status"] == "NEW"


def test_an_order_that_never_was_is_missing_only_once_the_views_are_complete(market, ann):
    assert refused(ann, "/api/v3/order", symbol="BTCUSDT", orderId=999) == NO_SUCH_ORDER
    market.data.pause()
    ann.order("BUY", "1", "100")
    assert refused(ann, "/api/v3/order", symbol="BTCUSDT", orderId=999) == NOT_IN_TIME


def test_public_trades_are_as_new_as_the_views_and_never_wait(market, ann, bob):
    bob.order("SELL", "2", "100")
    ann.order("BUY", "1", "100")
    seen = market.get("/api/v3/trades", symbol="BTCUSDT")
    market.data.pause()
    ann.order("BUY", "1", "100")
    assert market.get("/api/v3/trades", symbol="BTCUSDT") == seen


def test_all_orders_shows_open_and_closed_ones_oldest_first(ann, bob):
    bob.order("SELL", "1.5", "100")
    filled = ann.order("BUY", "1", "100")["orderId"]
    expired = ann.order("BUY", "1", "90", timeInForce="IOC")["orderId"]
    cancelled = ann.order("BUY", "1", "80")["orderId"]
    ann.delete("/api/v3/order", symbol="BTCUSDT", orderId=cancelled)
    part = ann.order("BUY", "1", "100")["orderId"]
    rests = ann.order("BUY", "1", "70")["orderId"]
    ann.order("BUY", "0.1", "0.00100", symbol="ETPBTC")

    def chosen(**params: object) -> list[tuple[int, str]]:
        found = ann.get("/api/v3/allOrders", symbol="BTCUSDT", **params)
        return [(each["orderId"], each["status"]) for each in found]

    everything = [
        (filled, "FILLED"),
        (expired, "EXPIRED"),
        (cancelled, "CANCELED"),
        (part, "PARTIALLY_FILLED"),
        (rests, "NEW"),
    ]
    assert chosen() == everything
    assert chosen(limit=2) == everything[-2:]
    assert chosen(orderId=expired) == everything[1:]
    assert chosen(orderId=expired, limit=2) == everything[1:3]
    assert chosen(orderId=rests + 1) == []


def test_all_orders_can_be_chosen_by_time(tmp_path):
    now_ns = [1_700_000_000 * 10**9]
    with rest_market(tmp_path, clock=lambda: now_ns[0]) as market:
        ann = market.trader(USDT="10000")
        ids = []
        for _ in range(5):
            now_ns[0] += 10**9
            ids.append(ann.order("BUY", "1", "10")["orderId"])
        begin_ms = 1_700_000_000_000

        def chosen(**params: object) -> list[int]:
            return [each["orderId"] for each in ann.get("/api/v3/allOrders", symbol="BTCUSDT", **params)]

        assert chosen(startTime=begin_ms + 2_000) == ids[1:]
        assert chosen(endTime=begin_ms + 2_000) == ids[:2]
        assert chosen(startTime=begin_ms + 2_000, endTime=begin_ms + 4_000) == ids[1:4]
        assert chosen(startTime=begin_ms + 2_001, limit=2) == ids[2:4]
        assert chosen(startTime=begin_ms + 9_000) == []
        too_long = {"startTime": begin_ms, "endTime": begin_ms + 86_400_001}
        assert refused(ann, "/api/v3/allOrders", symbol="BTCUSDT", **too_long) == (400, -1127)


def test_an_order_of_somebody_else_is_not_there(ann, bob):
    order = bob.order("BUY", "1", "100", timeInForce="IOC")["orderId"]
    assert refused(ann, "/api/v3/order", symbol="BTCUSDT", orderId=order) == NO_SUCH_ORDER


def test_of_orders_that_had_one_client_id_after_each_other_the_newest_is_meant(ann):
    for _ in range(2):
        last = ann.order("BUY", "1", "100", newClientOrderId="again", timeInForce="IOC")
    assert ann.get("/api/v3/order", symbol="BTCUSDT", origClientOrderId="again")["orderId"] == last["orderId"]


def test_historical_trades_begin_anywhere(market, ann, bob):
    bob.order("SELL", "5", "100")
    for _ in range(5):
        ann.order("BUY", "1", "100")

    def chosen(**params: object) -> list[int]:
        return [each["id"] for each in market.get("/api/v3/historicalTrades", symbol="BTCUSDT", **params)]

    assert chosen() == [1, 2, 3, 4, 5]
    assert chosen(limit=2) == [4, 5]
    assert chosen(fromId=2, limit=3) == [2, 3, 4]
    assert chosen(fromId=6) == []


def test_own_trades_can_be_chosen_by_order_on_either_side(ann, bob):
    resting = bob.order("SELL", "2", "100")["orderId"]
    taken = [ann.order("BUY", "1", "100")["orderId"] for _ in range(2)]

    def chosen(trader: Trader, order_id: int) -> list[tuple[int, bool]]:
        found = trader.get("/api/v3/myTrades", symbol="BTCUSDT", orderId=order_id)
        return [(each["id"], each["isMaker"]) for each in found]

    assert chosen(bob, resting) == [(1, True), (2, True)]
    assert [chosen(ann, order_id) for order_id in taken] == [[(1, False)], [(2, False)]]
    assert chosen(ann, resting) == []
