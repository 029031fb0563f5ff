"""What has happened for certain, batch by batch, and what may never contradict it.

A batch is taken as soon as some leader's log has acknowledged it, and when a start finds one in the log that
was never acknowledged. A second engine runs it at once: what the exchange says to anybody must be what this
one said. Checks that need the whole state are made by `check_all` and `check_views`.
"""

from collections.abc import Iterator
from pathlib import Path
from struct import Struct
from types import SimpleNamespace
from typing import Any, cast

from sqlalchemy import Connection, func, select

from cambist._matching import Engine
from cambist.engine import commands
from cambist.engine import events as codec
from cambist.engine.codes import Contingency, Kind, Side, Status
from cambist.engine.events import Event, HoldEvent
from cambist.engine.views import MarketView, OrderView
from cambist.log.file import read
from cambist.log.journal import JournalRecord
from cambist.log.segments import segments
from cambist.store import views
from tests.contract.venues import AccountView
from tests.model import Model
from tests.property import invariants

from .fold import CHANGES_SOMETHING, Fold
from .world import Violation, World

_BATCH = Struct("<QqIII4x")
_LENGTH = Struct("<H")
MONEY = range(Kind.CREDIT, Kind.CORRECTION + 1)
REFUSED_EVERY = 16  # one in so many commands that come alone is held against invariant 9 by hashes


class History:
    def __init__(self, world: World) -> None:
        self.world = world
        self.fold = Fold()
        self.engine = Engine()
        self.batches: list[bytes] = []
        self._nth = {0: 0}  # batches up to a sequence
        self.commands: list[bytes] = [b""]  # by sequence
        self.records: list[bytes] = [b""]
        self.hashes: dict[int, int] = {0: self.engine.event_hash}  # at the end of each batch
        self.attempted: set[bytes] = set()  # batches that some leader began to write
        self._references: set[bytes] = set()
        self._dice = world.dice("history")

    @property
    def sequence(self) -> int:
        return self.engine.sequence

    def take(self, payload: bytes) -> None:
        """A batch that is durable. Every cheap check is made here."""
        first_sequence, _, epoch, count, _ = _BATCH.unpack_from(payload)
        if first_sequence != self.sequence + 1:
            raise Violation(f"8: a batch begins with {first_sequence} behind {self.sequence}")
        if epoch != self.engine.epoch:
            raise Violation(f"19: a batch of epoch {epoch} in epoch {self.engine.epoch}")
        before = None
        if count == 1 and self._dice.randrange(REFUSED_EVERY) == 0:
            before = self.engine.business_hash()
        output = self.engine.apply(payload)
        for command, record in zip(commands_of(payload), codec.split(output), strict=True):
            self.commands.append(command)
            self.records.append(record)
            result = codec.result(record)
            if result.command in MONEY and result.status == Status.OK and not result.repeat:
                self._once(command)
            try:
                self.fold.take(result, codec.decode(record))
            except (AssertionError, LookupError) as problem:
                raise Violation(f"sequence {result.sequence}: {problem!r}") from problem
            if before and (result.repeat or result.status not in CHANGES_SOMETHING):
                same = self.engine.business_hash() == before
                self.must(same, f"9: refused {result} changes the state")
        self.batches.append(payload)
        self._nth[self.sequence] = len(self.batches)
        self.hashes[self.sequence] = self.engine.event_hash
        self.world.note(f"batch to {self.sequence}", payload, output)

    def _once(self, command: bytes) -> None:
        """10: a reference moves money once."""
        money = commands.decode(command)
        assert isinstance(money, commands.Money)
        reference = money.reference
        self.must(reference not in self._references, f"10: {reference!r} has moved money before")
        self._references.add(reference)

    def must(self, holds: bool, what: str) -> None:
        if not holds:
            raise Violation(what)

    def said(self, record: JournalRecord) -> None:
        """What a live engine wrote into the journal is what this history says."""
        place = f"to sequences {record.first_sequence} to {record.last_sequence}"
        expected = b"".join(self.records[record.first_sequence : record.last_sequence + 1])
        self.must(record.events == expected, f"13: the engine says other things {place}")
        self.must(record.event_hash == self.hashes[record.last_sequence], f"13: other hashes {place}")

    def answered(self, command: bytes, answer: bytes) -> None:
        """What a client was told is true, durable, and about its own command. Parts follow each other."""
        result = codec.result(answer)
        self.must(result.sequence <= self.sequence, f"15: {result} was told before it was durable")
        self.must(self.commands[result.sequence] == command, f"15: {result} answers another command")
        first, *parts = codec.split(answer)
        told = self.fold.results.get((result.session, result.number))
        self.must(told is None or told.sequence == result.sequence, f"8: {result} is not the first answer")
        last = codec.result(parts[-1]) if parts else result
        self.must(not last.more, f"8: {result} was told before its last part was there")
        self.must(first == self.records[result.sequence], f"8: told {result}, which is not what happened")
        for part in parts:
            sequence = codec.result(part).sequence
            self.must(part == self.records[sequence], f"8: told a part at {sequence} that did not happen")

    def read_log(self, directory: Path) -> None:
        """15: the log on the disk is this history, and at most what was in flight. It may begin later."""
        pruned = segments(directory)[0].first_sequence - 1
        found = read(directory, pruned)
        for nth in range(self._nth[pruned], len(self.batches)):
            if next(found, None) != self.batches[nth]:
                raise Violation(f"15: batch {nth} of {len(self.batches)} was acknowledged and is lost")
        for payload in found:
            of_taker = [command[2] for command in commands_of(payload)] == [Kind.TAKE_OVER]
            self.must(of_taker or payload in self.attempted, "15: the log holds a batch that nobody wrote")
            self.take(payload)

    def was_not_executed(self, command: bytes) -> None:
        """What was refused may not be in the log, not even later."""
        if any(command[4:16]):
            key = (int.from_bytes(command[4:8], "little"), int.from_bytes(command[8:16], "little"))
            self.must(key not in self.fold.results, f"15: {key} was told to be not executed, and was")

    def check_engine(self, live: Engine) -> None:
        """13 and 14: an engine that has run, or was restored, stands where this history does."""
        if live.sequence == self.sequence:
            same = live.event_hash == self.engine.event_hash and live.state_hash() == self.engine.state_hash()
            self.must(same, f"13: the engine's hashes differ at {self.sequence}")

    def check_all(self) -> None:
        """1 to 4, 13 and 14 over the whole state."""
        self.engine.check()
        restored = Engine.restore(self.engine.snapshot())
        self.must(restored.state_hash() == self.engine.state_hash(), "13: a snapshot restores something else")
        self.engine = restored  # and the history goes on with it
        fold, now = self.fold, _picture(self.engine)
        seen = SimpleNamespace(
            now=now,
            holds=fold.holds,
            pairs={at for at, told in fold.lists.items() if told.contingency != Contingency.OTO},
            events=[],
            venue=SimpleNamespace(queries=self.engine),
        )
        for holds in (
            invariants.invariant_1_postings_sum_to_zero,
            invariants.invariant_2_no_balance_below_zero,
            invariants.invariant_3_held_is_what_orders_and_holds_need,
            invariants.invariant_4_the_book_is_sound,
        ):
            try:
                holds(cast(invariants.Witness, seen))
            except AssertionError as problem:
                raise Violation(f"{holds.__name__}: {problem}") from problem
        self._check_fold(now)

    def check_model(self, most: int) -> None:
        """14: the plain model of the rules decides and tells the same, as far as there is time for it."""
        model = Model()
        digests: dict[bytes, bytes] = {}  # the model names holds by their references
        for sequence in range(1, min(most, self.sequence) + 1):
            result, told = codec.result(self.records[sequence]), codec.decode(self.records[sequence])
            answer, following = model.apply(sequence, result.time_ns, self.commands[sequence])
            mine = [_with_digest(event, digests, told) for event in following]
            self.must((answer, mine) == (result, told), f"14: the model says {answer} {mine} at {sequence}")

    def _check_fold(self, now: Any) -> None:
        """14: the naive book and ledger are the engine's."""
        fold = self.fold
        told = {place: amounts for place, amounts in fold.balances.items() if any(amounts)}
        self.must(told == now.balances, "14: other balances were told")
        standing = {
            at: (each.quantity_lots, each.executed, each.prevented, each.client_id, each.state)
            for at, each in fold.orders.items()
        }
        open_orders = {
            each.order_id: (
                each.quantity_lots, each.executed_lots, each.prevented_lots, each.client_id, each.state
            )
            for each in now.orders
        }  # fmt: skip
        self.must(standing == open_orders, "14: other orders were told")
        for market, (_, bids, asks) in now.depths.items():
            for side, levels in enumerate((bids, asks)):
                told_levels = fold.levels.get((market, Side(side)), {})
                self.must(dict(levels) == told_levels, f"14: other levels of market {market} were told")

    def check_views(self, db: Connection) -> None:
        """16: the tables, at this history's end, are what events say."""
        with db.begin():
            self._check_tables(db)

    def _check_tables(self, db: Connection) -> None:
        fold = self.fold
        table = views.balances
        rows = db.execute(select(table)).all()
        told = {(row.account, row.asset): (row.available_atoms, row.held_atoms) for row in rows}
        self.must(told == fold.balances, "16: balances")
        rows = db.execute(select(views.levels)).all()
        levels = {(row.market, row.side, row.price_ticks): row.quantity_lots for row in rows}
        expected = {
            (market, int(side), price): lots
            for (market, side), of_side in fold.levels.items()
            for price, lots in of_side.items()
        }
        self.must(levels == expected, "16: levels")
        rows = db.execute(select(views.orders).where(views.orders.c.reason == 0)).all()
        found = {row.order_id: (row.executed_lots, row.client_id.encode(), row.state) for row in rows}
        orders = {at: (each.executed, each.client_id, int(each.state)) for at, each in fold.orders.items()}
        self.must(found == orders, "16: open orders")
        for what, count in ((views.trades, fold.trades), (views.postings, fold.postings)):
            self.must(db.scalar(select(func.count()).select_from(what)) == count, f"16: {what.name}")


def _with_digest(event: Event, digests: dict[bytes, bytes], told: list[Event]) -> Event:
    if not isinstance(event, HoldEvent):
        return event
    digest = next((each.digest for each in told if isinstance(each, HoldEvent)), b"")
    return event._replace(digest=digests.setdefault(event.digest, digest))


def commands_of(payload: bytes) -> Iterator[bytes]:
    at = _BATCH.size
    while at < len(payload):
        (length,) = _LENGTH.unpack_from(payload, at)
        yield payload[at : at + length]
        at += length


def _picture(engine: Engine) -> Any:
    accounts = engine.account_ids()
    markets = [MarketView.of(row) for row in engine.markets()]
    return SimpleNamespace(
        accounts={each: AccountView.of(engine.account(each)) for each in accounts},
        balances={
            (account, asset): (available, held)
            for account in accounts
            for asset, available, held in engine.balances(account)
            if available or held
        },
        orders=[OrderView(*row) for account in accounts for row in engine.open_orders(account)],
        markets={market.market: market for market in markets},
        depths={market.market: engine.depth(market.market, 1_000_000) for market in markets},
    )
