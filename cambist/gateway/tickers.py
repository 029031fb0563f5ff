"""Price changes over a day or another window, and average prices.

The rolling day and the average price are in the Price Server's memory. Other windows are put together from
the candles in the SQL views: minutes up to a full hour, hours up to a full day, and days.
"""

import re
from collections.abc import Callable
from functools import partial

from sqlalchemy import Connection

from cambist.candles import Candle, Figures, figures, merged
from cambist.feed.answers import AveragePriceOf, DayTickersOf, MiniTicker
from cambist.gateway import errors
from cambist.gateway.calls import Call
from cambist.gateway.candles import of_interval, read_candles, zone_offset_ns
from cambist.gateway.errors import ApiError
from cambist.gateway.markets import Market
from cambist.gateway.params import Params
from cambist.gateway.schemas import Answer, encode
from cambist.intervals import DAY_NS, HOUR_NS, INTERVALS, MINUTE_NS
from cambist.store import views

SYMBOLS_MAX = 100
_IS_MINI = {"FULL": False, "MINI": True}
_WINDOW = re.compile(r"(?:([1-9]|[1-5][0-9])m|([1-9]|1[0-9]|2[0-3])h|([1-7])d)")
_WINDOW_UNITS_NS = (MINUTE_NS, HOUR_NS, DAY_NS)


class Ticker(Answer):
    """Of any window."""

    symbol: str
    price_change: str
    price_change_percent: str
    weighted_avg_price: str
    open_price: str
    high_price: str
    low_price: str
    last_price: str
    volume: str
    quote_volume: str
    open_time: int
    close_time: int
    first_id: int
    last_id: int
    count: int


async def average_price(call: Call) -> bytes:
    market = await call.services.markets.of(call.params)
    return await call.services.feed.ask("averagePrice", AveragePriceOf(market.id, call.unit_ns))


def day_weight(params: Params) -> int:
    if "symbol" in params:
        return 2
    symbols = params.symbols()
    if symbols is None or len(symbols) > 100:
        return 80
    return 2 if len(symbols) <= 20 else 40


async def day(call: Call) -> bytes:
    """The last 24 hours, with the best prices now."""
    wanted = await call.services.markets.wanted(call.params)
    question = DayTickersOf(
        [market.id for market in wanted],
        is_mini=call.params.choice("type", _IS_MINI, False),
        is_single="symbol" in call.params,
        unit_ns=call.unit_ns,
    )
    return await call.services.feed.ask("dayTickers", question)


def window_weight(params: Params) -> int:
    symbols = params.symbols() if "symbols" in params else None
    return 4 if symbols is None else min(4 * len(symbols), 200)


async def trading_day(call: Call) -> bytes:
    """The calendar day so far, in the time zone asked for."""
    offset_ns = zone_offset_ns(call.params)
    interval = INTERVALS["1d"]
    start_ns = interval.open_ns(call.now_ns, offset_ns)
    return await _windows(call, start_ns, interval.next_ns(start_ns, offset_ns) - call.unit_ns)


async def window(call: Call) -> bytes:
    """From a full minute on, so up to 59.999 s more than asked for."""
    start_ns = call.now_ns - _window_ns(call.params)
    return await _windows(call, start_ns - start_ns % MINUTE_NS, call.now_ns)


def _window_ns(params: Params) -> int:
    text = params.get("windowSize")
    if text is None:
        return DAY_NS
    found = _WINDOW.fullmatch(text)
    if found is None:
        raise ApiError(errors.invalid("windowSize"))
    return next(
        int(number) * unit for number, unit in zip(found.groups(), _WINDOW_UNITS_NS, strict=True) if number
    )


async def _windows(call: Call, start_ns: int, close_ns: int) -> bytes:
    params = call.params
    if not ("symbol" in params or "symbols" in params):
        raise ApiError(errors.missing("symbol"))
    wanted = await call.services.markets.wanted(params)
    if len(wanted) > SYMBOLS_MAX:
        raise ApiError(errors.invalid("symbols"))
    is_mini = params.choice("type", _IS_MINI, False)
    spell: Callable[..., Ticker | MiniTicker] = _mini if is_mini else _full
    found = await call.services.history.read(
        partial(_read, markets=[market.id for market in wanted], start_ns=start_ns), after=0
    )
    times = call.time(start_ns), call.time(close_ns)
    tickers = [
        spell(market, figures(market, candle, before), *times)
        for market, (candle, before) in zip(wanted, found, strict=True)
    ]
    return encode(tickers[0] if "symbol" in params else tickers)


def _read(db: Connection, *, markets: list[int], start_ns: int) -> list[tuple[Candle | None, int]]:
    """All trades from a full minute on, and the last price before them."""
    return [_window(db, market, start_ns) for market in markets]


def _window(db: Connection, market: int, start_ns: int) -> tuple[Candle | None, int]:
    hour_ns = start_ns + -start_ns % HOUR_NS
    day_ns = start_ns + -start_ns % DAY_NS
    open_ns = views.candles.c.open_ns
    minutes, hours, days = (of_interval(market, interval) for interval in ("1m", "1h", "1d"))
    candles = [
        *read_candles(db, minutes.where(open_ns >= start_ns, open_ns < hour_ns).order_by(open_ns)),
        *read_candles(db, hours.where(open_ns >= hour_ns, open_ns < day_ns).order_by(open_ns)),
        *read_candles(db, days.where(open_ns >= day_ns).order_by(open_ns)),
    ]
    before = read_candles(db, minutes.where(open_ns < start_ns).order_by(open_ns.desc()).limit(1))
    return merged(candles), before[0].close_ticks if before else 0


def _full(market: Market, of: Figures, open_time: int, close_time: int) -> Ticker:
    return Ticker(
        market.symbol,
        of.change,
        of.change_percent,
        of.mean,
        of.open,
        of.high,
        of.low,
        of.last,
        of.volume,
        of.quote_volume,
        open_time,
        close_time,
        of.first_trade,
        of.last_trade,
        of.trades,
    )


def _mini(market: Market, of: Figures, open_time: int, close_time: int) -> MiniTicker:
    return MiniTicker(
        market.symbol,
        of.open,
        of.high,
        of.low,
        of.last,
        of.volume,
        of.quote_volume,
        open_time,
        close_time,
        of.first_trade,
        of.last_trade,
        of.trades,
    )
