"""What each endpoint is for, which parameters it takes, and the type of its answer.

Routes, weights and scopes are in `gateway.api.ENDPOINTS`; a test holds the two tables equal.
"""

from typing import Any, NamedTuple

from cambist.feed.answers import AveragePrice, DayTicker, MiniTicker
from cambist.gateway import (
    amend,
    candles,
    capital,
    commission,
    countdown,
    list_answers,
    listen_key,
    order_history,
    order_lists,
    schemas,
    tickers,
    wallet,
)
from cambist.gateway.documents.parameters import Schema, reference

Nothing = dict[str, str]  # an empty object


class Operation(NamedTuple):
    """`requires` and `takes` are names of parameters, parted by spaces, without those of a signed request.

    `answer` is a type or a JSON schema; `others` are what comes instead when other parameters are sent.
    """

    summary: str
    answer: Any
    requires: str = ""
    takes: str = ""
    others: tuple[Any, ...] = ()


_SIZE = "quantity quoteOrderQty price stopPrice trailingDelta icebergQty"
_ORDER = (
    f"timeInForce {_SIZE} newClientOrderId newOrderRespType selfTradePreventionMode strategyId strategyType"
)
_NAMED = "orderId origClientOrderId"
_PERIOD = "startTime endTime"
_CHOSEN = "symbol symbols symbolStatus"
_SPAN = "startTime endTime offset limit"

_LIST = "listClientOrderId newOrderRespType selfTradePreventionMode"


def _of_order(prefix: str) -> str:
    """What one order of a list takes beside type, side and quantity."""
    fields = "Price StopPrice TrailingDelta IcebergQty TimeInForce ClientOrderId StrategyId StrategyType"
    return " ".join(prefix + field for field in fields.split())


# One half may have failed, and then says why in the place of its answer; no type can tell the two apart.
_REPLACED: Schema = {
    "type": "object",
    "required": ["cancelResult", "newOrderResult", "cancelResponse", "newOrderResponse"],
    "properties": {
        "cancelResult": {"enum": ["SUCCESS", "FAILURE"]},
        "newOrderResult": {"enum": ["SUCCESS", "FAILURE", "NOT_ATTEMPTED"]},
        "cancelResponse": {"anyOf": [reference("CancelledOrder"), reference("Error")]},
        "newOrderResponse": {
            "anyOf": [reference("OrderResult"), reference("OrderAck"), reference("Error"), {"type": "null"}]
        },
    },
}

_BARS = list[candles.Bar]
_TICKERS = tickers.Ticker | list[tickers.Ticker], ""

OPERATIONS: dict[tuple[str, str], Operation] = {
    ("POST", "/api/v3/order"): Operation(
        "Place an order", schemas.OrderResult, "symbol side type", _ORDER, (schemas.OrderAck,)
    ),
    ("DELETE", "/api/v3/order"): Operation(
        "Cancel an order, and the list that it is in",
        schemas.CancelledOrder,
        "symbol",
        f"{_NAMED} newClientOrderId cancelRestrictions",
        (list_answers.OrderListCancelled,),
    ),
    ("GET", "/api/v3/order"): Operation("One order, open or closed", schemas.Order, "symbol", _NAMED),
    ("POST", "/api/v3/order/test"): Operation(
        "Check an order without placing it",
        Nothing,
        "symbol side type",
        f"{_ORDER} computeCommissionRates",
        (commission.OrderCommission,),
    ),
    ("POST", "/api/v3/order/cancelReplace"): Operation(
        "Cancel an order and place another in one step",
        _REPLACED,
        "symbol side type cancelReplaceMode",
        f"{_ORDER} cancelOrderId cancelOrigClientOrderId cancelNewClientOrderId cancelRestrictions"
        " orderRateLimitExceededMode",
    ),
    ("PUT", "/api/v3/order/amend/keepPriority"): Operation(
        "Lessen an order that keeps its place", amend.Amended, "symbol newQty", f"{_NAMED} newClientOrderId"
    ),
    ("POST", "/api/v3/orderList/oco"): Operation(
        "Place two orders of which one cancels the other",
        order_lists.OrderListPlaced,
        "symbol side quantity aboveType belowType",
        f"{_LIST} {_of_order('above')} {_of_order('below')}",
    ),
    ("POST", "/api/v3/order/oco"): Operation(
        "The same with older parameters",
        order_lists.OrderListPlaced,
        "symbol side quantity price stopPrice",
        f"{_LIST} stopLimitPrice stopLimitTimeInForce trailingDelta limitClientOrderId limitIcebergQty"
        " limitStrategyId limitStrategyType stopClientOrderId stopIcebergQty stopStrategyId stopStrategyType",
    ),
    ("POST", "/api/v3/orderList/oto"): Operation(
        "Place an order, and one that waits until it is filled",
        order_lists.OrderListPlaced,
        "symbol workingType workingSide workingPrice workingQuantity pendingType pendingSide pendingQuantity",
        f"{_LIST} workingTimeInForce workingIcebergQty workingClientOrderId workingStrategyId"
        f" workingStrategyType {_of_order('pending')}",
    ),
    ("POST", "/api/v3/orderList/otoco"): Operation(
        "Place an order, and a pair that waits until it is filled",
        order_lists.OrderListPlaced,
        "symbol workingType workingSide workingPrice workingQuantity pendingSide pendingQuantity"
        " pendingAboveType pendingBelowType",
        f"{_LIST} workingTimeInForce workingIcebergQty workingClientOrderId workingStrategyId"
        f" workingStrategyType {_of_order('pendingAbove')} {_of_order('pendingBelow')}",
    ),
    ("DELETE", "/api/v3/orderList"): Operation(
        "Cancel an order list",
        list_answers.OrderListCancelled,
        "symbol",
        "orderListId listClientOrderId newClientOrderId",
    ),
    ("GET", "/api/v3/orderList"): Operation(
        "One order list", list_answers.OrderListShown, "", "orderListId origClientOrderId"
    ),
    ("GET", "/api/v3/allOrderList"): Operation(
        "Order lists, open and done", list[list_answers.OrderListShown], "", f"fromId {_PERIOD} limit"
    ),
    ("GET", "/api/v3/openOrderList"): Operation(
        "Order lists that are not done", list[list_answers.OrderListShown]
    ),
    ("GET", "/api/v3/order/amendments"): Operation(
        "How an order was amended", list[order_history.Amendment], "symbol orderId", "fromExecutionId limit"
    ),
    ("GET", "/api/v3/myPreventedMatches"): Operation(
        "Trades that self-trade prevention did not let happen",
        list[order_history.OwnPreventedMatch],
        "symbol",
        "preventedMatchId orderId fromPreventedMatchId limit",
    ),
    ("POST", "/api/v3/countdownCancelAll"): Operation(
        "Cancel all orders unless asked again in time", countdown.CountdownSet, "countdownTime", "symbol"
    ),
    ("GET", "/api/v3/executionRules"): Operation(
        "At which prices takers may trade", schemas.ExecutionRules, "", _CHOSEN
    ),
    ("GET", "/api/v3/referencePrice"): Operation(
        "What price limits are measured by", schemas.ReferencePrice, "symbol"
    ),
    ("GET", "/api/v3/openOrders"): Operation("The orders that rest", list[schemas.Order], "", "symbol"),
    ("DELETE", "/api/v3/openOrders"): Operation(
        "Cancel all orders of a market", list[schemas.CancelledOrder], "symbol"
    ),
    ("GET", "/api/v3/allOrders"): Operation(
        "Open and closed orders", list[schemas.Order], "symbol", f"orderId limit {_PERIOD}"
    ),
    ("GET", "/api/v3/account"): Operation("Balances and rights", schemas.Account, "", "omitZeroBalances"),
    ("GET", "/api/v3/account/commission"): Operation("What trades cost", commission.Commission, "symbol"),
    ("GET", "/api/v3/rateLimit/order"): Operation("Orders that count", list[schemas.OrderCount]),
    ("GET", "/api/v3/myFilters"): Operation("The limits that apply", schemas.AccountFilters, "symbol"),
    ("GET", "/api/v3/myTrades"): Operation(
        "The account's own trades", list[schemas.AccountTrade], "symbol", f"orderId fromId limit {_PERIOD}"
    ),
    ("GET", "/api/v3/ping"): Operation("Nothing, quickly", Nothing),
    ("GET", "/api/v3/time"): Operation("The exchange's clock", schemas.ServerTime),
    ("GET", "/api/v3/exchangeInfo"): Operation(
        "Markets, their rules and the limits",
        schemas.ExchangeInfo,
        "",
        f"{_CHOSEN} permissions showPermissionSets",
    ),
    ("GET", "/api/v3/depth"): Operation("The book", schemas.Depth, "symbol", "limit symbolStatus"),
    ("GET", "/api/v3/trades"): Operation("The latest trades", list[schemas.PublicTrade], "symbol", "limit"),
    ("GET", "/api/v3/historicalTrades"): Operation(
        "Trades from an id on", list[schemas.PublicTrade], "symbol", "fromId limit"
    ),
    ("GET", "/api/v3/aggTrades"): Operation(
        "Trades of one order at one price, as one",
        list[schemas.AggregateTrade],
        "symbol",
        f"fromId limit {_PERIOD}",
    ),
    ("GET", "/api/v3/klines"): Operation("Candles", _BARS, "symbol interval", f"{_PERIOD} timeZone limit"),
    ("GET", "/api/v3/uiKlines"): Operation(
        "Candles for charts", _BARS, "symbol interval", f"{_PERIOD} timeZone limit"
    ),
    ("GET", "/api/v3/avgPrice"): Operation("Average price of five minutes", AveragePrice, "symbol"),
    ("GET", "/api/v3/ticker/24hr"): Operation(
        "The last 24 hours",
        DayTicker | list[DayTicker],
        "",
        f"{_CHOSEN} type",
        (MiniTicker | list[MiniTicker],),
    ),
    ("GET", "/api/v3/ticker/tradingDay"): Operation(
        "The day so far", *_TICKERS, f"{_CHOSEN} timeZone type", (MiniTicker | list[MiniTicker],)
    ),
    ("GET", "/api/v3/ticker"): Operation(
        "Another window", *_TICKERS, f"{_CHOSEN} windowSize type", (MiniTicker | list[MiniTicker],)
    ),
    ("GET", "/api/v3/ticker/price"): Operation(
        "Last prices", schemas.PriceTicker | list[schemas.PriceTicker], "", _CHOSEN
    ),
    ("GET", "/api/v3/ticker/bookTicker"): Operation(
        "Best bids and offers", schemas.BookTicker | list[schemas.BookTicker], "", _CHOSEN
    ),
    ("POST", "/api/v3/userDataStream"): Operation("A key to the account's stream", listen_key.ListenKey),
    ("PUT", "/api/v3/userDataStream"): Operation("Renew it for an hour", Nothing, "listenKey"),
    ("DELETE", "/api/v3/userDataStream"): Operation("Close the stream", Nothing, "listenKey"),
    ("GET", "/sapi/v1/system/status"): Operation("Whether all is well", dict[str, int | str]),
    ("GET", "/sapi/v1/account/apiRestrictions"): Operation("What this key may do", wallet.KeyPermissions),
    ("GET", "/sapi/v1/account/status"): Operation("Normal or Locked", dict[str, str]),
    ("GET", "/sapi/v1/asset/assetDetail"): Operation(
        "Coins and their withdrawals", dict[str, wallet.AssetDetail], "", "asset"
    ),
    ("POST", "/sapi/v1/asset/get-funding-asset"): Operation("Always empty: one wallet", tuple[()]),
    ("GET", "/sapi/v1/asset/tradeFee"): Operation("Rates of markets", list[schemas.TradeFee], "", _CHOSEN),
    ("GET", "/sapi/v1/asset/transfer"): Operation("Always empty: one wallet", dict[str, int | list[str]]),
    ("GET", "/sapi/v1/capital/config/getall"): Operation("Coins and balances", list[wallet.Coin]),
    ("GET", "/sapi/v1/capital/deposit/address"): Operation(
        "Where to pay to", capital.DepositAddress, "coin", "network"
    ),
    ("GET", "/sapi/v1/capital/deposit/hisrec"): Operation(
        "Deposits", list[capital.DepositRow], "", f"coin status txId {_SPAN}"
    ),
    ("POST", "/sapi/v1/capital/withdraw/apply"): Operation(
        "Pay out to an address of the address book",
        capital.Applied,
        "coin address amount",
        "network addressTag withdrawOrderId",
    ),
    ("GET", "/sapi/v1/capital/withdraw/history"): Operation(
        "Withdrawals", list[capital.WithdrawalRow], "", f"coin status withdrawOrderId idList {_SPAN}"
    ),
    ("GET", "/sapi/v1/spot/delist-schedule"): Operation("Always empty", tuple[()]),
    ("GET", "/sapi/v1/margin/allPairs"): Operation("Always empty: no margin", tuple[()]),
    ("GET", "/sapi/v1/margin/isolated/allPairs"): Operation("Always empty: no margin", tuple[()]),
    ("POST", "/sapi/v3/asset/getUserAsset"): Operation("Balances", list[wallet.UserAsset], "", "asset"),
    ("GET", "/fapi/v1/exchangeInfo"): Operation("No futures: no markets", schemas.ExchangeInfo),
    ("GET", "/dapi/v1/exchangeInfo"): Operation("No futures: no markets", schemas.ExchangeInfo),
}
