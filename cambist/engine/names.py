"""The engine's numbers under the names of the public API."""

from cambist.engine.commands import MarketStatus, OrderType, Side, StpMode, TimeInForce
from cambist.engine.events import CloseReason

SIDES = {"BUY": Side.BUY, "SELL": Side.SELL}
ORDER_TYPES = {kind.name: kind for kind in OrderType}
WITH_LIMIT_PRICE = frozenset(
    {OrderType.LIMIT, OrderType.LIMIT_MAKER, OrderType.STOP_LOSS_LIMIT, OrderType.TAKE_PROFIT_LIMIT}
)
TIMES_IN_FORCE = {"GTC": TimeInForce.GTC, "IOC": TimeInForce.IOC, "FOK": TimeInForce.FOK}
STP_MODES = {mode.name: mode for mode in StpMode}
STP_DEFAULT = StpMode.EXPIRE_MAKER

SIDE_NAMES = {side.value: name for name, side in SIDES.items()}
ORDER_TYPE_NAMES = {kind.value: name for name, kind in ORDER_TYPES.items()}
STP_NAMES = {mode.value: name for name, mode in STP_MODES.items()}
_TIME_IN_FORCE_NAMES = {value.value: name for name, value in TIMES_IN_FORCE.items()}

MARKET_STATUS_NAMES = {
    MarketStatus.TRADING.value: "TRADING",
    MarketStatus.CANCEL_ONLY.value: "CANCEL_ONLY",
    MarketStatus.HALTED.value: "HALT",
    MarketStatus.DELISTED.value: "BREAK",
    MarketStatus.PRE_OPEN.value: "BREAK",
    MarketStatus.POST_ONLY.value: "BREAK",
    MarketStatus.PAUSED.value: "HALT",
}

CLOSED_NAMES = {
    CloseReason.FILLED.value: "FILLED",
    CloseReason.CANCELLED.value: "CANCELED",
    CloseReason.EXPIRED.value: "EXPIRED",
    CloseReason.EXPIRED_STP.value: "EXPIRED_IN_MATCH",
    CloseReason.REPLACED.value: "CANCELED",
    CloseReason.LIST.value: "EXPIRED",
    CloseReason.UNFUNDED.value: "EXPIRED",
    CloseReason.EXPIRED_PRICE_RANGE.value: "EXPIRED",
}


def open_name(executed_lots: int) -> str:
    return "PARTIALLY_FILLED" if executed_lots else "NEW"


def time_in_force_name(order_type: int, time_in_force: int) -> str:
    """Orders without a limit price are immediate inside, and GTC to clients, as they always were."""
    return _TIME_IN_FORCE_NAMES[time_in_force] if order_type in WITH_LIMIT_PRICE else "GTC"


def expiry_reason(order_type: int, time_in_force: int, reason: CloseReason = CloseReason.EXPIRED) -> str:
    if reason == CloseReason.EXPIRED_PRICE_RANGE:
        return "EXECUTION_RULE_PRICE_RANGE_EXCEEDED"
    if reason == CloseReason.LIST:
        return "OCO_TRIGGER"
    if order_type not in WITH_LIMIT_PRICE:
        return "INSUFFICIENT_LIQUIDITY"
    if time_in_force == TimeInForce.FOK:
        return "UNFILLED_FOK_ORDER_EXPIRED"
    return "UNFILLED_IOC_QUANTITY_EXPIRED"
