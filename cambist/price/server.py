"""The Price Server: market data from the events in journal order, and its publication to whoever watches.

It is told of every command in the transaction that takes the same command into the tables, so its candles are
never ahead of them. Trades and best prices are published with each commit; the rest is gathered for 100 ms or
1000 ms of the wall clock. A gateway that comes back is told what it missed before it gets anything else.
"""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from msgspec import structs
from sqlalchemy import Connection

from cambist.engine.aggregates import AggregateIds
from cambist.engine.events import AssetEvent, Event, Level, MarketEvent, Trade
from cambist.feed.messages import Gap, Hello, Position, Published
from cambist.feed.messages import Market as MarketMessage
from cambist.feed.server import Connection as Gateway
from cambist.feed.server import Question
from cambist.intervals import NS_PER_S
from cambist.price import answers, tables
from cambist.price.market import Market
from cambist.price.resume import Missed, NoWayBack
from cambist.price.watched import Said, Watched

TICK_NS = NS_PER_S // 10
# A bar is over when a later command has been seen, or this long after its end: what came just before the end
# may still be on its way through log and engine.
BAR_GRACE_NS = NS_PER_S // 2

log = logging.getLogger(__name__)


class PriceServer:
    """A consumer of the projection, and the side of the feed that publishes streams."""

    def __init__(self, journal: Path, clock: Callable[[], int] = time.time_ns) -> None:
        self.markets: dict[int, Market] = {}
        self.questions: dict[str, Question] = {
            "dayTickers": lambda params: answers.day_tickers(self.markets, params, clock()),
            "averagePrice": lambda params: answers.average_price(self.markets, params, clock()),
        }
        self._handlers: dict[type, Callable[[int, int, Any], None]] = {
            Level: self._level,
            Trade: self._trade,
            AssetEvent: self._asset,
            MarketEvent: self._market,
        }
        self._journal = journal
        self._clock = clock
        self._by_symbol: dict[str, Market] = {}
        self._scales: dict[int, int] = {}
        self._aggregates = AggregateIds(lambda market: self.markets[market].last_aggregate)
        self._watched = Watched()
        self._time_ns = 0  # of the newest command
        self._tick = 0  # the number of the last one
        self._published = Published()
        self._traded: set[Market] = set()  # since the last flush
        self._touched: set[Market] = set()  # since the last commit; then on to the two below, tick by tick
        self._moved_fast: set[Market] = set()
        self._moved_slow: set[Market] = set()
        self._readers: dict[str, set[Gateway]] = defaultdict(set)
        self._gateways: set[Gateway] = set()
        self._early: dict[Gateway, tuple[Hello, list[str]]] = {}  # were further than this process is yet

    # The projection's consumer.

    def load(self, db: Connection) -> None:
        self._scales = tables.load_scales(db)
        for market in tables.load_markets(db, self._scales):
            self._add(market)
        sequence, self._time_ns = tables.load_position(db)
        self._published = Published(sequence, sequence, sequence)

    def apply(self, sequence: int, time_ns: int, events: list[Event]) -> None:
        self._time_ns = time_ns
        handlers = self._handlers
        for event in events:
            handle = handlers.get(event.__class__)
            if handle is not None:
                handle(sequence, time_ns, event)

    def flush(self, db: Connection) -> None:
        tables.save_candles(db, self._traded)
        self._traded.clear()

    def committed(self, sequence: int) -> None:
        for gateway in self._gateways:
            gateway.send(Position(sequence))
        now_ns = self._clock()
        for market in self._touched:
            self._publish(self._watched.said_at_commit(market, now_ns))
            market.tape.clear()
        self._moved_fast |= self._touched
        self._touched.clear()
        self._tell_position(sequence=sequence)
        for gateway, (hello, streams) in list(self._early.items()):
            if hello.after_sequence <= sequence:
                del self._early[gateway]
                self._welcome(gateway, hello)
                self.watch(gateway, streams)

    # The feed's market side.

    def hello(self, gateway: Gateway, hello: Hello) -> None:
        self._gateways.add(gateway)
        gateway.send(Position(self._published.sequence))
        if hello.after_sequence > self._published.sequence:
            self._early[gateway] = (hello, [])
        else:
            self._welcome(gateway, hello)

    def watch(self, gateway: Gateway, streams: list[str]) -> None:
        if gateway in self._early:
            self._early[gateway][1].extend(streams)
            return
        self._watch(gateway, streams, self._clock())

    def unwatch(self, gateway: Gateway, streams: Iterable[str]) -> None:
        if gateway in self._early:
            hello, later = self._early[gateway]
            hello.streams = [name for name in hello.streams if name not in streams]
            later[:] = [name for name in later if name not in streams]
            return
        for name in streams:
            readers = self._readers.get(name, set())
            readers.discard(gateway)
            if not readers and name in self._readers:
                del self._readers[name]
                self._watched.remove(name)

    def gone(self, gateway: Gateway) -> None:
        self._gateways.discard(gateway)
        self._early.pop(gateway, None)
        self.unwatch(gateway, [name for name, readers in self._readers.items() if gateway in readers])

    # Publication.

    async def run(self) -> None:
        """Ticks until it is cancelled."""
        while True:
            await asyncio.sleep((TICK_NS - self._clock() % TICK_NS) / NS_PER_S)
            self.tick(self._clock())

    def tick(self, now_ns: int) -> None:
        """Publishes what has been gathered; each tenth tick also what is gathered for a second."""
        number = (now_ns + TICK_NS // 2) // TICK_NS  # a timer may be a little early, and then comes again
        if number == self._tick:
            return
        self._tick = number
        self._tell_fast(now_ns)
        over_ns = max(self._time_ns, now_ns - BAR_GRACE_NS)
        self._publish(self._watched.said_of_bars(now_ns, over_ns))
        if number % 10 == 0:
            self._tell_slow(now_ns)
            self._publish(self._watched.said_each_second(now_ns))
            self._tell_position(time_ns=over_ns)

    def _tell_fast(self, now_ns: int) -> None:
        for market in self._moved_fast:
            self._publish(self._watched.said_fast(market, now_ns))
            market.publish_fast()
        self._moved_slow |= self._moved_fast
        self._moved_fast.clear()
        self._tell_position(fast_sequence=self._published.sequence)

    def _tell_slow(self, now_ns: int) -> None:
        for market in self._moved_slow:
            self._publish(self._watched.said_slow(market, now_ns))
            market.publish_slow()
        self._moved_slow.clear()
        self._tell_position(slow_sequence=self._published.fast_sequence)

    def _tell_position(self, **changed: int) -> None:
        published = structs.replace(self._published, **changed)
        if published == self._published:
            return
        self._published = published
        for gateway in self._gateways:
            if gateway not in self._early:
                gateway.send(published)

    def _publish(self, said: Said) -> None:
        for name, body in said:
            message = MarketMessage(name, body)
            for gateway in self._readers[name]:
                gateway.send(message)

    def _welcome(self, gateway: Gateway, hello: Hello) -> None:
        """Tells what it missed. What is gathered goes to the others first: all go on from one place."""
        now_ns = self._clock()
        self._tell_fast(now_ns)
        self._tell_slow(now_ns)
        if hello.streams:
            try:
                missed = Missed(self._journal, hello, self._published.sequence)
            except NoWayBack as problem:
                log.warning("a gateway's streams start again: %s", problem)
                gateway.send(Gap())
            else:
                for name in hello.streams:
                    for body in missed.told(name, self._by_symbol, now_ns):
                        gateway.send(MarketMessage(name, body))
        self._watch(gateway, hello.streams, hello.after_ns or now_ns)
        gateway.send(self._published)

    def _watch(self, gateway: Gateway, streams: list[str], from_ns: int) -> None:
        for name in streams:
            self._readers[name].add(gateway)
            self._watched.add(name, from_ns)

    def _level(self, sequence: int, time_ns: int, level: Level) -> None:
        market = self.markets[level.market]
        market.level(level)
        self._touched.add(market)

    def _trade(self, sequence: int, time_ns: int, trade: Trade) -> None:
        market = self.markets[trade.market]
        market.trade(time_ns, trade, self._aggregates.of(sequence, trade))
        self._traded.add(market)

    def _asset(self, sequence: int, time_ns: int, event: AssetEvent) -> None:
        self._scales[event.asset] = event.scale

    def _market(self, sequence: int, time_ns: int, event: MarketEvent) -> None:
        """Assets, tick and lot stay what they were at the listing; what may change concerns nobody here."""
        if event.market in self.markets:
            return
        market = Market(
            event.market,
            event.symbol.decode(),
            base_scale=self._scales[event.base],
            quote_scale=self._scales[event.quote],
            tick_atoms=event.tick_atoms,
            lot_atoms=event.lot_atoms,
        )
        self._add(market)

    def _add(self, market: Market) -> None:
        self.markets[market.id] = market
        self._by_symbol[market.symbol] = market
        self._watched.add_market(market)
