"""Candles and tickers over REST: bars without a gap, windows that add up, and what is refused."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from tests.integration.rest_market import RestMarket, ok, refusal, rest_market

MS = 1_000_000
MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
# A Saturday: 2026-10-31T22:30:30Z, so a new month, and in Asia already the next day, are near.
BEGIN_MS = int(datetime(2026, 10, 31, 22, 30, 30, tzinfo=UTC).timestamp()) * 1_000


class Clock:
    def __init__(self) -> None:
        self.now_ms = BEGIN_MS

    def __call__(self) -> int:
        return self.now_ms * MS


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def market(tmp_path, clock):
    with rest_market(tmp_path, clock=clock) as market:
        yield market


class Tape:
    """Two traders who trade with each other at a price when told to."""

    def __init__(self, market: RestMarket, clock: Clock) -> None:
        self._clock = clock
        self._market = market
        self._ann = market.trader(BTC="1000", USDT="1000000")
        self._bob = market.trader(BTC="1000", USDT="1000000")

    def trade(self, quantity: str, price: str, *, after_ms: int = 0, buys: bool = True) -> None:
        self._clock.now_ms += after_ms
        self._bob.order("SELL" if buys else "BUY", quantity, price)
        self._ann.order("BUY" if buys else "SELL", quantity, price)


@pytest.fixture
def tape(market, clock):
    return Tape(market, clock)


def get(market: RestMarket, path: str, **params: object) -> Any:
    query = "&".join(f"{name}={value}" for name, value in params.items())
    return ok(market.client.get(f"/api/v3/{path}?{query}"))


def klines(market: RestMarket, **params: object) -> list[Any]:
    bars: list[Any] = get(market, "klines", **{"symbol": "BTCUSDT", "interval": "1m", **params})
    return bars


def test_a_bar_says_what_was_traded_in_it(market, tape):
    tape.trade("1", "100")
    tape.trade("2", "103", after_ms=5_000)
    tape.trade("3", "99", after_ms=5_000, buys=False)
    tape.trade("1", "101", after_ms=5_000)
    open_ms = BEGIN_MS - 30_000
    assert klines(market) == [
        [
            open_ms,
            "100.00000000",
            "103.00000000",
            "99.00000000",
            "101.00000000",
            "7.00000000",
            open_ms + MINUTE_MS - 1,
            "704.00000000",
            4,
            "4.00000000",
            "407.00000000",
            "0",
        ]
    ]


def test_minutes_without_trades_stand_at_the_close_before_them(market, tape, clock):
    tape.trade("1", "100")
    tape.trade("1", "110", after_ms=3 * MINUTE_MS)
    clock.now_ms += 2 * MINUTE_MS
    bars = klines(market)
    assert [bar[4] for bar in bars] == [f"{price}.00000000" for price in (100, 100, 100, 110, 110, 110)]
    assert [bar[8] for bar in bars] == [1, 0, 0, 1, 0, 0]
    assert [bar[0] for bar in bars] == [BEGIN_MS - 30_000 + nth * MINUTE_MS for nth in range(6)]
    assert bars[1][1:6] == ["100.00000000"] * 4 + ["0.00000000"]


def test_the_first_bar_of_all_is_found_from_time_zero(market, tape, clock):
    assert klines(market, startTime=0, limit=1) == []
    tape.trade("1", "100")
    clock.now_ms += DAY_MS
    (bar,) = klines(market, startTime=0, limit=1)
    assert (bar[0], bar[8]) == (BEGIN_MS - 30_000, 1)


def test_a_period_is_cut_by_opening_times_and_by_the_limit(market, tape, clock):
    tape.trade("1", "100")
    clock.now_ms += 20 * MINUTE_MS
    first = BEGIN_MS - 30_000

    def opened(**params: object) -> list[int]:
        return [(bar[0] - first) // MINUTE_MS for bar in klines(market, **params)]

    assert opened(limit=3) == [18, 19, 20]
    assert opened(startTime=first + MINUTE_MS, limit=2) == [1, 2]
    assert opened(startTime=first + MINUTE_MS + 1, limit=2) == [2, 3]
    assert opened(startTime=first + MINUTE_MS, endTime=first + 3 * MINUTE_MS) == [1, 2, 3]
    assert opened(startTime=first + MINUTE_MS, endTime=first + 3 * MINUTE_MS - 1) == [1, 2]
    assert opened(endTime=first + 3 * MINUTE_MS, limit=2) == [2, 3]
    assert opened(endTime=first - 1) == []
    assert opened(startTime=first + 30 * MINUTE_MS) == []


@pytest.mark.parametrize(
    ("interval", "zone", "opens"),
    [
        ("1d", "0", ["2026-10-31T00:00", "2026-11-01T00:00"]),
        ("1d", "8", ["2026-10-31T16:00"]),
        ("1d", "-1:30", ["2026-10-31T01:30", "2026-11-01T01:30"]),
        ("1d", "05:45", ["2026-10-31T18:15"]),
        ("1w", "0", ["2026-10-26T00:00"]),
        ("1M", "0", ["2026-10-01T00:00", "2026-11-01T00:00"]),
        ("1M", "+08:00", ["2026-10-31T16:00"]),
        ("1h", "05:45", ["2026-10-31T22:15", "2026-10-31T23:15", "2026-11-01T00:15", "2026-11-01T01:15"]),
    ],
)
def test_bars_follow_the_time_zone(market, tape, clock, interval, zone, opens):
    tape.trade("1", "100")
    tape.trade("1", "120", after_ms=3 * HOUR_MS)
    bars = klines(market, interval=interval, timeZone=zone.replace("+", "%2B"))
    assert [datetime.fromtimestamp(bar[0] / 1_000, UTC).isoformat()[:16] for bar in bars] == opens
    assert sum(bar[8] for bar in bars) == 2
    assert (bars[0][1], bars[-1][4]) == ("100.00000000", "120.00000000")


def test_times_come_in_microseconds_when_asked_for(market, tape):
    tape.trade("1", "100")
    path = "/api/v3/klines?symbol=BTCUSDT&interval=1m"
    (bar,) = ok(market.client.get(path, headers={"X-MBX-TIME-UNIT": "MICROSECOND"}))
    open_us = (BEGIN_MS - 30_000) * 1_000
    assert (bar[0], bar[6]) == (open_us, open_us + 60_000_000 - 1)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("klines?symbol=BTCUSDT", -1102),
        ("klines?symbol=BTCUSDT&interval=7m", -1120),
        ("klines?symbol=NONE&interval=1m", -1121),
        ("klines?symbol=BTCUSDT&interval=1d&timeZone=15", -1130),
        ("klines?symbol=BTCUSDT&interval=1d&timeZone=-12:01", -1130),
        ("klines?symbol=BTCUSDT&interval=1d&timeZone=noon", -1130),
        ("ticker", -1102),
        ("ticker?symbol=BTCUSDT&windowSize=60m", -1130),
        ("ticker?symbol=BTCUSDT&windowSize=8d", -1130),
        ("ticker?symbol=BTCUSDT&type=SMALL", -1130),
        ("ticker/tradingDay", -1102),
        ("ticker/24hr?symbol=NONE", -1121),
        ("ticker/24hr?symbol=BTCUSDT&type=SMALL", -1130),
        ("avgPrice", -1102),
    ],
)
def test_what_cannot_be_meant_is_refused(market, path, code):
    assert refusal(market.client.get(f"/api/v3/{path}"))[:2] == (400, code)


def test_the_day_of_a_market_without_trades_is_all_zeros(market, clock):
    ticker = get(market, "ticker/24hr", symbol="BTCUSDT")
    assert {ticker[name] for name in ("lastPrice", "openPrice", "bidPrice", "askPrice")} == {"0.00000000"}
    assert (ticker["firstId"], ticker["lastId"], ticker["count"]) == (-1, -1, 0)
    assert ticker["priceChangePercent"] == "0.000"
    assert get(market, "avgPrice", symbol="BTCUSDT") == {"mins": 5, "price": "0.00000000", "closeTime": 0}


def test_the_rolling_day_adds_up_and_lets_go_of_what_is_older(market, tape, clock):
    tape.trade("1", "90")
    tape.trade("2", "100", after_ms=2 * MINUTE_MS)
    tape.trade("1", "110", after_ms=HOUR_MS)
    tape.trade("1", "95", after_ms=5 * HOUR_MS, buys=False)
    ticker = get(market, "ticker/24hr", symbol="BTCUSDT")
    assert (ticker["openPrice"], ticker["count"], ticker["prevClosePrice"]) == (
        "90.00000000",
        4,
        "90.00000000",
    )
    clock.now_ms = BEGIN_MS + DAY_MS + MINUTE_MS
    ticker = get(market, "ticker/24hr", symbol="BTCUSDT")
    assert ticker == {
        "symbol": "BTCUSDT",
        "priceChange": "-5.00000000",
        "priceChangePercent": "-5.000",
        "weightedAvgPrice": "101.25000000",
        "prevClosePrice": "90.00000000",
        "lastPrice": "95.00000000",
        "lastQty": "1.00000000",
        "bidPrice": "0.00000000",
        "bidQty": "0.00000000",
        "askPrice": "0.00000000",
        "askQty": "0.00000000",
        "openPrice": "100.00000000",
        "highPrice": "110.00000000",
        "lowPrice": "95.00000000",
        "volume": "4.00000000",
        "quoteVolume": "405.00000000",
        "openTime": BEGIN_MS + 30_000,
        "closeTime": clock.now_ms,
        "firstId": 2,
        "lastId": 4,
        "count": 3,
    }


@pytest.mark.parametrize("path", ["ticker/24hr", "ticker", "ticker/tradingDay"])
def test_every_ticker_keeps_its_figures_between_low_and_high(market, tape, path):
    for nth, price in enumerate(("100.01", "99.97", "100.33", "100.02")):
        tape.trade(f"{nth + 1}.007", price, after_ms=1_000)
    tape._bob.order("BUY", "1", "99")
    tape._ann.order("SELL", "1", "101")
    ticker = get(market, path, symbol="BTCUSDT")
    low, high, volume, quote = (
        Decimal(ticker[name]) for name in ("lowPrice", "highPrice", "volume", "quoteVolume")
    )
    assert volume * low <= quote <= volume * high
    assert low <= Decimal(ticker["weightedAvgPrice"]) <= high
    if path == "ticker/24hr":
        assert (ticker["bidPrice"], ticker["askPrice"]) == ("99.00000000", "101.00000000")


def test_windows_begin_with_a_full_minute_and_span_hours_and_days(market, tape, clock):
    for nth in range(8):
        tape.trade("1", str(100 + nth), after_ms=HOUR_MS if nth else 0)
    now = BEGIN_MS + 7 * HOUR_MS
    counts = {
        window: get(market, "ticker", symbol="BTCUSDT", windowSize=window)["count"]
        for window in ("1m", "59m", "1h", "3h", "7h", "1d", "7d")
    }
    assert counts == {"1m": 1, "59m": 1, "1h": 2, "3h": 4, "7h": 8, "1d": 8, "7d": 8}
    three = get(market, "ticker", symbol="BTCUSDT", windowSize="3h")
    assert (three["openTime"], three["closeTime"]) == (now - 3 * HOUR_MS - 30_000, now)
    assert (three["openPrice"], three["priceChange"]) == ("104.00000000", "3.00000000")
    assert "lastQty" not in three and "bidPrice" not in three


def test_the_trading_day_begins_at_midnight_of_the_zone(market, tape, clock):
    tape.trade("1", "100")
    tape.trade("1", "104", after_ms=2 * HOUR_MS)
    today = get(market, "ticker/tradingDay", symbol="BTCUSDT")
    assert (today["count"], today["openPrice"]) == (1, "104.00000000")
    assert today["openTime"] % DAY_MS == 0
    assert today["closeTime"] == today["openTime"] + DAY_MS - 1
    asia = get(market, "ticker/tradingDay", symbol="BTCUSDT", timeZone=8)
    assert (asia["count"], asia["openTime"] % DAY_MS) == (2, 16 * HOUR_MS)


@pytest.mark.parametrize("path", ["ticker/24hr", "ticker", "ticker/tradingDay"])
def test_several_markets_come_as_an_array_and_mini_is_smaller(market, tape, path):
    tape.trade("1", "100")
    full = get(market, path, symbols='["ETPBTC","BTCUSDT"]')
    mini = get(market, path, symbols='["ETPBTC","BTCUSDT"]', type="MINI")
    assert [each["symbol"] for each in full] == [each["symbol"] for each in mini] == ["ETPBTC", "BTCUSDT"]
    assert set(mini[0]) < set(full[0])
    assert "weightedAvgPrice" not in mini[0]


def test_all_markets_are_told_of_when_none_is_named(market, tape):
    assert [each["symbol"] for each in get(market, "ticker/24hr")] == ["BTCUSDT", "ETPBTC"]
    assert get(market, "ticker/24hr", symbolStatus="HALT") == []


def test_the_average_price_is_by_volume_and_forgets_after_five_minutes(market, tape, clock):
    tape.trade("1", "100")
    tape.trade("3", "104", after_ms=MINUTE_MS)
    traded_ms = clock.now_ms
    assert get(market, "avgPrice", symbol="BTCUSDT") == {
        "mins": 5,
        "price": "103.00000000",
        "closeTime": traded_ms,
    }
    clock.now_ms += 4 * MINUTE_MS + 1_000
    assert get(market, "avgPrice", symbol="BTCUSDT")["price"] == "104.00000000"
    clock.now_ms += HOUR_MS
    assert get(market, "avgPrice", symbol="BTCUSDT")["price"] == "104.00000000"


def test_without_the_data_process_a_ticker_may_be_asked_for_again_later(market, tape, monkeypatch):
    tape.trade("1", "100")
    before = klines(market)
    monkeypatch.setattr("cambist.feed.client.ANSWER_WITHIN_S", 0.05)
    market.client.before_get = lambda: None
    market.data.close()
    status, _, text = refusal(market.client.get("/api/v3/ticker/24hr?symbol=BTCUSDT"))
    assert (status, "try again" in text) == (503, True)
    assert klines(market) == before


@pytest.mark.parametrize(
    ("path", "weight"),
    [
        ("klines?symbol=BTCUSDT&interval=1m", 2),
        ("uiKlines?symbol=BTCUSDT&interval=1m", 2),
        ("avgPrice?symbol=BTCUSDT", 2),
        ("ticker/24hr?symbol=BTCUSDT", 2),
        ("ticker/24hr", 80),
        ('ticker/24hr?symbols=["BTCUSDT"]', 2),
        ("ticker?symbol=BTCUSDT", 4),
        ('ticker/tradingDay?symbols=["BTCUSDT","ETPBTC"]', 8),
    ],
)
def test_requests_weigh_what_is_documented(market, path, weight):
    response = market.client.get(f"/api/v3/{path}")
    assert response.status_code == 200, response.text
    assert response.headers["x-mbx-used-weight-1m"] == str(weight)
