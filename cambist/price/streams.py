"""What the streams of trades and books say, and when they have something to say.

A stream is asked at its pace and gives bodies, or nothing if nothing has changed. It is encoded once, however
many read it.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Protocol

from cambist.engine.codes import Side
from cambist.feed.names import FAST_MS, StreamName
from cambist.price.market import Fill, Market
from cambist.price.messages import (
    AggregateTradeEvent,
    BookTickerEvent,
    DepthUpdate,
    Levels,
    TopOfBook,
    TradeEvent,
    encode,
)

NS_PER_MS, NS_PER_US = 1_000_000, 1_000


class Stream(Protocol):
    def bodies(self, now_ns: int) -> Iterable[bytes]: ...


def unit_ns(name: StreamName) -> int:
    return NS_PER_US if name.in_microseconds else NS_PER_MS


class TradeStream:
    """Asked after every commit."""

    def __init__(self, market: Market, name: StreamName) -> None:
        self._market = market
        self._unit_ns = unit_ns(name)

    def bodies(self, now_ns: int) -> list[bytes]:
        return self.told(self._market.tape, now_ns)

    def told(self, tape: Iterable[Fill], now_ns: int) -> list[bytes]:
        market, unit_ns = self._market, self._unit_ns
        return [
            encode(
                TradeEvent(
                    now_ns // unit_ns,
                    market.symbol,
                    trade.trade_id,
                    market.price(trade.price_ticks),
                    market.quantity(trade.quantity_lots),
                    time_ns // unit_ns,
                    trade.taker_side is Side.SELL,
                )
            )
            for time_ns, _, trade in tape
        ]


class AggregateTradeStream:
    """Asked after every commit, which ends no command in the middle, so every aggregate is whole."""

    def __init__(self, market: Market, name: StreamName) -> None:
        self._market = market
        self._unit_ns = unit_ns(name)

    def bodies(self, now_ns: int) -> list[bytes]:
        return self.told(self._market.tape, now_ns)

    def told(self, tape: Iterable[Fill], now_ns: int) -> list[bytes]:
        market, unit_ns = self._market, self._unit_ns
        told = []
        for aggregate_id, group in groupby(tape, key=lambda fill: fill.aggregate_id):
            fills = list(group)
            first, last = fills[0].trade, fills[-1].trade
            event = AggregateTradeEvent(
                now_ns // unit_ns,
                market.symbol,
                aggregate_id,
                market.price(first.price_ticks),
                market.quantity(sum(fill.trade.quantity_lots for fill in fills)),
                first.trade_id,
                last.trade_id,
                fills[0].time_ns // unit_ns,
                first.taker_side is Side.SELL,
            )
            told.append(encode(event))
        return told


class BookTickerStream:
    """Asked after every commit that changed the book: the best prices as they are then."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._said: object = None

    def bodies(self, now_ns: int) -> Iterator[bytes]:
        book = self._market.book
        best = book.best()
        if best != self._said:
            self._said = best
            yield book_ticker(self._market)


def book_ticker(market: Market) -> bytes:
    (bid, bid_lots), (ask, ask_lots) = market.book.best()
    event = BookTickerEvent(
        market.book.update_id,
        market.symbol,
        market.price(bid),
        market.quantity(bid_lots),
        market.price(ask),
        market.quantity(ask_lots),
    )
    return encode(event)


class DepthStream:
    """Asked at its pace for markets whose book has changed; the updates' ids leave no gap."""

    def __init__(self, market: Market, name: StreamName) -> None:
        self._market = market
        self._changes = market.fast if name.speed_ms == FAST_MS else market.slow
        self._unit_ns = unit_ns(name)

    def bodies(self, now_ns: int) -> Iterator[bytes]:
        changes = self._changes
        if changes.levels:
            yield self.told(changes.levels, changes.published_id + 1, now_ns)

    def told(self, changed: Iterable[tuple[Side, int]], first_id: int, now_ns: int) -> bytes:
        """What these levels are now, as the update from `first_id` on."""
        market = self._market
        sides: tuple[Levels, Levels] = [], []
        lots_of = market.book.bids.lots, market.book.asks.lots
        for side, price in changed:
            sides[side].append((market.price(price), market.quantity(lots_of[side].get(price, 0))))
        bids, asks = sides
        return encode(
            DepthUpdate(now_ns // self._unit_ns, market.symbol, first_id, market.book.update_id, bids, asks)
        )


class TopStream:
    """Asked at its pace when the book has changed, and each second for whoever has just come."""

    def __init__(self, market: Market, name: StreamName) -> None:
        self._market = market
        self._levels = name.levels

    def bodies(self, now_ns: int) -> Iterator[bytes]:
        market = self._market
        book = market.book
        yield encode(
            TopOfBook(
                book.update_id,
                _spelled(market, book.bids.top(self._levels)),
                _spelled(market, book.asks.top(self._levels)),
            )
        )


def _spelled(market: Market, levels: list[tuple[int, int]]) -> Levels:
    return [(market.price(price), market.quantity(lots)) for price, lots in levels]
