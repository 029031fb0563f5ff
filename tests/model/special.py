"""Orders that are more than their terms: stops, icebergs, and the orders of lists.

They are accepted outside the book, hold their funds there, and then wait for their trigger, wait for the
working order of their list, or work at once.
"""

from collections.abc import Sequence
from math import ceil

from msgspec.structs import replace

from cambist.engine.codes import (
    CloseReason,
    Contingency,
    ListStatus,
    OrderState,
    OrderType,
    Side,
    Status,
    TimeInForce,
)
from cambist.engine.commands import Leg, ListCancel, ListPlace, Place
from cambist.engine.events import OrderAccepted
from cambist.engine.events import OrderList as OrderListEvent

from . import plans, stops, trading
from .limits import check_number_of_lists, check_special, pause
from .state import Market, Order, OrderList, Phase, Refused, State, has_limit, is_stop, require


def place(state: State, command: Place) -> int:
    """Returns the new order's id."""
    _check(state, command)
    check_special(state, [command])
    market = state.market(command.market)
    hold_price = _hold_price(market, command)
    need = _need(market, command, hold_price)
    available = state.ledger.available(command.account, market.paid_asset(command.side))
    require(available >= need, Status.INSUFFICIENT_BALANCE)
    order = _accept(state, command)
    state.ledger.hold(order.account, market.paid_asset(order.side), need)
    _start(state, order)
    return order.order_id


def _check(state: State, wanted: Place, *, is_pending: bool = False, beside: int = 0) -> None:
    """A pending order meets the book and the price later, when its turn has come."""
    as_checked = wanted
    if not has_limit(wanted.order_type):
        as_checked = replace(wanted, price_ticks=wanted.stop_price_ticks)
    meets_book = not is_pending and not is_stop(wanted.order_type)
    market = trading.check_place(state, as_checked, meets_book=meets_book, beside=beside)
    filters, stop_price, iceberg = market.filters, wanted.stop_price_ticks, wanted.iceberg_lots
    in_range = filters.price_min_ticks <= stop_price <= filters.price_max_ticks
    require(not stop_price or in_range, Status.PRICE_FILTER)
    require(not iceberg or filters.lot_min <= iceberg <= filters.lot_max, Status.LOT_SIZE)
    if is_stop(wanted.order_type) and not is_pending:
        has_room = stops.has_room_to_trail(state, wanted.market)
        require(not wanted.trailing_delta or has_room, Status.LIMIT_REACHED)
        last = market.last_price_ticks
        require(last > 0, Status.NO_LAST_PRICE)
        reached = stops.is_reached(wanted.order_type, wanted.side, stop_price, last)
        require(not stop_price or not reached, Status.WOULD_TRIGGER)


def _hold_price(market: Market, wanted: Place | Order) -> int:
    """At which price a buy without a limit holds while it waits: where it triggers, as far as is known."""
    if wanted.side == Side.SELL or has_limit(wanted.order_type) or not is_stop(wanted.order_type):
        return 0
    if wanted.stop_price_ticks:
        return wanted.stop_price_ticks
    return ceil(stops.turning_point(wanted.side, market.last_price_ticks, wanted.trailing_delta))


def _need(market: Market, wanted: Place, hold_price_ticks: int) -> int:
    price = wanted.price_ticks if has_limit(wanted.order_type) else hold_price_ticks
    return market.hold_of(wanted.side, price, wanted.quantity_lots)


def _accept(state: State, wanted: Place, *, list_id: int = 0, is_pending: bool = False) -> Order:
    order = trading.accept(state, wanted)
    order.stop_price_ticks, order.trailing_delta = wanted.stop_price_ticks, wanted.trailing_delta
    order.iceberg_lots, order.list_id = wanted.iceberg_lots, list_id
    told = OrderState.WAITING if order.is_stop else OrderState.RESTING
    if is_pending:
        told = OrderState.PENDING
    else:
        order.hold_price_ticks = _hold_price(state.market(order.market), order)
    order.state = max(told, OrderState.WAITING)  # in no queue yet
    state.orders[order.order_id] = order
    plain = state.events.pop()
    assert isinstance(plain, OrderAccepted)
    state.events.append(
        plain._replace(
            stop_price_ticks=order.stop_price_ticks,
            iceberg_lots=order.iceberg_lots,
            list_id=list_id,
            hold_price_ticks=order.hold_price_ticks,
            trailing_delta=order.trailing_delta,
            state=told,
        )
    )
    return order


def _start(state: State, order: Order) -> None:
    if order.is_stop:
        stops.await_trigger(state, order)
    else:
        work(state, order)


def held_for(state: State, order: Order) -> int:
    """Atoms held for an order: by itself, or together with the other of a pair."""
    other = other_of_pair(state, order)
    if other is None:
        return _needs(state, order, order.remaining_lots)
    return max(_needs_unexecuted(state, each) for each in (order, other))


def held_without(state: State, order: Order) -> int:
    """What stays held for the other of a pair when this one ends."""
    other = other_of_pair(state, order)
    return 0 if other is None else _needs_unexecuted(state, other)


def _needs_unexecuted(state: State, order: Order) -> int:
    """One of a pair is as good as unexecuted while the other is there: that ends with the first execution."""
    return _needs(state, order, order.quantity_lots - order.prevented_lots)


def _needs(state: State, order: Order, lots: int) -> int:
    if order.state == OrderState.PENDING:
        return 0
    price = order.price_ticks if order.has_limit else order.hold_price_ticks
    return state.market(order.market).hold_of(order.side, price, lots)


def close(state: State, order: Order, reason: CloseReason, request_id: bytes = b"") -> int:
    """Ends an order and with it every other of its list; returns how many that were."""
    _close_alone(state, order, reason, request_id)
    return 1 + leave_list(state, order, reason, request_id)


def _close_alone(state: State, order: Order, reason: CloseReason, request_id: bytes = b"") -> None:
    trading.close(state, order, reason, request_id)
    if order.state == OrderState.RESTING:
        trading.tell_level(state, order.market, order.side, order.price_ticks)


def work(state: State, order: Order) -> None:
    """A parked order takes what it may, and then rests or ends."""
    market, ledger = state.market(order.market), state.ledger
    asset = market.paid_asset(order.side)
    wants = Place(
        account=order.account,
        market=order.market,
        side=order.side,
        order_type=stops.WORKS_AS.get(order.order_type, order.order_type),
        time_in_force=order.time_in_force,
        stp_mode=order.stp_mode,
        price_ticks=order.price_ticks,
        quantity_lots=order.remaining_lots,
    )
    if order.order_type == OrderType.LIMIT_MAKER and plans.acceptable_makers(state, wants):
        close(state, order, CloseReason.EXPIRED)
        return
    order.updated_ns = state.time_ns
    held = _needs(state, order, order.remaining_lots)
    plan, is_short = plans.make_plan(state, market, wants), False
    if wants.order_type == OrderType.MARKET and order.side == Side.BUY:
        funds = held + ledger.available(order.account, asset)
        state.touched += plan.touched
        is_short = plan.quote_atoms(market) > funds
        if is_short:
            plan = _plan_within(state, market, wants, funds)
        cost = plan.quote_atoms(market)
        ledger.hold(order.account, asset, cost - held)
        held = cost
    if order.time_in_force == TimeInForce.FOK:
        state.touched += plan.touched
    if order.time_in_force == TimeInForce.FOK and plan.lots < order.remaining_lots:
        plan = plans.Plan([], plans.Ending.NO_MAKER, 0, 0)
    held -= trading.execute(state, market, order, plan)
    reason = trading.reason_to_end(order, plan)
    if is_short and plan.ending in (plans.Ending.NOTHING_LEFT, plans.Ending.NO_MAKER):
        reason = CloseReason.UNFUNDED
    if reason is None:
        trading.rest(state, order)
    else:
        _end_worked(state, order, held, reason)
    if plan.ending == plans.Ending.OUT_OF_RANGE:
        pause(state, order.market)


def _end_worked(state: State, order: Order, held: int, reason: CloseReason) -> None:
    asset = state.market(order.market).paid_asset(order.side)
    state.ledger.release(order.account, asset, held)
    del state.orders[order.order_id]
    trading.tell_closed(state, order, reason, rested=False)
    leave_list(state, order, reason)


def _plan_within(state: State, market: Market, wants: Place, funds: int) -> plans.Plan:
    """As much of a MARKET buy as the funds pay for."""
    if funds <= 0:
        return plans.Plan([], plans.Ending.NOTHING_LEFT, 0, 0)
    by_budget = replace(wants, quantity_lots=0, quote_budget_atoms=funds)
    within = plans.make_plan(state, market, by_budget)
    state.touched += within.touched
    return plans.make_plan(state, market, replace(wants, quantity_lots=within.lots))


def other_of_pair(state: State, order: Order) -> Order | None:
    found = state.lists.get(order.list_id)
    if found is None or found.phase != Phase.PAIR:
        return None
    (other_id,) = set(found.order_ids[-2:]) - {order.order_id}
    return state.orders.get(other_id)


def part_with_other(state: State, order: Order) -> None:
    """One of a pair is executed or triggered: the other ends."""
    other = other_of_pair(state, order)
    if other is not None:
        _close_alone(state, other, CloseReason.LIST)
        state.lists[order.list_id].phase = Phase.SINGLE


def leave_list(state: State, order: Order, reason: CloseReason, request_id: bytes = b"") -> int:
    """The order has ended; returns how many others of its list ended with it."""
    found = state.lists.get(order.list_id)
    if found is None:
        return 0
    if reason == CloseReason.FILLED and found.phase == Phase.WORKING:
        state.due.append(found.order_ids[1])
        return 0
    found.phase = Phase.SINGLE
    by_client = reason in (CloseReason.CANCELLED, CloseReason.REPLACED)
    others = [state.orders[each] for each in found.order_ids if each in state.orders]
    for other in others:
        _close_alone(state, other, CloseReason.CANCELLED if by_client else CloseReason.LIST, request_id)
    del state.lists[found.list_id]
    tell_list(state, found, ListStatus.ALL_DONE)
    return len(others)


def tell_list(state: State, told: OrderList, status: ListStatus) -> None:
    state.events.append(
        OrderListEvent(
            told.market,
            told.contingency,
            status,
            told.list_id,
            told.account,
            told.order_ids,
            told.client_id,
        )
    )


def place_list(state: State, command: ListPlace) -> int:
    """Returns the new list's id."""
    is_pair = command.contingency == Contingency.OCO
    wanted = [_place_of(command, leg) for leg in command.legs]
    for nth, leg in enumerate(wanted):
        _check(state, leg, is_pending=not is_pair and nth > 0, beside=nth)
    check_special(state, wanted)
    check_number_of_lists(state, command)
    names = [leg.client_id for leg in wanted if leg.client_id]
    require(len(names) == len(set(names)), Status.DUPLICATE_CLIENT_ID)
    is_new = command.client_id == b"" or _find_list(state, command.account, command.client_id) is None
    require(is_new, Status.DUPLICATE_CLIENT_ID)
    market = state.market(command.market)
    if is_pair:
        _check_pair_prices(market, wanted[1])
    working = wanted if is_pair else wanted[:1]
    need = max(_need(market, leg, _hold_price(market, leg)) for leg in working)
    asset = market.paid_asset(wanted[0].side)
    require(state.ledger.available(command.account, asset) >= need, Status.INSUFFICIENT_BALANCE)

    state.last_list_id += 1
    list_id = state.last_list_id
    orders = [
        _accept(state, leg, list_id=list_id, is_pending=not is_pair and nth > 0)
        for nth, leg in enumerate(wanted)
    ]
    state.lists[list_id] = OrderList(
        list_id=list_id,
        account=command.account,
        market=command.market,
        contingency=command.contingency,
        order_ids=tuple(order.order_id for order in orders),
        client_id=command.client_id,
        phase=Phase.PAIR if is_pair else Phase.WORKING,
    )
    tell_list(state, state.lists[list_id], ListStatus.EXEC_STARTED)
    state.ledger.hold(command.account, asset, need)
    for order in orders[: len(working)]:
        _start(state, order)
    return list_id


def _place_of(command: ListPlace, leg: Leg) -> Place:
    return Place(
        account=command.account,
        market=command.market,
        side=leg.side,
        order_type=leg.order_type,
        time_in_force=leg.time_in_force,
        stp_mode=leg.stp_mode,
        price_ticks=leg.price_ticks,
        quantity_lots=leg.quantity_lots,
        stop_price_ticks=leg.stop_price_ticks,
        iceberg_lots=leg.iceberg_lots,
        trailing_delta=leg.trailing_delta,
        client_id=leg.client_id,
    )


def _check_pair_prices(market: Market, gains: Place) -> None:
    """What gains must be on the far side of the last price; the stop's own check has looked at the other."""
    price = gains.price_ticks if has_limit(gains.order_type) else gains.stop_price_ticks
    last = market.last_price_ticks
    is_beyond = price < last if gains.side == Side.BUY else price > last
    require(is_beyond or price == 0, Status.BAD_LIST_PRICES)


def _find_list(state: State, account: int, client_id: bytes) -> OrderList | None:
    lists = state.lists.values()
    return next((each for each in lists if (each.account, each.client_id) == (account, client_id)), None)


def cancel_list(state: State, command: ListCancel) -> int:
    """Returns the list's id."""
    state.account(command.account)
    by_name = _find_list(state, command.account, command.client_id)
    found = state.lists.get(command.list_id) if command.list_id else by_name
    if found is None or (found.account, found.market) != (command.account, command.market):
        raise Refused(Status.UNKNOWN_LIST)
    require(command.client_id in (b"", found.client_id), Status.UNKNOWN_LIST)
    first = next(state.orders[each] for each in found.order_ids if each in state.orders)
    close(state, first, CloseReason.CANCELLED, command.request_id)
    return found.list_id


def start_pending(state: State, found: OrderList) -> None:
    """The working order is filled: the pending orders hold their funds and begin, or end for want of them."""
    found.phase = Phase.PAIR if found.contingency == Contingency.OTOCO else Phase.SINGLE
    market = state.market(found.market)
    orders = [state.orders[each] for each in found.order_ids[1:]]
    for order in orders:
        order.state, order.hold_price_ticks = OrderState.WAITING, _hold_price(market, order)
    first, asset = orders[0], market.paid_asset(orders[0].side)
    need = held_for(state, first)
    trails = any(order.trailing_delta for order in orders)
    if state.ledger.available(found.account, asset) < need:
        _end_pending(state, orders, CloseReason.UNFUNDED)
        return
    if trails and not stops.has_room_to_trail(state, found.market):
        _end_pending(state, orders, CloseReason.EXPIRED)
        return
    state.ledger.hold(found.account, asset, need)
    for order in orders:
        now = OrderState.WAITING if order.is_stop else OrderState.RESTING
        stops.tell_start(state, order, order.order_type, now, is_pending=True)
    tell_list(state, found, ListStatus.EXEC_STARTED)
    for order in orders:
        if order.order_id in state.orders:
            _start(state, order)


def _end_pending(state: State, orders: Sequence[Order], reason: CloseReason) -> None:
    for order in orders:
        order.state = OrderState.PENDING
    close(state, orders[0], reason)
