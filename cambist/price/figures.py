"""A rolling window up to now, as tickers tell it."""

from cambist.candles import Figures, figures
from cambist.intervals import MINUTE_NS
from cambist.price.market import Market


def begin_ns(window_ns: int, now_ns: int) -> int:
    """Windows begin with a full minute, so they are up to 59.999 s longer than asked for."""
    begin_ns = now_ns - window_ns
    return begin_ns - begin_ns % MINUTE_NS


def rolling(market: Market, window_ns: int, now_ns: int) -> Figures:
    """At most a day."""
    start_ns = begin_ns(window_ns, now_ns)
    candles = market.candles
    candles.roll()
    before = candles.series("1m").last_before(start_ns)
    return figures(market, candles.window(start_ns), before.close_ticks if before else 0)
