"""Account events field for field as clients of the Binance API read them; `position` is ours."""

import msgspec
from msgspec import UNSET, UnsetType

NO_LIST = NO_TRADE = -1

# The documented names, by what they are called here.
_NAMES = {
    "kind": "e",
    "event_time": "E",
    "symbol": "s",
    "client_id": "c",
    "side": "S",
    "order_type": "o",
    "time_in_force": "f",
    "quantity": "q",
    "price": "p",
    "stop_price": "P",
    "iceberg_quantity": "F",
    "list_id": "g",
    "original_client_id": "C",
    "execution": "x",
    "status": "X",
    "reject_reason": "r",
    "order_id": "i",
    "last_quantity": "l",
    "executed": "z",
    "last_price": "L",
    "fee": "n",
    "fee_asset": "N",
    "time": "T",
    "trade_id": "t",
    "execution_id": "I",
    "is_on_book": "w",
    "is_maker": "m",
    "ignored": "M",
    "created": "O",
    "executed_quote": "Z",
    "last_quote": "Y",
    "quote_quantity": "Q",
    "working_time": "W",
    "stp_mode": "V",
    "trailing_delta": "d",
    "expiry_reason": "eR",
    "prevented_match_id": "v",
    "prevented_quantity": "A",
    "last_prevented_quantity": "B",
    "trade_group": "u",
    "counter_order_id": "U",
    "counter_symbol": "Cs",
}


class ExecutionReport(msgspec.Struct, rename=_NAMES, kw_only=True, gc=False):
    kind: str = "executionReport"
    event_time: int
    symbol: str
    client_id: str
    side: str
    order_type: str
    time_in_force: str
    quantity: str
    price: str
    stop_price: str
    iceberg_quantity: str
    list_id: int = NO_LIST
    original_client_id: str = ""
    execution: str
    status: str
    reject_reason: str = "NONE"
    order_id: int
    last_quantity: str
    executed: str
    last_price: str
    fee: str = "0"
    fee_asset: str | None = None
    time: int
    trade_id: int = NO_TRADE
    execution_id: int
    is_on_book: bool
    is_maker: bool = False
    ignored: bool = False
    created: int
    executed_quote: str
    last_quote: str
    quote_quantity: str
    working_time: int | UnsetType = UNSET
    stp_mode: str
    trailing_delta: int | UnsetType = UNSET
    expiry_reason: str | UnsetType = UNSET
    prevented_match_id: int | UnsetType = UNSET
    prevented_quantity: str | UnsetType = UNSET
    last_prevented_quantity: str | UnsetType = UNSET
    trade_group: int | UnsetType = UNSET
    counter_order_id: int | UnsetType = UNSET
    counter_symbol: str | UnsetType = UNSET
    position: str


class ListedOrder(msgspec.Struct, gc=False):
    s: str
    i: int
    c: str


class ListReport(msgspec.Struct, kw_only=True, gc=False):
    e: str = "listStatus"
    E: int
    s: str
    g: int
    c: str
    l: str  # noqa: E741
    L: str
    r: str = "NONE"
    C: str
    T: int
    O: list[ListedOrder]  # noqa: E741
    position: str


class AssetBalance(msgspec.Struct, gc=False):
    a: str
    f: str
    l: str  # noqa: E741


class AccountPosition(msgspec.Struct, kw_only=True, gc=False):
    e: str = "outboundAccountPosition"
    E: int
    u: int
    B: list[AssetBalance]
    position: str


class BalanceUpdate(msgspec.Struct, kw_only=True, gc=False):
    """`d` is what came in (or went out, if negative) otherwise than by a trade."""

    e: str = "balanceUpdate"
    E: int
    a: str
    d: str
    T: int
    position: str
