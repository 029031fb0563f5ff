"""What a market limits beyond its filters (rules version 2), and its reference price."""

from collections.abc import Sequence

from cambist.engine.codes import MarketStatus, OrderState, OrderType, Side, Status
from cambist.engine.commands import Limits, ListPlace, MarketLimits, Place
from cambist.engine.events import LimitsEvent

from .markets import tell_market
from .state import AMOUNT_LIMIT, Market, State, Traded, has_limit, is_stop, require

MULTIPLIER_ONE = 10_000
AVERAGE_MINUTES_MAX = 60
PAUSE_SECONDS_MAX = 365 * 86_400
SECOND_NS = 1_000_000_000


def market_limits(state: State, command: MarketLimits) -> int:
    market = state.market(command.market)
    require(_are_sound(command.limits), Status.BAD_LIMITS)
    position = min(command.limits.max_position_atoms, AMOUNT_LIMIT)
    market.limits = command.limits._replace(max_position_atoms=position)
    market.traded = []
    state.events.append(LimitsEvent(command.market, market.limits))
    return command.market


def _are_sound(limits: Limits) -> bool:
    ranges = [
        (limits.bid_down_e4, limits.bid_up_e4),
        (limits.ask_down_e4, limits.ask_up_e4),
        (limits.range_bid_down_e4, limits.range_bid_up_e4),
        (limits.range_ask_down_e4, limits.range_ask_up_e4),
    ]
    return (
        all(up == 0 or down <= up for down, up in ranges)
        and limits.average_minutes <= AVERAGE_MINUTES_MAX
        and limits.pause_seconds <= PAUSE_SECONDS_MAX
        and limits.trailing_above_min <= limits.trailing_above_max
        and limits.trailing_below_min <= limits.trailing_below_max
    )


def _averages(limits: Limits) -> bool:
    """Whether the market needs to remember its trades; the first eight are the multipliers."""
    return limits.average_minutes > 0 and any(limits[:8])


def remember_trade(state: State, market: Market, price_ticks: int, lots: int) -> None:
    if _averages(market.limits):
        market.traded.append(Traded(state.time_ns // SECOND_NS, price_ticks, lots))


def reference_ticks(state: State, market: Market) -> int:
    """The average of the last minutes by volume, rounded down; without trades the last price, or 0."""
    if not _averages(market.limits):
        return market.last_price_ticks
    begin = state.time_ns // SECOND_NS - 60 * market.limits.average_minutes
    recent = [trade for trade in market.traded if trade.second > begin]
    if not recent:
        return market.last_price_ticks
    value = sum(trade.price_ticks * trade.lots for trade in recent)
    return value // sum(trade.lots for trade in recent)


def _is_between(price_ticks: int, reference: int, down_e4: int, up_e4: int) -> bool:
    if reference == 0:
        return True
    price = price_ticks * MULTIPLIER_ONE
    return reference * down_e4 <= price and (up_e4 == 0 or price <= reference * up_e4)


def may_trade_at(market: Market, side: Side, price_ticks: int, reference: int) -> bool:
    """Whether a taker of this side may."""
    limits = market.limits
    if side == Side.BUY:
        return _is_between(price_ticks, reference, limits.range_bid_down_e4, limits.range_bid_up_e4)
    return _is_between(price_ticks, reference, limits.range_ask_down_e4, limits.range_ask_up_e4)


def check_price(state: State, market: Market, order: Place) -> None:
    if not has_limit(order.order_type):
        return
    limits, reference = market.limits, reference_ticks(state, market)
    down, up = limits.ask_down_e4, limits.ask_up_e4
    if order.side == Side.BUY:
        down, up = limits.bid_down_e4, limits.bid_up_e4
    is_near = _is_between(order.price_ticks, reference, down, up)
    require(is_near, Status.PERCENT_PRICE_BY_SIDE)


def check_position(state: State, market: Market, order: Place, bought_lots: int) -> None:
    """What the account has of the base asset, and would have if all it wants to buy were bought."""
    most = market.limits.max_position_atoms
    if most == 0 or order.side == Side.SELL:
        return
    row = state.ledger.rows.get((order.account, market.base))
    has = row.available + row.held if row else 0
    wanted = state.open_orders(account=order.account, market=order.market, side=Side.BUY)
    lots = bought_lots + sum(each.remaining_lots for each in wanted)
    require(has + lots * market.lot_atoms <= most, Status.MAX_POSITION)


def check_special(state: State, wanted: Sequence[Place]) -> None:
    """Stops and icebergs that one command places together."""
    market = state.market(wanted[0].market)
    for order in wanted:
        _check_parts(market.limits, order)
        _check_delta(market.limits, order)
    open_orders = state.open_orders(account=wanted[0].account, market=wanted[0].market)
    added = sum(is_stop(order.order_type) for order in wanted)
    waiting = sum(order.is_stop and order.state != OrderState.RESTING for order in open_orders)
    most = market.limits.max_algo_orders
    require(not most or not added or waiting + added <= most, Status.MAX_NUM_ALGO_ORDERS)
    added = sum(order.iceberg_lots > 0 for order in wanted)
    icebergs = sum(order.iceberg_lots > 0 for order in open_orders)
    most = market.limits.max_iceberg_orders
    require(not most or not added or icebergs + added <= most, Status.MAX_NUM_ICEBERG_ORDERS)


def _check_parts(limits: Limits, order: Place) -> None:
    if order.iceberg_lots and limits.iceberg_parts:
        parts = -(-order.quantity_lots // order.iceberg_lots)
        require(parts <= limits.iceberg_parts, Status.ICEBERG_PARTS)


def _check_delta(limits: Limits, order: Place) -> None:
    takes_profit = order.order_type in (OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT)
    least, most = limits.trailing_below_min, limits.trailing_below_max
    if takes_profit == (order.side == Side.SELL):  # it waits for a rise
        least, most = limits.trailing_above_min, limits.trailing_above_max
    is_bounded = order.trailing_delta > 0 and most > 0
    require(not is_bounded or least <= order.trailing_delta <= most, Status.TRAILING_DELTA)


def check_number_of_lists(state: State, command: ListPlace) -> None:
    most = state.market(command.market).limits.max_order_lists
    place = (command.account, command.market)
    count = sum((each.account, each.market) == place for each in state.lists.values())
    require(not most or count < most, Status.MAX_NUM_ORDER_LISTS)


def pause(state: State, market_id: int) -> None:
    """The market rests for a while, if it is one that does; its reference then is the last price."""
    market = state.market(market_id)
    if market.limits.pause_seconds == 0:
        return
    market.traded = []
    market.state = MarketStatus.PAUSED
    state.deadlines[0, market_id] = state.time_ns + market.limits.pause_seconds * SECOND_NS
    tell_market(state, market_id)
