"""What the engine says about orders, in the public API's words."""

import msgspec

from cambist.engine import events, names
from cambist.engine.commands import Side
from cambist.engine.events import CloseReason, EventKind, OrderClosed, PreventedMatch, Status, Trade
from cambist.engine.views import ClosedOrderView, OrderView
from cambist.gateway import errors, schemas
from cambist.gateway.calls import Call
from cambist.gateway.errors import ApiError
from cambist.gateway.markets import Market
from cambist.gateway.order_params import ACK, FULL, NewOrder
from cambist.gateway.schemas import CancelledOrder, Fill, Order, OrderAck, OrderResult, encode

_EXPIRED = (CloseReason.EXPIRED, CloseReason.EXPIRED_PRICE_RANGE)
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
    report = OrderResult(
        symbol=market.symbol,
        order_id=placed.order_id,
        client_order_id=order.client_id,
        transact_time=time,
        price=market.price(order.price_ticks),
        # An order by quote budget has no quantity of its own: it is what the budget came to.
        orig_qty=market.quantity(
            executed_lots + prevented_lots if order.quote_budget_atoms else order.quantity_lots
        ),
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
    if prevented_lots:
        report.prevented_match_id = placed.prevented[-1].prevented_match_id
        report.prevented_quantity = market.quantity(prevented_lots)
    if placed.closed and placed.closed.reason in _EXPIRED:
        report.expiry_reason = names.expiry_reason(
            order.order_type, order.time_in_force, placed.closed.reason
        )
    if order.response == FULL:
        report.fills = [_fill(market, order.side, fill) for fill in placed.fills]
        if placed.prevented:
            report.prevented_matches = [_prevented(market, match) for match in placed.prevented]
    return encode(report)


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
