"""Market data that a public exchange recorded: our books, candles and messages agree with it."""

import csv
import gzip
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cambist.engine.codes import Side
from cambist.engine.events import Level, Trade
from cambist.feed.names import StreamName, parse
from cambist.intervals import INTERVALS
from cambist.money import parse_steps
from cambist.price.market import Fill, Market
from cambist.price.streams import DepthStream, TradeStream, book_ticker

MS = 1_000_000
TICK_ATOMS, LOT_ATOMS = 1_000_000, 100  # 0.01 USDT, 0.000001 BTC
TRADES = "klines/binance_spot_btcusdt_trades_2024-08-08T235415Z_11min.csv.gz"
STREAMS = ("streams/spot_btcusdt_20240808.gz", "streams/spot_btcusdt_20240809.gz")


def ticks(text: str) -> int:
    return parse_steps(text, 8, TICK_ATOMS)


def lots(text: str) -> int:
    return parse_steps(text, 8, LOT_ATOMS)


def name_of(text: str) -> StreamName:
    name = parse(text)
    assert name is not None
    return name


@pytest.fixture
def market() -> Market:
    return Market(1, "BTCUSDT", base_scale=8, quote_scale=8, tick_atoms=TICK_ATOMS, lot_atoms=LOT_ATOMS)


def trade_of(trade_id: int, price: str, quantity: str, *, buyer_is_maker: bool) -> Trade:
    quote = ticks(price) * lots(quantity) * TICK_ATOMS * LOT_ATOMS // 10**8
    side = Side.SELL if buyer_is_maker else Side.BUY
    return Trade(1, side, trade_id, ticks(price), lots(quantity), 0, 0, 0, 0, quote, 0, 0)


def recorded(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt") as lines:
        for line in lines:
            yield json.loads(line.split(" ", 1)[1])


def test_candles_of_eleven_real_minutes_equal_their_trades(shared_data, market):
    with gzip.open(shared_data / TRADES, "rt") as lines:
        rows = list(csv.DictReader(lines))
    for row in rows:
        trade = trade_of(
            int(row["trade_id"]),
            row["price"],
            row["qty"],
            buyer_is_maker=row["is_buyer_maker"] == "True",
        )
        market.trade(int(row["time_ms"]) * MS, trade, 0)
    found = {
        (interval, candle.open_ns): (
            market.price(candle.open_ticks),
            market.price(candle.high_ticks),
            market.price(candle.low_ticks),
            market.price(candle.close_ticks),
            market.quantity(candle.volume_lots),
            market.value(candle.quote_atoms),
            candle.trades,
            market.quantity(candle.taker_lots),
        )
        for interval, candle in market.candles.unsaved()
    }
    assert sum(interval == "1m" for interval, _ in found) == 12
    for interval, each in INTERVALS.items():
        opens = [each.open_ns(int(row["time_ms"]) * MS) for row in rows]
        for open_ns in set(opens):
            inside = [row for row, opened in zip(rows, opens, strict=True) if opened == open_ns]
            assert found[interval, open_ns] == expected_bar(inside)


def expected_bar(rows: list[dict[str, str]]) -> tuple[object, ...]:
    prices = [row["price"] for row in rows]
    bought = (Decimal(row["qty"]) for row in rows if row["is_buyer_maker"] == "False")
    return (
        prices[0],
        max(prices, key=Decimal),
        min(prices, key=Decimal),
        prices[-1],
        f"{sum(Decimal(row['qty']) for row in rows):.8f}",
        f"{sum(Decimal(row['quote_qty']) for row in rows):.8f}",
        len(rows),
        f"{sum(bought, Decimal(0)):.8f}",
    )


@pytest.mark.parametrize("file", STREAMS)
def test_recorded_trades_are_told_in_the_same_words(shared_data, market, file):
    stream = TradeStream(market, name_of("btcusdt@trade"))
    checked = 0
    for message in recorded(shared_data / file):
        event = message.get("data", {})
        if event.get("e") == "trade":
            trade = trade_of(event["t"], event["p"], event["q"], buyer_is_maker=event["m"])
            (body,) = stream.told([Fill(event["T"] * MS, 0, trade)], event["E"] * MS)
            assert body == json.dumps(event, separators=(",", ":")).encode()
            checked += 1
    assert checked > 9_000


def applied(market: Market, event: dict[str, Any]) -> bytes:
    """The update as we tell it after taking it in."""
    for side, changed in ((Side.BUY, event["b"]), (Side.SELL, event["a"])):
        for price, size in changed:
            market.level(Level(1, side, ticks(price), lots(size), event["u"]))
    told = DepthStream(market, name_of("btcusdt@depth@100ms")).told(
        market.fast.levels, event["U"], event["E"] * MS
    )
    market.publish_fast()
    return told


def is_depth(message: dict[str, Any]) -> bool:
    return message.get("stream") == "btcusdt@depth@100ms"


def test_recorded_depth_is_told_in_the_same_words(shared_data, market):
    updates = 0
    for message in filter(is_depth, recorded(shared_data / STREAMS[0])):
        assert applied(market, message["data"]) == json.dumps(message["data"], separators=(",", ":")).encode()
        updates += 1
    assert updates > 3_000


def test_a_book_from_the_recorded_snapshot_and_updates_has_the_recorded_best_prices(shared_data, market):
    messages = list(recorded(shared_data / STREAMS[0]))
    (snapshot,) = [message for message in messages if "lastUpdateId" in message]
    sides = (Side.BUY, snapshot["bids"]), (Side.SELL, snapshot["asks"])
    market.restore_book(
        [(side, ticks(price), lots(size)) for side, levels in sides for price, size in levels],
        snapshot["lastUpdateId"],
    )
    tickers = {
        message["data"]["u"]: message["data"]
        for message in messages
        if message.get("stream") == "btcusdt@bookTicker"
    }
    compared = 0
    for event in (message["data"] for message in messages if is_depth(message)):
        if event["u"] <= market.book.update_id:
            continue
        assert event["U"] <= market.book.update_id + 1
        applied(market, event)
        if event["u"] in tickers:
            expected = json.dumps(tickers[event["u"]], separators=(",", ":"))
            assert book_ticker(market) == expected.encode()
            compared += 1
    assert compared > 500
