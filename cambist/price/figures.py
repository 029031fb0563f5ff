"""What a ticker says of a rolling window, and how it is rounded."""

from typing import NamedTuple

from cambist import money
from cambist.intervals import MINUTE_NS
from cambist.price.market import Market

_NONE = -1  # the trade id where there is no trade
_PERCENT_SCALE = 3


class Figures(NamedTuple):
    """Decimal strings, as all doors write them. Without a trade in the window every price is the last."""

    open_ns: int
    close_ns: int
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


def rolling(market: Market, window_ns: int, now_ns: int) -> Figures:
    """From a full minute on: the window is up to 59.999 s longer than asked for. At most a day."""
    start_ns = now_ns - window_ns
    start_ns -= start_ns % MINUTE_NS
    candles = market.candles
    candles.roll()
    total = candles.since(start_ns)
    before = candles.series("1m").last_before(start_ns)
    last = market.last.price_ticks
    if total is None:
        price = market.price(last)
        zero, nothing = market.price(0), market.quantity(0)
        return Figures(
            start_ns, now_ns, zero, "0.000", price, price, price, price, price, price,
            nothing, market.value(0), _NONE, _NONE, 0,
        )  # fmt: skip
    first = total.open_ticks
    return Figures(
        open_ns=start_ns,
        close_ns=now_ns,
        change=market.price(total.close_ticks - first),
        change_percent=percent(total.close_ticks - first, first),
        mean=market.value(market.mean_atoms(total.quote_atoms, total.volume_lots)),
        before=market.price(before.close_ticks if before else first),
        open=market.price(first),
        high=market.price(total.high_ticks),
        low=market.price(total.low_ticks),
        last=market.price(total.close_ticks),
        volume=market.quantity(total.volume_lots),
        quote_volume=market.value(total.quote_atoms),
        first_trade=total.first_trade,
        last_trade=total.last_trade,
        trades=total.count,
    )


def percent(change: int, of: int) -> str:
    """Three decimals, halves away from zero; "0.000" of nothing."""
    if not of:
        return money.format_atoms(0, _PERCENT_SCALE)
    size = (abs(change) * 200 * 10**_PERCENT_SCALE + of) // (2 * of)
    return money.format_atoms(size if change >= 0 else -size, _PERCENT_SCALE)
