"""What a gateway missed while the data process was away, read from the journal and told to it alone.

Trades come one by one, as they would have; the levels of a book come as one depth update, whose first id
follows the last one that was published. Everything else is told anew at the next tick.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from cambist.engine import events as codec
from cambist.engine.aggregates import AggregateIds
from cambist.engine.codes import Side
from cambist.engine.events import Event, Level, Trade
from cambist.feed.messages import Hello
from cambist.feed.names import FAST_MS, Kind, StreamName, parse
from cambist.log import journal
from cambist.log.journal import JournalDamaged
from cambist.price.market import Fill, Market
from cambist.price.streams import AggregateTradeStream, DepthStream, TradeStream

COMMANDS_MAX = 100_000  # read again for one gateway, which takes about a second


class NoWayBack(Exception):
    """The journal does not reach back to where the gateway was, or that is too far."""


class Command(NamedTuple):
    sequence: int
    time_ns: int
    events: list[Event]


class Missed:
    """Commands after where a gateway was, as far as the Price Server has come. Raises NoWayBack."""

    def __init__(self, directory: Path, hello: Hello, until: int) -> None:
        self._hello = hello
        self._commands = list(_commands(directory, _first(hello), until))

    def told(self, watched: str, markets: Mapping[str, Market], now_ns: int) -> list[bytes]:
        name = parse(watched)
        market = markets.get(name.symbol) if name else None
        if name is None or market is None:
            return []
        match name.kind:
            case Kind.TRADE:
                return TradeStream(market, name).told(self._tape(market), now_ns)
            case Kind.AGGREGATE_TRADE:
                return AggregateTradeStream(market, name).told(self._tape(market), now_ns)
            case Kind.DEPTH:
                return list(self._depth(market, name, now_ns))
        return []

    def _tape(self, market: Market) -> list[Fill]:
        ids = AggregateIds()
        tape = [
            Fill(command.time_ns, ids.of(command.sequence, event), event)
            for command in self._commands
            if command.sequence > self._hello.after_sequence
            for event in command.events
            if isinstance(event, Trade) and event.market == market.id
        ]
        # The last of them has the market's last id, and there are no gaps.
        shift = market.last_aggregate - tape[-1].aggregate_id if tape else 0
        return [fill._replace(aggregate_id=fill.aggregate_id + shift) for fill in tape]

    def _depth(self, market: Market, name: StreamName, now_ns: int) -> Iterator[bytes]:
        hello = self._hello
        after = hello.after_fast if name.speed_ms == FAST_MS else hello.after_slow
        levels = [
            event
            for command in self._commands
            if command.sequence > after
            for event in command.events
            if isinstance(event, Level) and event.market == market.id
        ]
        if levels:
            changed: dict[tuple[Side, int], None] = dict.fromkeys(
                (level.side, level.price_ticks) for level in levels
            )
            yield DepthStream(market, name).told(changed, levels[0].update_id, now_ns)


def _first(hello: Hello) -> int:
    return min(hello.after_sequence, hello.after_fast, hello.after_slow)


def _commands(directory: Path, after: int, until: int) -> Iterator[Command]:
    if until - after > COMMANDS_MAX:
        raise NoWayBack(f"{until - after} commands were missed")
    expected = after + 1
    try:
        for record in journal.read(directory, after):
            if expected > until:
                return
            if record.first_sequence != expected:
                break
            expected = record.last_sequence + 1
            for raw in codec.split(record.events):
                if events := codec.decode(raw):
                    sequence, time_ns = codec.place(raw)
                    yield Command(sequence, time_ns, events)
    except JournalDamaged as problem:
        raise NoWayBack(str(problem)) from problem
    if expected <= until:
        raise NoWayBack(f"the journal does not lead from sequence {after} to {until}")
