"""Names of market data streams: which exist, what each is of, and the one spelling that the feed uses.

Symbols are lower case in stream names. Older spellings and explicit default speeds mean the same stream.
Whether the market exists is not known here.
"""

import re
from enum import Enum
from typing import NamedTuple

from cambist.intervals import HOUR_NS, INTERVALS

MICROSECONDS = "?us"  # behind a name: times in the bodies are in microseconds; between gateway and data only
FAST_MS, SLOW_MS = 100, 1_000
WINDOWS_NS = {"1h": HOUR_NS, "4h": 4 * HOUR_NS, "1d": 24 * HOUR_NS}
ASIA_OFFSET_NS = 8 * HOUR_NS  # of `@+08:00`


class Kind(Enum):
    TRADE = "trade"
    AGGREGATE_TRADE = "aggTrade"
    DEPTH = "depth"
    TOP = "top"  # partial book depth
    BOOK_TICKER = "bookTicker"
    KLINE = "kline"
    MINI_TICKER = "miniTicker"
    TICKER = "ticker"
    WINDOW_TICKER = "windowTicker"
    AVERAGE_PRICE = "avgPrice"


class StreamName(NamedTuple):
    """`symbol` is upper case, and empty for all markets. What a kind does not have is 0 or empty."""

    name: str  # canonical, without the mark for microseconds
    kind: Kind
    symbol: str
    speed_ms: int = SLOW_MS
    levels: int = 0
    interval: str = ""
    offset_ns: int = 0
    window: str = ""
    in_microseconds: bool = False

    @property
    def watched(self) -> str:
        """What to ask the feed for."""
        return self.name + MICROSECONDS * self.in_microseconds


_SHAPE = re.compile(
    r"""(?P<symbol>[a-z0-9._-]{1,32})@
    (?: (?P<plain>trade|aggTrade|bookTicker|avgPrice)
      | (?P<ticker>miniTicker|ticker) (?:@1000ms)?
      | ticker_(?P<window>1h|4h|1d) (?:@1000ms)?
      | depth (?P<levels>5|10|20)? (?:@(?P<speed>100|1000)ms)?
      | kline_(?P<interval>[0-9]{1,2}[smhdwM]) (?P<offset>@\+08:00)?
    )""",
    re.VERBOSE,
)
_ALL_SHAPE = re.compile(
    r"""!(?: bookTicker (?P<book>)
      | (?P<ticker>miniTicker|ticker)@arr (?:@[13]000ms)?
      | ticker_(?P<window>1h|4h|1d)@arr (?:@1000ms)?
    )""",
    re.VERBOSE,
)


def parse(text: str) -> StreamName | None:
    """None if there is no stream of such a name. The symbol may be in upper case, as some clients send it."""
    in_microseconds = text.endswith(MICROSECONDS)
    text = text.removesuffix(MICROSECONDS)
    name = _of_all(text) if text.startswith("!") else _of_one(text)
    return name and name._replace(in_microseconds=in_microseconds)


def _of_all(text: str) -> StreamName | None:
    found = _ALL_SHAPE.fullmatch(text)
    if found is None:
        return None
    if found["book"] is not None:
        return StreamName(text, Kind.BOOK_TICKER, "")
    if window := found["window"]:
        return StreamName(f"!ticker_{window}@arr", Kind.WINDOW_TICKER, "", window=window)
    return StreamName(f"!{found['ticker']}@arr", Kind(found["ticker"]), "")


def _of_one(text: str) -> StreamName | None:
    symbol, at, rest = text.partition("@")
    found = _SHAPE.fullmatch(symbol.lower() + at + rest)
    if found is None:
        return None
    symbol, upper = found["symbol"], found["symbol"].upper()
    if plain := found["plain"] or found["ticker"]:
        return StreamName(f"{symbol}@{plain}", Kind(plain), upper)
    if window := found["window"]:
        return StreamName(f"{symbol}@ticker_{window}", Kind.WINDOW_TICKER, upper, window=window)
    if interval := found["interval"]:
        return _kline(symbol, interval, found["offset"] or "")
    return _depth(symbol, int(found["levels"] or 0), int(found["speed"] or SLOW_MS))


def _kline(symbol: str, interval: str, offset: str) -> StreamName | None:
    if interval not in INTERVALS:
        return None
    name = f"{symbol}@kline_{interval}{offset}"
    offset_ns = ASIA_OFFSET_NS if offset else 0
    return StreamName(name, Kind.KLINE, symbol.upper(), interval=interval, offset_ns=offset_ns)


def _depth(symbol: str, levels: int, speed_ms: int) -> StreamName:
    name = f"{symbol}@depth{levels or ''}{'@100ms' if speed_ms == FAST_MS else ''}"
    return StreamName(name, Kind.TOP if levels else Kind.DEPTH, symbol.upper(), speed_ms, levels)
