"""A rolling window up to now, as tickers tell it."""

from cambist.candles import Figures, figures
from cambist.intervals import MINUTE_NS
from cambist.price.market import Market


def begin_ns(window_ns: int, now_ns: int) -> int:
    """Windows begin with a full minute, so they are up to 59.999 s longer than asked for."""
    begin_ns = now_ns - window_ns
    return begin_ns - begin_ns % MINUTE_NS


def rolling(market: Market, window_ns: int, now_ns: int) -> Figures:
    """At most a day. Several streams tell of one window at one tick, so it is kept until the next one."""
    moment = (now_ns, market.last.trade_id)
    found = market.windows.get(window_ns)
    if found is None or found[0] != moment:
        found = market.windows[window_ns] = (moment, _rolling(market, window_ns, now_ns))
    return found[1]


def _rolling(market: Market, window_ns: int, now_ns: int) -> Figures:
    start_ns = begin_ns(window_ns, now_ns)
    candles = market.candles
    candles.roll()
    before = candles.series("1m").last_before(start_ns)
    return figures(market, candles.window(start_ns), before.close_ticks if before else 0)
