"""What everybody may see: time, markets, books, trades and prices."""

from collections.abc import Iterator
from typing import Any

import pytest

from cambist.engine.commands import AssetList, MarketStatus
from tests.integration.rest_examples import assert_same_shape, official_example
from tests.integration.rest_market import NO_LIMITS, RestMarket, rest_market


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestMarket]:
    """Bob sold ann 1 at 101 and 1.5 at 100; now she bids 0.5 at 100 and 3 at 99, and he offers 1 at 102."""
    with rest_market(tmp_path_factory.mktemp("exchange")) as market:
        ann, bob = market.trader(USDT="10000"), market.trader(BTC="10")
        for quantity, price in [("3", "99"), ("2", "100"), ("0.4", "101"), ("0.6", "101")]:
            ann.order("BUY", quantity, price)
        bob.order("SELL", "2.5", "100")
        bob.order("SELL", "1", "102")
        yield market


def test_ping_and_time_answer_without_a_key_and_with_an_empty_one(market):
    for headers in ({}, {"X-MBX-APIKEY": ""}):
        assert market.client.get("/api/v3/ping", headers=headers).json() == {}
        assert market.client.get("/api/v3/time", headers=headers).json().keys() == {"serverTime"}


def test_exchange_info_describes_a_market_so_that_clients_load_it(market):
    info = market.get("/api/v3/exchangeInfo")
    assert [each["symbol"] for each in info["symbols"]] == ["BTCUSDT", "ETPBTC"]
    symbol = info["symbols"][0]
    assert (symbol["status"], symbol["baseAsset"], symbol["quoteAsset"]) == ("TRADING", "BTC", "USDT")
    assert (symbol["permissions"], symbol["permissionSets"]) == ([], [["SPOT"]])
    assert set(symbol["orderTypes"]) > {"LIMIT", "LIMIT_MAKER", "MARKET"}
    assert symbol["defaultSelfTradePreventionMode"] == "EXPIRE_MAKER"
    filters = {each.pop("filterType"): each for each in symbol["filters"]}
    assert filters == {
        "PRICE_FILTER": {"minPrice": "0.01000000", "maxPrice": "1000000.00000000", "tickSize": "0.01000000"},
        "LOT_SIZE": {"minQty": "0.00200000", "maxQty": "1000.00000000", "stepSize": "0.00100000"},
        "MARKET_LOT_SIZE": {"minQty": "0.00200000", "maxQty": "100.00000000", "stepSize": "0.00100000"},
        "NOTIONAL": {
            "minNotional": "5.00000000",
            "applyMinToMarket": True,
            "maxNotional": "1000000.00000000",
            "applyMaxToMarket": True,
            "avgPriceMins": 0,
        },
        "MAX_NUM_ORDERS": {"maxNumOrders": 20},
    }


def test_exchange_info_narrows_to_the_symbols_asked_for(market):
    for params in ({"symbol": "ETPBTC"}, {"symbols": '["ETPBTC"]'}):
        assert [each["symbol"] for each in market.get("/api/v3/exchangeInfo", **params)["symbols"]] == [
            "ETPBTC"
        ]


@pytest.mark.parametrize(
    ("params", "refusal"),
    [
        ({"symbol": "NOSUCH"}, (400, -1121, "Invalid symbol.")),
        (
            {"symbol": "btcusdt"},
            (
                400,
                -1100,
                "Illegal characters found in parameter 'symbol'; legal range is '^[A-Z0-9-_.]{1,32}$'.",
            ),
        ),
        ({"symbols": '["BTCUSDT","BTCUSDT"]'}, (400, -1151, "Symbol is present multiple times in the list.")),
        ({"symbols": "BTCUSDT"}, (400, -1130, "Data sent for parameter 'symbols' is not valid.")),
        ({"symbols": "[1]"}, (400, -1130, "Data sent for parameter 'symbols' is not valid.")),
        (
            {"symbol": "BTCUSDT", "symbols": '["BTCUSDT"]'},
            (400, -1128, "Combination of optional parameters invalid."),
        ),
    ],
)
@pytest.mark.parametrize("path", ["exchangeInfo", "ticker/price", "ticker/bookTicker"])
def test_a_symbol_that_cannot_be_is_refused(market, path, params, refusal):
    assert market.refused(f"/api/v3/{path}", **params) == refusal


def test_rate_limits_that_are_off_are_not_listed_and_others_are(tmp_path):
    with rest_market(tmp_path, limits=NO_LIMITS) as market:
        assert market.get("/api/v3/exchangeInfo")["rateLimits"] == []


def test_depth_is_best_first_and_cut_at_the_limit(market):
    book = market.get("/api/v3/depth", symbol="BTCUSDT")
    assert book["bids"] == [["100.00000000", "0.50000000"], ["99.00000000", "3.00000000"]]
    assert book["asks"] == [["102.00000000", "1.00000000"]]
    assert market.get("/api/v3/depth", symbol="BTCUSDT", limit=1)["bids"] == book["bids"][:1]
    assert market.get("/api/v3/depth", symbol="BTCUSDT", limit=10**6) == book
    assert market.get("/api/v3/depth", symbol="ETPBTC") == {"lastUpdateId": 0, "bids": [], "asks": []}


def test_every_change_of_the_book_moves_its_update_id(market):
    ann = market.trader(USDT="100")
    before = market.get("/api/v3/depth", symbol="BTCUSDT")["lastUpdateId"]
    order_id = ann.order("BUY", "0.5", "50")["orderId"]
    placed = market.get("/api/v3/depth", symbol="BTCUSDT")["lastUpdateId"]
    ann.delete("/api/v3/order", symbol="BTCUSDT", orderId=order_id)
    assert before + 1 == placed == market.get("/api/v3/depth", symbol="BTCUSDT")["lastUpdateId"] - 1


def test_trades_are_shown_oldest_first_with_the_side_of_the_maker(market):
    trades = market.get("/api/v3/trades", symbol="BTCUSDT")
    assert [(each["id"], each["price"], each["qty"], each["quoteQty"]) for each in trades] == [
        (1, "101.00000000", "0.40000000", "40.40000000"),
        (2, "101.00000000", "0.60000000", "60.60000000"),
        (3, "100.00000000", "1.50000000", "150.00000000"),
    ]
    assert {each["isBuyerMaker"] for each in trades} == {True}
    assert market.get("/api/v3/trades", symbol="BTCUSDT", limit=1) == trades[2:]


def test_fills_of_one_order_at_one_price_are_one_aggregate_trade(market):
    aggregates = market.get("/api/v3/aggTrades", symbol="BTCUSDT")
    assert [(each["a"], each["p"], each["q"], each["f"], each["l"]) for each in aggregates] == [
        (1, "101.00000000", "1.00000000", 1, 2),
        (2, "100.00000000", "1.50000000", 3, 3),
    ]


def test_aggregate_trades_are_chosen_by_id_time_and_limit(market):
    first, second = market.get("/api/v3/aggTrades", symbol="BTCUSDT")

    def chosen(**params: object) -> Any:
        return market.get("/api/v3/aggTrades", symbol="BTCUSDT", **params)

    assert chosen(fromId=2) == [second]
    assert chosen(fromId=1, limit=1) == [first]
    assert chosen(limit=1) == [second]
    assert chosen(startTime=first["T"], endTime=second["T"]) == [first, second]
    assert chosen(startTime=first["T"] * 1000) == [first, second]  # microseconds
    assert chosen(endTime=first["T"] - 1) == []
    assert chosen(startTime=second["T"] + 1) == []


def test_tickers_show_the_last_price_and_the_best_of_the_book(market):
    assert market.get("/api/v3/ticker/price", symbol="BTCUSDT") == {
        "symbol": "BTCUSDT",
        "price": "100.00000000",
    }
    assert market.get("/api/v3/ticker/bookTicker", symbol="BTCUSDT") == {
        "symbol": "BTCUSDT",
        "bidPrice": "100.00000000",
        "bidQty": "0.50000000",
        "askPrice": "102.00000000",
        "askQty": "1.00000000",
    }
    for path in ("price", "bookTicker"):
        everything = market.get(f"/api/v3/ticker/{path}")
        assert [each["symbol"] for each in everything] == ["BTCUSDT", "ETPBTC"]
        assert market.get(f"/api/v3/ticker/{path}", symbols='["ETPBTC","BTCUSDT"]') == everything[::-1]


def test_a_market_can_be_traded_as_soon_as_it_is_listed(market):
    assert market.refused("/api/v3/depth", symbol="NEWUSDT")[1] == -1121
    market.assets["NEW"] = market.execute(AssetList(name=b"NEW", scale=8))
    market.markets["NEWUSDT"] = market.list_market("NEW", "USDT", tick="0.01", lot="0.001")
    assert market.get("/api/v3/depth", symbol="NEWUSDT")["bids"] == []
    assert market.trader(USDT="100").order("BUY", "1", "10", symbol="NEWUSDT")["status"] == "NEW"
    market.set_state("NEWUSDT", MarketStatus.HALTED)
    assert market.get("/api/v3/exchangeInfo", symbol="NEWUSDT")["symbols"][0]["status"] == "HALT"


@pytest.mark.parametrize(
    ("path", "section"),
    [
        ("exchangeInfo", "Exchange information"),
        ("depth?symbol=BTCUSDT", "Order book"),
        ("trades?symbol=BTCUSDT", "Recent trades list"),
        ("aggTrades?symbol=BTCUSDT", "Compressed/Aggregate trades list"),
        ("ticker/price?symbol=BTCUSDT", "Symbol price ticker"),
        ("ticker/bookTicker?symbol=BTCUSDT", "Symbol order book ticker"),
    ],
)
def test_answers_have_the_fields_and_types_of_the_official_examples(market, shared_data, path, section):
    assert_same_shape(market.get(f"/api/v3/{path}"), official_example(shared_data, section))


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/sapi/v1/margin/allPairs", []),
        ("/sapi/v1/margin/isolated/allPairs", []),
        ("/sapi/v1/system/status", {"status": 0, "msg": "normal"}),
    ],
)
def test_what_clients_ask_for_at_their_start_is_answered(market, path, answer):
    assert market.get(path) == answer


@pytest.mark.parametrize("door", ["fapi", "dapi"])
def test_there_are_no_futures(market, door):
    info = market.get(f"/{door}/v1/exchangeInfo")
    assert info.keys() == {"timezone", "serverTime", "rateLimits", "exchangeFilters", "symbols"}
    assert info["symbols"] == []


@pytest.mark.parametrize("path", ["/api/v3/nothing", "/api/v4/ping", "/sapi/v1/nothing", "/nothing", "/api"])
def test_an_unknown_route_is_not_found_and_says_so_in_json(market, path):
    assert market.refused(path) == (404, -1020, "This operation is not supported.")


def test_a_known_route_with_another_method_is_refused(market):
    response = market.client.request("PUT", "/api/v3/order")
    assert (response.status_code, response.json()["code"]) == (405, -1020)


def test_answers_say_how_much_weight_was_used_and_carry_a_request_id(market):
    first, second = (market.client.get("/api/v3/ping") for _ in range(2))
    used = [int(each.headers["x-mbx-used-weight-1m"]) for each in (first, second)]
    assert used[1] in (used[0] + 1, 1)  # 1: a new minute began between the two
    assert first.headers["x-request-id"] != second.headers["x-request-id"]
    assert first.headers["x-content-type-options"] == "nosniff"
