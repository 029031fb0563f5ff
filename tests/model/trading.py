"""Orders: who may place them, what they hold, whom they meet, and how they end."""

from itertools import groupby

from cambist.engine.codes import (
    CloseReason,
    MarketStatus,
    OrderState,
    OrderType,
    Permission,
    ReplaceMode,
    Side,
    Status,
    StpMode,
    TimeInForce,
)
from cambist.engine.commands import Amend, Cancel, CancelAll, CancelReplace, Place
from cambist.engine.events import Level, OrderAccepted, OrderAmended, OrderClosed, PreventedMatch, Trade

from . import plans, special, stops
from .limits import check_position, check_price, pause, remember_trade
from .markets import check_filters, fee_atoms
from .plans import Ending, Fill, Plan, Prevent
from .state import FEES, Market, Order, Pending, Refused, State, has_limit, is_stop, require

CANCELS_PER_STEP = 64
SIDE_LOTS_MAX = 1 << 62  # lots at rest on one side of a market
RESTING = (MarketStatus.PRE_OPEN, MarketStatus.POST_ONLY, MarketStatus.PAUSED)  # nothing trades, orders come


def place(state: State, command: Place) -> int:
    """Returns the new order's id."""
    if command.stop_price_ticks or command.iceberg_lots or command.trailing_delta:
        return special.place(state, command)
    market = check_place(state, command)
    plan = plans.make_plan(state, market, command)
    hold = _hold_atoms(market, command, plan)
    paid_asset = market.paid_asset(command.side)
    require(state.ledger.available(command.account, paid_asset) >= hold, Status.INSUFFICIENT_BALANCE)

    order = accept(state, command)
    state.ledger.hold(order.account, paid_asset, hold)
    if order.time_in_force == TimeInForce.FOK and plan.lots < order.quantity_lots:
        _end_taker(state, order, hold, CloseReason.EXPIRED)
        return order.order_id
    left_held = hold - execute(state, market, order, plan)
    reason = reason_to_end(order, plan)
    if reason is None:
        rest(state, order)
    else:
        _end_taker(state, order, left_held, reason)
    if plan.ending == Ending.OUT_OF_RANGE:
        pause(state, order.market)
    return order.order_id


def rest(state: State, order: Order) -> None:
    state.orders[order.order_id] = order
    order.state, order.working_ns = OrderState.RESTING, state.time_ns
    state.line_up(order)
    tell_level(state, order.market, order.side, order.price_ticks)


def check_place(state: State, command: Place, *, meets_book: bool = True, beside: int = 0) -> Market:
    """`beside` counts the orders of its list before it; an order that waits does not meet the book yet."""
    account = state.account(command.account)
    require(account.is_customer, Status.WRONG_ACCOUNT_CLASS)
    require(not account.frozen, Status.ACCOUNT_FROZEN)
    require(Permission.TRADE in account.permissions, Status.ACCOUNT_MAY_NOT)
    market = state.market(command.market)
    trades = market.state == MarketStatus.TRADING
    may_rest = has_limit(command.order_type) and command.time_in_force == TimeInForce.GTC
    may_rest = may_rest or is_stop(command.order_type)
    require(trades or (market.state in RESTING and may_rest), Status.MARKET_CLOSED)
    check_filters(market, command)
    own = state.open_orders(account=command.account, market=command.market)
    require(len(own) + beside < market.filters.max_orders, Status.MAX_NUM_ORDERS)
    check_price(state, market, command)
    bought_lots = command.quantity_lots or plans.make_plan(state, market, command).lots
    check_position(state, market, command, bought_lots)
    namesake = state.order_by_client_id(command.account, command.client_id)
    require(namesake is None, Status.DUPLICATE_CLIENT_ID)
    if meets_book and (command.order_type == OrderType.LIMIT_MAKER or not trades):
        require(not plans.acceptable_makers(state, command), Status.WOULD_TAKE)
    resting = state.open_orders(market=command.market, side=command.side)
    lots = sum(order.remaining_lots for order in resting)
    require(lots + command.quantity_lots <= SIDE_LOTS_MAX, Status.LIMIT_REACHED)
    return market


def _hold_atoms(market: Market, command: Place, plan: Plan) -> int:
    """What must be available, and is held, before the order may match."""
    if command.order_type != OrderType.MARKET:
        return market.hold_of(command.side, command.price_ticks, command.quantity_lots)
    if command.side == Side.BUY:
        return command.quote_budget_atoms or plan.quote_atoms(market)
    return (command.quantity_lots or plan.lots) * market.lot_atoms


def accept(state: State, command: Place) -> Order:
    """An order of nothing but its terms."""
    state.last_order_id += 1
    markets = state.accounts[command.account].markets
    if command.market not in markets:
        markets.append(command.market)
    order = Order(
        order_id=state.last_order_id,
        account=command.account,
        market=command.market,
        side=command.side,
        order_type=command.order_type,
        time_in_force=command.time_in_force,
        stp_mode=command.stp_mode,
        price_ticks=command.price_ticks,
        quantity_lots=command.quantity_lots,
        by_quote=command.quote_budget_atoms > 0,
        client_id=command.client_id,
        accepted_ns=state.time_ns,
        updated_ns=state.time_ns,
    )
    state.events.append(
        OrderAccepted(
            order.market,
            order.side,
            order.order_id,
            order.account,
            order.order_type,
            order.time_in_force,
            order.stp_mode,
            order.price_ticks,
            order.quantity_lots,
            command.quote_budget_atoms,
            order.client_id,
        )
    )
    return order


def execute(state: State, market: Market, taker: Order, plan: Plan) -> int:
    """Carries the plan out, level by level; returns how much of the taker's hold it used."""
    used = 0
    state.touched += plan.touched
    makers_side = Side(1 - taker.side)
    for price_ticks, steps in groupby(plan.steps, key=lambda step: step.maker.price_ticks):
        before = state.level_lots(taker.market, makers_side, price_ticks)
        for step in steps:
            if isinstance(step, Fill):
                used += _fill(state, market, taker, step)
            else:
                used += _prevent(state, market, taker, step)
        if state.level_lots(taker.market, makers_side, price_ticks) != before:
            tell_level(state, taker.market, makers_side, price_ticks)
        stops.watch(state, taker.market)
    return used


def _prevent(state: State, market: Market, taker: Order, step: Prevent) -> int:
    """No trade, but orders that lose lots; returns how much of the taker's hold is freed for it."""
    maker, taker_lots, maker_lots = step
    if state.rules >= 2:
        _tell_prevented(state, market, taker, step)
    if maker_lots == maker.remaining_lots:
        close(state, maker, CloseReason.EXPIRED_STP)
        special.leave_list(state, maker, CloseReason.EXPIRED_STP)
    elif maker_lots:
        held = special.held_for(state, maker)
        maker.prevented_lots += maker_lots
        maker.updated_ns = state.time_ns
        freed = held - special.held_for(state, maker)
        state.ledger.release(maker.account, market.paid_asset(maker.side), freed)
        _show_less(state, maker, maker_lots)
    if taker.stp_mode != StpMode.DECREMENT:
        return 0
    taker.prevented_lots += taker_lots
    if taker.by_quote:
        taker.quantity_lots += taker_lots
        return 0
    if taker.side == Side.BUY and not taker.has_limit:  # holds nothing for what it does not get
        return 0
    freed = market.hold_of(taker.side, taker.price_ticks, taker_lots)
    state.ledger.release(taker.account, market.paid_asset(taker.side), freed)
    return freed


def _show_less(state: State, maker: Order, lots: int) -> None:
    """The maker goes on; an iceberg that shows nothing any more shows its next part."""
    maker.visible_lots -= lots
    if maker.visible_lots == 0:
        state.line_up(maker)


def _tell_prevented(state: State, market: Market, taker: Order, step: Prevent) -> None:
    market.prevented_match_id += 1
    state.events.append(
        PreventedMatch(
            taker.market,
            taker.side,
            market.prevented_match_id,
            step.maker.price_ticks,
            taker.order_id,
            step.maker.order_id,
            taker.account,
            step.maker.account,
            step.taker_lots,
            step.maker_lots,
            state.accounts[taker.account].stp_group,
            taker.stp_mode,
        )
    )


def _fill(state: State, market: Market, taker: Order, fill: Fill) -> int:
    """Moves base, quote and fees; returns how much of the taker's hold the fill used."""
    maker, lots = fill
    base_atoms, quote_atoms = lots * market.lot_atoms, market.notional(maker.price_ticks, lots)
    paid, received = (quote_atoms, base_atoms) if taker.side == Side.BUY else (base_atoms, quote_atoms)
    taker_tier, maker_tier = (state.accounts[order.account].tier for order in (taker, maker))
    taker_fee = fee_atoms(market, received, taker_tier, is_taker=True, side=taker.side)
    maker_fee = fee_atoms(market, paid, maker_tier, is_taker=False, side=maker.side)
    frees = paid  # an order without a limit price holds exactly what it pays
    if taker.has_limit:
        frees = market.hold_of(taker.side, taker.price_ticks, lots)

    market.trade_id += 1
    market.last_price_ticks = maker.price_ticks
    remember_trade(state, market, maker.price_ticks, lots)
    ledger = state.ledger
    ledger.pay_held(taker.account, market.paid_asset(taker.side), paid)
    ledger.release(taker.account, market.paid_asset(taker.side), frees - paid)
    ledger.receive(taker.account, market.received_asset(taker.side), received - taker_fee)
    ledger.pay_held(maker.account, market.paid_asset(maker.side), received)
    ledger.receive(maker.account, market.received_asset(maker.side), paid - maker_fee)
    base_fee, quote_fee = (taker_fee, maker_fee) if taker.side == Side.BUY else (maker_fee, taker_fee)
    if base_fee:
        ledger.receive(FEES, market.base, base_fee)
    if quote_fee:
        ledger.receive(FEES, market.quote, quote_fee)

    if taker.by_quote:
        taker.quantity_lots += lots
    for order in (taker, maker):
        order.executed_lots += lots
        order.executed_quote_atoms += quote_atoms
        order.updated_ns = state.time_ns
    state.events.append(
        Trade(
            taker.market,
            taker.side,
            market.trade_id,
            maker.price_ticks,
            lots,
            maker.order_id,
            taker.order_id,
            maker.account,
            taker.account,
            quote_atoms,
            maker_fee,
            taker_fee,
        )
    )
    special.part_with_other(state, maker)
    if maker.remaining_lots == 0:
        close(state, maker, CloseReason.FILLED)
        special.leave_list(state, maker, CloseReason.FILLED)
    else:
        _show_less(state, maker, lots)
    return frees


def reason_to_end(order: Order, plan: Plan) -> CloseReason | None:
    """Why the taker ends; None if what is left of it rests."""
    if plan.ending == Ending.SELF_TRADE:
        return CloseReason.EXPIRED_STP
    if plan.ending == Ending.OUT_OF_RANGE:
        return CloseReason.EXPIRED_PRICE_RANGE
    if order.by_quote:
        spent = plan.ending == Ending.NOTHING_LEFT or plan.left_budget == 0
        return CloseReason.FILLED if spent and plan.lots > 0 else CloseReason.EXPIRED
    if order.remaining_lots == 0:
        return CloseReason.FILLED
    may_rest = order.has_limit and order.time_in_force == TimeInForce.GTC
    if may_rest and plan.ending == Ending.NO_MAKER:
        return None
    return CloseReason.EXPIRED


def _end_taker(state: State, order: Order, left_held: int, reason: CloseReason) -> None:
    asset = state.market(order.market).paid_asset(order.side)
    state.ledger.release(order.account, asset, left_held)
    tell_closed(state, order, reason, rested=False)


def close(state: State, order: Order, reason: CloseReason, request_id: bytes = b"") -> None:
    """Takes an order out of the engine and releases what it still holds. The caller tells level and list."""
    market = state.market(order.market)
    held = special.held_for(state, order) - special.held_without(state, order)
    state.ledger.release(order.account, market.paid_asset(order.side), held)
    del state.orders[order.order_id]
    rested = order.state == OrderState.RESTING
    tell_closed(state, order, reason, rested=rested, request_id=request_id)


def tell_closed(
    state: State, order: Order, reason: CloseReason, *, rested: bool, request_id: bytes = b""
) -> None:
    state.events.append(
        OrderClosed(
            order.market,
            order.side,
            rested,
            order.order_id,
            order.account,
            order.order_type,
            order.time_in_force,
            order.stp_mode,
            reason,
            order.price_ticks,
            order.quantity_lots,
            order.executed_lots,
            order.executed_quote_atoms,
            order.accepted_ns,
            order.by_quote,
            order.client_id,
            request_id,
        )
    )


def tell_level(state: State, market_id: int, side: Side, price_ticks: int) -> None:
    market = state.market(market_id)
    market.update_id += 1
    lots = state.level_lots(market_id, side, price_ticks)
    state.events.append(Level(market_id, side, price_ticks, lots, market.update_id))


def _target(state: State, account: int, market: int, order_id: int, client_id: bytes) -> Order:
    """The open order that a command names by id, by client id or by both."""
    state.account(account)
    order = state.orders.get(order_id) if order_id else state.order_by_client_id(account, client_id)
    if order is None or (order.account, order.market) != (account, market):
        raise Refused(Status.UNKNOWN_ORDER)
    require(client_id in (b"", order.client_id), Status.UNKNOWN_ORDER)
    return order


def cancel(state: State, command: Cancel) -> int:
    """Returns the order's id."""
    order = _target(state, command.account, command.market, command.order_id, command.client_id)
    _cancel_order(state, order, CloseReason.CANCELLED, command.request_id)
    return order.order_id


def _cancel_order(state: State, order: Order, reason: CloseReason, request_id: bytes = b"") -> int:
    """Returns how many orders that ended."""
    close(state, order, reason, request_id)
    if order.state == OrderState.RESTING:
        tell_level(state, order.market, order.side, order.price_ticks)
    return 1 + special.leave_list(state, order, reason, request_id)


def cancel_replace(state: State, command: CancelReplace) -> tuple[Status, int]:
    """Status and value. A refusal of the new order leaves the old one cancelled."""
    by_remaining = command.quantity_lots == 0 and command.quote_budget_atoms == 0
    try:
        names = (command.target_order_id, command.target_client_id)
        target = _target(state, command.account, command.market, *names)
    except Refused as refusal:
        without_cancel = command.mode == ReplaceMode.ALLOW_FAILURE and not by_remaining
        if refusal.status != Status.UNKNOWN_ORDER or not without_cancel:
            raise
        return Status.REPLACED_WITHOUT_CANCEL, place(state, _new_order(command, command.quantity_lots))
    require(not state.accounts[command.account].frozen, Status.ACCOUNT_FROZEN)

    quantity_lots = target.remaining_lots if by_remaining else command.quantity_lots
    _cancel_order(state, target, CloseReason.REPLACED, command.request_id)
    try:
        return Status.OK, place(state, _new_order(command, quantity_lots))
    except Refused as refusal:
        return Status.REPLACE_REFUSED, refusal.status


def _new_order(command: CancelReplace, quantity_lots: int) -> Place:
    return Place(
        account=command.account,
        market=command.market,
        side=command.side,
        order_type=command.order_type,
        time_in_force=command.time_in_force,
        stp_mode=command.stp_mode,
        price_ticks=command.price_ticks,
        quantity_lots=quantity_lots,
        quote_budget_atoms=command.quote_budget_atoms,
        stop_price_ticks=command.stop_price_ticks,
        iceberg_lots=command.iceberg_lots,
        trailing_delta=command.trailing_delta,
        client_id=command.client_id,
    )


def amend(state: State, command: Amend) -> int:
    """Returns the order's id."""
    order = _target(state, command.account, command.market, command.order_id, command.target_client_id)
    market = state.market(order.market)
    require(not state.accounts[order.account].frozen, Status.ACCOUNT_FROZEN)
    require(market.state in (MarketStatus.TRADING, *RESTING), Status.MARKET_CLOSED)
    require(command.quantity_lots >= market.filters.lot_min, Status.LOT_SIZE)
    ended_lots = order.executed_lots + order.prevented_lots
    is_smaller = ended_lots < command.quantity_lots < order.quantity_lots
    require(is_smaller, Status.AMEND_NOT_SMALLER)
    notional = market.notional(order.price_ticks, command.quantity_lots)
    require(not order.has_limit or notional >= market.filters.notional_min_atoms, Status.NOTIONAL)
    namesake = state.order_by_client_id(order.account, command.client_id)
    require(namesake is None or namesake is order, Status.DUPLICATE_CLIENT_ID)
    most = market.limits.max_amends
    require(most == 0 or order.amends < most, Status.MAX_NUM_ORDER_AMENDS)

    order.amends += state.rules >= 2
    old_quantity, old_client_id, old_visible = order.quantity_lots, order.client_id, order.visible_lots
    held = special.held_for(state, order)
    order.quantity_lots = command.quantity_lots
    order.client_id = command.client_id or order.client_id
    order.updated_ns = state.time_ns
    order.visible_lots = min(order.visible_lots, order.remaining_lots)
    released = held - special.held_for(state, order)
    state.ledger.release(order.account, market.paid_asset(order.side), released)
    state.events.append(
        OrderAmended(
            order.market,
            order.side,
            order.order_id,
            order.account,
            order.price_ticks,
            order.quantity_lots,
            order.executed_lots,
            old_quantity,
            order.client_id,
            old_client_id,
        )
    )
    if order.visible_lots != old_visible:
        tell_level(state, order.market, order.side, order.price_ticks)
    return order.order_id


def cancel_all(state: State, command: CancelAll) -> tuple[int, bool]:
    """How many were cancelled, and whether more wait for CONTINUE."""
    state.account(command.account)
    if command.market:
        state.market(command.market)
    work = Pending(command.account, command.market, state.last_order_id, state.sequence)
    cancelled, more = cancel_step(state, work)
    if more:
        state.pending.append(work)
    return cancelled, more


def go_on(state: State) -> tuple[int, bool]:
    """The sequence of the command that CONTINUE goes on with (0: none), and whether it still has more.

    Orders whose turn has come are before everything else; they belong to no command.
    """
    if state.due:
        stops.run_due(state)
        return 0, False
    if not state.pending:
        return 0, False
    work = state.pending[0]
    _, more = cancel_step(state, work)
    if not more:
        del state.pending[0]
    return work.sequence, more


def cancel_step(state: State, work: Pending) -> tuple[int, bool]:
    orders = [
        order
        for market in state.accounts[work.account].markets
        if work.market in (0, market)
        for order in state.open_orders(account=work.account, market=market)
        if order.order_id <= work.last_order_id
    ]
    cancelled = 0
    for order in orders:
        if order.order_id not in state.orders:  # ended with another of its list
            continue
        if cancelled >= CANCELS_PER_STEP:
            return cancelled, True
        cancelled += _cancel_order(state, order, CloseReason.CANCELLED)
    return cancelled, False
