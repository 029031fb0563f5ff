"""A bar of trades, and what a ticker says of it. Integers inside, decimal strings at the edge."""

from collections.abc import Iterable
from typing import NamedTuple, Protocol, Self

import msgspec

from cambist import money

_PERCENT_SCALE = 3
NO_TRADE = -1  # the id where there is none


class Candle(msgspec.Struct, gc=False):
    """What the trades from `first_trade` to `last_trade` come to; ids are contiguous."""

    open_ns: int
    first_trade: int
    last_trade: int
    open_ticks: int
    high_ticks: int
    low_ticks: int
    close_ticks: int
    volume_lots: int
    quote_atoms: int
    taker_lots: int  # bought by takers
    taker_quote_atoms: int

    @property
    def trades(self) -> int:
        return self.last_trade - self.first_trade + 1 if self.volume_lots else 0

    def merge(self, later: Self) -> None:
        self.last_trade = later.last_trade
        if later.high_ticks > self.high_ticks:
            self.high_ticks = later.high_ticks
        if later.low_ticks < self.low_ticks:
            self.low_ticks = later.low_ticks
        self.close_ticks = later.close_ticks
        self.volume_lots += later.volume_lots
        self.quote_atoms += later.quote_atoms
        self.taker_lots += later.taker_lots
        self.taker_quote_atoms += later.taker_quote_atoms

    def beginning(self, open_ns: int) -> "Candle":
        """A copy that stands at another time."""
        return Candle(
            open_ns,
            self.first_trade,
            self.last_trade,
            self.open_ticks,
            self.high_ticks,
            self.low_ticks,
            self.close_ticks,
            self.volume_lots,
            self.quote_atoms,
            self.taker_lots,
            self.taker_quote_atoms,
        )


def empty(open_ns: int, price_ticks: int) -> Candle:
    """A bar without trades stands at the price before it."""
    price = price_ticks
    return Candle(open_ns, NO_TRADE, NO_TRADE, price, price, price, price, 0, 0, 0, 0)


def merged(candles: Iterable[Candle]) -> Candle | None:
    """One candle of all of them, which come oldest first; None of none."""
    total: Candle | None = None
    for candle in candles:
        if total is None:
            total = candle.beginning(candle.open_ns)
        else:
            total.merge(candle)
    return total


class Spelling(Protocol):
    """A market's decimal strings."""

    def price(self, ticks: int) -> str: ...
    def quantity(self, lots: int) -> str: ...
    def value(self, quote_atoms: int) -> str: ...
    def mean(self, quote_atoms: int, lots: int) -> str: ...


class Figures(NamedTuple):
    """What a ticker says of a window."""

    change: str
    change_percent: str
    mean: str
    before: str  # the last price before the window
    open: str
    high: str
    low: str
    last: str
    volume: str
    quote_volume: str
    first_trade: int
    last_trade: int
    trades: int


def figures(market: Spelling, window: Candle | None, before_ticks: int) -> Figures:
    """`before_ticks` is the last price before the window, 0 if there is none. Without a trade in the window
    every price is that one, ids are -1, and nothing has changed.
    """
    if window is None:
        window = empty(0, before_ticks)
        mean = market.price(before_ticks)
    else:
        mean = market.mean(window.quote_atoms, window.volume_lots)
    change_ticks = window.close_ticks - window.open_ticks
    return Figures(
        change=market.price(change_ticks),
        change_percent=percent(change_ticks, window.open_ticks),
        mean=mean,
        before=market.price(before_ticks or window.open_ticks),
        open=market.price(window.open_ticks),
        high=market.price(window.high_ticks),
        low=market.price(window.low_ticks),
        last=market.price(window.close_ticks),
        volume=market.quantity(window.volume_lots),
        quote_volume=market.value(window.quote_atoms),
        first_trade=window.first_trade,
        last_trade=window.last_trade,
        trades=window.trades,
    )


def mean_atoms(quote_atoms: int, base_atoms: int, base_scale: int) -> int:
    """Quote atoms per whole base unit, rounded down: never below the lowest price that it is the mean of."""
    unit: int = 10**base_scale
    return quote_atoms * unit // base_atoms


def percent(change: int, of: int) -> str:
    """Three decimals, halves away from zero; "0.000" of nothing."""
    thousandths = (abs(change) * 200_000 + of) // (2 * of) if of else 0
    return money.format_atoms(thousandths if change >= 0 else -thousandths, _PERCENT_SCALE)
