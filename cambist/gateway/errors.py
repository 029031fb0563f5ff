"""Every refusal of the public API: HTTP status, code and text, as clients of the Binance API know them.

Clients act on code and text alike, so neither changes. `OF_STATUS` and `OF_ERROR` are the only tables from
what the engine and the match server say to what a client is told.
"""

from typing import NamedTuple

import msgspec

from cambist.engine.events import Status
from cambist.errors import Conflict, ExchangeError, OutcomeUnknown, Overloaded, Refused, Unavailable


class Refusal(NamedTuple):
    code: int
    msg: str
    http: int = 400


class ApiError(Exception):
    """Ends a request with a refusal; `retry_after_s` goes to the header of that name, `data` to the body."""

    def __init__(
        self, refusal: Refusal, retry_after_s: int | None = None, data: msgspec.Struct | None = None
    ) -> None:
        super().__init__(refusal.msg)
        self.refusal = refusal
        self.retry_after_s = retry_after_s
        self.data = data


class Problem(msgspec.Struct, omit_defaults=True):
    """A refusal as a client reads it."""

    code: int
    msg: str
    data: msgspec.Struct | None = None


def body(refusal: Refusal, data: msgspec.Struct | None = None) -> bytes:
    return msgspec.json.encode(Problem(refusal.code, refusal.msg, data))


UNKNOWN = Refusal(-1000, "An unknown error occurred while processing the request.", 500)
TRY_AGAIN = Refusal(-1001, "Internal error; unable to process your request. Please try again.", 503)
OUTCOME_UNKNOWN = Refusal(
    -1007,
    "Timeout waiting for response from backend server. Send status unknown; execution status unknown.",
    504,
)
OVERLOADED = Refusal(
    -1008,
    "Server is currently overloaded with other requests. Please try again in a few minutes.",
    503,
)
UNSUPPORTED = Refusal(-1020, "This operation is not supported.")
NO_SUCH_ROUTE = Refusal(-1020, "This operation is not supported.", 404)
WRONG_METHOD = Refusal(-1020, "This operation is not supported.", 405)
BODY_TOO_LARGE = Refusal(-1101, "Too many parameters sent for this endpoint.", 413)
NO_PARAMETERS = Refusal(-1101, "Too many parameters sent for this endpoint.")
HEAD_TOO_LARGE = Refusal(-1101, "Too many parameters sent for this endpoint.", 431)

TIMESTAMP_TOO_OLD = Refusal(-1021, "Timestamp for this request is outside of the recvWindow.")
TIMESTAMP_AHEAD = Refusal(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
BAD_SIGNATURE = Refusal(-1022, "Signature for this request is not valid.")
BAD_KEY_FORMAT = Refusal(-2014, "API-key format invalid.", 401)
KEY_REJECTED = Refusal(-2015, "Invalid API-key, IP, or permissions for action.", 401)

ILLEGAL_CHARACTERS = Refusal(-1100, "Illegal characters found in a parameter.")
DUPLICATE_PARAMETER = Refusal(-1101, "Duplicate values for a parameter detected.")
NO_ORDER_NAMED = Refusal(
    -1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!"
)
NO_ORDER_TO_CANCEL_NAMED = Refusal(
    -1102, "Param 'cancelOrigClientOrderId' or 'cancelOrderId' must be sent, but both were empty/null!"
)
NO_QUANTITY = Refusal(-1102, "Param 'quantity' or 'quoteOrderQty' must be sent, but both were empty/null!")
UNSUPPORTED_COMBINATION = Refusal(-1014, "Unsupported order combination.")
BAD_STRATEGY_TYPE = Refusal(-1134, "`strategyType` was less than 1000000.")
BAD_TIME_IN_FORCE = Refusal(-1115, "Invalid timeInForce.")
BAD_ORDER_TYPE = Refusal(-1116, "Invalid orderType.")
BAD_SIDE = Refusal(-1117, "Invalid side.")
BAD_INTERVAL = Refusal(-1120, "Invalid interval.")
BAD_SYMBOL = Refusal(-1121, "Invalid symbol.")
NO_SUCH_LISTEN_KEY = Refusal(-1125, "This listenKey does not exist.")
NO_SUCH_SUBSCRIPTION = Refusal(-1130, "Data sent for parameter 'subscriptionId' is not valid.")
TOO_MANY_SUBSCRIPTIONS = Refusal(-1130, "Too many subscriptions on this connection.")
POSITION_TOO_OLD = Refusal(
    -1130,
    "Data sent for parameter 'afterPosition' is not valid: events from so long ago are not sent again. "
    "Query the account, and subscribe without it.",
)
OVER_24_HOURS = Refusal(-1127, "More than 24 hours between startTime and endTime.")
BAD_COMBINATION = Refusal(-1128, "Combination of optional parameters invalid.")
BAD_CANCEL_RESTRICTIONS = Refusal(-1145, "Invalid cancelRestrictions")
DUPLICATE_SYMBOLS = Refusal(-1151, "Symbol is present multiple times in the list.")
BAD_TIME_UNIT = Refusal(-1194, "Invalid value for time unit; expected either MICROSECOND or MILLISECOND.")
NOT_IN_OCO = Refusal(-1158, "Order type not supported in OCO.")
BOTH_ARE_LIMITS = Refusal(-1168, "At least one OCO order must be contingent.")
MISPLACED_IN_OCO = {
    ("limit", "BUY"): Refusal(-1165, "A limit order in a buy OCO must be below."),
    ("limit", "SELL"): Refusal(-1166, "A limit order in a sell OCO must be above."),
    ("stop loss", "BUY"): Refusal(-1196, "A stop loss order in a buy OCO must be above."),
    ("stop loss", "SELL"): Refusal(-1197, "A stop loss order in a sell OCO must be below."),
    ("take profit", "BUY"): Refusal(-1198, "A take profit order in a buy OCO must be below."),
    ("take profit", "SELL"): Refusal(-1199, "A take profit order in a sell OCO must be above."),
}
REPLACED_IN_PART = Refusal(-2021, "Order cancel-replace partially failed.", 409)
NOT_REPLACED = Refusal(-2022, "Order cancel-replace failed.")
AMEND_CHANGES_NOTHING = Refusal(-2038, "The requested action would change no state; rejecting")
UNKNOWN_ORDER_SENT = Refusal(-2011, "Unknown order sent.")
NO_SUCH_ORDER = Refusal(-2013, "Order does not exist.")
NO_SUCH_LIST = Refusal(-2018, "Order list does not exist.")
BAD_SYMBOL_STATUS = Refusal(-1122, "Invalid symbolStatus.")
OTHER_SYMBOL_STATUS = Refusal(-1220, "The symbol's status does not match the requested symbolStatus.")

NO_SUCH_ASSET = Refusal(-4018, "We don't have this asset.")
NO_DEPOSITS = Refusal(-4001, "Invalid operation. Deposits are not open yet.")
NO_WITHDRAWALS = Refusal(-4019, "The current asset is not open for withdrawal.")
NO_NETWORK = Refusal(-4001, "Invalid operation. There is no such network.")
WITHDRAWAL_NAME_TAKEN = Refusal(-4001, "Invalid operation. This withdrawOrderId was used before.")
AMOUNT_BETWEEN_UNITS = Refusal(-4021, "The amount has more decimals than the network can send.")
AMOUNT_TOO_SMALL = Refusal(-4022, "Not less than the minimum pick-up quantity.")
OVER_DAILY_MAXIMUM = Refusal(-4023, "Within 24 hours, the withdrawal exceeds the maximum.")
INSUFFICIENT_FOR_WITHDRAWAL = Refusal(-4026, "You have insufficient balance.")
WITHDRAWALS_WAIT = Refusal(-4032, "Withdraw verification exception. The account may not withdraw now.")
BAD_ADDRESS = Refusal(-4033, "Illegal address.")
ADDRESS_NOT_LISTED = Refusal(-4035, "This address is not on the whitelist. Please join and try again.")
ADDRESS_WAITS = Refusal(-4036, "The new address needs to wait before a withdrawal.")


def illegal(name: str, legal_range: str) -> Refusal:
    return Refusal(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal_range}'.")


def malformed(what: str) -> Refusal:
    return Refusal(-1135, f"Invalid {what}")


def missing(name: str) -> Refusal:
    return Refusal(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def both_missing(one: str, other: str) -> Refusal:
    return Refusal(-1102, f"Param '{one}' or '{other}' must be sent, but both were empty/null!")


def too_large(name: str, most: int) -> Refusal:
    return Refusal(-1102, f"'{name}' contains unexpected value. Cannot be greater than {most}.")


def empty(name: str) -> Refusal:
    return Refusal(-1105, f"Parameter '{name}' was empty.")


def not_required(name: str) -> Refusal:
    return Refusal(-1106, f"Parameter '{name}' sent when not required.")


def overflowed(name: str) -> Refusal:
    return Refusal(-1108, f"Parameter '{name}' overflowed.")


def too_precise(name: str) -> Refusal:
    return Refusal(-1111, f"Parameter '{name}' has too much precision.")


def invalid(name: str) -> Refusal:
    return Refusal(-1130, f"Data sent for parameter '{name}' is not valid.")


def filter_failure(name: str) -> Refusal:
    return Refusal(-1013, f"Filter failure: {name}")


def too_much_weight(limit: int) -> Refusal:
    return Refusal(
        -1003,
        f"Too much request weight used; current limit is {limit} request weight per 1 MINUTE. "
        "Please use WebSocket Streams for live updates to avoid polling the API.",
        429,
    )


TOO_MANY_REQUESTS = Refusal(-1003, "Too many requests queued.", 429)
TOO_MANY_CONNECTIONS = Refusal(-1003, "Too many WebSocket connection attempts from this address.", 429)


def banned(until_ms: int) -> Refusal:
    return Refusal(
        -1003,
        f"Way too much request weight used; IP banned until {until_ms}. "
        "Please use WebSocket Streams for live updates to avoid bans.",
        418,
    )


def too_many_orders(limit: int, interval: str) -> Refusal:
    return Refusal(-1015, f"Too many new orders; current limit is {limit} orders per {interval}.", 429)


def _rejected(msg: str) -> Refusal:
    return Refusal(-2010, msg)


ICEBERG_TOO_LARGE = _rejected("IcebergQty exceeds QTY.")
PEGGED = _rejected("Pegged orders are not supported for this symbol.")

# A refused cancel is told apart from a refused order by the code alone.
OF_STATUS: dict[Status, Refusal] = {
    Status.UNKNOWN_ACCOUNT: KEY_REJECTED,
    Status.ACCOUNT_FROZEN: _rejected("This action is disabled on this account."),
    Status.ACCOUNT_MAY_NOT: _rejected("This account may not place or cancel orders."),
    Status.UNKNOWN_MARKET: BAD_SYMBOL,
    Status.MARKET_CLOSED: _rejected("Market is closed."),
    Status.ASSET_SUSPENDED: _rejected("Market is closed."),
    Status.UNKNOWN_ORDER: UNKNOWN_ORDER_SENT,
    Status.DUPLICATE_CLIENT_ID: _rejected("Duplicate order sent."),
    Status.INSUFFICIENT_BALANCE: _rejected("Account has insufficient balance for requested action."),
    Status.WOULD_TAKE: _rejected("Order would immediately match and take."),
    Status.WOULD_TRIGGER: _rejected("Order would trigger immediately."),
    Status.NO_LAST_PRICE: _rejected("The market has not traded yet: nothing could trigger the order."),
    Status.BAD_LIST_PRICES: _rejected("The relationship of the prices for the orders is not correct."),
    Status.UNKNOWN_LIST: UNKNOWN_ORDER_SENT,
    Status.AMEND_NOT_SMALLER: Refusal(-2038, "Order amend (quantity increase) is not supported."),
    Status.REPLACE_REFUSED: REPLACED_IN_PART,
    Status.REPLACED_WITHOUT_CANCEL: REPLACED_IN_PART,
    Status.PRICE_FILTER: filter_failure("PRICE_FILTER"),
    Status.LOT_SIZE: filter_failure("LOT_SIZE"),
    Status.MARKET_LOT_SIZE: filter_failure("MARKET_LOT_SIZE"),
    Status.NOTIONAL: filter_failure("NOTIONAL"),
    Status.MAX_NUM_ORDERS: filter_failure("MAX_NUM_ORDERS"),
    Status.PERCENT_PRICE_BY_SIDE: filter_failure("PERCENT_PRICE_BY_SIDE"),
    Status.MAX_POSITION: filter_failure("MAX_POSITION"),
    Status.MAX_NUM_ALGO_ORDERS: filter_failure("MAX_NUM_ALGO_ORDERS"),
    Status.MAX_NUM_ICEBERG_ORDERS: filter_failure("MAX_NUM_ICEBERG_ORDERS"),
    Status.ICEBERG_PARTS: filter_failure("ICEBERG_PARTS"),
    Status.TRAILING_DELTA: filter_failure("TRAILING_DELTA"),
    Status.MAX_NUM_ORDER_LISTS: filter_failure("MAX_NUM_ORDER_LISTS"),
    Status.MAX_NUM_ORDER_AMENDS: Refusal(-2038, "Filter failure: MAX_NUM_ORDER_AMENDS"),
    Status.LIMIT_REACHED: _rejected("The order book cannot take more on this side."),
    # What follows no request can cause: the gateway has made a command that it should not have made.
    Status.UNKNOWN_SESSION: UNKNOWN,
    Status.STALE_NUMBER: UNKNOWN,
    Status.MALFORMED: UNKNOWN,
    Status.UNKNOWN_KIND: UNKNOWN,
    Status.NOT_PERMITTED: UNKNOWN,
    Status.WRONG_ACCOUNT_CLASS: UNKNOWN,
    Status.UNKNOWN_ASSET: UNKNOWN,
    Status.ALREADY_LISTED: UNKNOWN,
    Status.BAD_LISTING: UNKNOWN,
    Status.BAD_FILTERS: UNKNOWN,
    Status.BAD_LIMITS: UNKNOWN,
    Status.BAD_FEES: UNKNOWN,
    Status.BAD_STATE: UNKNOWN,
    Status.REFERENCE_CONFLICT: UNKNOWN,
    Status.UNKNOWN_REFERENCE: UNKNOWN,
    Status.ALREADY_ENDED: UNKNOWN,
    Status.BAD_AMOUNT: UNKNOWN,
    Status.WRONG_EPOCH: UNKNOWN,
    Status.UNKNOWN_RULES: UNKNOWN,
}

# Searched in order, so the more particular class stands first.
OF_ERROR: tuple[tuple[type[ExchangeError], Refusal], ...] = (
    (Overloaded, OVERLOADED),
    (OutcomeUnknown, OUTCOME_UNKNOWN),
    (Unavailable, TRY_AGAIN),
    (Conflict, UNKNOWN),
    (Refused, UNKNOWN),
    (ExchangeError, UNKNOWN),
)


def of_error(problem: ExchangeError) -> Refusal:
    return next(refusal for kind, refusal in OF_ERROR if isinstance(problem, kind))
