"""Stop, trailing and iceberg orders and order lists through the REST API."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.rest_examples import assert_same_shape, official_example
from tests.integration.rest_market import RestMarket, Trader, rest_market

ORDER = "/api/v3/order"
OCO = "/api/v3/orderList/oco"
SYMBOL = "BTCUSDT"


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestMarket]:
    with rest_market(tmp_path_factory.mktemp("exchange")) as market:
        yield market


@pytest.fixture(autouse=True)
def last_price_is_100(market: RestMarket) -> Iterator[None]:
    trade(market, "100")
    yield
    market.cancel_everything()


def trade(market: RestMarket, price: str) -> None:
    buyer, seller = market.trader(USDT="10000"), market.trader(BTC="10")
    buyer.order("BUY", "1", price)
    seller.order("SELL", "1", price)


@pytest.fixture
def ann(market: RestMarket) -> Trader:
    return market.trader(USDT="10000", BTC="100")


def stop(trader: Trader, side: str, kind: str, **params: object) -> Any:
    wanted: dict[str, object] = {"symbol": SYMBOL, "side": side, "type": kind, "quantity": "1"}
    return trader.post(ORDER, **wanted | {"newOrderRespType": "RESULT"} | params)


def shown(trader: Trader, order_id: int) -> Any:
    return trader.get(ORDER, symbol=SYMBOL, orderId=order_id)


# Stops


def test_a_stop_waits_and_is_shown_with_its_price(ann):
    placed = stop(
        ann, "SELL", "STOP_LOSS_LIMIT", timeInForce="GTC", price="89", stopPrice="90", newOrderRespType="FULL"
    )
    assert (placed["status"], placed["stopPrice"], placed["workingTime"], placed["fills"]) == (
        "NEW",
        "90.00000000",
        -1,
        [],
    )
    order = shown(ann, placed["orderId"])
    assert (order["type"], order["timeInForce"], order["stopPrice"]) == (
        "STOP_LOSS_LIMIT",
        "GTC",
        "90.00000000",
    )
    assert (order["isWorking"], order["workingTime"], order["orderListId"]) == (False, -1, -1)


def test_a_stop_works_when_its_price_is_traded(market, ann):
    waiting = stop(ann, "SELL", "STOP_LOSS_LIMIT", timeInForce="GTC", price="95", stopPrice="90")
    trade(market, "90")
    order = shown(ann, waiting["orderId"])
    assert (order["status"], order["isWorking"]) == ("NEW", True)
    assert order["workingTime"] > order["time"] - 1


def test_a_triggered_market_stop_trades(market, ann):
    bidder = market.trader(USDT="10000")
    waiting = stop(ann, "SELL", "STOP_LOSS", stopPrice="90")
    assert (waiting["timeInForce"], waiting["price"]) == ("GTC", "0.00000000")
    bidder.order("BUY", "5", "80")
    trade(market, "90")
    order = shown(ann, waiting["orderId"])
    assert (order["status"], order["executedQty"], order["cummulativeQuoteQty"]) == (
        "FILLED",
        "1.00000000",
        "80.00000000",
    )


def test_a_trailing_stop_shows_its_distance(ann):
    placed = stop(ann, "SELL", "STOP_LOSS", trailingDelta="100", stopPrice=None)
    assert (placed["trailingDelta"], placed["trailingTime"]) == (100, -1)
    order = shown(ann, placed["orderId"])
    assert order["trailingDelta"] == 100
    assert isinstance(order["trailingTime"], int)


def test_an_iceberg_shows_its_parts(market, ann):
    placed = ann.order("BUY", "5", "50", icebergQty="1")
    assert placed["icebergQty"] == "1.00000000"
    assert shown(ann, placed["orderId"])["icebergQty"] == "1.00000000"
    assert market.get("/api/v3/depth", symbol=SYMBOL)["bids"][0] == ["50.00000000", "1.00000000"]


def test_a_strategy_is_told_back(ann):
    placed = ann.order("BUY", "1", "50", strategyId=37, strategyType=1_000_000)
    assert (placed["strategyId"], placed["strategyType"]) == (37, 1_000_000)


def test_stops_answer_with_an_acknowledgement_by_default(ann):
    placed = stop(ann, "SELL", "STOP_LOSS", stopPrice="90", newOrderRespType=None)
    assert set(placed) == {"symbol", "orderId", "orderListId", "clientOrderId", "transactTime"}


@pytest.mark.parametrize(
    ("params", "refusal"),
    [
        ({"type": "STOP_LOSS"}, (-1102, "Param 'stopPrice' or 'trailingDelta' must be sent, but both were")),
        ({"type": "STOP_LOSS", "stopPrice": "110"}, (-2010, "Order would trigger immediately.")),
        (
            {"type": "STOP_LOSS", "stopPrice": "90", "price": "90"},
            (-1106, "Parameter 'price' sent when not required."),
        ),
        (
            {"type": "STOP_LOSS", "stopPrice": "90", "timeInForce": "GTC"},
            (-1106, "Parameter 'timeInForce' sent when not required."),
        ),
        ({"type": "STOP_LOSS", "trailingDelta": "0"}, (-1130, "parameter 'trailingDelta' is not valid")),
        ({"type": "STOP_LOSS", "trailingDelta": "10000"}, (-1130, "parameter 'trailingDelta'")),
        ({"type": "STOP_LOSS", "stopPrice": "90.001"}, (-1013, "Filter failure: PRICE_FILTER")),
        (
            {"type": "STOP_LOSS_LIMIT", "stopPrice": "90", "price": "90"},
            (-1102, "Mandatory parameter 'timeInForce'"),
        ),
        (
            {"type": "STOP_LOSS_LIMIT", "stopPrice": "90", "timeInForce": "GTC"},
            (-1102, "Mandatory parameter 'price'"),
        ),
        ({"type": "LIMIT_MAKER", "price": "200", "stopPrice": "90"}, (-1106, "Parameter 'stopPrice' sent")),
        ({"type": "MARKET", "trailingDelta": "10"}, (-1106, "Parameter 'trailingDelta' sent")),
        ({"type": "MARKET", "icebergQty": "1"}, (-1106, "Parameter 'icebergQty' sent")),
        ({"type": "LIMIT_MAKER", "price": "200", "icebergQty": "1.001"}, (-2010, "IcebergQty exceeds QTY.")),
        (
            {"type": "LIMIT", "price": "200", "timeInForce": "IOC", "icebergQty": "0.5"},
            (-1014, "Unsupported order combination."),
        ),
        ({"type": "STOP", "stopPrice": "90"}, (-1116, "Invalid orderType.")),
        ({"type": "LIMIT_MAKER", "price": "200", "strategyType": "999999"}, (-1134, "`strategyType` was")),
        ({"type": "LIMIT_MAKER", "price": "200", "pegPriceType": "PRIMARY_PEG"}, (-2010, "Pegged orders")),
    ],
)
def test_parameters_that_do_not_go_together_are_named(ann, params, refusal):
    code, text = refusal
    found = ann.refused("POST", ORDER, symbol=SYMBOL, side="SELL", quantity="1", **params)
    assert found[1] == code
    assert text in found[2]


def test_a_stop_can_replace_an_order(ann):
    old = ann.order("SELL", "1", "200")
    body = ann.post(
        "/api/v3/order/cancelReplace",
        symbol=SYMBOL,
        side="SELL",
        type="STOP_LOSS_LIMIT",
        timeInForce="GTC",
        quantity="1",
        price="89",
        stopPrice="90",
        cancelOrderId=old["orderId"],
        cancelReplaceMode="STOP_ON_FAILURE",
        newOrderRespType="RESULT",
    )
    assert body["newOrderResponse"]["stopPrice"] == "90.00000000"


def test_the_market_says_what_it_takes(market):
    (symbol,) = market.get("/api/v3/exchangeInfo", symbol=SYMBOL)["symbols"]
    assert symbol["orderTypes"] == [
        "LIMIT",
        "MARKET",
        "LIMIT_MAKER",
        "STOP_LOSS",
        "STOP_LOSS_LIMIT",
        "TAKE_PROFIT",
        "TAKE_PROFIT_LIMIT",
    ]
    assert symbol["icebergAllowed"] is symbol["ocoAllowed"] is symbol["otoAllowed"] is True
    assert symbol["allowTrailingStop"] is True


# Lists


def oco(trader: Trader, **params: object) -> Any:
    """Sells 1 at 120, or from 90 on at 89."""
    wanted: dict[str, object] = {
        "symbol": SYMBOL,
        "side": "SELL",
        "quantity": "1",
        "aboveType": "LIMIT_MAKER",
        "abovePrice": "120",
        "belowType": "STOP_LOSS_LIMIT",
        "belowPrice": "89",
        "belowStopPrice": "90",
        "belowTimeInForce": "GTC",
    }
    return trader.post(OCO, **wanted | params)


def test_a_pair_is_placed_and_both_orders_know_their_list(ann, shared_data):
    placed = oco(ann, listClientOrderId="list", aboveClientOrderId="above", belowClientOrderId="below")
    assert (placed["contingencyType"], placed["listStatusType"], placed["listOrderStatus"]) == (
        "OCO",
        "EXEC_STARTED",
        "EXECUTING",
    )
    assert placed["listClientOrderId"] == "list"
    assert [each["clientOrderId"] for each in placed["orders"]] == ["below", "above"]
    assert [(each["type"], each["status"]) for each in placed["orderReports"]] == [
        ("STOP_LOSS_LIMIT", "NEW"),
        ("LIMIT_MAKER", "NEW"),
    ]
    assert {order["orderListId"] for order in ann.get("/api/v3/openOrders")} == {placed["orderListId"]}
    example = official_example(shared_data, "New Order list - OCO (TRADE)")
    del example["orderReports"][0]["icebergQty"]
    assert_same_shape(placed, example)


def test_one_cancels_the_other(market, ann):
    placed = oco(ann, aboveClientOrderId="a1", belowClientOrderId="b1")
    buyer = market.trader(USDT="1000")
    buyer.order("BUY", "1", "120")
    by_name = {name: ann.get(ORDER, symbol=SYMBOL, origClientOrderId=name)["status"] for name in ("a1", "b1")}
    assert by_name == {"a1": "FILLED", "b1": "EXPIRED"}
    assert ann.get("/api/v3/openOrders") == []
    assert placed["orders"][0]["clientOrderId"] == "b1"


def test_a_list_is_cancelled_whole(ann, shared_data):
    placed = oco(ann)
    done = ann.delete("/api/v3/orderList", symbol=SYMBOL, orderListId=placed["orderListId"])
    assert (done["listStatusType"], done["listOrderStatus"]) == ("ALL_DONE", "ALL_DONE")
    assert {each["status"] for each in done["orderReports"]} == {"CANCELED"}
    assert {each["orderListId"] for each in done["orderReports"]} == {placed["orderListId"]}
    assert ann.get("/api/v3/openOrders") == []
    assert ann.refused("DELETE", "/api/v3/orderList", symbol=SYMBOL, orderListId=placed["orderListId"]) == (
        400,
        -2011,
        "Unknown order sent.",
    )
    assert_same_shape(done, official_example(shared_data, "Cancel Order list (TRADE)"))


def test_cancelling_one_order_of_a_list_tells_of_the_whole_list(ann):
    placed = oco(ann, aboveClientOrderId="above", belowClientOrderId="below")
    done = ann.delete(ORDER, symbol=SYMBOL, origClientOrderId="below", newClientOrderId="bye")
    assert (done["orderListId"], done["listOrderStatus"]) == (placed["orderListId"], "ALL_DONE")
    assert {each["clientOrderId"] for each in done["orders"]} == {"above", "below"}
    assert ann.get("/api/v3/openOrders") == []


def test_a_list_is_cancelled_by_its_name(ann):
    placed = oco(ann, listClientOrderId="mine")
    done = ann.delete("/api/v3/orderList", symbol=SYMBOL, listClientOrderId="mine", newClientOrderId="bye")
    assert done["orderListId"] == placed["orderListId"]
    assert {each["clientOrderId"] for each in done["orderReports"]} == {"bye"}
    assert ann.refused("DELETE", "/api/v3/orderList", symbol=SYMBOL)[1] == -1102


def test_the_older_way_to_place_a_pair(ann, shared_data):
    placed = ann.post(
        "/api/v3/order/oco",
        symbol=SYMBOL,
        side="SELL",
        quantity="1",
        price="120",
        stopPrice="90",
        limitClientOrderId="limit",
        stopClientOrderId="stop",
    )
    assert [(each["type"], each["clientOrderId"]) for each in placed["orderReports"]] == [
        ("STOP_LOSS", "stop"),
        ("LIMIT_MAKER", "limit"),
    ]
    assert_same_shape(placed, official_example(shared_data, "New OCO - Deprecated (TRADE)"))
    both = ann.post(
        "/api/v3/order/oco",
        symbol=SYMBOL,
        side="SELL",
        quantity="1",
        price="120",
        stopPrice="90",
        stopLimitPrice="89",
        stopLimitTimeInForce="GTC",
        newOrderRespType="ACK",
    )
    assert "status" not in both["orderReports"][0]


def test_an_order_waits_for_another(market, ann, shared_data):
    placed = ann.post(
        "/api/v3/orderList/oto",
        symbol=SYMBOL,
        workingType="LIMIT",
        workingSide="BUY",
        workingPrice="95",
        workingQuantity="1",
        workingTimeInForce="GTC",
        pendingType="LIMIT_MAKER",
        pendingSide="SELL",
        pendingPrice="150",
        pendingQuantity="1",
    )
    working, pending = placed["orderReports"]
    assert (placed["contingencyType"], working["status"], pending["status"]) == ("OTO", "NEW", "PENDING_NEW")
    assert (pending["workingTime"], shown(ann, pending["orderId"])["status"]) == (-1, "PENDING_NEW")
    seller = market.trader(BTC="1")
    seller.order("SELL", "1", "95")
    assert shown(ann, pending["orderId"])["status"] == "NEW"
    assert_same_shape(placed, official_example(shared_data, "New Order list - OTO (TRADE)"))


def test_a_pair_waits_for_another_order(ann, shared_data):
    placed = ann.post(
        "/api/v3/orderList/otoco",
        symbol=SYMBOL,
        workingType="LIMIT",
        workingSide="BUY",
        workingPrice="95",
        workingQuantity="1",
        workingTimeInForce="GTC",
        pendingSide="SELL",
        pendingQuantity="1",
        pendingAboveType="LIMIT_MAKER",
        pendingAbovePrice="150",
        pendingBelowType="STOP_LOSS",
        pendingBelowStopPrice="80",
    )
    assert [(each["type"], each["status"]) for each in placed["orderReports"]] == [
        ("LIMIT", "NEW"),
        ("STOP_LOSS", "PENDING_NEW"),
        ("LIMIT_MAKER", "PENDING_NEW"),
    ]
    example = official_example(shared_data, "New Order list - OTOCO (TRADE)")
    assert_same_shape(placed, example)


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"aboveType": "MARKET", "abovePrice": None}, -1158),
        ({"belowType": "LIMIT_MAKER", "belowStopPrice": None, "belowTimeInForce": None}, -1168),
        ({"side": "BUY"}, -1165),
        ({"aboveType": "STOP_LOSS", "abovePrice": None, "aboveStopPrice": "120"}, -1197),
        ({"belowType": "TAKE_PROFIT", "belowPrice": None, "belowTimeInForce": None}, -1199),
        ({"abovePrice": "99"}, -2010),
        ({"belowStopPrice": "101"}, -2010),
        ({"quantity": None}, -1102),
        ({"aboveType": None}, -1102),
        ({"belowTimeInForce": None}, -1102),
        ({"aboveStopPrice": "120"}, -1106),
    ],
)
def test_pairs_that_make_no_sense_are_refused(ann, params, code):
    wanted: dict[str, object] = {
        "symbol": SYMBOL,
        "side": "SELL",
        "quantity": "1",
        "aboveType": "LIMIT_MAKER",
        "abovePrice": "120",
        "belowType": "STOP_LOSS_LIMIT",
        "belowPrice": "89",
        "belowStopPrice": "90",
        "belowTimeInForce": "GTC",
    }
    assert ann.refused("POST", OCO, **wanted | params)[1] == code
    assert ann.get("/api/v3/openOrders") == []


# What became of them


def test_lists_are_found_by_id_and_name_open_and_done(market, shared_data):
    ann = market.trader(USDT="10000", BTC="100")
    first, second = oco(ann, listClientOrderId="first"), oco(ann, listClientOrderId="second")
    shown_first = ann.get("/api/v3/orderList", orderListId=first["orderListId"])
    assert shown_first == ann.get("/api/v3/orderList", origClientOrderId="first")
    assert shown_first["orders"] == first["orders"]
    assert (shown_first["contingencyType"], shown_first["listOrderStatus"]) == ("OCO", "EXECUTING")
    ann.delete("/api/v3/orderList", symbol=SYMBOL, orderListId=first["orderListId"])
    assert ann.get("/api/v3/orderList", origClientOrderId="first")["listOrderStatus"] == "ALL_DONE"
    assert [each["orderListId"] for each in ann.get("/api/v3/openOrderList")] == [second["orderListId"]]
    assert [each["listClientOrderId"] for each in ann.get("/api/v3/allOrderList")] == ["first", "second"]
    newest = ann.get("/api/v3/allOrderList", limit=1)
    assert [each["listClientOrderId"] for each in newest] == ["second"]
    from_id = ann.get("/api/v3/allOrderList", fromId=first["orderListId"], limit=1)
    assert [each["listClientOrderId"] for each in from_id] == ["first"]
    assert ann.refused("GET", "/api/v3/orderList", orderListId=404) == (
        400,
        -2018,
        "Order list does not exist.",
    )
    assert ann.refused("GET", "/api/v3/allOrderList", fromId=1, startTime=1)[1] == -1128
    bob = market.trader(USDT="1")
    assert bob.refused("GET", "/api/v3/orderList", orderListId=first["orderListId"])[1] == -2018
    assert bob.get("/api/v3/allOrderList") == []
    for path in ("orderList", "allOrderList", "openOrderList"):
        section = {
            "orderList": "Query Order list (USER_DATA)",
            "allOrderList": "Query all Order lists (USER_DATA)",
            "openOrderList": "Query Open Order lists (USER_DATA)",
        }[path]
        params = {"origClientOrderId": "second"} if path == "orderList" else {}
        assert_same_shape(ann.get(f"/api/v3/{path}", **params), official_example(shared_data, section))


def test_amendments_are_told_oldest_first(ann, shared_data):
    order = ann.order("BUY", "3", "50", newClientOrderId="one")
    for quantity, name in (("2", "two"), ("1", "three")):
        amended = ann.request(
            "PUT",
            "/api/v3/order/amend/keepPriority",
            symbol=SYMBOL,
            orderId=order["orderId"],
            newQty=quantity,
            newClientOrderId=name,
        ).json()
    told = ann.get("/api/v3/order/amendments", symbol=SYMBOL, orderId=order["orderId"])
    assert [
        (each["origClientOrderId"], each["newClientOrderId"], each["origQty"], each["newQty"])
        for each in told
    ] == [
        ("one", "two", "3.00000000", "2.00000000"),
        ("two", "three", "2.00000000", "1.00000000"),
    ]
    assert told[1]["executionId"] == amended["executionId"]
    later = ann.get(
        "/api/v3/order/amendments",
        symbol=SYMBOL,
        orderId=order["orderId"],
        fromExecutionId=told[1]["executionId"],
    )
    assert later == told[1:]
    assert_same_shape(told, official_example(shared_data, "Query Order Amendments (USER_DATA)"))


def test_prevented_matches_are_told_by_order_or_id(ann, shared_data):
    maker = ann.order("BUY", "2", "100")
    taker = ann.order("SELL", "3", "100", selfTradePreventionMode="EXPIRE_MAKER")
    path = "/api/v3/myPreventedMatches"
    (match,) = ann.get(path, symbol=SYMBOL, orderId=maker["orderId"])
    assert match["takerOrderId"] == taker["orderId"]
    assert (match["makerPreventedQuantity"], match["price"]) == ("2.00000000", "100.00000000")
    assert (match["tradeGroupId"], match["selfTradePreventionMode"]) == (-1, "EXPIRE_MAKER")
    assert ann.get(path, symbol=SYMBOL, preventedMatchId=match["preventedMatchId"]) == [match]
    assert ann.get(path, symbol=SYMBOL, orderId=taker["orderId"], limit=1) == [match]
    assert ann.refused("GET", path, symbol=SYMBOL)[1] == -1128
    assert_same_shape([match], official_example(shared_data, "Query Prevented Matches (USER_DATA)"))
