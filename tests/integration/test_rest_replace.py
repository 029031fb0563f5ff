"""Cancel-replace and amend: what became of each half, what is counted, and who keeps a place in the queue."""

from collections.abc import Iterator
from typing import Any

import pytest

from cambist.settings import Limits
from tests.integration.rest_examples import assert_same_shape, official_example
from tests.integration.rest_market import RestMarket, Trader, limit_order, rest_market

ORDER = "/api/v3/order"
REPLACE = "/api/v3/order/cancelReplace"
AMEND = "/api/v3/order/amend/keepPriority"
UNKNOWN = {"code": -2011, "msg": "Unknown order sent."}
POOR = {"code": -2010, "msg": "Account has insufficient balance for requested action."}


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestMarket]:
    with rest_market(tmp_path_factory.mktemp("exchange")) as market:
        yield market


@pytest.fixture
def ann(market: RestMarket) -> Iterator[Trader]:
    yield market.trader(USDT="1000")
    market.cancel_everything()


def replace(trader: Trader, size: str, at: str, **params: object) -> tuple[int, Any]:
    """Status and body of a cancel-replace that bids, with STOP_ON_FAILURE unless something else is said."""
    wanted = limit_order("BUY", size, at, "BTCUSDT") | {"cancelReplaceMode": "STOP_ON_FAILURE"}
    answer = trader.request("POST", REPLACE, **wanted | params)
    return answer.status_code, answer.json()


def open_orders(trader: Trader) -> list[tuple[str, str]]:
    return [
        (each["clientOrderId"], each["price"].rstrip("0").rstrip("."))
        for each in trader.get("/api/v3/openOrders", symbol="BTCUSDT")
    ]


def test_both_halves_succeed(ann):
    ann.order("BUY", "1", "100", newClientOrderId="old")
    status, body = replace(
        ann,
        "2",
        "90",
        cancelOrigClientOrderId="old",
        cancelNewClientOrderId="cancel",
        newClientOrderId="new",
    )
    assert (status, body["cancelResult"], body["newOrderResult"]) == (200, "SUCCESS", "SUCCESS")
    cancelled, placed = body["cancelResponse"], body["newOrderResponse"]
    assert (cancelled["origClientOrderId"], cancelled["clientOrderId"]) == ("old", "cancel")
    assert (cancelled["status"], cancelled["price"]) == ("CANCELED", "100.00000000")
    assert (placed["clientOrderId"], placed["status"], placed["price"]) == ("new", "NEW", "90.00000000")
    assert open_orders(ann) == [("new", "90")]


def test_money_that_the_old_order_held_pays_for_the_new_one(ann):
    old = ann.order("BUY", "10", "100")
    assert replace(ann, "10", "99", cancelOrderId=old["orderId"])[0] == 200


def test_without_the_old_order_nothing_is_tried_when_it_should_stop(ann):
    status, body = replace(ann, "1", "90", cancelOrderId=404)
    assert (status, body) == (
        400,
        {
            "code": -2022,
            "msg": "Order cancel-replace failed.",
            "data": {
                "cancelResult": "FAILURE",
                "newOrderResult": "NOT_ATTEMPTED",
                "cancelResponse": UNKNOWN,
                "newOrderResponse": None,
            },
        },
    )
    assert open_orders(ann) == []


def test_without_the_old_order_the_new_one_is_placed_when_failure_is_allowed(ann):
    status, body = replace(
        ann,
        "1",
        "90",
        cancelOrigClientOrderId="gone",
        cancelReplaceMode="ALLOW_FAILURE",
        newClientOrderId="new",
    )
    assert (status, body["code"], body["msg"]) == (409, -2021, "Order cancel-replace partially failed.")
    assert (body["data"]["cancelResult"], body["data"]["newOrderResult"]) == ("FAILURE", "SUCCESS")
    assert body["data"]["cancelResponse"] == UNKNOWN
    assert body["data"]["newOrderResponse"]["clientOrderId"] == "new"
    assert open_orders(ann) == [("new", "90")]


@pytest.mark.parametrize("mode", ["STOP_ON_FAILURE", "ALLOW_FAILURE"])
def test_a_new_order_that_is_refused_leaves_the_old_one_cancelled(ann, mode):
    old = ann.order("BUY", "1", "100")
    status, body = replace(ann, "100", "100", cancelOrderId=old["orderId"], cancelReplaceMode=mode)
    assert (status, body["code"]) == (409, -2021)
    assert (body["data"]["cancelResult"], body["data"]["newOrderResult"]) == ("SUCCESS", "FAILURE")
    assert body["data"]["cancelResponse"]["orderId"] == old["orderId"]
    assert body["data"]["newOrderResponse"] == POOR
    assert open_orders(ann) == []


def test_both_halves_fail(ann):
    status, body = replace(ann, "100", "100", cancelOrderId=404, cancelReplaceMode="ALLOW_FAILURE")
    assert (status, body["code"], body["msg"]) == (400, -2022, "Order cancel-replace failed.")
    assert body["data"] == {
        "cancelResult": "FAILURE",
        "newOrderResult": "FAILURE",
        "cancelResponse": UNKNOWN,
        "newOrderResponse": POOR,
    }


def test_a_frozen_account_replaces_nothing(market, ann):
    old = ann.order("BUY", "1", "100", newClientOrderId="old")
    market.freeze(ann.account)
    disabled = {"code": -2010, "msg": "This action is disabled on this account."}
    for mode in ("STOP_ON_FAILURE", "ALLOW_FAILURE"):
        status, body = replace(ann, "1", "90", cancelOrderId=old["orderId"], cancelReplaceMode=mode)
        assert (status, body["data"]["cancelResponse"]) == (400, disabled)
    assert open_orders(ann) == [("old", "100")]


@pytest.mark.parametrize(
    ("params", "code", "text"),
    [
        ({}, -1102, "Param 'cancelOrigClientOrderId' or 'cancelOrderId' must be sent, but both were"),
        ({"cancelOrderId": 1, "cancelReplaceMode": None}, -1102, "Mandatory parameter 'cancelReplaceMode'"),
        ({"cancelOrderId": 1, "cancelReplaceMode": "X"}, -1130, "parameter 'cancelReplaceMode' is not"),
        ({"cancelOrderId": 1, "orderRateLimitExceededMode": "X"}, -1130, "'orderRateLimitExceededMode'"),
        ({"cancelOrderId": 1, "price": None}, -1102, "Mandatory parameter 'price'"),
    ],
)
def test_what_is_missing_or_wrong_is_named(ann, params, code, text):
    status, body = replace(ann, "1", "90", **params)
    assert (status, body["code"]) == (400, code)
    assert text in body["msg"]


@pytest.fixture
def limited(tmp_path: Any) -> Iterator[RestMarket]:
    """One order in ten seconds, and a clock that stands."""
    limits = Limits(request_weight_1m=0, raw_requests_5m=0, orders_10s=1, orders_1d=0)
    with rest_market(tmp_path, limits=limits, clock=lambda: 1_700_000_040_000_000_000) as market:
        yield market


def test_over_the_order_limit_nothing_is_done_unless_the_cancel_alone_is_wanted(limited):
    ann = limited.trader(USDT="1000")
    old = ann.order("BUY", "1", "100")
    too_many = {"code": -1015, "msg": "Too many new orders; current limit is 1 orders per 10 SECOND."}
    assert replace(ann, "1", "90", cancelOrderId=old["orderId"]) == (429, too_many)
    assert open_orders(ann) == [(old["clientOrderId"], "100")]

    params = {"cancelOrderId": old["orderId"], "orderRateLimitExceededMode": "CANCEL_ONLY"}
    status, body = replace(ann, "1", "90", **params)
    assert (status, body["code"]) == (429, -2021)
    assert (body["data"]["cancelResult"], body["data"]["newOrderResult"]) == ("SUCCESS", "FAILURE")
    assert body["data"]["newOrderResponse"] == too_many
    assert open_orders(ann) == []

    status, body = replace(ann, "1", "90", **params)
    assert (status, body["code"]) == (429, -2022)
    assert body["data"] == {
        "cancelResult": "FAILURE",
        "newOrderResult": "NOT_ATTEMPTED",
        "cancelResponse": UNKNOWN,
        "newOrderResponse": None,
    }
    status, body = replace(ann, "1", "90", **params, cancelReplaceMode="ALLOW_FAILURE")
    assert (status, body["data"]["cancelResponse"], body["data"]["newOrderResponse"]) == (
        429,
        UNKNOWN,
        too_many,
    )


def test_an_order_that_was_not_attempted_counts(limited):
    ann = limited.trader(USDT="1000")
    assert replace(ann, "1", "90", cancelOrderId=404)[1]["data"]["newOrderResult"] == "NOT_ATTEMPTED"
    assert replace(ann, "1", "90", cancelOrderId=404)[0] == 429


@pytest.mark.parametrize(
    ("params", "context"),
    [
        ({}, "**Response SUCCESS"),
        ({"cancelOrderId": 404}, "Cancel Order Fails with STOP_ON FAILURE"),
        ({"quantity": "100"}, "Cancel Order Succeeds but New Order Placement Fails"),
        (
            {"cancelOrderId": 404, "cancelReplaceMode": "ALLOW_FAILURE", "newOrderRespType": "ACK"},
            "Cancel Order fails with ALLOW_FAILURE",
        ),
    ],
)
def test_answers_have_the_official_fields_and_types(ann, shared_data, params, context):
    old = ann.order("BUY", "1", "100")
    _, body = replace(ann, "1", "90", **{"cancelOrderId": old["orderId"]} | params)
    section = "Cancel an Existing Order and Send a New Order (TRADE)"
    assert_same_shape(body, official_example(shared_data, section, context))


# Amend


def amend(trader: Trader, quantity: str, **params: object) -> Any:
    return trader.request("PUT", AMEND, symbol="BTCUSDT", newQty=quantity, **params).json()


def test_an_amended_order_is_smaller_and_keeps_its_place(market, ann):
    bob, cat = market.trader(USDT="1000"), market.trader(BTC="10")
    first = ann.order("BUY", "2", "100", newClientOrderId="first")
    bob.order("BUY", "2", "100")
    body = amend(ann, "1.5", origClientOrderId="first", newClientOrderId="second")
    assert body["amendedOrder"] == {
        "symbol": "BTCUSDT",
        "orderId": first["orderId"],
        "orderListId": -1,
        "origClientOrderId": "first",
        "clientOrderId": "second",
        "price": "100.00000000",
        "qty": "1.50000000",
        "executedQty": "0.00000000",
        "preventedQty": "0.00000000",
        "quoteOrderQty": "0.00000000",
        "cumulativeQuoteQty": "0.00000000",
        "status": "NEW",
        "timeInForce": "GTC",
        "type": "LIMIT",
        "side": "BUY",
        "workingTime": first["workingTime"],
        "selfTradePreventionMode": "EXPIRE_MAKER",
    }
    sold = cat.order("SELL", "1", "100")
    assert sold["status"] == "FILLED"
    assert ann.get(ORDER, symbol="BTCUSDT", origClientOrderId="second")["executedQty"] == "1.00000000"
    again = amend(ann, "1.2", origClientOrderId="second")["amendedOrder"]
    assert (again["status"], again["executedQty"], again["cumulativeQuoteQty"]) == (
        "PARTIALLY_FILLED",
        "1.00000000",
        "100.00000000",
    )
    assert again["clientOrderId"] not in ("first", "second")


def test_the_present_client_id_may_be_kept(ann):
    ann.order("BUY", "2", "100", newClientOrderId="mine")
    body = amend(ann, "1", origClientOrderId="mine", newClientOrderId="mine")
    assert body["amendedOrder"]["clientOrderId"] == "mine"


@pytest.mark.parametrize(
    ("quantity", "params", "code", "text"),
    [
        ("2", {}, -2038, "The requested action would change no state; rejecting"),
        ("2.001", {}, -2038, "Order amend (quantity increase) is not supported."),
        ("0.0001", {}, -1013, "Filter failure: LOT_SIZE"),
        ("1", {"orderId": 404}, -2038, "Unknown order sent."),
        ("1", {"newClientOrderId": "other"}, -2038, "Duplicate order sent."),
    ],
)
def test_an_amendment_that_is_refused_says_why(ann, quantity, params, code, text):
    order = ann.order("BUY", "2", "100")
    ann.order("BUY", "1", "90", newClientOrderId="other")
    body = amend(ann, quantity, **{"orderId": order["orderId"]} | params)
    assert (body["code"], body["msg"]) == (code, text)


def test_nobody_amends_the_order_of_another(market, ann):
    order = ann.order("BUY", "2", "100")
    assert amend(market.trader(USDT="100"), "1", orderId=order["orderId"])["msg"] == "Unknown order sent."


def test_an_amendment_has_the_official_fields_and_types(ann, shared_data):
    order = ann.order("BUY", "2", "100")
    body = amend(ann, "1", orderId=order["orderId"])
    assert_same_shape(body, official_example(shared_data, "Order Amend Keep Priority (TRADE)"))
