"""Placing, cancelling and asking for orders: where a request waits for the engine."""

from cambist.engine import events
from cambist.engine.commands import Cancel, CancelAll
from cambist.engine.events import OrderClosed, OrderList
from cambist.gateway import errors
from cambist.gateway.calls import NS_PER_S, Call
from cambist.gateway.errors import ApiError
from cambist.gateway.list_answers import cancelled_list
from cambist.gateway.markets import Market
from cambist.gateway.order_answers import (
    Placed,
    closed_orders,
    read_placed,
    require_ok,
    show_cancelled,
    show_order,
    show_placed,
)
from cambist.gateway.order_limits import OrderLimits, Tally
from cambist.gateway.order_params import (
    NewOrder,
    client_id_in,
    named_order,
    new_client_id,
    read_order,
    refuse_cancel_restrictions,
)
from cambist.gateway.params import Params
from cambist.gateway.schemas import encode
from cambist.match.queries import OpenOrders, Untouched


async def place(call: Call) -> bytes:
    order = read_order(call.params, await call.services.markets.of(call.params))
    limits = call.services.orders
    tally = await take_place(call)
    try:
        record = await call.services.core.execute(order.command(call.account))
    finally:
        limits.end(tally)
    return finish_place(call, order, tally, record)


def finish_place(call: Call, order: NewOrder, tally: Tally, record: bytes) -> bytes:
    """The answer from the engine's. Raises ApiError if it refused the order."""
    limits = call.services.orders
    placed = read_placed(record)
    count(limits, tally, placed)
    call.headers += limits.headers(tally)
    return show_placed(call, order, placed)


async def take_place(call: Call, orders: int = 1) -> Tally:
    """Room in the account's limits for orders that are about to be sent; `end` gives it back.

    Raises ApiError (-1015).
    """
    limits, now_s = call.services.orders, call.now_ns // NS_PER_S
    tally = limits.of(call.account, now_s)
    if check := limits.to_check(tally, now_s, orders):
        untouched = await call.services.core.query(Untouched(check))
        limits.checked(tally, check, untouched)
    limits.begin(tally, now_s, orders)
    return tally


def count(limits: OrderLimits, tally: Tally, placed: Placed) -> None:
    """Tells the limits what an accepted order has done: to the account's count, and to those it met."""
    for fill in placed.fills:
        limits.filled(fill.maker_account, fill.maker_order)
    for trade in placed.others:
        limits.filled(trade.maker_account, trade.maker_order)
        limits.filled(trade.taker_account, trade.taker_order)
    for maker in placed.ended:
        limits.closed(maker.account, maker.order_id)
    if not placed.fills:
        limits.placed(tally, placed.order_id, is_open=placed.closed is None)


async def cancel(call: Call) -> bytes:
    market = await call.services.markets.of(call.params)
    order_id, client_id = named_order(call.params)
    refuse_cancel_restrictions(call.params)
    request_id = client_id_in(call.params, "newClientOrderId")
    command = Cancel(
        account=call.account,
        market=market.id,
        order_id=order_id,
        client_id=client_id.encode(),
        request_id=request_id.encode(),
    )
    return finish_cancel(call, market, request_id, await call.services.core.execute(command.encode()))


def finish_cancel(call: Call, market: Market, request_id: str, record: bytes) -> bytes:
    """The answer from the engine's. Raises ApiError if it refused."""
    result = require_ok(record)
    happened = events.decode(record)
    if any(isinstance(each, OrderList) for each in happened):  # the list that the order was in has ended
        return encode(cancelled_list(call, market, happened, (), result.time_ns))
    (closed,) = (each for each in happened if isinstance(each, OrderClosed))
    call.services.orders.closed(call.account, closed.order_id)
    return encode(show_cancelled(call, market, closed, request_id, result.time_ns))


async def cancel_all(call: Call) -> bytes:
    market = await call.services.markets.of(call.params)
    command = CancelAll(account=call.account, market=market.id)
    answer = await call.services.core.execute(command.encode())
    request_id = new_client_id()
    cancelled = []
    for record in events.split(answer):
        result = require_ok(record)
        for closed in closed_orders(record):
            call.services.orders.closed(call.account, closed.order_id)
            cancelled.append(show_cancelled(call, market, closed, request_id, result.time_ns))
    if not cancelled:
        raise ApiError(errors.UNKNOWN_ORDER_SENT)
    return encode(cancelled)


def open_orders_weight(params: Params) -> int:
    return 6 if "symbol" in params else 80


async def open_orders(call: Call) -> bytes:
    markets = call.services.markets
    wanted = None if call.params.get("symbol") is None else await markets.of(call.params)
    only = 0 if wanted is None else wanted.id
    found = await call.services.core.query(OpenOrders(call.account, only))
    # Asked for after the orders: so every order's market is among them.
    known = await markets.by_id() if wanted is None else {wanted.id: wanted}
    return encode([show_order(call, known[order.market], order) for order in sorted(found)])
