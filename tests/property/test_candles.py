"""Candles, windows, averages and answers are what a plain look at all trades gives, over restarts too."""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest
from sqlalchemy import Connection, insert, select

from cambist.candles import Candle, empty
from cambist.data.database import open_views
from cambist.engine.codes import Side
from cambist.engine.events import Trade
from cambist.feed.names import ASIA_OFFSET_NS
from cambist.gateway.candles import Wanted, read_bars
from cambist.intervals import DAY_NS, HOUR_NS, INTERVALS, MINUTE_NS, NS_PER_S
from cambist.price import tables
from cambist.price.figures import rolling
from cambist.price.market import Market
from cambist.store import views
from tests.journals import LOG_ID

BEGIN_NS = 1_798_000_000 * NS_PER_S + 123_456_789  # 2026-12-23, so that a year ends on the way
# Between two trades: mostly bursts, but now and then a pause that skips bars of every length.
PAUSES_NS = (0, 1_000, NS_PER_S // 7, NS_PER_S, 40 * NS_PER_S, 17 * MINUTE_NS, 5 * HOUR_NS, 9 * DAY_NS)
CHANCES = (40, 30, 30, 12, 8, 4, 2, 0.3)
FIELDS = Candle.__struct_fields__


class Traded(NamedTuple):
    trade_id: int
    time_ns: int
    price: int
    lots: int
    is_bought: bool


def random_trades(dice: Random, count: int) -> Iterator[Traded]:
    now_ns, price = BEGIN_NS, 1_000
    for trade_id in range(1, count + 1):
        now_ns += dice.choices(PAUSES_NS, CHANCES)[0]
        price = max(1, price + dice.randint(-9, 9))
        yield Traded(trade_id, now_ns, price, dice.randint(1, 1 << 40), dice.random() < 0.5)


def event(traded: Traded) -> Trade:
    side = Side.BUY if traded.is_bought else Side.SELL
    quote = traded.price * traded.lots
    return Trade(1, side, traded.trade_id, traded.price, traded.lots, 1, 2, 3, 4, quote, 0, 0)


def candle(open_ns: int, trades: list[Traded]) -> Candle:
    """The definition."""
    prices = [each.price for each in trades]
    bought = [each for each in trades if each.is_bought]
    return Candle(
        open_ns,
        trades[0].trade_id,
        trades[-1].trade_id,
        prices[0],
        max(prices),
        min(prices),
        prices[-1],
        sum(each.lots for each in trades),
        sum(each.price * each.lots for each in trades),
        sum(each.lots for each in bought),
        sum(each.price * each.lots for each in bought),
    )


def bars(trades: list[Traded], interval: str, offset_ns: int = 0) -> dict[int, Candle]:
    grouped: dict[int, list[Traded]] = {}
    for each in trades:
        grouped.setdefault(INTERVALS[interval].open_ns(each.time_ns, offset_ns), []).append(each)
    return {open_ns: candle(open_ns, group) for open_ns, group in grouped.items()}


class Market1:
    """A market whose trades and candles are kept in views, from which it can come back."""

    def __init__(self, directory: Path) -> None:
        engine, _ = open_views(directory / "views.db", LOG_ID)
        self.db: Connection = engine.connect()
        self.db.execute(insert(views.assets), [{"asset": 1, "name": "B", "scale": 8, "state": 1}])
        self.db.execute(insert(views.assets), [{"asset": 2, "name": "Q", "scale": 8, "state": 1}])
        row = {"market": 1, "symbol": "BQ", "base": 1, "quote": 2, "state": 1}
        self.db.execute(insert(views.markets), [row | {"tick_atoms": 100_000_000, "lot_atoms": 1}])
        self.come_back()

    def come_back(self) -> None:
        self.db.commit()
        (self.market,) = tables.load_markets(self.db, tables.load_scales(self.db))

    def save(self, traded: Traded) -> None:
        tables.save_candles(self.db, [self.market])
        names = views.trades.c.keys()
        row = dict.fromkeys(names, 0) | {
            "market": 1,
            "trade_id": traded.trade_id,
            "time_ns": traded.time_ns,
            "price_ticks": traded.price,
            "quantity_lots": traded.lots,
        }
        self.db.execute(insert(views.trades).prefix_with("OR REPLACE"), [row])

    def saved(self, interval: str) -> dict[int, Candle]:
        rows = self.db.execute(select(views.candles).where(views.candles.c.interval == interval)).mappings()
        return {row["open_ns"]: Candle(*[row[name] for name in FIELDS]) for row in rows}


@pytest.mark.parametrize("seed", range(4))
def test_every_interval_equals_a_plain_recomputation(tmp_path, seed):
    dice = Random(seed)
    kept = Market1(tmp_path)
    trades: list[Traded] = []
    saves = restarts = windows = 0
    for traded in random_trades(dice, 1_500):
        trades.append(traded)
        kept.market.trade(traded.time_ns, event(traded), traded.trade_id)
        if dice.random() < 0.1:
            kept.save(traded)
            saves += 1
            if dice.random() < 0.15:
                kept.come_back()
                restarts += 1
        if dice.random() < 0.05:
            check_window(kept.market, trades, dice)
            windows += 1
    kept.save(trades[-1])
    assert saves > 50 and restarts > 5 and windows > 20
    for interval in INTERVALS:
        assert kept.saved(interval) == bars(trades, interval), interval
    for interval in ("6h", "12h", "1d", "3d", "1w", "1M"):
        expected = bars(trades, interval, ASIA_OFFSET_NS)
        assert kept.market.candles.series(interval, ASIA_OFFSET_NS).bar == expected[max(expected)], interval


def check_window(market: Market, trades: list[Traded], dice: Random) -> None:
    window_ns = dice.choice((HOUR_NS, 4 * HOUR_NS, DAY_NS))
    now_ns = trades[-1].time_ns + dice.choice((0, NS_PER_S, HOUR_NS))
    start_ns = (now_ns - window_ns) // MINUTE_NS * MINUTE_NS
    inside = [each for each in trades if each.time_ns >= start_ns]
    before = [each for each in trades if each.time_ns < start_ns]
    figures = rolling(market, window_ns, now_ns)
    assert figures.trades == len(inside)
    if inside:
        whole = candle(0, inside)
        assert (figures.first_trade, figures.last_trade) == (whole.first_trade, whole.last_trade)
        assert figures.high == market.price(whole.high_ticks) and figures.low == market.price(whole.low_ticks)
        assert figures.open == market.price(whole.open_ticks) and figures.last == market.price(
            whole.close_ticks
        )
        assert figures.volume == market.quantity(whole.volume_lots)
        assert figures.quote_volume == market.value(whole.quote_atoms)
    if before:
        assert figures.before == market.price(before[-1].price)
    since_ns = now_ns // NS_PER_S * NS_PER_S - 5 * MINUTE_NS
    recent = [each for each in trades if each.time_ns >= since_ns]
    if recent:
        mean = market.mean(sum(each.price * each.lots for each in recent), sum(each.lots for each in recent))
        assert market.average_price(now_ns) == mean


ZONES_NS = (0, 8 * HOUR_NS, -HOUR_NS, 5 * HOUR_NS + 45 * MINUTE_NS, -12 * HOUR_NS, 7 * MINUTE_NS)


@pytest.mark.parametrize("seed", range(2))
def test_any_period_in_any_zone_is_a_piece_of_all_bars(tmp_path, seed, monkeypatch):
    monkeypatch.setattr("cambist.gateway.candles.ROWS_MAX", 1 << 40)
    dice = Random(100 + seed)
    kept = Market1(tmp_path)
    trades = list(random_trades(dice, 400))
    for traded in trades:
        kept.market.trade(traded.time_ns, event(traded), traded.trade_id)
    kept.save(trades[-1])
    first_ns, now_ns = trades[0].time_ns, trades[-1].time_ns + dice.choice((0, DAY_NS))
    found = 0
    for _ in range(250):
        interval, offset_ns = INTERVALS[dice.choice(list(INTERVALS))], dice.choice(ZONES_NS)
        length_ns = interval.length_ns or 30 * DAY_NS
        near_ns = dice.choice((first_ns, dice.randint(first_ns, now_ns), now_ns))
        start_ns = dice.choice((None, 0, near_ns - 3 * length_ns, near_ns, near_ns // length_ns * length_ns))
        end_ns = min(dice.choice((now_ns, near_ns, near_ns + 5 * length_ns)), now_ns)
        wanted = Wanted(1, interval, offset_ns, start_ns, end_ns, dice.randint(1, 12))
        bars = read_bars(kept.db, wanted)
        assert bars == expected_bars(trades, wanted), wanted
        found += len(bars)
    assert found > 500


def expected_bars(trades: list[Traded], wanted: Wanted) -> list[Candle]:
    """All bars up to the end, one after the other; then the first ones, or the last ones, of those wanted."""
    interval, offset_ns = wanted.interval, wanted.offset_ns
    with_trades = bars(trades, interval.name, offset_ns)
    from_ns = 0 if wanted.start_ns is None else wanted.start_ns
    open_ns = min(with_trades)
    if wanted.start_ns is None:  # all bars since the first trade would be too many to look at
        open_ns = max(open_ns, interval.moved(interval.open_ns(wanted.end_ns, offset_ns), -20, offset_ns))
    elif from_ns > open_ns:
        open_ns = interval.open_ns(from_ns, offset_ns)
    found: list[Candle] = []
    while open_ns <= wanted.end_ns and len(found) < 40:
        before = [each.price for each in trades if each.time_ns < open_ns]
        if open_ns >= from_ns:
            found.append(with_trades.get(open_ns) or empty(open_ns, before[-1]))
        open_ns = interval.next_ns(open_ns, offset_ns)
    return found[-wanted.limit :] if wanted.start_ns is None else found[: wanted.limit]


def test_a_zone_of_many_pieces_gives_fewer_bars_at_once_and_the_right_ones(tmp_path, monkeypatch):
    monkeypatch.setattr("cambist.gateway.candles.ROWS_MAX", 3 * 60)
    kept = Market1(tmp_path)
    trades = list(random_trades(Random(1), 400))
    for traded in trades:
        kept.market.trade(traded.time_ns, event(traded), traded.trade_id)
    kept.save(trades[-1])
    zone_ns, now_ns = 7 * MINUTE_NS, trades[-1].time_ns
    for start_ns in (0, None):
        wanted = Wanted(1, INTERVALS["1h"], zone_ns, start_ns, now_ns, 10)
        bars = read_bars(kept.db, wanted)
        assert len(bars) == 3
        assert bars == expected_bars(trades, wanted._replace(limit=3))
