"""Names of streams: each documented one, the older spellings of the same stream, and what is none."""

import pytest

from cambist.feed.names import Kind, parse
from cambist.intervals import HOUR_NS, INTERVALS


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("btcusdt@trade", Kind.TRADE),
        ("btcusdt@aggTrade", Kind.AGGREGATE_TRADE),
        ("btcusdt@depth", Kind.DEPTH),
        ("btcusdt@depth@100ms", Kind.DEPTH),
        ("btcusdt@depth5", Kind.TOP),
        ("btcusdt@depth10@100ms", Kind.TOP),
        ("btcusdt@depth20", Kind.TOP),
        ("btcusdt@bookTicker", Kind.BOOK_TICKER),
        ("btcusdt@kline_1M@+08:00", Kind.KLINE),
        ("btcusdt@miniTicker", Kind.MINI_TICKER),
        ("btcusdt@ticker", Kind.TICKER),
        ("btcusdt@ticker_4h", Kind.WINDOW_TICKER),
        ("btcusdt@avgPrice", Kind.AVERAGE_PRICE),
        ("!miniTicker@arr", Kind.MINI_TICKER),
        ("!ticker@arr", Kind.TICKER),
        ("!ticker_1d@arr", Kind.WINDOW_TICKER),
        ("!bookTicker", Kind.BOOK_TICKER),
        *[(f"btcusdt@kline_{interval}", Kind.KLINE) for interval in INTERVALS],
    ],
)
def test_documented_streams_are_known_by_their_names(name, kind):
    stream = parse(name)
    assert stream is not None
    assert (stream.name, stream.kind) == (name, kind)
    assert stream.symbol == ("" if name.startswith("!") else "BTCUSDT")


@pytest.mark.parametrize(
    ("other", "name"),
    [
        ("BTCUSDT@trade", "btcusdt@trade"),
        ("btcusdt@depth@1000ms", "btcusdt@depth"),
        ("btcusdt@depth20@1000ms", "btcusdt@depth20"),
        ("btcusdt@miniTicker@1000ms", "btcusdt@miniTicker"),
        ("!miniTicker@arr@1000ms", "!miniTicker@arr"),
        ("!miniTicker@arr@3000ms", "!miniTicker@arr"),
        ("!ticker@arr@1000ms", "!ticker@arr"),
        ("!ticker_1h@arr@1000ms", "!ticker_1h@arr"),
    ],
)
def test_other_spellings_mean_the_same_stream(other, name):
    assert parse(other) == parse(name)


@pytest.mark.parametrize(
    "text",
    [
        "0",
        "",
        "btcusdt",
        "@trade",
        "btcusdt@Trade",
        "btcusdt@trade@100ms",
        "btcusdt@depth7",
        "btcusdt@depth@250ms",
        "btcusdt@kline_7m",
        "btcusdt@kline_1m@+09:00",
        "btcusdt@ticker_2h",
        "!trade@arr",
        "!ticker_2h@arr",
        "btc usdt@trade",
        "btcusdt@trade\n",
        "a" * 33 + "@trade",
    ],
)
def test_anything_else_is_no_stream(text):
    assert parse(text) is None


def test_parts_of_a_name_are_read():
    depth, kline, window = parse("a@depth5@100ms"), parse("a@kline_1d@+08:00"), parse("!ticker_4h@arr")
    assert depth and kline and window
    assert (depth.levels, depth.speed_ms) == (5, 100)
    assert (kline.interval, kline.offset_ns) == ("1d", 8 * HOUR_NS)
    assert window.window == "4h"


def test_the_mark_for_microseconds_is_kept_apart_from_the_name():
    stream = parse("btcusdt@trade?us")
    assert stream is not None
    assert (stream.name, stream.in_microseconds, stream.watched) == (
        "btcusdt@trade",
        True,
        "btcusdt@trade?us",
    )
