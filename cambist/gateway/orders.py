"""Placing, cancelling and asking for orders: parameters to commands, and what the engine says to answers.

What is written without `async` is the whole of a request beside waiting for the engine.
"""

import itertools
import secrets
from functools import partial
from typing import NoReturn

import msgspec

from cambist._matching import Engine, History
from cambist.engine import events
from cambist.engine.commands import Cancel, CancelAll, OrderType, Place, Side, StpMode, TimeInForce
from cambist.engine.events import CloseReason, EventKind, OrderClosed, Status, Trade
from cambist.engine.views import ClosedOrderView, OrderView
from cambist.gateway import errors, names
from cambist.gateway.calls import NS_PER_S, Call
from cambist.gateway.errors import ApiError
from cambist.gateway.markets import Market
from cambist.gateway.params import Params
from cambist.gateway.schemas import CancelledOrder, Fill, Order, OrderAck, OrderResult, encode

CLIENT_ID_RANGE = "^[a-zA-Z0-9-_]{1,36}$"
_LATER = frozenset(
    {"stopPrice", "trailingDelta", "icebergQty", "pegPriceType", "pegOffsetType", "pegOffsetValue"}
)
_CLIENT_ID_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
_NOT_SHOWN = frozenset({EventKind.ORDER_ACCEPTED.value, EventKind.LEVEL.value, EventKind.BALANCE.value})
_PROCESS = secrets.token_urlsafe(9)  # 12 of the characters above: another process makes up other ids
_numbers = itertools.count(1)
_ACK, _RESULT, _FULL = range(3)
_RESPONSE_TYPES = {"ACK": _ACK, "RESULT": _RESULT, "FULL": _FULL}


class NewOrder(msgspec.Struct, frozen=True, gc=False):
    """A checked request to place an order, and how its answer is to be shown."""

    market: Market
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    stp_mode: StpMode
    price_ticks: int
    quantity_lots: int
    quote_budget_atoms: int
    client_id: str
    response: int

    def command(self, account: int) -> bytearray:
        return Place(
            account=account,
            market=self.market.id,
            side=self.side,
            order_type=self.order_type,
            time_in_force=self.time_in_force,
            stp_mode=self.stp_mode,
            price_ticks=self.price_ticks,
            quantity_lots=self.quantity_lots,
            quote_budget_atoms=self.quote_budget_atoms,
            client_id=self.client_id.encode(),
        ).encode()


async def place(call: Call) -> bytes:
    order = read_order(call.params, await call.services.markets.of(call.params))
    limits, account, now_s = call.services.orders, call.account, call.now_ns // NS_PER_S
    tally = limits.of(account, now_s)
    if check := limits.to_check(tally):
        limits.forget(tally, await call.services.core.query(partial(_filled, account, check)))
    limits.begin(tally, now_s)
    try:
        record = await call.services.core.execute(order.command(account))
    finally:
        limits.end(tally)
    placed = read_placed(record)
    if not placed.fills:
        limits.placed(tally, placed.order_id)
    call.headers += limits.headers(tally)
    return show_placed(call, order, placed)


async def cancel(call: Call) -> bytes:
    market = await call.services.markets.of(call.params)
    order_id, client_id = _named_order(call.params)
    _refuse_cancel_restrictions(call.params)
    request_id = _client_id(call.params, "newClientOrderId")
    command = Cancel(
        account=call.account,
        market=market.id,
        order_id=order_id,
        client_id=client_id.encode(),
        request_id=request_id.encode(),
    )
    record = await call.services.core.execute(command.encode())
    result = _require_ok(record)
    (closed,) = _closed(record)
    return encode(_cancelled(call, market, closed, request_id, result.time_ns))


async def cancel_all(call: Call) -> bytes:
    market = await call.services.markets.of(call.params)
    command = CancelAll(account=call.account, market=market.id)
    answer = await call.services.core.execute(command.encode())
    request_id = _new_client_id()
    cancelled = []
    for record in events.split(answer):
        result = _require_ok(record)
        cancelled += [
            _cancelled(call, market, closed, request_id, result.time_ns) for closed in _closed(record)
        ]
    if not cancelled:
        raise ApiError(errors.UNKNOWN_ORDER_SENT)
    return encode(cancelled)


async def get(call: Call) -> bytes:
    market = await call.services.markets.of(call.params)
    order_id, client_id = _named_order(call.params)
    find = partial(_find, call.account, market.id, order_id, client_id.encode())
    found = await call.services.core.query(find)
    if found is None:
        raise ApiError(errors.NO_SUCH_ORDER)
    return encode(_order(call, market, found))


def open_orders_weight(params: Params) -> int:
    return 6 if "symbol" in params else 80


async def open_orders(call: Call) -> bytes:
    account = call.account
    if call.params.get("symbol") is None:
        markets, only = await call.services.markets.by_id(), 0
    else:
        market = await call.services.markets.of(call.params)
        markets, only = {market.id: market}, market.id
    rows = await call.services.core.query(lambda engine, _: engine.open_orders(account, only))
    found = sorted(OrderView(*row) for row in rows)
    return encode([_order(call, markets[order.market], order) for order in found])


# Parameters to commands


def read_order(params: Params, market: Market) -> NewOrder:
    """Raises ApiError for anything that could not be an order; the market's rules are for the engine."""
    side = names.SIDES.get(params.require("side"))
    if side is None:
        raise ApiError(errors.BAD_SIDE)
    order_type = _order_type(params)
    if params.any_of(_LATER):
        _refuse_what_comes_later(params)
    if order_type == OrderType.MARKET:
        price_ticks = 0
        quantity_lots, budget_atoms = _market_order_size(params, market)
    else:
        _refuse(params, "quoteOrderQty")
        price_ticks = market.ticks(params.require("price"), "price")
        quantity_lots, budget_atoms = market.lots(params.require("quantity"), "quantity"), 0
    return NewOrder(
        market=market,
        side=side,
        order_type=order_type,
        time_in_force=_time_in_force(params, order_type),
        stp_mode=params.choice("selfTradePreventionMode", names.STP_MODES, names.STP_DEFAULT),
        price_ticks=price_ticks,
        quantity_lots=quantity_lots,
        quote_budget_atoms=budget_atoms,
        client_id=_client_id(params, "newClientOrderId"),
        response=params.choice(
            "newOrderRespType", _RESPONSE_TYPES, _ACK if order_type == OrderType.LIMIT_MAKER else _FULL
        ),
    )


def _market_order_size(params: Params, market: Market) -> tuple[int, int]:
    """Lots and quote atoms, of which one is 0."""
    _refuse(params, "price")
    quantity, budget = params.get("quantity"), params.get("quoteOrderQty")
    if quantity is not None and budget is not None:
        raise ApiError(errors.BAD_COMBINATION)
    if quantity is not None:
        return market.lots(quantity, "quantity"), 0
    if budget is not None:
        return 0, market.quote_atoms(budget, "quoteOrderQty")
    raise ApiError(errors.NO_QUANTITY)


def _order_type(params: Params) -> OrderType:
    text = params.require("type")
    order_type = names.ORDER_TYPES.get(text)
    if order_type is None:
        raise ApiError(errors.NOT_SUPPORTED_YET.get(text, errors.BAD_ORDER_TYPE))
    return order_type


def _time_in_force(params: Params, order_type: OrderType) -> TimeInForce:
    if order_type != OrderType.LIMIT:
        _refuse(params, "timeInForce")
        return TimeInForce.IOC if order_type == OrderType.MARKET else TimeInForce.GTC
    time_in_force = names.TIMES_IN_FORCE.get(params.require("timeInForce"))
    if time_in_force is None:
        raise ApiError(errors.BAD_TIME_IN_FORCE)
    return time_in_force


def _refuse(params: Params, *unwanted: str) -> None:
    for name in unwanted:
        if name in params:
            raise ApiError(errors.not_required(name))


def _refuse_what_comes_later(params: Params) -> NoReturn:
    """Ignoring these would place another order than the one that was meant."""
    _refuse(params, "stopPrice", "trailingDelta")
    raise ApiError(errors.ICEBERG if "icebergQty" in params else errors.PEGGED)


def _refuse_cancel_restrictions(params: Params) -> None:
    restrictions = params.get("cancelRestrictions")
    if restrictions in ("ONLY_NEW", "ONLY_PARTIALLY_FILLED"):
        raise ApiError(errors.UNSUPPORTED)
    if restrictions is not None:
        raise ApiError(errors.BAD_CANCEL_RESTRICTIONS)


def _client_id(params: Params, name: str) -> str:
    text = params.get(name)
    return _new_client_id() if text is None else _checked_client_id(text, name)


def _checked_client_id(text: str, name: str) -> str:
    if len(text) > 36 or not _CLIENT_ID_CHARACTERS.issuperset(text):
        raise ApiError(errors.illegal(name, CLIENT_ID_RANGE))
    return text


def _new_client_id() -> str:
    return f"{_PROCESS}{next(_numbers):010x}"


def _named_order(params: Params) -> tuple[int, str]:
    """Order id and client id, of which one may be 0 or ""."""
    order_id, client_id = params.integer("orderId"), params.get("origClientOrderId")
    if order_id is None and client_id is None:
        raise ApiError(errors.NO_ORDER_NAMED)
    if order_id == 0:  # no order has it, and to the engine it would mean that none was sent
        raise ApiError(errors.invalid("orderId"))
    return order_id or 0, "" if client_id is None else _checked_client_id(client_id, "origClientOrderId")


# What the engine says to answers


class Placed(msgspec.Struct, gc=False):
    order_id: int
    time_ns: int
    fills: list[Trade]
    closed: OrderClosed | None


def read_placed(record: bytes) -> Placed:
    """Raises ApiError if the order was refused."""
    result = _require_ok(record)
    placed = Placed(result.value, result.time_ns, [], None)
    for event in events.decode(_without(record, _NOT_SHOWN)):
        if isinstance(event, Trade):
            placed.fills.append(event)
        elif isinstance(event, OrderClosed) and event.order_id == placed.order_id:
            placed.closed = event
    return placed


def _without(record: bytes, kinds: frozenset[int]) -> bytes:
    """A record without events of these kinds: most of its bytes, and decoding them would cost the most."""
    at, kept = 0, []
    while at < len(record):
        end = at + record[at] + (record[at + 1] << 8)  # docs/formats/events.md: u16 length, u8 kind
        if record[at + 2] not in kinds:
            kept.append(record[at:end])
        at = end
    return b"".join(kept)


def show_placed(call: Call, order: NewOrder, placed: Placed) -> bytes:
    time = call.time(placed.time_ns)
    market = order.market
    if order.response == _ACK:
        return encode(
            OrderAck(
                symbol=market.symbol,
                order_id=placed.order_id,
                client_order_id=order.client_id,
                transact_time=time,
            )
        )
    executed_lots = sum(fill.quantity_lots for fill in placed.fills)
    report = OrderResult(
        symbol=market.symbol,
        order_id=placed.order_id,
        client_order_id=order.client_id,
        transact_time=time,
        price=market.price(order.price_ticks),
        # An order by quote budget has no quantity of its own: it is what the budget came to.
        orig_qty=market.quantity(executed_lots if order.quote_budget_atoms else order.quantity_lots),
        executed_qty=market.quantity(executed_lots),
        orig_quote_order_qty=market.value(order.quote_budget_atoms),
        cummulative_quote_qty=market.value(sum(fill.quote_atoms for fill in placed.fills)),
        status=names.CLOSED_NAMES[placed.closed.reason] if placed.closed else names.open_name(executed_lots),
        time_in_force=names.time_in_force_name(order.order_type, order.time_in_force),
        type=names.ORDER_TYPE_NAMES[order.order_type],
        side=names.SIDE_NAMES[order.side],
        working_time=time,
        self_trade_prevention_mode=names.STP_NAMES[order.stp_mode],
    )
    if placed.closed and placed.closed.reason == CloseReason.EXPIRED:
        report.expiry_reason = names.expiry_reason(order.order_type, order.time_in_force)
    if order.response == _FULL:
        report.fills = [_fill(market, order.side, fill) for fill in placed.fills]
    return encode(report)


def _fill(market: Market, side: Side, fill: Trade) -> Fill:
    return Fill(
        price=market.price(fill.price_ticks),
        qty=market.quantity(fill.quantity_lots),
        commission=market.fee(fill.taker_fee_atoms, side),
        commission_asset=market.fee_asset(side).name,
        trade_id=fill.trade_id,
    )


def _cancelled(
    call: Call, market: Market, closed: OrderClosed, request_id: str, time_ns: int
) -> CancelledOrder:
    return CancelledOrder(
        symbol=market.symbol,
        orig_client_order_id=closed.client_id.decode(),
        order_id=closed.order_id,
        client_order_id=request_id,
        transact_time=call.time(time_ns),
        price=market.price(closed.price_ticks),
        orig_qty=market.quantity(closed.quantity_lots),
        executed_qty=market.quantity(closed.executed_lots),
        orig_quote_order_qty=market.value(0),
        cummulative_quote_qty=market.value(closed.executed_quote_atoms),
        time_in_force=names.time_in_force_name(closed.order_type, closed.time_in_force),
        type=names.ORDER_TYPE_NAMES[closed.order_type],
        side=names.SIDE_NAMES[closed.side],
        self_trade_prevention_mode=names.STP_NAMES[closed.stp_mode],
    )


def _order(call: Call, market: Market, order: OrderView | ClosedOrderView) -> Order:
    if isinstance(order, ClosedOrderView):
        status, by_quote = names.CLOSED_NAMES[order.reason], bool(order.by_quote)
    else:
        status, by_quote = names.open_name(order.executed_lots), False
    return Order(
        symbol=market.symbol,
        order_id=order.order_id,
        client_order_id=order.client_id.decode(),
        price=market.price(order.price_ticks),
        orig_qty=market.quantity(order.executed_lots if by_quote else order.quantity_lots),
        executed_qty=market.quantity(order.executed_lots),
        cummulative_quote_qty=market.value(order.executed_quote_atoms),
        status=status,
        time_in_force=names.time_in_force_name(order.order_type, order.time_in_force),
        type=names.ORDER_TYPE_NAMES[order.order_type],
        side=names.SIDE_NAMES[order.side],
        stop_price=market.price(0),
        iceberg_qty=market.quantity(0),
        time=call.time(order.accepted_ns),
        update_time=call.time(order.updated_ns),
        working_time=call.time(order.accepted_ns),
        orig_quote_order_qty=market.value(0),
        self_trade_prevention_mode=names.STP_NAMES[order.stp_mode],
    )


def _require_ok(record: bytes) -> events.Result:
    result = events.result(record)
    if result.status != Status.OK:
        raise ApiError(errors.OF_STATUS[result.status])
    return result


def _closed(record: bytes) -> list[OrderClosed]:
    return [event for event in events.decode(record) if isinstance(event, OrderClosed)]


# Questions to the engine; they run on its thread


def _find(
    account: int, market: int, order_id: int, client_id: bytes, engine: Engine, history: History
) -> OrderView | ClosedOrderView | None:
    """An open order first, then a closed one; both names must fit if both were sent."""
    if order_id:
        row = engine.order(order_id)
        closed = history.order(account, order_id) if row is None else None
    else:
        row = engine.order_by_client_id(account, client_id)
        closed = history.order_by_client_id(account, market, client_id) if row is None else None
    order: OrderView | ClosedOrderView
    if row is not None:
        order = OrderView(*row)
    elif closed is not None:
        order = ClosedOrderView(*closed)
    else:
        return None
    is_meant = (order.account, order.market) == (account, market) and client_id in (b"", order.client_id)
    return order if is_meant else None


def _filled(account: int, order_ids: list[int], engine: Engine, history: History) -> list[int]:
    """Those of the orders that had at least one fill."""
    filled = []
    for order_id in order_ids:
        row = engine.order(order_id)
        executed = OrderView(*row).executed_lots if row else None
        if executed is None:
            closed = history.order(account, order_id)
            executed = ClosedOrderView(*closed).executed_lots if closed else 0
        if executed:
            filled.append(order_id)
    return filled
