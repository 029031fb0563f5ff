"""When each public stream speaks, and what it says then."""

from pathlib import Path
from typing import Any

import pytest

from cambist.engine.codes import AssetStatus, MarketStatus, Side
from cambist.engine.events import AssetEvent, Event, Level, MarketEvent, Trade
from cambist.feed.messages import Hello, Published
from cambist.flow.venue import FILTERS
from cambist.intervals import DAY_NS, HOUR_NS, MINUTE_NS, NS_PER_S
from cambist.price.server import PriceServer
from tests.prices import Gateway

BEGIN_NS = 1_799_366_400 * NS_PER_S  # a Friday, midnight UTC
SECOND_TICKS = 10


class Exchange:
    """The events of an engine that does what it is told; prices and quantities have no decimals."""

    def __init__(self) -> None:
        self.now_ns = BEGIN_NS
        self.price = PriceServer(Path("/nowhere"), lambda: self.now_ns)
        self.gateway = Gateway()
        self.price.hello(self.gateway.connection, Hello())
        self._sequence = 0
        self._update_ids = dict.fromkeys((1, 2), 0)
        self._trade_ids = dict.fromkeys((1, 2), 0)
        self._happens(*[AssetEvent(asset, 0, AssetStatus.ACTIVE, b"%d" % asset) for asset in (1, 2, 3)])
        self.list_market(1, b"AC")

    def list_market(self, market: int, symbol: bytes) -> None:
        self._happens(MarketEvent(market, market, 3, 1, 1, FILTERS, MarketStatus.TRADING, symbol))

    def watch(self, *streams: str) -> None:
        self.price.watch(self.gateway.connection, list(streams))

    def level(self, side: Side, price: int, quantity: int, market: int = 1) -> None:
        self._happens(self._level(side, price, quantity, market))

    def trades(self, *fills: tuple[int, int], side: Side = Side.BUY, order: int = 7, market: int = 1) -> None:
        """One taker order; each fill is (price, quantity)."""
        events: list[Event] = []
        for price, quantity in fills:
            self._trade_ids[market] += 1
            events.append(
                Trade(
                    market,
                    side,
                    self._trade_ids[market],
                    price,
                    quantity,
                    1,
                    order,
                    1,
                    2,
                    price * quantity,
                    0,
                    0,
                )
            )
        self._happens(*events, self._level(Side.SELL, fills[-1][0], 0, market))

    def pass_time(self, seconds: float) -> None:
        for _ in range(round(seconds * SECOND_TICKS)):
            self.now_ns += NS_PER_S // SECOND_TICKS
            self.price.tick(self.now_ns)

    def take(self, stream: str) -> list[Any]:
        return self.gateway.take(stream)

    def _level(self, side: Side, price: int, quantity: int, market: int) -> Level:
        self._update_ids[market] += 1
        return Level(market, side, price, quantity, self._update_ids[market])

    def _happens(self, *events: Event) -> None:
        self._sequence += 1
        self.price.apply(self._sequence, self.now_ns, list(events))
        self.price.committed(self._sequence)


@pytest.fixture
def exchange():
    return Exchange()


def test_each_trade_is_told_at_once_and_aggregates_by_order_and_price(exchange):
    exchange.watch("ac@trade", "ac@aggTrade")
    exchange.trades((100, 1), (100, 2), (101, 3))
    exchange.trades((101, 4), order=8, side=Side.SELL)
    trades, aggregates = exchange.take("ac@trade"), exchange.take("ac@aggTrade")
    assert [(each["t"], each["p"], each["q"], each["m"]) for each in trades] == [
        (1, "100", "1", False),
        (2, "100", "2", False),
        (3, "101", "3", False),
        (4, "101", "4", True),
    ]
    assert [(each["a"], each["p"], each["q"], each["f"], each["l"]) for each in aggregates] == [
        (1, "100", "3", 1, 2),
        (2, "101", "3", 3, 3),
        (3, "101", "4", 4, 4),
    ]


def test_aggregate_ids_count_on_while_nobody_watches(exchange):
    exchange.trades((100, 1), (101, 1))
    exchange.watch("ac@aggTrade")
    exchange.trades((100, 1), order=8)
    assert [each["a"] for each in exchange.take("ac@aggTrade")] == [3]


def test_depth_is_gathered_at_two_paces_with_ids_that_follow_each_other(exchange):
    exchange.watch("ac@depth", "ac@depth@100ms")
    exchange.level(Side.BUY, 99, 5)
    exchange.level(Side.BUY, 99, 6)
    exchange.pass_time(0.1)
    exchange.level(Side.BUY, 99, 0)
    exchange.level(Side.SELL, 101, 2)
    exchange.pass_time(0.9)
    fast, slow = exchange.take("ac@depth@100ms"), exchange.take("ac@depth")
    assert [(each["U"], each["u"], each["b"], each["a"]) for each in fast] == [
        (1, 2, [["99", "6"]], []),
        (3, 4, [["99", "0"]], [["101", "2"]]),
    ]
    assert [(each["U"], each["u"], each["b"], each["a"]) for each in slow] == [
        (1, 4, [["99", "0"]], [["101", "2"]])
    ]
    exchange.pass_time(2)
    assert exchange.take("ac@depth") == exchange.take("ac@depth@100ms") == []


def test_a_timer_that_comes_early_and_again_publishes_a_second_once(exchange):
    exchange.watch("ac@depth5")
    exchange.pass_time(0.9)
    exchange.now_ns += NS_PER_S // 10
    for early_ns in (1_000_000, 500_000, 0):
        exchange.price.tick(exchange.now_ns - early_ns)
    assert len(exchange.take("ac@depth5")) == 1


def test_a_first_update_covers_what_happened_just_before_the_stream_was_asked_for(exchange):
    """Or a snapshot taken a moment earlier could not be continued."""
    exchange.level(Side.BUY, 98, 5)
    exchange.watch("ac@depth@100ms")
    exchange.level(Side.BUY, 99, 5)
    exchange.pass_time(0.1)
    (update,) = exchange.take("ac@depth@100ms")
    assert (update["U"], update["u"]) == (1, 2)


def test_best_levels_come_with_each_change_and_once_a_second(exchange):
    exchange.watch("ac@depth5@100ms", "ac@depth5")
    for price in range(90, 100):
        exchange.level(Side.BUY, price, 1)
    exchange.pass_time(0.1)
    (top,) = exchange.take("ac@depth5@100ms")
    assert top == {
        "lastUpdateId": 10,
        "bids": [[str(price), "1"] for price in (99, 98, 97, 96, 95)],
        "asks": [],
    }
    exchange.pass_time(1.9)
    assert exchange.take("ac@depth5@100ms") == exchange.take("ac@depth5") == [top, top]


def test_best_prices_are_told_when_they_change_and_only_then(exchange):
    exchange.watch("ac@bookTicker", "!bookTicker")
    exchange.level(Side.BUY, 99, 5)
    exchange.level(Side.BUY, 98, 5)
    exchange.level(Side.SELL, 101, 1)
    tickers = exchange.take("ac@bookTicker")
    assert tickers == [
        {"u": 1, "s": "AC", "b": "99", "B": "5", "a": "0", "A": "0"},
        {"u": 3, "s": "AC", "b": "99", "B": "5", "a": "101", "A": "1"},
    ]
    assert exchange.take("!bookTicker") == tickers


def test_a_bar_is_told_while_it_changes_and_closed_once(exchange):
    exchange.watch("ac@kline_1m")
    exchange.trades((100, 1))
    exchange.pass_time(0.1)
    exchange.trades((105, 1), order=8)
    exchange.pass_time(1)
    (first,) = exchange.take("ac@kline_1m")
    assert (first["k"]["c"], first["k"]["x"], first["k"]["n"]) == ("100", False, 1)
    exchange.pass_time(58.8)
    (second,) = exchange.take("ac@kline_1m")
    assert (second["k"]["c"], second["k"]["h"], second["k"]["x"]) == ("105", "105", False)
    exchange.pass_time(0.6)
    (closed,) = exchange.take("ac@kline_1m")
    assert closed["k"] == {
        "t": BEGIN_NS // 1_000_000,
        "T": (BEGIN_NS + MINUTE_NS) // 1_000_000 - 1,
        "s": "AC",
        "i": "1m",
        "f": 1,
        "L": 2,
        "o": "100",
        "c": "105",
        "h": "105",
        "l": "100",
        "v": "2",
        "n": 2,
        "x": True,
        "q": "205",
        "V": "2",
        "Q": "205",
        "B": "0",
    }
    exchange.pass_time(1)
    assert exchange.take("ac@kline_1m") == []


def test_a_bar_is_over_as_soon_as_a_later_command_is_seen(exchange):
    exchange.watch("ac@kline_1m")
    exchange.trades((100, 1))
    exchange.pass_time(60)
    exchange.take("ac@kline_1m")
    exchange.level(Side.BUY, 1, 1)
    exchange.pass_time(0.1)
    assert [each["k"]["x"] for each in exchange.take("ac@kline_1m")] == [True]


def test_a_trade_that_comes_after_its_bar_was_closed_has_it_told_again(exchange):
    exchange.watch("ac@kline_1s")
    exchange.trades((100, 1))
    happened_ns = exchange.now_ns
    exchange.pass_time(1.6)
    assert [each["k"]["n"] for each in exchange.take("ac@kline_1s") if each["k"]["x"]] == [1]
    late_ns, exchange.now_ns = exchange.now_ns, happened_ns
    exchange.trades((101, 1), order=8)
    exchange.now_ns = late_ns
    exchange.pass_time(0.1)
    (again,) = [each["k"] for each in exchange.take("ac@kline_1s") if each["k"]["x"]]
    assert (again["n"], again["c"]) == (2, "101")


def test_bars_without_trades_are_closed_at_the_price_before_them(exchange):
    exchange.watch("ac@kline_1s")
    exchange.pass_time(3)
    assert exchange.take("ac@kline_1s") == []  # no trade yet, no bars
    exchange.trades((100, 1))
    exchange.pass_time(3.6)
    closed = [each["k"] for each in exchange.take("ac@kline_1s") if each["k"]["x"]]
    assert [(each["n"], each["f"], each["c"], each["v"]) for each in closed] == [
        (1, 1, "100", "1"),
        (0, -1, "100", "0"),
        (0, -1, "100", "0"),
    ]


def test_bars_that_ended_while_a_gateway_was_away_are_told_to_it_once(exchange):
    exchange.watch("ac@kline_1s")
    exchange.trades((100, 1))
    exchange.pass_time(1)
    exchange.take("ac@kline_1s")
    at = exchange.gateway.published
    exchange.price.gone(exchange.gateway.connection)
    exchange.now_ns += 3 * NS_PER_S
    positions = (at.sequence, at.fast_sequence, at.slow_sequence, at.time_ns)
    exchange.price.hello(exchange.gateway.connection, Hello(*positions, ["ac@kline_1s"]))
    exchange.pass_time(0.6)
    closed = [each["k"] for each in exchange.take("ac@kline_1s") if each["k"]["x"]]
    begin_s = BEGIN_NS // NS_PER_S
    assert [each["t"] // 1_000 - begin_s for each in closed] == [0, 1, 2, 3]


def test_bars_of_another_zone_have_their_own_borders(exchange):
    exchange.pass_time(0.1)
    exchange.watch("ac@kline_1d", "ac@kline_1d@+08:00")
    exchange.trades((100, 1))
    exchange.pass_time(0.1)
    (utc,), (asia,) = exchange.take("ac@kline_1d"), exchange.take("ac@kline_1d@+08:00")
    assert utc["k"]["t"] - asia["k"]["t"] == 8 * HOUR_NS // 1_000_000
    assert asia["k"]["i"] == "1d"


def test_tickers_are_told_each_second_in_which_something_changed(exchange):
    exchange.watch("ac@ticker", "ac@miniTicker", "ac@ticker_1h", "!miniTicker@arr", "!ticker@arr")
    exchange.pass_time(1)
    assert exchange.take("ac@ticker") == exchange.take("!miniTicker@arr") == []
    exchange.trades((100, 1), (104, 3))
    exchange.pass_time(1)
    (ticker,), (mini,), (hour,) = (
        exchange.take(name) for name in ("ac@ticker", "ac@miniTicker", "ac@ticker_1h")
    )
    assert (ticker["p"], ticker["P"], ticker["w"], ticker["n"]) == ("4", "4.000", "103", 2)
    assert (mini["o"], mini["c"], mini["v"], mini["q"]) == ("100", "104", "4", "412")
    assert (hour["e"], hour["O"]) == ("1hTicker", (BEGIN_NS - HOUR_NS) // 1_000_000)
    assert exchange.take("!miniTicker@arr") == [[mini]]
    assert exchange.take("!ticker@arr") == [[ticker]]
    exchange.level(Side.BUY, 99, 1)  # the best price is part of the full ticker alone
    exchange.pass_time(1)
    assert [each["b"] for each in exchange.take("ac@ticker")] == ["99"]
    assert exchange.take("ac@miniTicker") == exchange.take("!miniTicker@arr") == []


def test_a_window_that_moves_on_is_told(exchange):
    exchange.trades((100, 1))
    exchange.watch("ac@ticker_1h")
    exchange.pass_time(1)
    assert [each["n"] for each in exchange.take("ac@ticker_1h")] == [1]
    exchange.now_ns += HOUR_NS + MINUTE_NS
    exchange.pass_time(1)
    assert [(each["n"], each["v"], each["c"]) for each in exchange.take("ac@ticker_1h")] == [(0, "0", "100")]


def test_the_average_price_is_told_while_it_moves(exchange):
    exchange.watch("ac@avgPrice")
    exchange.trades((100, 1))
    exchange.trades((103, 2), order=8)
    exchange.pass_time(2)
    (average,) = exchange.take("ac@avgPrice")
    assert (average["w"], average["i"], average["T"]) == ("102", "5m", BEGIN_NS // 1_000_000)


def test_times_are_in_microseconds_where_the_name_says_so(exchange):
    exchange.watch("ac@trade?us", "ac@trade")
    exchange.trades((100, 1))
    (micro,), (milli,) = exchange.take("ac@trade?us"), exchange.take("ac@trade")
    assert (micro["T"], milli["T"]) == (BEGIN_NS // 1_000, BEGIN_NS // 1_000_000)


def test_a_stream_may_be_asked_for_before_its_market_is_listed(exchange):
    exchange.watch("bc@trade", "!ticker@arr")
    exchange.list_market(2, b"BC")
    exchange.trades((100, 1), market=2)
    exchange.pass_time(1)
    assert len(exchange.take("bc@trade")) == 1
    assert [[each["s"] for each in array] for array in exchange.take("!ticker@arr")] == [["BC"]]


def test_nothing_comes_of_streams_that_were_given_up_or_have_no_such_name(exchange):
    exchange.watch("ac@trade", "ac@depth@100ms", "ac@kline_1s", "ac@ticker", "!bookTicker", "ac@weather")
    exchange.price.unwatch(exchange.gateway.connection, ["ac@trade", "!bookTicker"])
    exchange.price.gone(exchange.gateway.connection)
    exchange.trades((100, 1))
    exchange.pass_time(2)
    assert not exchange.gateway.bodies


def test_two_gateways_share_a_stream_and_one_may_leave(exchange):
    other = Gateway()
    exchange.price.hello(other.connection, Hello())
    exchange.price.watch(other.connection, ["ac@trade"])
    exchange.watch("ac@trade")
    exchange.trades((100, 1))
    assert len(exchange.take("ac@trade")) == len(other.take("ac@trade")) == 1
    exchange.price.gone(other.connection)
    exchange.trades((100, 1), order=8)
    assert (len(exchange.take("ac@trade")), other.take("ac@trade")) == (1, [])


def test_a_gateway_that_is_ahead_hears_nothing_until_this_process_has_come_so_far(exchange):
    late = Gateway()
    exchange.price.hello(late.connection, Hello(4, 4, 4))
    exchange.price.watch(late.connection, ["ac@trade"])
    exchange.trades((100, 1))  # sequence 3
    assert (late.take("ac@trade"), late.published) == ([], Published())
    exchange.trades((101, 1), order=8)
    exchange.trades((102, 1), order=9)
    assert [each["p"] for each in late.take("ac@trade")] == ["102"]


def test_day_tickers_forget_what_is_older_than_a_day(exchange):
    exchange.trades((100, 1))
    exchange.pass_time(0.1)
    exchange.now_ns += DAY_NS
    exchange.trades((110, 2), order=8)
    exchange.watch("ac@ticker")
    exchange.now_ns += 2 * MINUTE_NS
    exchange.pass_time(1)
    (ticker,) = exchange.take("ac@ticker")
    assert (ticker["n"], ticker["o"], ticker["x"], ticker["F"]) == (1, "110", "100", 2)
