"""Which streams are watched, each with the market it is of, so that what nobody reads costs nothing."""

from collections import defaultdict
from collections.abc import Iterator

from cambist.feed.names import FAST_MS, Kind, StreamName, parse
from cambist.price.klines import KlineStream
from cambist.price.market import Market
from cambist.price.streams import (
    AggregateTradeStream,
    BookTickerStream,
    DepthStream,
    Stream,
    TopStream,
    TradeStream,
)
from cambist.price.tickers import AllTickersStream, AveragePriceStream, TickerStream

Said = Iterator[tuple[str, bytes]]
Streams = dict[str, Stream]

_TICKERS = (Kind.MINI_TICKER, Kind.TICKER, Kind.WINDOW_TICKER)


class Watched:
    """Streams by what makes them speak: a commit, a tick of 100 ms, or a tick of 1000 ms."""

    def __init__(self) -> None:
        self._names: dict[str, StreamName] = {}
        self._markets: dict[str, Market] = {}
        self._at_commit: dict[int, Streams] = defaultdict(dict)  # by market, when its book has changed
        self._fast: dict[int, Streams] = defaultdict(dict)
        self._slow: dict[int, Streams] = defaultdict(dict)
        self._each_second: Streams = {}
        self._klines: dict[str, KlineStream] = {}

    def add_market(self, market: Market) -> None:
        """A stream may have been asked for before its market was listed."""
        self._markets[market.symbol] = market
        for name in list(self._names.values()):
            if name.symbol in ("", market.symbol):
                self._attach(name, market, 0)

    def add(self, watched: str, from_ns: int) -> None:
        """`from_ns`: klines tell of the bar then and of all later ones."""
        name = parse(watched)
        if name is None or watched in self._names:
            return
        self._names[watched] = name
        for market in self._markets.values():
            if name.symbol in ("", market.symbol):
                self._attach(name, market, from_ns)

    def remove(self, watched: str) -> None:
        name = self._names.pop(watched, None)
        if name is None:
            return
        for streams in (self._each_second, self._klines):
            streams.pop(watched, None)
        for market in self._markets.values():
            if name.symbol in ("", market.symbol):
                for by_market in (self._at_commit, self._fast, self._slow):
                    by_market[market.id].pop(watched, None)
                market.is_taped = self._is_taped(market)

    def said_at_commit(self, market: Market, now_ns: int) -> Said:
        return _said(self._at_commit.get(market.id), now_ns)

    def said_fast(self, market: Market, now_ns: int) -> Said:
        return _said(self._fast.get(market.id), now_ns)

    def said_slow(self, market: Market, now_ns: int) -> Said:
        return _said(self._slow.get(market.id), now_ns)

    def said_each_second(self, now_ns: int) -> Said:
        return _said(self._each_second, now_ns)

    def said_of_bars(self, now_ns: int, over_ns: int) -> Said:
        for name, stream in self._klines.items():
            for body in stream.bodies(now_ns, over_ns):
                yield name, body

    def _attach(self, name: StreamName, market: Market, from_ns: int) -> None:
        watched = name.watched
        match name.kind:
            case Kind.TRADE:
                self._at_commit[market.id][watched] = TradeStream(market, name)
            case Kind.AGGREGATE_TRADE:
                self._at_commit[market.id][watched] = AggregateTradeStream(market, name)
            case Kind.BOOK_TICKER:
                self._at_commit[market.id][watched] = BookTickerStream(market)
            case Kind.DEPTH:
                by_market = self._fast if name.speed_ms == FAST_MS else self._slow
                by_market[market.id][watched] = DepthStream(market, name)
            case Kind.TOP:
                self._each_second[watched] = stream = TopStream(market, name)
                if name.speed_ms == FAST_MS:
                    self._fast[market.id][watched] = stream
            case Kind.KLINE:
                self._klines[watched] = KlineStream(market, name, from_ns)
            case Kind.AVERAGE_PRICE:
                self._each_second[watched] = AveragePriceStream(market, name)
            case kind if kind in _TICKERS and name.symbol:
                self._each_second[watched] = TickerStream(market, name)
            case _:
                every = self._each_second.setdefault(watched, AllTickersStream(name))
                assert isinstance(every, AllTickersStream)
                every.add(market)
        market.is_taped = self._is_taped(market)

    def _is_taped(self, market: Market) -> bool:
        streams = self._at_commit[market.id].values()
        return any(isinstance(stream, TradeStream | AggregateTradeStream) for stream in streams)


def _said(streams: Streams | None, now_ns: int) -> Said:
    if streams:
        for name, stream in streams.items():
            for body in stream.bodies(now_ns):
                yield name, body
