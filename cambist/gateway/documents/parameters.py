"""The JSON schema of every parameter by its name, which means the same wherever it is taken."""

from collections.abc import Iterable
from typing import Any, TypeAlias

from cambist.engine import names
from cambist.gateway.params import INTEGER_MAX

Schema: TypeAlias = dict[str, Any]

REF = "#/components/schemas/{name}"

TEXT: Schema = {"type": "string"}
DECIMAL: Schema = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?$"}
INTEGER: Schema = {"type": "integer", "format": "int64", "minimum": 0, "maximum": INTEGER_MAX}
FLAG: Schema = {"type": "string", "enum": ["true", "false"]}
TIME: Schema = {**INTEGER, "description": "Since 1970, in milliseconds or microseconds."}
CLIENT_ID: Schema = {"type": "string", "pattern": "^[a-zA-Z0-9-_]{1,36}$"}
TICKER_TYPE: Schema = {"type": "string", "enum": ["FULL", "MINI"]}
SYMBOLS: Schema = {"type": "string", "description": 'A JSON array of symbols: ["BTCUSDT","ETHUSDT"].'}


def reference(name: str) -> Schema:
    """To the schema of an answer."""
    return {"$ref": REF.format(name=name)}


def one_of(choices: Iterable[str]) -> Schema:
    return {"type": "string", "enum": list(choices)}


def _of_order(prefix: str) -> dict[str, Schema]:
    """The parameters of one order of a list."""
    return {
        f"{prefix}Type": one_of(names.ORDER_TYPES),
        f"{prefix}Side": one_of(names.SIDES),
        f"{prefix}Quantity": DECIMAL,
        f"{prefix}Price": DECIMAL,
        f"{prefix}StopPrice": DECIMAL,
        f"{prefix}TrailingDelta": INTEGER,
        f"{prefix}IcebergQty": DECIMAL,
        f"{prefix}TimeInForce": one_of(names.TIMES_IN_FORCE),
        f"{prefix}ClientOrderId": CLIENT_ID,
        f"{prefix}StrategyId": INTEGER,
        f"{prefix}StrategyType": {**INTEGER, "minimum": 1_000_000},
    }


PARAMETERS: dict[str, Schema] = {
    # Signed requests
    "timestamp": TIME,
    "recvWindow": {"type": "string", "description": "Milliseconds, at most 60000, with up to 3 decimals."},
    "signature": {"type": "string", "description": "Of the query and body as they travel, without itself."},
    # Markets and coins
    "symbol": TEXT,
    "symbols": SYMBOLS,
    "symbolStatus": one_of(names.MARKET_STATUS_NAMES.values()),
    "permissions": {"type": "string", "description": "SPOT, or a JSON array of permissions."},
    "showPermissionSets": FLAG,
    "asset": TEXT,
    "coin": TEXT,
    "listenKey": TEXT,
    # What part of a list
    "limit": {**INTEGER, "minimum": 1},
    "fromId": INTEGER,
    "startTime": TIME,
    "endTime": TIME,
    # Candles and tickers
    "interval": TEXT,
    "timeZone": {"type": "string", "description": "Hours and minutes from UTC: 0, +8, -3:30."},
    "windowSize": {"type": "string", "pattern": "^([1-9]|[1-5][0-9])m$|^([1-9]|1[0-9]|2[0-3])h$|^[1-7]d$"},
    # Orders
    "side": one_of(names.SIDES),
    "type": one_of(names.ORDER_TYPES),
    "timeInForce": one_of(names.TIMES_IN_FORCE),
    "quantity": DECIMAL,
    "quoteOrderQty": DECIMAL,
    "price": DECIMAL,
    "stopPrice": DECIMAL,
    "trailingDelta": {**INTEGER, "description": "Hundredths of a percent."},
    "icebergQty": DECIMAL,
    "newQty": DECIMAL,
    "newClientOrderId": CLIENT_ID,
    "origClientOrderId": CLIENT_ID,
    "orderId": INTEGER,
    "strategyId": INTEGER,
    "strategyType": {**INTEGER, "minimum": 1_000_000},
    "newOrderRespType": one_of(("ACK", "RESULT", "FULL")),
    "selfTradePreventionMode": one_of(names.STP_MODES),
    "computeCommissionRates": FLAG,
    "countdownTime": {**INTEGER, "description": "Milliseconds; 0 stops the countdown."},
    "cancelRestrictions": one_of(("ONLY_NEW", "ONLY_PARTIALLY_FILLED")),
    "cancelReplaceMode": one_of(("STOP_ON_FAILURE", "ALLOW_FAILURE")),
    "cancelOrderId": INTEGER,
    "cancelOrigClientOrderId": CLIENT_ID,
    "cancelNewClientOrderId": CLIENT_ID,
    "orderRateLimitExceededMode": one_of(("DO_NOTHING", "CANCEL_ONLY")),
    "fromExecutionId": INTEGER,
    "preventedMatchId": INTEGER,
    "fromPreventedMatchId": INTEGER,
    # Order lists
    "orderListId": INTEGER,
    "listClientOrderId": CLIENT_ID,
    **_of_order("above"),
    **_of_order("below"),
    **_of_order("working"),
    **_of_order("pending"),
    **_of_order("pendingAbove"),
    **_of_order("pendingBelow"),
    **_of_order("limit"),
    **_of_order("stop"),
    "stopLimitPrice": DECIMAL,
    "stopLimitTimeInForce": one_of(names.TIMES_IN_FORCE),
    # Accounts
    "omitZeroBalances": FLAG,
    "address": TEXT,
    "amount": DECIMAL,
    "network": TEXT,
    "addressTag": TEXT,
    "withdrawOrderId": TEXT,
    "idList": TEXT,
    "txId": TEXT,
    "status": INTEGER,
    "offset": INTEGER,
}
