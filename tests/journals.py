"""Journals to read, of an exchange that never ran: batches through an engine, its output kept."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

from cambist._matching import Engine
from cambist.engine import commands
from cambist.engine.commands import OrderType, Side, TimeInForce
from cambist.flow.venue import TIME_NS, Listing, Venue
from cambist.log.journal import JournalRecord
from cambist.log.journal_writer import JournalWriter

LOG_ID = bytes(range(16))


class NoJournal:
    """For an exchange whose journal nobody reads."""

    def append(self, record: JournalRecord) -> None: ...

    def close(self) -> None: ...


def busy_batches(
    seed: int, orders: int, *, markets: int = 2, accounts: int = 20, batch: int = 8
) -> list[bytes]:
    """Set-up, then limit orders around one price, market orders and cancels, `batch` to a batch."""
    payloads: list[bytes] = []
    venue = Venue(Listing(), accounts, markets=markets, append=payloads.append)
    dice = Random(seed)
    for start in range(0, orders, batch):
        venue.trade(
            [_order(dice, venue).encode() for _ in range(min(batch, orders - start))],
            time_ns=TIME_NS + start * 1_000_000,
        )
    return payloads


def records_of(payloads: Sequence[bytes], engine: Engine | None = None) -> Iterator[JournalRecord]:
    """What an engine says to them."""
    engine = engine or Engine()
    for payload in payloads:
        first_sequence = engine.sequence + 1
        events = engine.apply(payload)
        yield JournalRecord(first_sequence, engine.sequence, engine.event_hash, engine.time_ns, events)


def write_journal(directory: Path, records: Sequence[JournalRecord], segment_bytes: int = 1 << 20) -> None:
    writer = JournalWriter(directory, LOG_ID, Engine().event_hash, segment_bytes=segment_bytes)
    for record in records:
        writer.append(record)
    writer.close()


def _order(dice: Random, venue: Venue) -> commands.Command:
    account, market, side = dice.choice(venue.accounts), dice.choice(venue.markets), dice.choice(list(Side))
    kind = dice.random()
    if kind < 0.15:
        order_id = dice.randint(1, max(venue.engine.sequence - 50, 1))
        return commands.Cancel(account=account, market=market, order_id=order_id)
    if kind < 0.25:
        return commands.Place(
            account=account,
            market=market,
            side=side,
            order_type=OrderType.MARKET,
            time_in_force=TimeInForce.IOC,
            quantity_lots=dice.randint(1, 20),
            client_id=b"m-%d" % dice.getrandbits(40),
        )
    away = dice.randint(-3, 12)
    return commands.Place(
        account=account,
        market=market,
        side=side,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        price_ticks=1_000 - away if side == Side.BUY else 1_000 + away,
        quantity_lots=dice.randint(1, 10),
        client_id=b"web_%032x" % dice.getrandbits(128),
    )
