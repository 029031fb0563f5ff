"""Events as Python values, from the bytes of docs/formats/events.md.

`split` cuts the engine's output into one record per command: a RESULT and what it caused. Strings stay bytes.
Known limit: bytes that no engine wrote raise KeyError, ValueError or struct.error.
"""

from collections.abc import Callable, Iterator
from enum import IntEnum
from struct import Struct
from typing import NamedTuple, TypeAlias, TypeVar

from cambist import _matching

from .codes import (
    AccountClass,
    AssetStatus,
    CloseReason,
    Contingency,
    CountdownState,
    EventKind,
    FeeComponent,
    HoldState,
    Kind,
    ListStatus,
    MarketStatus,
    OrderState,
    OrderType,
    Permission,
    Role,
    Side,
    Status,
    StpMode,
    TimeInForce,
)
from .commands import Filters, Limits

__all__ = [
    "AccountEvent",
    "AssetEvent",
    "Balance",
    "CloseReason",
    "CountdownEvent",
    "EpochEvent",
    "Event",
    "EventKind",
    "FeesEvent",
    "HoldEvent",
    "Level",
    "LimitsEvent",
    "MarketEvent",
    "OrderAccepted",
    "OrderAmended",
    "OrderClosed",
    "OrderList",
    "OrderTriggered",
    "PreventedMatch",
    "Result",
    "RulesEvent",
    "SessionEvent",
    "Status",
    "Trade",
    "decode",
    "place",
    "result",
    "split",
]


class Result(NamedTuple):
    """What a command came to. docs/formats/events.md says what `value` is for each kind."""

    command: int  # a Kind, or a number that no command has
    status: Status
    repeat: bool
    more: bool
    session: int
    number: int
    sequence: int
    time_ns: int
    value: int


class OrderAccepted(NamedTuple):
    market: int
    side: Side
    order_id: int
    account: int
    order_type: OrderType
    time_in_force: TimeInForce
    stp_mode: StpMode
    price_ticks: int
    quantity_lots: int
    quote_budget_atoms: int
    client_id: bytes
    stop_price_ticks: int = 0
    iceberg_lots: int = 0
    list_id: int = 0
    hold_price_ticks: int = 0
    trailing_delta: int = 0
    state: OrderState = OrderState.RESTING


class OrderTriggered(NamedTuple):
    """A stop met its price, or (`is_pending`) the working order of its list was filled.

    It works now as what it `becomes`, or, in state WAITING, begins to wait for its own trigger.
    """

    market: int
    side: Side
    order_id: int
    account: int
    order_type: OrderType
    becomes: OrderType
    state: OrderState
    is_pending: bool
    last_price_ticks: int
    hold_price_ticks: int


class OrderList(NamedTuple):
    """An order list was placed, its pending orders start (both EXEC_STARTED), or its last order has ended."""

    market: int
    contingency: Contingency
    status: ListStatus
    list_id: int
    account: int
    order_ids: tuple[int, ...]
    client_id: bytes


class Trade(NamedTuple):
    """A buyer's fee is in base atoms, a seller's in quote atoms."""

    market: int
    taker_side: Side
    trade_id: int
    price_ticks: int
    quantity_lots: int
    maker_order: int
    taker_order: int
    maker_account: int
    taker_account: int
    quote_atoms: int
    maker_fee_atoms: int
    taker_fee_atoms: int


class OrderClosed(NamedTuple):
    market: int
    side: Side
    rested: bool
    order_id: int
    account: int
    order_type: OrderType
    time_in_force: TimeInForce
    stp_mode: StpMode
    reason: CloseReason
    price_ticks: int
    quantity_lots: int
    executed_lots: int
    executed_quote_atoms: int
    accepted_ns: int
    by_quote: bool
    client_id: bytes
    request_id: bytes


class OrderAmended(NamedTuple):
    market: int
    side: Side
    order_id: int
    account: int
    price_ticks: int
    quantity_lots: int
    executed_lots: int
    old_quantity_lots: int
    client_id: bytes
    old_client_id: bytes


class Level(NamedTuple):
    """The level's total now; 0 means that it is gone."""

    market: int
    side: Side
    price_ticks: int
    quantity_lots: int
    update_id: int


class Balance(NamedTuple):
    """Both amounts after the command; `posting_atoms` is what the command added to their sum."""

    asset: int
    account: int
    available_atoms: int
    held_atoms: int
    posting_atoms: int


class AccountEvent(NamedTuple):
    account: int
    account_class: AccountClass
    tier: int
    permissions: Permission
    frozen: bool
    stp_group: int
    owner: int


class AssetEvent(NamedTuple):
    asset: int
    scale: int
    state: AssetStatus
    name: bytes


class MarketEvent(NamedTuple):
    market: int
    base: int
    quote: int
    tick_atoms: int
    lot_atoms: int
    filters: Filters
    state: MarketStatus
    symbol: bytes


class FeesEvent(NamedTuple):
    """Rates are `fee_rate_e8`."""

    market: int
    component: FeeComponent
    tier: int
    maker: int
    taker: int
    buyer: int
    seller: int


class SessionEvent(NamedTuple):
    session: int
    role: Role
    name: bytes


class HoldEvent(NamedTuple):
    """`digest` names the hold by its reference."""

    asset: int
    state: HoldState
    account: int
    amount_atoms: int
    digest: bytes


class EpochEvent(NamedTuple):
    epoch: int


class RulesEvent(NamedTuple):
    version: int


class PreventedMatch(NamedTuple):
    """A trade that self-trade prevention did not let happen, and the lots that each order loses to it."""

    market: int
    taker_side: Side
    prevented_match_id: int
    price_ticks: int
    taker_order: int
    maker_order: int
    taker_account: int
    maker_account: int
    taker_prevented_lots: int
    maker_prevented_lots: int
    stp_group: int
    stp_mode: StpMode


class LimitsEvent(NamedTuple):
    market: int
    limits: Limits


class CountdownEvent(NamedTuple):
    """`market` 0 means every market; `deadline_ns` is 0 unless it was set."""

    market: int
    state: CountdownState
    account: int
    deadline_ns: int


Event: TypeAlias = (
    OrderAccepted
    | Trade
    | OrderClosed
    | OrderAmended
    | OrderTriggered
    | OrderList
    | Level
    | Balance
    | AccountEvent
    | AssetEvent
    | MarketEvent
    | FeesEvent
    | SessionEvent
    | HoldEvent
    | EpochEvent
    | RulesEvent
    | PreventedMatch
    | LimitsEvent
    | CountdownEvent
)

_HEADER = "<2xxBI"  # (length, kind), tag, subject
_RESULT = Struct("<3xBIHBxIQQqQ")
_PLACE = Struct("<24xQq")
_ACCEPTED = Struct(_HEADER + "QIBBBBQQ")
_ACCEPTED_EXTENSION = Struct("<QQQQIB3x")
_TRIGGERED = Struct(_HEADER + "QIBBBBQQ")
_LIST = Struct(_HEADER + "QIBBBx")
_TRADE = Struct(_HEADER + "QQQQQII16s16s16s")
_CLOSED = Struct(_HEADER + "QIBBBBQQQ16sqBBB5x")
_AMENDED = Struct(_HEADER + "QIBB2xQQQQ")
_LEVEL = Struct(_HEADER + "QQQ")
_BALANCE = Struct(_HEADER + "I4xQqQq")  # two i128, each as its lower half and its upper half
_ACCOUNT = Struct(_HEADER + "BBBBIQ")
_ASSET = Struct(_HEADER + "BBB5x")
_MARKET = Struct(_HEADER + "IIQQ104sBB6x")
_FEES = Struct(_HEADER + "B7xIIII")
_SESSION = Struct(_HEADER + "B31s")
_HOLD = Struct(_HEADER + "I4x16s16s")
_PREVENTED = Struct(_HEADER + "QQQQIIQQIB3x")
_LIMITS = Struct(_HEADER + "96s")
_COUNTDOWN = Struct(_HEADER + "I4xq")
_BARE = Struct(_HEADER)
_KIND = Struct("<HB")

_REPEAT, _MORE = 1, 2

_Code = TypeVar("_Code", bound=IntEnum)


def _by_value(codes: type[_Code]) -> dict[int, _Code]:
    """Looked up in a dict, because calling the enum costs more than unpacking the whole event."""
    return {code.value: code for code in codes}


_STATUS = _by_value(Status)
_SIDE = _by_value(Side)
_ORDER_TYPE = _by_value(OrderType)
_TIME_IN_FORCE = _by_value(TimeInForce)
_STP_MODE = _by_value(StpMode)
_REASON = _by_value(CloseReason)
_STATE = _by_value(OrderState)
_COMMAND = _by_value(Kind)


def split(output: bytes) -> Iterator[bytes]:
    """One record per command, in order: its RESULT and the events it caused."""
    return iter(_matching.split(output))


def result(record: bytes) -> Result:
    """The RESULT at the front of a record."""
    command, _, status, flags, session, number, sequence, time_ns, value = _RESULT.unpack_from(record)
    return Result(
        _COMMAND.get(command, command),
        _STATUS[status],
        flags & _REPEAT != 0,
        flags & _MORE != 0,
        session,
        number,
        sequence,
        time_ns,
        value,
    )


def place(record: bytes) -> tuple[int, int]:
    """Sequence and time of a record, without the rest of its RESULT."""
    sequence, time_ns = _PLACE.unpack_from(record)
    return sequence, time_ns


def decode(record: bytes) -> list[Event]:
    """All events of a record after its RESULT."""
    events: list[Event] = []
    at = _RESULT.size
    while at < len(record):
        length, kind = _KIND.unpack_from(record, at)
        events.append(_READ[kind](record, at))
        at += length
    return events


def _accepted(record: bytes, at: int) -> OrderAccepted:
    tag, market, order_id, account, kind, tif, stp, length, price, quantity = _ACCEPTED.unpack_from(
        record, at
    )
    at += _ACCEPTED.size
    budget = 0
    if tag & 2:
        budget = int.from_bytes(record[at : at + 16], "little")
        at += 16
    stop = iceberg = list_id = hold_price = delta = 0
    state = OrderState.RESTING
    if tag & 4:
        stop, iceberg, list_id, hold_price, delta, code = _ACCEPTED_EXTENSION.unpack_from(record, at)
        state = _STATE[code]
        at += _ACCEPTED_EXTENSION.size
    return OrderAccepted(
        market,
        _SIDE[tag & 1],
        order_id,
        account,
        _ORDER_TYPE[kind],
        _TIME_IN_FORCE[tif],
        _STP_MODE[stp],
        price,
        quantity,
        budget,
        record[at : at + length],
        stop,
        iceberg,
        list_id,
        hold_price,
        delta,
        state,
    )


def _triggered(record: bytes, at: int) -> OrderTriggered:
    tag, market, order_id, account, kind, becomes, state, is_pending, last, hold = _TRIGGERED.unpack_from(
        record, at
    )
    return OrderTriggered(
        market,
        _SIDE[tag & 1],
        order_id,
        account,
        _ORDER_TYPE[kind],
        _ORDER_TYPE[becomes],
        _STATE[state],
        is_pending != 0,
        last,
        hold,
    )


def _list(record: bytes, at: int) -> OrderList:
    contingency, market, list_id, account, status, count, length = _LIST.unpack_from(record, at)
    at += _LIST.size
    text = at + 8 * count
    order_ids = tuple(int.from_bytes(record[place : place + 8], "little") for place in range(at, text, 8))
    client_id = record[text : text + length]
    return OrderList(
        market, Contingency(contingency), ListStatus(status), list_id, account, order_ids, client_id
    )


def _trade(record: bytes, at: int) -> Trade:
    tag, market, *fields, quote, maker_fee, taker_fee = _TRADE.unpack_from(record, at)
    return Trade._make(
        (
            market,
            _SIDE[tag & 1],
            *fields,
            int.from_bytes(quote, "little"),
            int.from_bytes(maker_fee, "little"),
            int.from_bytes(taker_fee, "little"),
        )
    )


def _closed(record: bytes, at: int) -> OrderClosed:
    tag, market, order_id, account, kind, tif, stp, reason, price, quantity, executed, *rest = (
        _CLOSED.unpack_from(record, at)
    )
    executed_quote, accepted_ns, client_length, request_length, by_quote = rest
    text = at + _CLOSED.size
    request = text + client_length
    return OrderClosed(
        market,
        _SIDE[tag & 1],
        tag & 2 != 0,
        order_id,
        account,
        _ORDER_TYPE[kind],
        _TIME_IN_FORCE[tif],
        _STP_MODE[stp],
        _REASON[reason],
        price,
        quantity,
        executed,
        int.from_bytes(executed_quote, "little"),
        accepted_ns,
        by_quote != 0,
        record[text:request],
        record[request : request + request_length],
    )


def _amended(record: bytes, at: int) -> OrderAmended:
    tag, market, order_id, account, length, old_length, *rest = _AMENDED.unpack_from(record, at)
    text = at + _AMENDED.size
    old = text + length
    return OrderAmended._make(
        (market, _SIDE[tag & 1], order_id, account, *rest, record[text:old], record[old : old + old_length])
    )


def _level(record: bytes, at: int) -> Level:
    side, market, price, quantity, update_id = _LEVEL.unpack_from(record, at)
    return Level(market, _SIDE[side], price, quantity, update_id)


def _balance(record: bytes, at: int) -> Balance:
    tag, asset, account, low, high, held_low, held_high = _BALANCE.unpack_from(record, at)
    posting = 0
    if tag & 1:
        at += _BALANCE.size
        posting = int.from_bytes(record[at : at + 16], "little", signed=True)
    return Balance(asset, account, low | high << 64, held_low | held_high << 64, posting)


def _account(record: bytes, at: int) -> AccountEvent:
    _, account, account_class, tier, permissions, frozen, group, owner = _ACCOUNT.unpack_from(record, at)
    return AccountEvent(
        account, AccountClass(account_class), tier, Permission(permissions), frozen != 0, group, owner
    )


def _asset(record: bytes, at: int) -> AssetEvent:
    _, asset, scale, state, length = _ASSET.unpack_from(record, at)
    at += _ASSET.size
    return AssetEvent(asset, scale, AssetStatus(state), record[at : at + length])


def _market(record: bytes, at: int) -> MarketEvent:
    _, market, base, quote, tick, lot, filters, state, length = _MARKET.unpack_from(record, at)
    at += _MARKET.size
    symbol = record[at : at + length]
    return MarketEvent(market, base, quote, tick, lot, Filters.unpack(filters), MarketStatus(state), symbol)


def _fees(record: bytes, at: int) -> FeesEvent:
    component, market, tier, *rates = _FEES.unpack_from(record, at)
    return FeesEvent(market, FeeComponent(component), tier, *rates)


def _session(record: bytes, at: int) -> SessionEvent:
    role, session, length, name = _SESSION.unpack_from(record, at)
    return SessionEvent(session, Role(role), name[:length])


def _hold(record: bytes, at: int) -> HoldEvent:
    state, asset, account, amount, digest = _HOLD.unpack_from(record, at)
    return HoldEvent(asset, HoldState(state), account, int.from_bytes(amount, "little"), digest)


def _epoch(record: bytes, at: int) -> EpochEvent:
    return EpochEvent(_BARE.unpack_from(record, at)[1])


def _rules(record: bytes, at: int) -> RulesEvent:
    return RulesEvent(_BARE.unpack_from(record, at)[1])


def _prevented(record: bytes, at: int) -> PreventedMatch:
    side, market, *fields, mode = _PREVENTED.unpack_from(record, at)
    return PreventedMatch._make((market, _SIDE[side], *fields, _STP_MODE[mode]))


def _limits(record: bytes, at: int) -> LimitsEvent:
    _, market, limits = _LIMITS.unpack_from(record, at)
    return LimitsEvent(market, Limits.unpack(limits))


def _countdown(record: bytes, at: int) -> CountdownEvent:
    state, market, account, deadline_ns = _COUNTDOWN.unpack_from(record, at)
    return CountdownEvent(market, CountdownState(state), account, deadline_ns)


_READ: dict[int, Callable[[bytes, int], Event]] = {
    EventKind.ORDER_ACCEPTED: _accepted,
    EventKind.TRADE: _trade,
    EventKind.ORDER_CLOSED: _closed,
    EventKind.ORDER_AMENDED: _amended,
    EventKind.ORDER_TRIGGERED: _triggered,
    EventKind.ORDER_LIST: _list,
    EventKind.LEVEL: _level,
    EventKind.BALANCE: _balance,
    EventKind.ACCOUNT: _account,
    EventKind.ASSET: _asset,
    EventKind.MARKET: _market,
    EventKind.FEES: _fees,
    EventKind.SESSION: _session,
    EventKind.HOLD: _hold,
    EventKind.EPOCH: _epoch,
    EventKind.RULES: _rules,
    EventKind.PREVENTED_MATCH: _prevented,
    EventKind.LIMITS: _limits,
    EventKind.COUNTDOWN: _countdown,
}
