"""The engine's rows with field names: `OrderView(*row)`; `MarketView.of(row)`, because it nests filters."""

from typing import TYPE_CHECKING, NamedTuple, Self

from .codes import OrderState

if TYPE_CHECKING:  # its aliases exist for the type checker alone
    from cambist._matching import MarketRow


class OrderView(NamedTuple):
    """An open order. `quantity_lots` is what was asked for; executed and prevented lots of it are done.

    `state` is an OrderState. `visible_lots` is what the book shows of it; `working_ns` is when it came there
    and `trailing_ns` when it began to follow the price, both 0 before. A buy without a limit price holds its
    quantity at `hold_price_ticks` until it works.
    """

    order_id: int
    account: int
    market: int
    side: int
    order_type: int
    time_in_force: int
    stp_mode: int
    price_ticks: int
    quantity_lots: int
    executed_lots: int
    executed_quote_atoms: int
    accepted_ns: int
    updated_ns: int
    client_id: bytes
    prevented_lots: int = 0  # by self-trade prevention
    stop_price_ticks: int = 0
    trailing_delta: int = 0
    iceberg_lots: int = 0
    visible_lots: int = 0
    list_id: int = 0
    state: int = OrderState.RESTING
    working_ns: int = 0
    trailing_ns: int = 0
    hold_price_ticks: int = 0


class ClosedOrderView(NamedTuple):
    """The same of an order that has ended, and why it did (`CloseReason`)."""

    order_id: int
    account: int
    market: int
    side: int
    order_type: int
    time_in_force: int
    stp_mode: int
    price_ticks: int
    quantity_lots: int
    executed_lots: int
    executed_quote_atoms: int
    accepted_ns: int
    updated_ns: int
    client_id: bytes
    reason: int
    by_quote: int
    prevented_lots: int = 0
    stop_price_ticks: int = 0
    trailing_delta: int = 0
    iceberg_lots: int = 0
    list_id: int = 0
    working_ns: int = 0  # 0 if it never came into the book


class TradeView(NamedTuple):
    """A trade as the public sees it."""

    trade_id: int
    market: int
    price_ticks: int
    quantity_lots: int
    quote_atoms: int
    time_ns: int
    taker_side: int
    maker_order: int
    taker_order: int


class AggregateView(NamedTuple):
    """What one taker order traded at one price in one command."""

    aggregate_id: int
    price_ticks: int
    quantity_lots: int
    first_trade_id: int
    last_trade_id: int
    time_ns: int
    taker_side: int


class AccountTradeView(NamedTuple):
    """A trade as one of its accounts sees it. A buyer's fee is in base atoms, a seller's in quote atoms."""

    trade_id: int
    market: int
    order_id: int
    price_ticks: int
    quantity_lots: int
    quote_atoms: int
    fee_atoms: int
    time_ns: int
    side: int
    is_maker: bool


class FiltersView(NamedTuple):
    """What a market takes; bounds are inclusive, prices in ticks and quantities in lots."""

    price_min: int
    price_max: int
    lot_min: int
    lot_max: int
    market_lot_min: int
    market_lot_max: int
    notional_min_atoms: int
    notional_max_atoms: int
    max_orders: int
    notional_flags: int


class MarketView(NamedTuple):
    """`last_price_ticks` and `last_trade_id` are 0 before the first trade."""

    market: int
    symbol: str
    base: int
    quote: int
    tick_atoms: int
    lot_atoms: int
    tick_lot_atoms: int
    filters: FiltersView
    state: int
    update_id: int
    last_price_ticks: int
    last_trade_id: int

    @classmethod
    def of(cls, row: "MarketRow") -> Self:
        *head, filters, state, update_id, last_price, last_trade = row
        return cls._make((*head, FiltersView(*filters), state, update_id, last_price, last_trade))


class FeesView(NamedTuple):
    """Rates as `fee_rate_e8`."""

    maker: int
    taker: int
    buyer: int
    seller: int


class AssetView(NamedTuple):
    """`scale` is the ledger's number of decimals."""

    asset: int
    name: str
    scale: int
    state: int
