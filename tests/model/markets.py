"""Accounts, assets and markets at run time; filters and fees."""

from cambist.engine.codes import (
    AccountClass,
    AssetStatus,
    FeeComponent,
    MarketStatus,
    Side,
    Status,
)
from cambist.engine.commands import (
    AccountCreate,
    AccountFreeze,
    AccountSet,
    AssetList,
    AssetState,
    Filters,
    MarketFees,
    MarketFilters,
    MarketList,
    MarketState,
    Place,
)
from cambist.engine.events import AccountEvent, AssetEvent, FeesEvent, MarketEvent

from .state import AMOUNT_LIMIT, Account, Asset, FirstUse, Market, Rates, State, has_limit, require

RATE_ONE = 100_000_000  # fee_rate_e8 of 100 %
TICK_LOT_MAX = (1 << 64) - 1  # quote atoms of one tick times one lot
STEPS_MAX = 1 << 52  # largest price in ticks and quantity in lots stay below


def account_create(state: State, command: AccountCreate) -> int:
    """Returns the new account's id."""
    account, state.next_account = state.next_account, state.next_account + 1
    state.accounts[account] = Account(
        command.account_class,
        command.tier,
        command.permissions,
        command.stp_group or account,
        command.owner,
    )
    state.references[command.reference] = FirstUse(command, account)
    tell_account(state, account)
    return account


def account_set(state: State, command: AccountSet) -> int:
    account = _customer(state, command.account)
    account.tier, account.permissions = command.tier, command.permissions
    account.stp_group = command.stp_group or command.account
    tell_account(state, command.account)
    return command.account


def account_freeze(state: State, command: AccountFreeze) -> int:
    _customer(state, command.account).frozen = command.frozen
    tell_account(state, command.account)
    return command.account


def _customer(state: State, account_id: int) -> Account:
    account = state.account(account_id)
    require(account.is_customer, Status.WRONG_ACCOUNT_CLASS)
    return account


def tell_account(state: State, account_id: int) -> None:
    account = state.accounts[account_id]
    state.events.append(
        AccountEvent(
            account_id,
            AccountClass(account.account_class),
            account.tier,
            account.permissions,
            account.frozen,
            account.stp_group,
            account.owner,
        )
    )


def asset_list(state: State, command: AssetList) -> int:
    """Returns the new asset's id."""
    require(all(asset.name != command.name for asset in state.assets), Status.ALREADY_LISTED)
    state.assets.append(Asset(command.name, command.scale))
    _tell_asset(state, len(state.assets))
    return len(state.assets)


def asset_state(state: State, command: AssetState) -> int:
    state.asset(command.market).state = command.state
    _tell_asset(state, command.market)
    return command.market


def _tell_asset(state: State, asset_id: int) -> None:
    asset = state.asset(asset_id)
    state.events.append(AssetEvent(asset_id, asset.scale, AssetStatus(asset.state), asset.name))


def market_list(state: State, command: MarketList) -> int:
    """Returns the new market's id."""
    base, _ = state.asset(command.base), state.asset(command.quote)
    require(all(market.symbol != command.symbol for market in state.markets), Status.ALREADY_LISTED)
    tick_lot_atoms, rest = divmod(command.tick_atoms * command.lot_atoms, 10**base.scale)
    no_trade_rounds = 0 < tick_lot_atoms <= TICK_LOT_MAX and rest == 0
    require(no_trade_rounds and command.base != command.quote, Status.BAD_LISTING)
    filters = _capped(command.filters)
    require(_are_sound(filters, tick_lot_atoms, command.lot_atoms), Status.BAD_FILTERS)
    may_be = command.state != MarketStatus.DELISTED and _may_be(state, command.state)
    require(may_be, Status.BAD_STATE)
    state.markets.append(
        Market(
            command.symbol,
            command.base,
            command.quote,
            command.tick_atoms,
            command.lot_atoms,
            tick_lot_atoms,
            filters,
            command.state,
        )
    )
    tell_market(state, len(state.markets))
    return len(state.markets)


def market_state(state: State, command: MarketState) -> int:
    market = state.market(command.market)
    require(market.state != MarketStatus.DELISTED, Status.BAD_STATE)
    require(_may_be(state, command.state), Status.BAD_STATE)
    is_empty = not state.open_orders(market=command.market)
    require(command.state != MarketStatus.DELISTED or is_empty, Status.BAD_STATE)
    market.state = command.state
    state.deadlines.pop((0, command.market), None)
    tell_market(state, command.market)
    return command.market


def _may_be(state: State, wanted: MarketStatus) -> bool:
    """Whether an operator may put a market in this state; it pauses by itself alone."""
    if wanted == MarketStatus.PAUSED:
        return False
    return state.rules >= 2 or wanted not in (MarketStatus.PRE_OPEN, MarketStatus.POST_ONLY)


def market_filters(state: State, command: MarketFilters) -> int:
    market = state.market(command.market)
    filters = _capped(command.filters)
    require(_are_sound(filters, market.tick_lot_atoms, market.lot_atoms), Status.BAD_FILTERS)
    market.filters = filters
    tell_market(state, command.market)
    return command.market


def tell_market(state: State, market_id: int) -> None:
    market = state.market(market_id)
    state.events.append(
        MarketEvent(
            market_id,
            market.base,
            market.quote,
            market.tick_atoms,
            market.lot_atoms,
            market.filters,
            market.state,
            market.symbol,
        )
    )


def _capped(filters: Filters) -> Filters:
    """No order is worth 2^100 atoms, so bounds beyond that are that."""
    return filters._replace(
        notional_min_atoms=min(filters.notional_min_atoms, AMOUNT_LIMIT),
        notional_max_atoms=min(filters.notional_max_atoms, AMOUNT_LIMIT),
    )


def _are_sound(filters: Filters, tick_lot_atoms: int, lot_atoms: int) -> bool:
    """Every bound in order, and no order worth more than the amounts we calculate with."""
    return (
        1 <= filters.price_min_ticks <= filters.price_max_ticks < STEPS_MAX
        and 1 <= filters.lot_min <= filters.lot_max < STEPS_MAX
        and 1 <= filters.market_lot_min <= filters.market_lot_max
        and filters.notional_min_atoms <= filters.notional_max_atoms
        and filters.notional_max_atoms > 0
        and filters.max_orders > 0
        and filters.notional_flags < 4
        and filters.price_max_ticks * filters.lot_max * tick_lot_atoms < AMOUNT_LIMIT
        and filters.lot_max * lot_atoms < AMOUNT_LIMIT
    )


def check_filters(market: Market, order: Place) -> None:
    """The filters that look at nothing but the order and the last price."""
    filters, is_market = market.filters, not has_limit(order.order_type)
    if order.price_ticks:
        in_range = filters.price_min_ticks <= order.price_ticks <= filters.price_max_ticks
        require(in_range, Status.PRICE_FILTER)
    if not order.quote_budget_atoms:
        require(filters.lot_min <= order.quantity_lots <= filters.lot_max, Status.LOT_SIZE)
        if is_market:
            in_range = filters.market_lot_min <= order.quantity_lots <= filters.market_lot_max
            require(in_range, Status.MARKET_LOT_SIZE)
    notional = _notional_to_check(market, order)
    if notional is not None:
        has_minimum = not is_market or filters.notional_flags & 1
        has_maximum = not is_market or filters.notional_flags & 2
        require(not has_minimum or notional >= filters.notional_min_atoms, Status.NOTIONAL)
        require(not has_maximum or notional <= filters.notional_max_atoms, Status.NOTIONAL)


def _notional_to_check(market: Market, order: Place) -> int | None:
    """Quote atoms; None for a MARKET order by quantity before the first trade."""
    if order.quote_budget_atoms:
        return order.quote_budget_atoms
    price_ticks = order.price_ticks or market.last_price_ticks
    return market.notional(price_ticks, order.quantity_lots) if price_ticks else None


def market_fees(state: State, command: MarketFees) -> int:
    market = state.market(command.market)
    rates = (command.maker, command.taker, command.buyer, command.seller)
    standard, special, tax = list(market.standard), market.special, market.tax
    match command.component:
        case FeeComponent.STANDARD:
            standard[command.tier] = rates
        case FeeComponent.SPECIAL:
            special = rates
        case FeeComponent.TAX:
            tax = rates
    require(all(_is_bounded(tier, special, tax) for tier in standard), Status.BAD_FEES)
    market.standard, market.special, market.tax = standard, special, tax
    state.events.append(FeesEvent(command.market, command.component, command.tier, *rates))
    return command.market


def _is_bounded(*components: Rates) -> bool:
    """No side pays more than half: the dearer role and the dearer side together."""
    maker, taker, buyer, seller = (sum(rates) for rates in zip(*components, strict=True))
    return bool(max(maker, taker) + max(buyer, seller) <= RATE_ONE // 2)


def fee_atoms(market: Market, received_atoms: int, tier: int, *, is_taker: bool, side: Side) -> int:
    """The fee on one side of a fill, in the atoms that it receives; each component rounds up by itself."""
    fee = 0
    for maker, taker, buyer, seller in (market.standard[tier], market.special, market.tax):
        rate = (taker if is_taker else maker) + (buyer if side == Side.BUY else seller)
        fee += -(-received_atoms * rate // RATE_ONE)
    return min(fee, received_atoms)
