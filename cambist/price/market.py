"""One market as the Price Server sees it: book, candles and last trade in integers, and their spelling."""

from typing import NamedTuple

from cambist import money
from cambist.candles import Figures, mean_atoms
from cambist.engine.codes import Side
from cambist.engine.events import Level, Trade
from cambist.intervals import MINUTE_NS, NS_PER_S
from cambist.price.book import Book
from cambist.price.candles import Candles

AVERAGE_MINUTES = 5


class LastTrade:
    """Zeros before the first trade."""

    __slots__ = ("price_ticks", "quantity_lots", "time_ns", "trade_id")

    def __init__(
        self, trade_id: int = 0, price_ticks: int = 0, quantity_lots: int = 0, time_ns: int = 0
    ) -> None:
        self.trade_id = trade_id
        self.price_ticks = price_ticks
        self.quantity_lots = quantity_lots
        self.time_ns = time_ns


class Fill(NamedTuple):
    time_ns: int
    aggregate_id: int
    trade: Trade


class Changes:
    """Levels that have changed since the last depth update of one pace; a dict keeps their order."""

    __slots__ = ("levels", "published_id")

    def __init__(self) -> None:
        self.levels: dict[tuple[Side, int], None] = {}
        self.published_id = 0

    def published(self, update_id: int) -> None:
        self.levels.clear()
        self.published_id = update_id


class Market:
    """Assets, tick and lot of a market never change.

    Changes gather in `fast` and move on to `slow` when they have been published there. `tape` holds the
    trades since the last commit while somebody watches them.
    """

    def __init__(
        self, market: int, symbol: str, *, base_scale: int, quote_scale: int, tick_atoms: int, lot_atoms: int
    ) -> None:
        self.id = market
        self.symbol = symbol
        self.book = Book()
        self.candles = Candles()
        self.last = LastTrade()
        self.fast = Changes()
        self.slow = Changes()
        self.tape: list[Fill] = []
        self.is_taped = False
        self.windows: dict[int, tuple[tuple[int, int], Figures]] = {}  # by length; figures.py keeps them
        self.last_aggregate = 0  # id
        self._base_scale = base_scale
        self._quote_scale = quote_scale
        self._tick_atoms = tick_atoms
        self._lot_atoms = lot_atoms

    def level(self, level: Level) -> None:
        book = self.book
        book.update_id = level.update_id
        self.fast.levels[level.side, level.price_ticks] = None
        (book.asks if level.side else book.bids).set(level.price_ticks, level.quantity_lots)

    def restore_book(self, levels: list[tuple[int, int, int]], update_id: int) -> None:
        """(side, price, quantity) of every level; updates go on from `update_id`."""
        book = self.book
        for side, price_ticks, quantity_lots in levels:
            (book.asks if side else book.bids).set(price_ticks, quantity_lots)
        book.update_id = self.fast.published_id = self.slow.published_id = update_id

    def publish_fast(self) -> None:
        """After the fast depth update has been told."""
        self.slow.levels.update(self.fast.levels)
        self.fast.published(self.book.update_id)

    def publish_slow(self) -> None:
        """After the slow one; the fast one must have been told before."""
        self.slow.published(self.book.update_id)

    def trade(self, time_ns: int, trade: Trade, aggregate_id: int) -> None:
        last = self.last
        self.last_aggregate = aggregate_id
        last.trade_id = trade.trade_id
        last.price_ticks = trade.price_ticks
        last.quantity_lots = trade.quantity_lots
        last.time_ns = time_ns
        self.candles.trade(
            time_ns,
            trade.trade_id,
            trade.price_ticks,
            trade.quantity_lots,
            trade.quote_atoms,
            trade.taker_side is Side.BUY,
        )
        if self.is_taped:
            self.tape.append(Fill(time_ns, aggregate_id, trade))

    def average_price(self, now_ns: int) -> str:
        """By volume over five minutes of whole seconds; the last price if nothing was traded in them."""
        self.candles.roll()
        begin_ns = now_ns - now_ns % NS_PER_S - AVERAGE_MINUTES * MINUTE_NS
        seconds = self.candles.series("1s").since(begin_ns)
        volume_lots = sum(each.volume_lots for each in seconds)
        if not volume_lots:
            return self.price(self.last.price_ticks)
        return self.mean(sum(each.quote_atoms for each in seconds), volume_lots)

    def price(self, ticks: int) -> str:
        return money.format_atoms(ticks * self._tick_atoms, self._quote_scale)

    def quantity(self, lots: int) -> str:
        return money.format_atoms(lots * self._lot_atoms, self._base_scale)

    def mean(self, quote_atoms: int, lots: int) -> str:
        return self.value(mean_atoms(quote_atoms, lots * self._lot_atoms, self._base_scale))

    def value(self, quote_atoms: int) -> str:
        return money.format_atoms(quote_atoms, self._quote_scale)
