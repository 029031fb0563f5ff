"""The Price Server's state in the views: read at the start, and its candles written with every commit."""

from collections.abc import Iterable
from functools import cache
from typing import Any

from sqlalchemy import Connection, Select, bindparam, insert, select
from sqlalchemy.engine import Dialect

from cambist.candles import Candle
from cambist.feed.names import ASIA_OFFSET_NS
from cambist.intervals import INTERVALS
from cambist.price.candles import KEPT_NS
from cambist.price.market import LastTrade, Market
from cambist.store import views

_candles = views.candles
_open_ns = _candles.c.open_ns
_OF_MARKET = select(*[_candles.c[name] for name in Candle.__struct_fields__]).where(
    _candles.c.market == bindparam("market"), _candles.c.interval == bindparam("interval")
)
_SINCE = _OF_MARKET.where(_open_ns >= bindparam("time_ns")).order_by(_open_ns)
# SQLAlchemy makes the limit a parameter, and another one beside it.
_LAST_BEFORE = (
    _OF_MARKET.where(_open_ns < bindparam("time_ns")).order_by(_open_ns.desc()).suffix_with("LIMIT 1")
)
_AMOUNTS = Candle.__struct_fields__.index("volume_lots")  # from here on
_NEVER_NS = (1 << 63) - 1
# Every longer bar of the other time zone begins and ends where bars of this interval do.
_ASIA_PIECES = "2h"


def load_scales(db: Connection) -> dict[int, int]:
    """Decimals by asset."""
    return {row.asset: row.scale for row in db.execute(select(views.assets))}


def load_position(db: Connection) -> tuple[int, int]:
    """The sequence up to which the views hold everything, and its time; zeros before the first command."""
    positions = views.positions
    row = db.execute(select(positions).where(positions.c.name == views.POSITION)).first()
    return (row.sequence, row.time_ns) if row else (0, 0)


def load_markets(db: Connection, scales: dict[int, int]) -> list[Market]:
    markets = [
        Market(
            row.market,
            row.symbol,
            base_scale=scales[row.base],
            quote_scale=scales[row.quote],
            tick_atoms=row.tick_atoms,
            lot_atoms=row.lot_atoms,
        )
        for row in db.execute(select(views.markets).order_by(views.markets.c.market)).all()
    ]
    _load_books(db, markets)
    for market in markets:
        _load_trades(db, market)
    return markets


def save_candles(db: Connection, markets: Iterable[Market]) -> None:
    rows = [
        (
            market.id,
            interval,
            candle.open_ns,
            candle.first_trade,
            candle.last_trade,
            candle.open_ticks,
            candle.high_ticks,
            candle.low_ticks,
            candle.close_ticks,
            str(candle.volume_lots),
            str(candle.quote_atoms),
            str(candle.taker_lots),
            str(candle.taker_quote_atoms),
        )
        for market in markets
        for interval, candle in market.candles.unsaved()
    ]
    if rows:
        db.exec_driver_sql(_replace(db.dialect), rows)


@cache
def _replace(dialect: Dialect) -> str:
    """Past SQLAlchemy's own binding of rows, which is several times slower."""
    return str(insert(_candles).compile(dialect=dialect)).replace("INSERT", "REPLACE", 1)


def _load_books(db: Connection, markets: list[Market]) -> None:
    levels: dict[int, list[tuple[int, int, int]]] = {}
    for row in db.execute(select(views.levels)):
        levels.setdefault(row.market, []).append((row.side, row.price_ticks, row.quantity_lots))
    update_ids = {row.market: row.update_id for row in db.execute(select(views.books))}
    for market in markets:
        market.restore_book(levels.get(market.id, []), update_ids.get(market.id, 0))


def _load_trades(db: Connection, market: Market) -> None:
    trades = views.trades
    of_market = select(trades).where(trades.c.market == market.id)
    newest = db.execute(of_market.order_by(trades.c.trade_id.desc()).limit(1)).first()
    if newest is None:
        return
    market.last = LastTrade(newest.trade_id, newest.price_ticks, newest.quantity_lots, newest.time_ns)
    market.last_aggregate = newest.aggregate_id
    for interval in INTERVALS:
        _load_candles(db, market, interval)
    begin_ns = min(
        INTERVALS[longest].open_ns(newest.time_ns, ASIA_OFFSET_NS) for longest in ("3d", "1w", "1M")
    )
    market.candles.restore_asia(_read(db, _SINCE, market.id, _ASIA_PIECES, begin_ns))


def _load_candles(db: Connection, market: Market, interval: str) -> None:
    """The newest bar, and what is kept of the others."""
    bars = _read(db, _LAST_BEFORE, market.id, interval, _NEVER_NS)
    before: list[Candle] = []
    if bars and interval in KEPT_NS:
        begin_ns = bars[0].open_ns - KEPT_NS[interval]
        bars = _read(db, _SINCE, market.id, interval, begin_ns)
        before = _read(db, _LAST_BEFORE, market.id, interval, begin_ns)
    market.candles.restore(interval, bars, before[0] if before else None)


def _read(db: Connection, query: Select[Any], market: int, interval: str, time_ns: int) -> list[Candle]:
    """Past SQLAlchemy's own reading of rows, which is several times slower; amounts are text."""
    rows = db.exec_driver_sql(_text(query, db.dialect), (market, interval, time_ns))
    return [Candle(*row[:_AMOUNTS], *map(int, row[_AMOUNTS:])) for row in rows]


@cache
def _text(query: Select[Any], dialect: Dialect) -> str:
    return str(query.compile(dialect=dialect))
