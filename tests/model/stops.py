"""When the turn of a stop order comes: prices trigger it, and a queue bounds how many work in one command."""

from fractions import Fraction
from math import ceil, floor

from cambist.engine.codes import MarketStatus, OrderState, OrderType, Side
from cambist.engine.events import OrderTriggered

from . import special
from .state import Market, Order, State

RUN_MAX = 64  # orders whose turn has come that one command runs
TOUCHED_ENOUGH = 1_000  # makers, after which it runs no more
TRAILING_MAX = 10_000  # orders of a market that follow its price, or will

WORKS_AS = {
    OrderType.STOP_LOSS: OrderType.MARKET,
    OrderType.TAKE_PROFIT: OrderType.MARKET,
    OrderType.STOP_LOSS_LIMIT: OrderType.LIMIT,
    OrderType.TAKE_PROFIT_LIMIT: OrderType.LIMIT,
}


def waits_for_rise(order_type: OrderType, side: Side) -> bool:
    takes_profit = order_type in (OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT)
    return (side == Side.BUY) != takes_profit


def is_reached(order_type: OrderType, side: Side, stop_price_ticks: int, last_ticks: int) -> bool:
    if waits_for_rise(order_type, side):
        return last_ticks >= stop_price_ticks
    return last_ticks <= stop_price_ticks


def turning_point(side: Side, best_ticks: int, trailing_delta: int) -> Fraction:
    """The price that triggers an order that follows the price, exactly."""
    delta = Fraction(trailing_delta, 10_000)
    return best_ticks * (1 + delta if side == Side.BUY else 1 - delta)


def has_room_to_trail(state: State, market: int) -> bool:
    waiting = [
        order
        for order in state.open_orders(market=market)
        if order.trailing_delta and order.state == OrderState.WAITING and not order.is_due
    ]
    return len(waiting) < TRAILING_MAX


def await_trigger(state: State, order: Order) -> None:
    """From now on the order waits for its price. If that has been reached already, its turn has come."""
    last = state.market(order.market).last_price_ticks
    reached = order.stop_price_ticks > 0 and is_reached(
        order.order_type, order.side, order.stop_price_ticks, last
    )
    if order.trailing_delta == 0:
        if reached:
            _make_due(state, [order])
    elif reached or not order.stop_price_ticks:
        _follow(state, order, last)


def _follow(state: State, order: Order, last_ticks: int) -> None:
    order.best_ticks, order.trailing_ns = last_ticks, state.time_ns


def _make_due(state: State, orders: list[Order]) -> None:
    for order in orders:
        order.is_due = True
    state.due += [order.order_id for order in orders]


def watch(state: State, market_id: int) -> None:
    """The market may have traded: what its price triggers, and what begins to follow it."""
    market = state.market(market_id)
    last = market.last_price_ticks
    waiting = [
        order
        for order in state.open_orders(market=market_id)
        if order.state == OrderState.WAITING and order.is_stop and not order.is_due
    ]
    rising: list[tuple[int, Order]] = []
    falling: list[tuple[int, Order]] = []
    for order in waiting:
        trigger = _trigger_ticks(order, market)
        if trigger is not None:
            (rising if _triggers_on_rise(order) else falling).append((trigger, order))
    rising.sort(key=lambda each: (each[0], each[1].order_id))
    falling.sort(key=lambda each: (-each[0], each[1].order_id))
    _make_due(state, [order for _, order in rising + falling])
    for order in waiting:
        if order.best_ticks:
            better = min if order.side == Side.BUY else max
            order.best_ticks = better(order.best_ticks, last)
        elif order.trailing_delta and is_reached(order.order_type, order.side, order.stop_price_ticks, last):
            _follow(state, order, last)


def _triggers_on_rise(order: Order) -> bool:
    if order.trailing_delta:
        return order.side == Side.BUY
    return waits_for_rise(order.order_type, order.side)


def _trigger_ticks(order: Order, market: Market) -> int | None:
    """The whole tick at which the last price triggers the order; None if it does not."""
    last = market.last_price_ticks
    if not order.trailing_delta:
        reached = is_reached(order.order_type, order.side, order.stop_price_ticks, last)
        return order.stop_price_ticks if reached else None
    if not order.best_ticks:
        return None
    point = turning_point(order.side, order.best_ticks, order.trailing_delta)
    if order.side == Side.BUY:
        return ceil(point) if last >= point else None
    return floor(point) if last <= point else None


def run_due(state: State) -> None:
    """Runs orders whose turn has come, as far as one command may."""
    for _ in range(RUN_MAX):
        if state.touched >= TOUCHED_ENOUGH or not state.due:
            return
        order = state.orders.get(state.due.pop(0))
        if order is not None:
            _run(state, order)


def _run(state: State, order: Order) -> None:
    if state.market(order.market).state != MarketStatus.TRADING:
        state.deferred.append((order.market, order.order_id))
    elif order.state == OrderState.PENDING:
        special.start_pending(state, state.lists[order.list_id])
    else:
        tell_start(state, order, WORKS_AS[order.order_type], OrderState.RESTING, is_pending=False)
        special.part_with_other(state, order)
        special.work(state, order)


def tell_start(state: State, order: Order, becomes: OrderType, now: OrderState, *, is_pending: bool) -> None:
    state.events.append(
        OrderTriggered(
            order.market,
            order.side,
            order.order_id,
            order.account,
            order.order_type,
            becomes,
            now,
            is_pending,
            state.market(order.market).last_price_ticks,
            order.hold_price_ticks,
        )
    )


def resume(state: State, market: int) -> None:
    """The market trades again: the orders whose turn came in between are next."""
    state.due += [order_id for of_market, order_id in state.deferred if of_market == market]
    state.deferred = [each for each in state.deferred if each[0] != market]
