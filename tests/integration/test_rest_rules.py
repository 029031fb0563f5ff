"""What rules version 2 brings to the REST API: prevented matches, limits of markets, countdowns."""

from collections.abc import Iterator

import pytest

from cambist.engine.commands import Limits, MarketLimits
from tests.integration.rest_examples import assert_same_shape, official_example
from tests.integration.rest_market import RestMarket, rest_market

NOW_NS = 1_700_000_040_000_000_000


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestMarket]:
    with rest_market(tmp_path_factory.mktemp("exchange")) as market:
        yield market


@pytest.fixture(autouse=True)
def empty_books(market: RestMarket) -> Iterator[None]:
    yield
    market.cancel_everything()


def test_makers_that_expire_are_listed_with_the_order_that_met_them(market):
    """As in the documentation's scenario B (faqs/stp_faq.md), at a hundred times its prices."""
    ann = market.trader(USDT="5000", BTC="10")
    makers = [
        ann.order("BUY", quantity, price, selfTradePreventionMode="NONE")["orderId"]
        for quantity, price in (("1.2", "120"), ("1.3", "110"), ("8.1", "100"))
    ]
    taker = ann.order("SELL", "3", "100", selfTradePreventionMode="EXPIRE_MAKER")
    assert (taker["status"], taker["fills"]) == ("NEW", [])
    assert "preventedQuantity" not in taker
    shown = [
        (each["makerOrderId"], each["price"], each["makerPreventedQuantity"])
        for each in taker["preventedMatches"]
    ]
    assert shown == [
        (makers[0], "120.00000000", "1.20000000"),
        (makers[1], "110.00000000", "1.30000000"),
        (makers[2], "100.00000000", "8.10000000"),
    ]
    assert len({each["preventedMatchId"] for each in taker["preventedMatches"]}) == 3


def test_a_decremented_order_tells_what_it_lost(market):
    ann = market.trader(USDT="1000", BTC="10")
    maker = ann.order("BUY", "2", "100")
    taker = ann.order("SELL", "5", "100", selfTradePreventionMode="DECREMENT")
    (match,) = taker["preventedMatches"]
    assert (match["makerOrderId"], match["makerPreventedQuantity"]) == (maker["orderId"], "2.00000000")
    assert match["takerPreventedQuantity"] == "2.00000000"
    assert (taker["preventedQuantity"], taker["preventedMatchId"]) == (
        "2.00000000",
        match["preventedMatchId"],
    )
    assert (taker["status"], taker["executedQty"], taker["origQty"]) == ("NEW", "0.00000000", "5.00000000")


def test_only_limits_that_are_set_are_listed(market):
    number = market.list_market("BTC", "ETP", tick="1", lot="1", notional_min_atoms=1)
    listed = {
        each["filterType"]
        for each in market.get("/api/v3/exchangeInfo", symbol="BTCETP")["symbols"][0]["filters"]
    }
    assert listed == {"PRICE_FILTER", "LOT_SIZE", "MARKET_LOT_SIZE", "NOTIONAL", "MAX_NUM_ORDERS"}
    assert market.get("/api/v3/executionRules", symbol="BTCETP")["symbolRules"][0]["rules"] == []
    limits = Limits(
        bid_up_e4=50_000,
        bid_down_e4=2_000,
        ask_up_e4=50_000,
        ask_down_e4=2_000,
        range_bid_up_e4=10_001,
        range_bid_down_e4=9_999,
        range_ask_up_e4=10_001,
        range_ask_down_e4=9_999,
        average_minutes=5,
        max_algo_orders=5,
        max_order_lists=20,
        max_position_atoms=10**9,
    )
    market.execute(MarketLimits(market=number, limits=limits))
    (symbol,) = market.get("/api/v3/exchangeInfo", symbol="BTCETP")["symbols"]
    shown = {each.pop("filterType"): each for each in symbol["filters"]}
    assert shown["PERCENT_PRICE_BY_SIDE"] == {
        "bidMultiplierUp": "5.0000",
        "bidMultiplierDown": "0.2000",
        "askMultiplierUp": "5.0000",
        "askMultiplierDown": "0.2000",
        "avgPriceMins": 5,
    }
    assert shown["MAX_NUM_ALGO_ORDERS"] == {"maxNumAlgoOrders": 5}
    assert shown["MAX_NUM_ORDER_LISTS"] == {"maxNumOrderLists": 20}
    assert shown["MAX_POSITION"] == {"maxPosition": "10.00000000"}
    assert "MAX_NUM_ICEBERG_ORDERS" not in shown
    assert market.get("/api/v3/executionRules", symbol="BTCETP")["symbolRules"] == [
        {
            "symbol": "BTCETP",
            "rules": [
                {
                    "ruleType": "PRICE_RANGE",
                    "bidLimitMultUp": "1.0001",
                    "bidLimitMultDown": "0.9999",
                    "askLimitMultUp": "1.0001",
                    "askLimitMultDown": "0.9999",
                }
            ],
        }
    ]


def test_the_reference_price_is_there_after_the_first_trade(market, shared_data):
    market.list_market("USDT", "BTC", tick="0.00001", lot="1", notional_min_atoms=1)
    shown = market.get("/api/v3/referencePrice", symbol="USDTBTC")
    assert (shown["symbol"], shown["referencePrice"]) == ("USDTBTC", None)
    ann, bob = market.trader(USDT="1000"), market.trader(BTC="10")
    ann.order("BUY", "1", "100")
    bob.order("SELL", "1", "100")
    shown = market.get("/api/v3/referencePrice", symbol="BTCUSDT")
    assert float(shown["referencePrice"]) == 100
    assert_same_shape(shown, official_example(shared_data, "Query Reference Price"))


# Countdowns


def test_a_countdown_is_set_stopped_and_bounded(market):
    ann = market.trader(USDT="1000")
    path = "/api/v3/countdownCancelAll"
    assert ann.post(path, symbol="BTCUSDT", countdownTime=60_000) == {
        "symbol": "BTCUSDT",
        "countdownTime": 60_000,
    }
    countdowns = market.server.query_blocking(lambda engine: engine.countdowns(ann.account))
    assert [number for number, _ in countdowns] == [market.markets["BTCUSDT"]]
    assert ann.post(path, symbol="BTCUSDT", countdownTime=0)["countdownTime"] == 0
    assert market.server.query_blocking(lambda engine: engine.countdowns(ann.account)) == []
    assert ann.post(path, countdownTime=86_400_000)["symbol"] == ""
    assert ann.refused("POST", path, countdownTime=86_400_001)[1] == -1102
    assert ann.refused("POST", path, symbol="BTCUSDT")[1] == -1102


def test_a_countdown_that_is_not_renewed_cancels_everything(market):
    ann = market.trader(USDT="1000")
    ann.order("BUY", "1", "100")
    ann.post("/api/v3/countdownCancelAll", countdownTime=1)
    while ann.get("/api/v3/openOrders"):
        pass
    assert ann.get("/api/v3/account")["balances"][1]["locked"] == "0.00000000"
