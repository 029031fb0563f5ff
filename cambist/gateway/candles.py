"""Candles from the SQL views: every bar from the market's first trade on, those without trades included.

Bars of another time zone are put together from the longest stored bars whose borders fit.
"""

import re
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, select

from cambist.candles import Candle, empty
from cambist.gateway import errors
from cambist.gateway.calls import Call
from cambist.gateway.errors import ApiError
from cambist.gateway.markets import Market
from cambist.gateway.params import Params
from cambist.gateway.schemas import encode
from cambist.intervals import DAY_NS, HOUR_NS, INTERVALS, MINUTE_NS, Interval
from cambist.store import views

LIMIT_DEFAULT, LIMIT_MAX = 500, 1_000
ROWS_MAX = 50_000  # read for one request; bars of an odd time zone may need many rows each
_ZONE = re.compile(r"(?P<sign>[+-]?)(?P<hours>[0-9]{1,2})(?::(?P<minutes>[0-5][0-9]))?")
_ZONE_MIN_NS, _ZONE_MAX_NS = -12 * HOUR_NS, 14 * HOUR_NS
_UNUSED = "0"

_candles = views.candles

Bar = tuple[int, str, str, str, str, str, int, str, int, str, str, str]


class Wanted(NamedTuple):
    market: int
    interval: Interval
    offset_ns: int
    start_ns: int | None
    end_ns: int  # of opening times
    limit: int


async def klines(call: Call) -> bytes:
    market, params = await call.services.markets.of(call.params), call.params
    interval = INTERVALS.get(params.require("interval"))
    if interval is None:
        raise ApiError(errors.BAD_INTERVAL)
    end_ns = params.time_ns("endTime")
    wanted = Wanted(
        market.id,
        interval,
        zone_offset_ns(params),
        params.time_ns("startTime"),
        call.now_ns if end_ns is None else min(end_ns + call.unit_ns - 1, call.now_ns),
        params.limit(default=LIMIT_DEFAULT, most=LIMIT_MAX),
    )
    bars = await call.services.history.read(lambda db: read_bars(db, wanted), after=0)
    return encode([_spelled(call, market, wanted, bar) for bar in bars])


def zone_offset_ns(params: Params) -> int:
    """`timeZone`, as what it is ahead of UTC: 0, 8, -1:00, 05:45; from -12:00 to +14:00."""
    text = params.get("timeZone")
    if text is None:
        return 0
    found = _ZONE.fullmatch(text)
    if found is None:
        raise ApiError(errors.invalid("timeZone"))
    offset_ns = int(found["hours"]) * HOUR_NS + int(found["minutes"] or 0) * MINUTE_NS
    offset_ns = -offset_ns if found["sign"] == "-" else offset_ns
    if not _ZONE_MIN_NS <= offset_ns <= _ZONE_MAX_NS:
        raise ApiError(errors.invalid("timeZone"))
    return offset_ns


def read_bars(db: Connection, wanted: Wanted) -> list[Candle]:
    """Oldest first: the first ones from `start_ns` on, or else the last ones up to `end_ns`."""
    interval, offset_ns = wanted.interval, wanted.offset_ns
    piece = _piece(interval, offset_ns)
    limit = min(wanted.limit, max(ROWS_MAX // _pieces(interval, piece), 1))
    of_market = of_interval(wanted.market, piece.name)
    oldest = _first(db, of_market.order_by(_candles.c.open_ns))
    if oldest is None:
        return []
    first_ns = interval.open_ns(oldest.open_ns, offset_ns)
    last_ns = interval.open_ns(wanted.end_ns, offset_ns)
    if wanted.start_ns is None:
        first_ns = max(first_ns, interval.moved(last_ns, 1 - limit, offset_ns))
    elif wanted.start_ns > first_ns:
        first_ns = interval.open_ns(wanted.start_ns - 1, offset_ns)
        first_ns = interval.next_ns(first_ns, offset_ns)
    if first_ns > last_ns:
        return []
    last_ns = min(last_ns, interval.moved(first_ns, limit - 1, offset_ns))
    end_ns = interval.next_ns(last_ns, offset_ns)
    inside = of_market.where(_candles.c.open_ns >= first_ns, _candles.c.open_ns < end_ns)
    before = _first(db, of_market.where(_candles.c.open_ns < first_ns).order_by(_candles.c.open_ns.desc()))
    pieces = read_candles(db, inside.order_by(_candles.c.open_ns))
    return _filled(interval, offset_ns, first_ns, end_ns, before, pieces)


def of_interval(market: int, interval: str) -> Select[Any]:
    return select(_candles).where(_candles.c.market == market, _candles.c.interval == interval)


def read_candles(db: Connection, query: Select[Any]) -> list[Candle]:
    names = Candle.__struct_fields__
    return [Candle(*map(row.__getitem__, names)) for row in db.execute(query).mappings()]


def _filled(
    interval: Interval,
    offset_ns: int,
    first_ns: int,
    end_ns: int,
    before: Candle | None,
    pieces: list[Candle],
) -> list[Candle]:
    """A bar for every place; without trades it stands at the close of the one before."""
    bars: dict[int, Candle] = {}
    for piece in pieces:
        open_ns = interval.open_ns(piece.open_ns, offset_ns)
        bar = bars.get(open_ns)
        if bar is None:
            bars[open_ns] = piece.beginning(open_ns)
        else:
            bar.merge(piece)
    filled: list[Candle] = []
    last = before
    open_ns = first_ns
    while open_ns < end_ns:
        bar = bars.get(open_ns)
        if bar is None:
            assert last is not None, "the first bar of all has trades"
            bar = empty(open_ns, last.close_ticks)
        filled.append(bar)
        last = bar
        open_ns = interval.next_ns(open_ns, offset_ns)
    return filled


def _first(db: Connection, query: Select[Any]) -> Candle | None:
    return next(iter(read_candles(db, query.limit(1))), None)


def _piece(interval: Interval, offset_ns: int) -> Interval:
    """The longest stored bars that every bar is made of: its own, if the zone does not shift its borders."""
    length_ns = interval.length_ns or DAY_NS
    if offset_ns % length_ns == 0:
        return interval
    fitting = [
        each
        for each in INTERVALS.values()
        if each.length_ns and offset_ns % each.length_ns == 0 and length_ns % each.length_ns == 0
    ]
    return fitting[-1]


def _pieces(interval: Interval, piece: Interval) -> int:
    if interval is piece:
        return 1
    return (interval.length_ns or 31 * DAY_NS) // piece.length_ns


def _spelled(call: Call, market: Market, wanted: Wanted, bar: Candle) -> Bar:
    end_ns = wanted.interval.next_ns(bar.open_ns, wanted.offset_ns)
    return (
        call.time(bar.open_ns),
        market.price(bar.open_ticks),
        market.price(bar.high_ticks),
        market.price(bar.low_ticks),
        market.price(bar.close_ticks),
        market.quantity(bar.volume_lots),
        call.time(end_ns) - 1,
        market.value(bar.quote_atoms),
        bar.trades,
        market.quantity(bar.taker_lots),
        market.value(bar.taker_quote_atoms),
        _UNUSED,
    )
