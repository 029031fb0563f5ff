"""The streams of tickers and average prices, asked each second."""

from collections.abc import Iterator

from cambist.feed.names import WINDOWS_NS, Kind, StreamName
from cambist.intervals import DAY_NS, MINUTE_NS
from cambist.price.figures import begin_ns, rolling
from cambist.price.market import Market
from cambist.price.messages import AveragePriceEvent, MiniTickerEvent, TickerEvent, WindowTickerEvent, encode
from cambist.price.streams import unit_ns


class TickerStream:
    """Mini, full and window tickers. Said when a trade, the best prices or the window's
    beginning have changed.
    """

    def __init__(self, market: Market, name: StreamName) -> None:
        self._market = market
        self._name = name
        self._said: object = None

    def bodies(self, now_ns: int) -> Iterator[bytes]:
        market, kind = self._market, self._name.kind
        if not market.last.trade_id:
            return
        minute = now_ns // MINUTE_NS
        best = market.book.best() if kind is Kind.TICKER else None
        state = (market.last.trade_id, best, minute)
        if state != self._said:
            self._said = state
            yield _TICKERS[kind](market, self._name, now_ns)


class AveragePriceStream:
    """Said while trades come, and while they leave the five minutes."""

    def __init__(self, market: Market, name: StreamName) -> None:
        self._market = market
        self._unit_ns = unit_ns(name)
        self._said: object = None

    def bodies(self, now_ns: int) -> Iterator[bytes]:
        market = self._market
        state = (market.last.trade_id, market.average_price(now_ns))
        if not market.last.trade_id or state == self._said:
            return
        self._said = state
        event = AveragePriceEvent(
            now_ns // self._unit_ns,
            market.symbol,
            "5m",
            state[1],
            market.last.time_ns // self._unit_ns,
        )
        yield encode(event)


class AllTickersStream:
    """The tickers of all markets that have something to say, as one array."""

    def __init__(self, name: StreamName) -> None:
        self._name = name
        self._each: list[TickerStream] = []

    def add(self, market: Market) -> None:
        self._each.append(TickerStream(market, self._name))

    def bodies(self, now_ns: int) -> Iterator[bytes]:
        events = [body for stream in self._each for body in stream.bodies(now_ns)]
        if events:
            yield b"[" + b",".join(events) + b"]"


def _mini(market: Market, name: StreamName, now_ns: int) -> bytes:
    day = rolling(market, DAY_NS, now_ns)
    return encode(
        MiniTickerEvent(
            now_ns // unit_ns(name),
            market.symbol,
            day.last,
            day.open,
            day.high,
            day.low,
            day.volume,
            day.quote_volume,
        )
    )


def _full(market: Market, name: StreamName, now_ns: int) -> bytes:
    unit = unit_ns(name)
    day = rolling(market, DAY_NS, now_ns)
    (bid, bid_lots), (ask, ask_lots) = market.book.best()
    return encode(
        TickerEvent(
            now_ns // unit,
            market.symbol,
            day.change,
            day.change_percent,
            day.mean,
            day.before,
            day.last,
            market.quantity(market.last.quantity_lots),
            market.price(bid),
            market.quantity(bid_lots),
            market.price(ask),
            market.quantity(ask_lots),
            day.open,
            day.high,
            day.low,
            day.volume,
            day.quote_volume,
            begin_ns(DAY_NS, now_ns) // unit,
            now_ns // unit,
            day.first_trade,
            day.last_trade,
            day.trades,
        )
    )


def _window(market: Market, name: StreamName, now_ns: int) -> bytes:
    unit = unit_ns(name)
    window = rolling(market, WINDOWS_NS[name.window], now_ns)
    return encode(
        WindowTickerEvent(
            f"{name.window}Ticker",
            now_ns // unit,
            market.symbol,
            window.change,
            window.change_percent,
            window.open,
            window.high,
            window.low,
            window.last,
            window.mean,
            window.volume,
            window.quote_volume,
            begin_ns(WINDOWS_NS[name.window], now_ns) // unit,
            now_ns // unit,
            window.first_trade,
            window.last_trade,
            window.trades,
        )
    )


_TICKERS = {Kind.MINI_TICKER: _mini, Kind.TICKER: _full, Kind.WINDOW_TICKER: _window}
