"""What the engine says about orders, in the public API's words."""

import msgspec

from cambist.engine import events, names
from cambist.engine.codes import OrderState
from cambist.engine.commands import Side
from cambist.engine.events import CloseReason, EventKind, OrderClosed, PreventedMatch, Status, Trade
from cambist.engine.views import ClosedOrderView, OrderView
from cambist.gateway import errors, schemas
from cambist.gateway.calls import Call
from cambist.gateway.errors import ApiError
from cambist.gateway.markets import Market
from cambist.gateway.order_params import ACK, FULL, STOPS, NewOrder
from cambist.gateway.schemas import NO_LIST, CancelledOrder, Fill, Order, OrderAck, OrderResult, encode

NOT_YET = -1  # the time of what has not happened
_EXPIRED = (CloseReason.EXPIRED, CloseReason.EXPIRED_PRICE_RANGE, CloseReason.UNFUNDED, CloseReason.LIST)
_NOT_SHOWN = frozenset({EventKind.ORDER_ACCEPTED.value, EventKind.LEVEL.value, EventKind.BALANCE.value})


class Placed(msgspec.Struct, gc=False):
    """An order that was accepted, and what else happened in the same command.

    `fills` and `prevented` are its own as a taker, `others` are trades of orders that it set off; it is
    `closed` if it ended at once, and `ended` are the other orders that did.
    """

    order_id: int
    time_ns: int
    fills: list[Trade]
    prevented: list[PreventedMatch]
    others: list[Trade]
    ended: list[OrderClosed]
    closed: OrderClosed | None


def read_placed(record: bytes) -> Placed:
    """Raises ApiError if the order was refused."""
    return placed_by(require_ok(record), record)


def placed_by(result: events.Result, record: bytes) -> Placed:
    """What became of an order that `result` says was placed."""
    placed = Placed(result.value, result.time_ns, [], [], [], [], None)
    for event in events.decode(_without(record, _NOT_SHOWN)):
        if isinstance(event, Trade):
            (placed.fills if event.taker_order == placed.order_id else placed.others).append(event)
        elif isinstance(event, PreventedMatch) and event.taker_order == placed.order_id:
            placed.prevented.append(event)
        elif isinstance(event, OrderClosed):
            if event.order_id == placed.order_id:
                placed.closed = event
            else:
                placed.ended.append(event)
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
    if order.response == ACK:
        return encode(
            OrderAck(
                symbol=market.symbol,
                order_id=placed.order_id,
                client_order_id=order.client_id,
                transact_time=time,
            )
        )
    executed_lots = sum(fill.quantity_lots for fill in placed.fills)
    prevented_lots = sum(match.taker_prevented_lots for match in placed.prevented)
    report = show_new(order, placed.order_id, time)
    # An order by quote budget has no quantity of its own: it is what the budget came to.
    if order.quote_budget_atoms:
        report.orig_qty = market.quantity(executed_lots + prevented_lots)
    report.executed_qty = market.quantity(executed_lots)
    report.cummulative_quote_qty = market.value(sum(fill.quote_atoms for fill in placed.fills))
    if placed.closed:
        report.status = names.CLOSED_NAMES[placed.closed.reason]
        if placed.closed.reason in _EXPIRED:
            report.expiry_reason = names.expiry_reason(
                order.order_type, order.time_in_force, placed.closed.reason
            )
    elif executed_lots:
        report.status = names.open_name(executed_lots)
    if prevented_lots:
        report.prevented_match_id = placed.prevented[-1].prevented_match_id
        report.prevented_quantity = market.quantity(prevented_lots)
    if order.response == FULL:
        report.fills = [_fill(market, order.side, fill) for fill in placed.fills]
        if placed.prevented:
            report.prevented_matches = [_prevented(market, match) for match in placed.prevented]
    return encode(report)


def show_new(order: NewOrder, order_id: int, time: int) -> OrderResult:
    """An order that was accepted and to which nothing has happened yet; a stop does not work yet."""
    market = order.market
    is_stop = order.order_type in STOPS
    report = OrderResult(
        symbol=market.symbol,
        order_id=order_id,
        client_order_id=order.client_id,
        transact_time=time,
        price=market.price(order.price_ticks),
        orig_qty=market.quantity(order.quantity_lots),
        executed_qty=market.quantity(0),
        orig_quote_order_qty=market.value(order.quote_budget_atoms),
        cummulative_quote_qty=market.value(0),
        status="NEW",
        time_in_force=names.time_in_force_name(order.order_type, order.time_in_force),
        type=names.ORDER_TYPE_NAMES[order.order_type],
        side=names.SIDE_NAMES[order.side],
        working_time=NOT_YET if is_stop else time,
        self_trade_prevention_mode=names.STP_NAMES[order.stp_mode],
    )
    if is_stop:
        report.stop_price = market.price(order.stop_price_ticks)
        if order.trailing_delta:
            report.trailing_delta, report.trailing_time = order.trailing_delta, NOT_YET
    if order.iceberg_lots:
        report.iceberg_qty = market.quantity(order.iceberg_lots)
    if order.strategy_id is not None:
        report.strategy_id = order.strategy_id
    if order.strategy_type is not None:
        report.strategy_type = order.strategy_type
    return report


def _prevented(market: Market, match: PreventedMatch) -> schemas.PreventedMatch:
    shown = schemas.PreventedMatch(
        prevented_match_id=match.prevented_match_id,
        maker_order_id=match.maker_order,
        price=market.price(match.price_ticks),
    )
    if match.taker_prevented_lots:
        shown.taker_prevented_quantity = market.quantity(match.taker_prevented_lots)
    if match.maker_prevented_lots:
        shown.maker_prevented_quantity = market.quantity(match.maker_prevented_lots)
    return shown


def _fill(market: Market, side: Side, fill: Trade) -> Fill:
    return Fill(
        price=market.price(fill.price_ticks),
        qty=market.quantity(fill.quantity_lots),
        commission=market.fee(fill.taker_fee_atoms, side),
        commission_asset=market.fee_asset(side).name,
        trade_id=fill.trade_id,
    )


def show_cancelled(
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


def show_order(call: Call, market: Market, order: OrderView | ClosedOrderView) -> Order:
    by_quote = isinstance(order, ClosedOrderView) and bool(order.by_quote)
    asked_lots = order.executed_lots + order.prevented_lots if by_quote else order.quantity_lots
    shown = Order(
        symbol=market.symbol,
        order_id=order.order_id,
        order_list_id=order.list_id or NO_LIST,
        client_order_id=order.client_id.decode(),
        price=market.price(order.price_ticks),
        orig_qty=market.quantity(asked_lots),
        executed_qty=market.quantity(order.executed_lots),
        cummulative_quote_qty=market.value(order.executed_quote_atoms),
        status=_status(order),
        time_in_force=names.time_in_force_name(order.order_type, order.time_in_force),
        type=names.ORDER_TYPE_NAMES[order.order_type],
        side=names.SIDE_NAMES[order.side],
        stop_price=market.price(order.stop_price_ticks),
        iceberg_qty=market.quantity(order.iceberg_lots),
        time=call.time(order.accepted_ns),
        update_time=call.time(order.updated_ns),
        is_working=isinstance(order, ClosedOrderView) or order.state == OrderState.RESTING,
        working_time=_time_or_not_yet(call, order.working_ns),
        orig_quote_order_qty=market.value(0),
        self_trade_prevention_mode=names.STP_NAMES[order.stp_mode],
    )
    if order.trailing_delta:
        shown.trailing_delta = order.trailing_delta
        shown.trailing_time = (
            NOT_YET if isinstance(order, ClosedOrderView) else _time_or_not_yet(call, order.trailing_ns)
        )
    if order.prevented_lots:
        shown.prevented_quantity = market.quantity(order.prevented_lots)
    return shown


def _status(order: OrderView | ClosedOrderView) -> str:
    if isinstance(order, ClosedOrderView):
        return names.CLOSED_NAMES[order.reason]
    return "PENDING_NEW" if order.state == OrderState.PENDING else names.open_name(order.executed_lots)


def _time_or_not_yet(call: Call, time_ns: int) -> int:
    return call.time(time_ns) if time_ns else NOT_YET


def require_ok(record: bytes) -> events.Result:
    """Raises ApiError for what the engine declined, RuntimeError for what should not have been sent."""
    result = events.result(record)
    if result.status != Status.OK:
        raise ApiError(refusal_of(result.status))
    return result


def refusal_of(status: Status) -> errors.Refusal:
    """Raises RuntimeError for what no request may lead to."""
    refusal = errors.OF_STATUS[status]
    if refusal is errors.UNKNOWN:
        raise RuntimeError(f"no request may lead to {status.name}")
    return refusal


def closed_orders(record: bytes) -> list[OrderClosed]:
    return [event for event in events.decode(record) if isinstance(event, OrderClosed)]
