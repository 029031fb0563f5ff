"""One market's candles: all intervals from one pass over its trades.

A trade is counted once, in the piece of the second it belongs to. When that second is over, or somebody
looks, the piece is merged into the open bar of every interval. Trades come in the order of their times.
"""

from bisect import bisect_left
from collections.abc import Iterator
from operator import attrgetter

from cambist.candles import Candle, merged
from cambist.feed.names import ASIA_OFFSET_NS
from cambist.intervals import DAY_NS, HOUR_NS, INTERVALS, MINUTE_NS, NS_PER_S, Interval

# What is kept of closed bars, for averages and for rolling windows of a day with the hour that they begin in.
# Of the other intervals a few bars are kept, for streams that have yet to tell of their end.
KEPT_NS = {"1s": 6 * MINUTE_NS, "1m": DAY_NS + 2 * HOUR_NS, "1h": DAY_NS + 2 * HOUR_NS}
_PRUNED_EVERY, _FEW = 64, 4  # closed bars

_open_ns = attrgetter("open_ns")


class Series:
    """The bars of one interval: the one that is open, and the closed ones that are still of use."""

    __slots__ = (
        "_unsaved",
        "bar",
        "dropped",
        "end_ns",
        "interval",
        "is_changed",
        "kept",
        "kept_ns",
        "offset_ns",
    )

    def __init__(self, interval: Interval, offset_ns: int = 0) -> None:
        self.interval = interval
        self.offset_ns = offset_ns
        self.bar: Candle | None = None  # the newest bar with trades, though its time may be over
        self.end_ns = 0  # of that bar
        self.is_changed = False  # since it was saved
        self.kept: list[Candle] = []
        self.kept_ns = 0 if offset_ns else KEPT_NS.get(interval.name, 0)
        self.dropped: Candle | None = None  # the last one that was kept once
        self._unsaved: list[Candle] = []

    def merge(self, piece: Candle) -> None:
        if piece.open_ns < self.end_ns and self.bar is not None:
            self.bar.merge(piece)
        else:
            if self.bar is not None:
                self._close(self.bar)
            self.begin(piece)
        self.is_changed = True

    def begin(self, piece: Candle) -> None:
        """The bar that this belongs to."""
        open_ns = self.interval.open_ns(piece.open_ns, self.offset_ns)
        self.bar = piece.beginning(open_ns)
        self.end_ns = self.interval.next_ns(open_ns, self.offset_ns)

    def unsaved(self) -> list[Candle]:
        """What has changed since this was called last."""
        found, self._unsaved = self._unsaved, []
        if self.is_changed and self.bar is not None:
            found.append(self.bar)
        self.is_changed = False
        return found

    def since(self, start_ns: int) -> list[Candle]:
        """The kept bars that begin then or later, and the open one."""
        found = self.kept[bisect_left(self.kept, start_ns, key=_open_ns) :]
        if self.bar is not None and self.bar.open_ns >= start_ns:
            found.append(self.bar)
        return found

    def at(self, open_ns: int) -> Candle | None:
        """The bar that begins then, if it had trades and is still kept."""
        bar = self.bar
        if bar is None or open_ns > bar.open_ns:
            return None
        if open_ns == bar.open_ns:
            return bar
        at = bisect_left(self.kept, open_ns, key=_open_ns)
        return self.kept[at] if at < len(self.kept) and self.kept[at].open_ns == open_ns else None

    def last_before(self, start_ns: int) -> Candle | None:
        if self.bar is not None and self.bar.open_ns < start_ns:
            return self.bar
        at = bisect_left(self.kept, start_ns, key=_open_ns)
        return self.kept[at - 1] if at else self.dropped

    def _close(self, bar: Candle) -> None:
        if self.is_changed:
            self._unsaved.append(bar)
        self.kept.append(bar)
        if len(self.kept) % (_PRUNED_EVERY if self.kept_ns else _FEW) == 0:
            self._prune(bar.open_ns - self.kept_ns)

    def _prune(self, before_ns: int) -> None:
        at = bisect_left(self.kept, before_ns, key=_open_ns)
        if at:
            self.dropped = self.kept[at - 1]
            del self.kept[:at]


# Bars of the other time zone differ only where eight hours are no whole number of them.
_ASIA = [name for name, each in INTERVALS.items() if not each.length_ns or ASIA_OFFSET_NS % each.length_ns]


class Candles:
    """`trade` counts, everything else looks; call `roll` before looking at a series."""

    __slots__ = ("_all", "_asia", "_piece", "_utc")

    def __init__(self) -> None:
        self._utc = {name: Series(interval) for name, interval in INTERVALS.items()}
        self._asia = {name: Series(INTERVALS[name], ASIA_OFFSET_NS) for name in _ASIA}
        self._all = [*self._utc.values(), *self._asia.values()]
        self._piece: Candle | None = None

    def trade(
        self, time_ns: int, trade_id: int, price: int, lots: int, quote_atoms: int, taker_buys: bool
    ) -> None:
        second_ns = time_ns - time_ns % NS_PER_S
        piece = self._piece
        if piece is None or piece.open_ns != second_ns:
            self.roll()
            bought, paid = (lots, quote_atoms) if taker_buys else (0, 0)
            self._piece = Candle(
                second_ns, trade_id, trade_id, price, price, price, price, lots, quote_atoms, bought, paid
            )
            return
        piece.last_trade = trade_id
        if price > piece.high_ticks:
            piece.high_ticks = price
        elif price < piece.low_ticks:
            piece.low_ticks = price
        piece.close_ticks = price
        piece.volume_lots += lots
        piece.quote_atoms += quote_atoms
        if taker_buys:
            piece.taker_lots += lots
            piece.taker_quote_atoms += quote_atoms

    def roll(self) -> None:
        """Merges what was counted since into the bars of all intervals."""
        piece, self._piece = self._piece, None
        if piece is not None:
            for series in self._all:
                series.merge(piece)

    def series(self, interval: str, offset_ns: int = 0) -> Series:
        return self._asia.get(interval, self._utc[interval]) if offset_ns else self._utc[interval]

    def unsaved(self) -> Iterator[tuple[str, Candle]]:
        """Bars that have changed since this was called last, with their interval."""
        self.roll()
        for name, series in self._utc.items():
            for candle in series.unsaved():
                yield name, candle

    def restore(self, interval: str, bars: list[Candle], dropped: Candle | None) -> None:
        """The newest stored bars of an interval, oldest first, and the one before them."""
        series = self._utc[interval]
        series.dropped = dropped
        if bars:
            series.begin(bars[-1])
            series.kept = bars[:-1]

    def restore_asia(self, pieces: list[Candle]) -> None:
        """Bars of two hours or less, oldest first, from the beginning of the longest open bar on."""
        for series in self._asia.values():
            for piece in pieces:
                series.merge(piece)

    def window(self, start_ns: int) -> Candle | None:
        """All trades from a full minute on, within a day and an hour; None if there are none."""
        minutes, hours = self._utc["1m"], self._utc["1h"]
        hour_ns = start_ns + -start_ns % HOUR_NS
        if hours.bar is None or hours.bar.open_ns < hour_ns:
            return merged(minutes.since(start_ns))
        first = minutes.kept
        at = bisect_left(first, start_ns, key=_open_ns)
        to = bisect_left(first, hour_ns, key=_open_ns, lo=at)
        return merged([*first[at:to], *hours.since(hour_ns)])
