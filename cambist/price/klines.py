"""The streams of bars: each bar while it changes, and once when it is over."""

from collections.abc import Iterator

from cambist.candles import Candle, empty
from cambist.feed.names import StreamName
from cambist.intervals import INTERVALS, NS_PER_S
from cambist.price.market import Market
from cambist.price.messages import Kline, KlineEvent, encode
from cambist.price.streams import unit_ns

PACE_NS, PACE_1S_NS = 2 * NS_PER_S, NS_PER_S
BARS_BEHIND_MAX = 100  # after a pause; older bars can be asked for


class KlineStream:
    """Asked at every tick. A bar is told at its pace while it changes, and once when it is over."""

    def __init__(self, market: Market, name: StreamName, from_ns: int) -> None:
        """Tells of the bar at `from_ns` and of all later ones."""
        self._market = market
        self._name = name.interval
        self._interval = INTERVALS[name.interval]
        self._offset_ns = name.offset_ns
        self._series = market.candles.series(name.interval, name.offset_ns)
        self._unit_ns = unit_ns(name)
        self._pace_ns = PACE_1S_NS if name.interval == "1s" else PACE_NS
        self._next_ns = 0
        self._open_ns = self._interval.open_ns(from_ns, self._offset_ns)
        self._said = -1  # last trade of the open bar
        self._closed_ns = -1  # the bar that was told closed last
        self._said_closed = -1

    def bodies(self, now_ns: int, over_ns: int) -> Iterator[bytes]:
        """Bars that end at `over_ns` or before are over."""
        self._market.candles.roll()
        yield from self._corrected(now_ns)
        current_ns = self._interval.open_ns(over_ns, self._offset_ns)
        first_ns = self._interval.moved(current_ns, -BARS_BEHIND_MAX, self._offset_ns)
        self._open_ns = max(self._open_ns, first_ns)
        while self._open_ns < current_ns:
            yield from self._closed(now_ns)
        bar = self._series.at(self._open_ns)
        if now_ns >= self._next_ns and (bar.last_trade if bar else 0) > self._said:
            self._next_ns = now_ns + self._pace_ns
            self._said = bar.last_trade if bar else 0
            yield from self._told(self._open_ns, now_ns, is_closed=False)

    def _closed(self, now_ns: int) -> Iterator[bytes]:
        self._closed_ns = self._open_ns
        bar = self._series.at(self._open_ns)
        self._said_closed = bar.last_trade if bar else 0
        self._open_ns = self._interval.next_ns(self._open_ns, self._offset_ns)
        self._said = self._next_ns = 0
        yield from self._told(self._closed_ns, now_ns, is_closed=True)

    def _corrected(self, now_ns: int) -> Iterator[bytes]:
        """A trade that came later than the grace allows for makes its bar be told once more."""
        bar = self._series.at(self._closed_ns)
        if bar is not None and bar.last_trade > self._said_closed:
            self._said_closed = bar.last_trade
            yield from self._told(self._closed_ns, now_ns, is_closed=True)

    def _told(self, open_ns: int, now_ns: int, *, is_closed: bool) -> Iterator[bytes]:
        bar = self._series.at(open_ns) or self._empty(open_ns)
        if bar is None:
            return  # before the first trade of all there are no bars
        market = self._market
        end_ns = self._interval.next_ns(open_ns, self._offset_ns)
        kline = Kline(
            open_ns // self._unit_ns,
            end_ns // self._unit_ns - 1,
            market.symbol,
            self._name,
            bar.first_trade,
            bar.last_trade,
            market.price(bar.open_ticks),
            market.price(bar.close_ticks),
            market.price(bar.high_ticks),
            market.price(bar.low_ticks),
            market.quantity(bar.volume_lots),
            bar.trades,
            is_closed,
            market.value(bar.quote_atoms),
            market.quantity(bar.taker_lots),
            market.value(bar.taker_quote_atoms),
        )
        yield encode(KlineEvent(now_ns // self._unit_ns, market.symbol, kline))

    def _empty(self, open_ns: int) -> Candle | None:
        before = self._series.last_before(open_ns)
        return empty(open_ns, before.close_ticks) if before else None
