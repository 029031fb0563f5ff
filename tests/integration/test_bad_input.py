"""Whatever is sent, the answer is a documented error, it comes quickly, and no money or order has moved."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cambist.engine.commands import MarketStatus
from cambist.gateway.api import ENDPOINTS
from tests.integration.rest_market import RestMarket, Trader, limit_order, refusal, rest_market

ORDER = "/api/v3/order"
NO_NUMBERS = [
    "1e1000000",
    "1e5",
    "NaN",
    "nan",
    "inf",
    "-inf",
    "Infinity",
    "+1",
    "-1",
    " 1",
    "1 ",
    "1\n",
    "1\x00",
    "1.",
    ".5",
    ".",
    "1.2.3",
    "1,5",
    "1_000",
    "0x1",
    "١",
    "１",
    "1.５",
    "²",
    "½",
    "1" * 40,
    "9" * 21,
    "0." + "0" * 39 + "1",
    "null",
    "true",
    "[1]",
    "%31",
    "1" * 10_000,
]


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestMarket]:
    with rest_market(tmp_path_factory.mktemp("exchange")) as market:
        yield market


@pytest.fixture(scope="module")
def ann(market: RestMarket) -> Trader:
    """Has money, and an open offer of 1 at 200 named `open`."""
    ann = market.trader(USDT="1000000", BTC="1000")
    ann.order("SELL", "1", "200", newClientOrderId="open")
    return ann


@pytest.fixture(scope="module")
def bob(market: RestMarket) -> Trader:
    return market.trader()


@pytest.fixture(autouse=True)
def nothing_changes(market: RestMarket, ann: Trader, bob: Trader) -> Iterator[None]:
    before = market.business_hash()
    yield
    assert market.business_hash() == before


def test_the_order_that_all_others_here_are_made_from_is_a_good_one(tmp_path):
    with rest_market(tmp_path) as market:
        assert market.trader(USDT="1000").order("BUY", "1", "100")["status"] == "NEW"


@pytest.mark.parametrize("name", ["price", "quantity"])
@pytest.mark.parametrize("text", NO_NUMBERS, ids=lambda text: repr(text[:20]))
def test_what_is_no_number_is_told_so(ann, name, text):
    code, msg = ann.refused_order(**{name: text})
    assert code == -1100
    assert msg == (
        f"Illegal characters found in parameter '{name}'; "
        r"legal range is '^([0-9]{1,20})(\.[0-9]{1,20})?$'."
    )


@pytest.mark.parametrize("text", NO_NUMBERS, ids=lambda text: repr(text[:20]))
def test_a_budget_that_is_no_number_is_told_so(ann, text):
    by_quote = {"type": "MARKET", "timeInForce": None, "price": None, "quantity": None}
    code, _ = ann.refused_order(**by_quote, quoteOrderQty=text)
    assert code == -1100


@pytest.mark.parametrize(
    "name", ["orderId", "timestamp", "limit", "fromId", "startTime", "endTime", "recvWindow"]
)
@pytest.mark.parametrize("text", NO_NUMBERS, ids=lambda text: repr(text[:20]))
def test_a_whole_number_that_is_none_is_told_so(ann, name, text):
    path = ORDER if name == "orderId" else "/api/v3/myTrades"
    _, code, _ = ann.refused("GET", path, **{"symbol": "BTCUSDT", name: text})
    assert code == -1100


@pytest.mark.parametrize(
    ("changes", "code", "msg"),
    [
        # Each filter, violated by one step, and beside it the last value that would pass.
        ({"price": "100.005"}, -1013, "Filter failure: PRICE_FILTER"),
        ({"price": "0"}, -1013, "Filter failure: PRICE_FILTER"),
        ({"price": "1000000.01"}, -1013, "Filter failure: PRICE_FILTER"),
        ({"price": "99999999999999999999"}, -1013, "Filter failure: PRICE_FILTER"),
        ({"quantity": "0.0505"}, -1013, "Filter failure: LOT_SIZE"),
        ({"quantity": "0"}, -1013, "Filter failure: LOT_SIZE"),
        ({"quantity": "0.001", "price": "10000"}, -1013, "Filter failure: LOT_SIZE"),
        ({"quantity": "1000.001", "price": "1"}, -1013, "Filter failure: LOT_SIZE"),
        ({"quantity": "99999999999999999999"}, -1013, "Filter failure: LOT_SIZE"),
        ({"quantity": "0.049", "price": "102.04"}, -1013, "Filter failure: NOTIONAL"),
        ({"quantity": "1000", "price": "1000.01"}, -1013, "Filter failure: NOTIONAL"),
        ({"price": "100.000000001"}, -1111, "Parameter 'price' has too much precision."),
        ({"quantity": "1.000000001"}, -1111, "Parameter 'quantity' has too much precision."),
    ],
)
def test_a_filter_missed_by_one_step_is_named(ann, changes, code, msg):
    assert ann.refused_order(**changes) == (code, msg)


@pytest.mark.parametrize(
    ("changes", "msg"),
    [
        ({"quantity": "100.001"}, "Filter failure: MARKET_LOT_SIZE"),
        ({"quantity": "1000.001"}, "Filter failure: LOT_SIZE"),
        ({"quantity": None, "quoteOrderQty": "4.99999999"}, "Filter failure: NOTIONAL"),
        ({"quantity": None, "quoteOrderQty": "1000000.00000001"}, "Filter failure: NOTIONAL"),
        ({"quantity": None, "quoteOrderQty": "0"}, "Filter failure: NOTIONAL"),
        ({"quantity": None, "quoteOrderQty": "99999999999999999999"}, "Filter failure: NOTIONAL"),
    ],
)
def test_a_market_orders_filter_missed_by_one_step_is_named(ann, changes, msg):
    wanted = {"type": "MARKET", "timeInForce": None, "price": None} | changes
    assert ann.refused_order(**wanted) == (-1013, msg)


@pytest.mark.parametrize(
    ("changes", "code", "msg"),
    [
        ({"symbol": "NOSUCH"}, -1121, "Invalid symbol."),
        (
            {"symbol": "BTC/USDT"},
            -1100,
            "Illegal characters found in parameter 'symbol'; legal range is '^[A-Z0-9-_.]{1,32}$'.",
        ),
        ({"side": "buy"}, -1117, "Invalid side."),
        ({"side": "HOLD"}, -1117, "Invalid side."),
        ({"type": "limit"}, -1116, "Invalid orderType."),
        ({"type": "STOP"}, -1116, "Invalid orderType."),
        ({"timeInForce": "GTD"}, -1115, "Invalid timeInForce."),
        ({"quoteOrderQty": "100"}, -1106, "Parameter 'quoteOrderQty' sent when not required."),
        ({"stopPrice": "90"}, -1106, "Parameter 'stopPrice' sent when not required."),
        ({"trailingDelta": "100"}, -1106, "Parameter 'trailingDelta' sent when not required."),
        ({"icebergQty": "1.001"}, -2010, "IcebergQty exceeds QTY."),
        ({"pegPriceType": "PRIMARY_PEG"}, -2010, "Pegged orders are not supported for this symbol."),
        ({"newOrderRespType": "SHORT"}, -1130, "Data sent for parameter 'newOrderRespType' is not valid."),
        (
            {"selfTradePreventionMode": "TRANSFER"},
            -1130,
            "Data sent for parameter 'selfTradePreventionMode' is not valid.",
        ),
        ({"type": "LIMIT_MAKER"}, -1106, "Parameter 'timeInForce' sent when not required."),
        ({"type": "MARKET", "price": None}, -1106, "Parameter 'timeInForce' sent when not required."),
        ({"type": "MARKET", "timeInForce": None}, -1106, "Parameter 'price' sent when not required."),
        (
            {"type": "MARKET", "timeInForce": None, "price": None, "quantity": None},
            -1102,
            "Param 'quantity' or 'quoteOrderQty' must be sent, but both were empty/null!",
        ),
        (
            {"type": "MARKET", "timeInForce": None, "price": None, "quoteOrderQty": "100"},
            -1128,
            "Combination of optional parameters invalid.",
        ),
        ({"newClientOrderId": ""}, -1105, "Parameter 'newClientOrderId' was empty."),
        (
            {"newClientOrderId": "a b"},
            -1100,
            "Illegal characters found in parameter 'newClientOrderId'; "
            "legal range is '^[a-zA-Z0-9-_]{1,36}$'.",
        ),
        (
            {"newClientOrderId": "x" * 37},
            -1100,
            "Illegal characters found in parameter 'newClientOrderId'; "
            "legal range is '^[a-zA-Z0-9-_]{1,36}$'.",
        ),
        ({"newClientOrderId": "open", "side": "SELL"}, -2010, "Duplicate order sent."),
        (
            {"quantity": "1000", "price": "1000"} | {"side": "SELL"},
            -2010,
            "Account has insufficient balance for requested action.",
        ),
        (
            {"type": "LIMIT_MAKER", "timeInForce": None, "price": "200"},
            -2010,
            "Order would immediately match and take.",
        ),
    ],
)
def test_an_order_that_cannot_be_is_refused_with_the_documented_text(ann, changes, code, msg):
    assert ann.refused_order(**changes) == (code, msg)


@pytest.mark.parametrize("name", ["symbol", "side", "type", "timeInForce", "quantity", "price"])
@pytest.mark.parametrize("value", [None, ""], ids=["missing", "empty"])
def test_what_a_limit_order_needs_must_be_there(ann, name, value):
    text = f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."
    assert ann.refused_order(**{name: value}) == (-1102, text)


@pytest.mark.parametrize(
    ("params", "code", "msg"),
    [
        ({}, -1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!"),
        ({"orderId": ""}, -1105, "Parameter 'orderId' was empty."),
        ({"orderId": "0"}, -1130, "Data sent for parameter 'orderId' is not valid."),
        ({"orderId": str(1 << 63)}, -1108, "Parameter 'orderId' overflowed."),
        (
            {"origClientOrderId": "ö"},
            -1100,
            "Illegal characters found in parameter 'origClientOrderId'; "
            "legal range is '^[a-zA-Z0-9-_]{1,36}$'.",
        ),
    ],
)
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_an_order_that_is_not_named_properly_is_not_looked_for(ann, method, params, code, msg):
    assert ann.refused(method, ORDER, symbol="BTCUSDT", **params) == (400, code, msg)


@pytest.mark.parametrize(
    ("restriction", "code"), [("ONLY_NEW", -1020), ("ONLY_PARTIALLY_FILLED", -1020), ("ANY", -1145)]
)
def test_a_condition_on_a_cancel_is_not_ignored(ann, restriction, code):
    _, given_code, _ = ann.refused(
        "DELETE", ORDER, symbol="BTCUSDT", origClientOrderId="open", cancelRestrictions=restriction
    )
    assert given_code == code


def raw(market: RestMarket, trader: Trader, method: str, query: str, body: str = "") -> httpx.Response:
    return market.client.request(method, f"{ORDER}?{query}", headers=trader.headers(), content=body)


def order_text(market: RestMarket, **changes: str) -> str:
    wanted: dict[str, Any] = limit_order("BUY", "1", "100", "BTCUSDT") | changes
    wanted["timestamp"] = market.clock() // 1_000_000
    return "&".join(f"{name}={value}" for name, value in wanted.items())


def test_a_parameter_twice_in_one_part_is_refused_although_it_is_signed(market, ann):
    text = ann.signed(order_text(market) + "&price=101")
    for query, body in ((text, ""), ("", text)):
        assert refusal(raw(market, ann, "POST", query, body)) == (
            400,
            -1101,
            "Duplicate values for a parameter detected.",
        )


@pytest.mark.parametrize("signature", ["", "x", "0" * 64, "\u0130" * 64])
def test_a_wrong_signature_moves_nothing(market, ann, signature):
    response = raw(market, ann, "POST", f"{order_text(market)}&signature={signature}")
    assert refusal(response)[1] in (-1022, -1102)


def test_another_traders_signature_moves_nothing(market, ann, bob):
    text = bob.signed(order_text(market))
    assert refusal(raw(market, ann, "POST", text)) == (400, -1022, "Signature for this request is not valid.")


def test_a_body_larger_than_allowed_is_turned_away(market, ann):
    body = ann.signed(order_text(market) + "&note=" + "x" * market.settings.api.body_max_bytes)
    assert refusal(raw(market, ann, "POST", "", body)) == (
        413,
        -1101,
        "Too many parameters sent for this endpoint.",
    )


def test_a_head_larger_than_allowed_is_turned_away(market):
    response = market.client.get("/api/v3/ping", headers={"x-filler": "x" * 20_000})
    assert refusal(response)[0] == 431


def test_many_parameters_are_read_in_one_pass(market, ann):
    body = ann.signed(order_text(market, price="0") + "".join(f"&n{n}=1" for n in range(5_000)))
    assert refusal(raw(market, ann, "POST", "", body)) == (400, -1013, "Filter failure: PRICE_FILTER")


@pytest.mark.parametrize("unit", ["SECOND", "micro", "1", "\u00b5s"])
def test_an_unknown_time_unit_is_refused(market, unit):
    response = market.client.get("/api/v3/time", headers={"X-MBX-TIME-UNIT": unit.encode()})
    assert refusal(response)[1] == -1194


@settings(
    max_examples=150,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(
    where=st.sampled_from([(method, path) for path, methods in ENDPOINTS.items() for method in methods]),
    query=st.binary(max_size=100),
    body=st.binary(max_size=100),
    signed=st.booleans(),
)
def test_any_bytes_at_any_route_get_json_and_no_server_error(market, ann, where, query, body, signed):
    method, path = where
    if signed:
        query, body = ann.signed(f"timestamp={market.clock() // 10**6}&symbol=NOSUCH").encode(), b""
    status, answer = market.client.send_bytes(method, path, query, body, ann.api_key)
    # What only the office knows is not to be had where there is none, and that is said.
    assert status < 500 or (status == 503 and path.startswith("/sapi/v1/")), answer
    assert json.loads(answer) is not None


def test_a_market_that_is_closed_is_still_there_to_look_at(market, ann):
    market.set_state("ETPBTC", MarketStatus.HALTED)
    try:
        assert market.get("/api/v3/depth", symbol="ETPBTC")["bids"] == []
        assert ann.refused_order(symbol="ETPBTC", price="0.001") == (-2010, "Market is closed.")
    finally:
        market.set_state("ETPBTC", MarketStatus.TRADING)
