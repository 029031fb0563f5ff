"""What an account's owner sees: balances, permissions, own trades, coins and fees; in the official shapes."""

from collections.abc import Iterator

import pytest

from tests.integration.rest_examples import assert_same_shape, official_example
from tests.integration.rest_market import RestMarket, Trader, rest_market

TRADES = "/api/v3/myTrades"
DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestMarket]:
    with rest_market(tmp_path_factory.mktemp("exchange")) as market:
        yield market


@pytest.fixture(scope="module")
def ann(market: RestMarket) -> Trader:
    """Bought 0.4 and 0.6 at 101 with one order (a maker), then 1.5 at 100; 0.5 at 100 is still open."""
    ann, bob = market.trader(USDT="1000"), market.trader(BTC="10")
    ann.order("BUY", "1", "101", newClientOrderId="first")
    bob.order("SELL", "0.4", "101")
    bob.order("SELL", "0.6", "101")
    ann.order("BUY", "2", "100", newClientOrderId="second")
    bob.order("SELL", "1.5", "100")
    return ann


def test_the_account_shows_every_asset_unless_zeros_are_omitted(market, ann):
    full = ann.get("/api/v3/account")
    assert [each["asset"] for each in full["balances"]] == ["BTC", "USDT", "ETP"]
    assert full["balances"][1] == {"asset": "USDT", "free": "699.00000000", "locked": "50.00000000"}
    assert full["uid"] == ann.account
    assert (full["canTrade"], full["canDeposit"], full["canWithdraw"]) == (True, True, True)
    less = ann.get("/api/v3/account", omitZeroBalances="true")
    assert [each["asset"] for each in less["balances"]] == ["BTC", "USDT"]


def test_the_account_shows_the_highest_standard_rates(ann):
    account = ann.get("/api/v3/account")
    assert account["commissionRates"] == {
        "maker": "0.00100000",
        "taker": "0.00200000",
        "buyer": "0.00000000",
        "seller": "0.00000000",
    }
    assert (account["makerCommission"], account["takerCommission"]) == (10, 20)


def test_own_trades_show_price_fee_and_role(ann):
    trades = ann.get(TRADES, symbol="BTCUSDT")
    assert [(each["price"], each["qty"], each["quoteQty"], each["commission"]) for each in trades] == [
        ("101.00000000", "0.40000000", "40.40000000", "0.00040000"),
        ("101.00000000", "0.60000000", "60.60000000", "0.00060000"),
        ("100.00000000", "1.50000000", "150.00000000", "0.00150000"),
    ]
    assert {(each["isBuyer"], each["isMaker"], each["commissionAsset"]) for each in trades} == {
        (True, True, "BTC")
    }


def test_own_trades_are_chosen_by_order_id_time_and_limit(ann):
    first, second, third = ann.get(TRADES, symbol="BTCUSDT")

    def chosen(**params: object) -> object:
        return ann.get(TRADES, symbol="BTCUSDT", **params)

    assert chosen(limit=1) == [third]
    assert chosen(fromId=second["id"]) == [second, third]
    assert chosen(fromId=second["id"], limit=1) == [second]
    assert chosen(orderId=first["orderId"]) == [first, second]
    assert chosen(orderId=first["orderId"], fromId=second["id"]) == [second]
    assert chosen(startTime=first["time"], limit=1) == [first]
    assert chosen(startTime=first["time"], endTime=third["time"]) == [first, second, third]
    assert chosen(endTime=first["time"] - 1) == []
    assert chosen(startTime=third["time"] + 1) == []
    assert ann.get(TRADES, symbol="ETPBTC") == []


@pytest.mark.parametrize(
    ("params", "refusal"),
    [
        ({"fromId": 1, "startTime": 1}, (-1128, "Combination of optional parameters invalid.")),
        ({"orderId": 1, "endTime": 1}, (-1128, "Combination of optional parameters invalid.")),
        (
            {"startTime": 10**12, "endTime": 10**12 + DAY_MS + 1},
            (-1127, "More than 24 hours between startTime and endTime."),
        ),
        ({"limit": 0}, (-1130, "Data sent for parameter 'limit' is not valid.")),
        ({"symbol": ""}, (-1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.")),
    ],
)
def test_selections_of_trades_that_make_no_sense_are_refused(ann, params, refusal):
    assert ann.refused("GET", TRADES, **{"symbol": "BTCUSDT"} | params) == (400, *refusal)


def test_a_whole_day_of_trades_may_be_asked_for(ann):
    assert ann.get(TRADES, symbol="BTCUSDT", startTime=10**12, endTime=10**12 + DAY_MS) == []


@pytest.mark.parametrize("latest", [9_223_372_036_854, 9_223_372_036_854_775, (1 << 63) - 1])
def test_until_the_end_of_time_means_all_trades_and_from_there_on_none(ann, latest):
    assert ann.get(TRADES, symbol="BTCUSDT", endTime=latest) == ann.get(TRADES, symbol="BTCUSDT")
    assert ann.get(TRADES, symbol="BTCUSDT", startTime=latest) == []


def test_coins_are_listed_with_their_balances(ann):
    coins = ann.get("/sapi/v1/capital/config/getall")
    assert [(each["coin"], each["locked"], each["trading"]) for each in coins] == [
        ("BTC", "0.00000000", True),
        ("USDT", "50.00000000", True),
        ("ETP", "0.00000000", True),
    ]


def test_fees_are_told_per_market(ann):
    assert ann.get("/sapi/v1/asset/tradeFee") == [
        {"symbol": "BTCUSDT", "makerCommission": "0.00100000", "takerCommission": "0.00200000"},
        {"symbol": "ETPBTC", "makerCommission": "0.00000000", "takerCommission": "0.00000000"},
    ]
    assert ann.get("/sapi/v1/asset/tradeFee", symbol="ETPBTC")[0]["symbol"] == "ETPBTC"


@pytest.mark.parametrize(
    ("path", "params", "section"),
    [
        ("/api/v3/account", {}, "Account information (USER_DATA)"),
        (TRADES, {"symbol": "BTCUSDT"}, "Account trade list (USER_DATA)"),
        ("/api/v3/openOrders", {}, "Current open orders (USER_DATA)"),
        ("/api/v3/order", {"symbol": "BTCUSDT", "origClientOrderId": "first"}, "Query order (USER_DATA)"),
    ],
)
def test_private_answers_have_the_official_fields_and_types(ann, shared_data, path, params, section):
    assert_same_shape(ann.get(path, **params), official_example(shared_data, section))


@pytest.mark.parametrize("response", ["ACK", "RESULT", "FULL"])
def test_placed_and_cancelled_orders_have_the_official_fields_and_types(market, shared_data, response):
    cat, dan = market.trader(USDT="1000"), market.trader(BTC="1")
    dan.order("SELL", "0.1", "500")
    placed = cat.order("BUY", "0.2", "500", newOrderRespType=response)
    cancelled = cat.delete("/api/v3/order", symbol="BTCUSDT", orderId=placed["orderId"])
    example = official_example(shared_data, "New order (TRADE)", f"**Response - {response}:**")
    assert_same_shape(placed, example)
    assert_same_shape(cancelled, official_example(shared_data, "Cancel order (TRADE)"))


def test_cancelling_all_answers_in_the_official_shape(market, shared_data):
    cat = market.trader(USDT="1000")
    cat.order("BUY", "0.2", "50")
    assert_same_shape(
        cat.delete("/api/v3/openOrders", symbol="BTCUSDT"),
        official_example(shared_data, "Cancel All Open Orders on a Symbol (TRADE)"),
    )
