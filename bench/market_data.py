"""What market data costs: a second with ten times the events of a recorded peak second, all streams watched.

    python -m bench.market_data [SECONDS]

The peak is BTCUSDT on a public exchange, 2024-08-08: one second with 1,362 messages, of 954 trades, 3,502
changes of levels and 398 of the best prices. Events come in a hundred commits a second; messages are framed
for one gateway. CPU time, decoding of the journal not included. Prints JSON.
"""

import json
import sys
import time
from pathlib import Path
from random import Random
from typing import NamedTuple, cast

from cambist.engine.codes import AssetStatus, MarketStatus, Side
from cambist.engine.events import AssetEvent, Event, Level, MarketEvent, Trade
from cambist.feed.messages import Hello, Market, Message, frame
from cambist.feed.server import Connection
from cambist.flow.venue import FILTERS
from cambist.intervals import NS_PER_S
from cambist.price.server import PriceServer

PEAK_TRADES, PEAK_LEVELS, TIMES = 954, 3_502, 10
COMMITS = 100  # a second
BEGIN_NS = 1_799_366_400 * NS_PER_S
STREAMS = (
    "trade aggTrade depth depth@100ms depth20@100ms bookTicker miniTicker ticker ticker_1h avgPrice "
    "kline_1s kline_1m kline_1h kline_1d"
)


class Gateway:
    """Counts what it is sent, and frames it as a connection does."""

    def __init__(self) -> None:
        self.messages = 0
        self.bytes = 0
        self._outgoing: list[Message] = []

    def send(self, message: Message) -> None:
        self._outgoing.append(message)

    def flush(self) -> None:
        self.messages += sum(isinstance(message, Market) for message in self._outgoing)
        self.bytes += len(frame(self._outgoing))
        self._outgoing.clear()


class Second(NamedTuple):
    cpu_s: float
    messages: int


class Bench:
    def __init__(self, streams: list[str]) -> None:
        self.now_ns = BEGIN_NS
        self.price = PriceServer(Path("/nowhere"), lambda: self.now_ns)
        self.gateway = Gateway()
        connection = cast(Connection, self.gateway)
        self.price.hello(connection, Hello())
        self._dice = Random(1)
        self._sequence = self._trade_id = self._update_id = 0
        assets: list[Event] = [AssetEvent(asset, 8, AssetStatus.ACTIVE, b"%d" % asset) for asset in (1, 2)]
        market = MarketEvent(1, 1, 2, 1_000_000, 1_000, FILTERS, MarketStatus.TRADING, b"BTCUSDT")
        self._commit([[*assets, market]])
        self.price.watch(connection, streams)

    def second(self, trades: int, levels: int) -> Second:
        """Its events in commits, with a tick after every tenth."""
        commits = [self._commands(trades // COMMITS, levels // COMMITS) for _ in range(COMMITS)]
        before, started = self.gateway.messages, time.process_time()
        for nth, commands in enumerate(commits, start=1):
            self.now_ns += NS_PER_S // COMMITS
            self._commit(commands)
            for market in self.price.markets.values():
                list(market.candles.unsaved())
            if nth % 10 == 0:
                self.price.tick(self.now_ns)
            self.gateway.flush()
        return Second(time.process_time() - started, self.gateway.messages - before)

    def _commit(self, commands: list[list[Event]]) -> None:
        for events in commands:
            self._sequence += 1
            self.price.apply(self._sequence, self.now_ns, events)
        self.price.committed(self._sequence)

    def _commands(self, trades: int, levels: int) -> list[list[Event]]:
        """Orders that rest or leave, and some that trade with two makers each."""
        commands: list[list[Event]] = [[self._level()] for _ in range(levels)]
        for _ in range(trades // 2):
            commands.append([self._trade(), self._trade(), self._level()])
        self._dice.shuffle(commands)
        return commands

    def _level(self) -> Level:
        self._update_id += 1
        side = self._dice.choice((Side.BUY, Side.SELL))
        away = int(self._dice.expovariate(0.01))
        price = 6_180_000 - away if side is Side.BUY else 6_180_001 + away
        return Level(1, side, price, self._dice.choice((0, 1, 1, 2)) * 12_345, self._update_id)

    def _trade(self) -> Trade:
        self._trade_id += 1
        price, lots = 6_180_000 + self._dice.randint(-50, 50), self._dice.randint(1, 100_000)
        quote = price * lots * 10
        return Trade(1, Side.BUY, self._trade_id, price, lots, 1, self._trade_id // 2, 3, 4, quote, 0, 0)


def measured(bench: Bench, seconds: int, trades: int, levels: int) -> tuple[float, float]:
    """CPU seconds and messages of one second, in the mean. The first second warms up."""
    bench.second(trades, levels)
    found = [bench.second(trades, levels) for _ in range(seconds)]
    return sum(each.cpu_s for each in found) / seconds, sum(each.messages for each in found) / seconds


def main(seconds: int) -> dict[str, float]:
    trades, levels = PEAK_TRADES * TIMES, PEAK_LEVELS * TIMES
    watched = [f"btcusdt@{stream}" for stream in STREAMS.split()] + ["!ticker@arr", "!miniTicker@arr"]
    idle_s, _ = measured(Bench([]), seconds, trades, levels)
    only_trades_s, _ = measured(Bench([]), seconds, trades, COMMITS)
    busy_s, messages = measured(Bench(watched), seconds, trades, levels)
    return {
        "us_per_trade": round(only_trades_s / trades * 1e6, 2),
        "us_per_level": round((idle_s - only_trades_s) / (levels - COMMITS) * 1e6, 2),
        "us_per_message": round((busy_s - idle_s) / messages * 1e6, 2),
        "messages_per_s": round(messages),
        "seconds_per_second": round(busy_s, 3),
        "unwatched": round(idle_s, 3),
    }


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)))
