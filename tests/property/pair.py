"""A market, people with money, and both venues side by side: what histories and planted faults start from."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Self

from cambist._matching import Engine
from cambist.engine import commands
from cambist.engine.codes import AccountClass, FeeComponent, MarketStatus, Role
from cambist.engine.commands import Command
from cambist.engine.events import Event, HoldEvent
from tests.contract.venues import ModelVenue, RustVenue, Sent

from . import invariants, mixes
from .invariants import Witness
from .mixes import EVERYTHING, Mix

RICH, POOR = 1_000_000, 3_000


def _market(base: int, quote: int, tick_atoms: int, lot_atoms: int, symbol: bytes) -> commands.MarketList:
    return commands.MarketList(
        base=base,
        quote=quote,
        tick_atoms=tick_atoms,
        lot_atoms=lot_atoms,
        filters=mixes.FILTERS,
        state=MarketStatus.TRADING,
        symbol=symbol,
    )


def _account(account_class: AccountClass, reference: bytes, stp_group: int = 0) -> commands.AccountCreate:
    return commands.AccountCreate(
        account_class=account_class, permissions=EVERYTHING, stp_group=stp_group, reference=reference
    )


def _credit(account: int, asset: int, amount_atoms: int) -> commands.Credit:
    return commands.Credit(
        account=account,
        market=asset,
        counter_account=mixes.MIRROR,
        amount_atoms=amount_atoms,
        reference=b"funds:%d:%d" % (account, asset),
    )


SETUP: list[Command] = [
    commands.AssetList(scale=0, name=b"BTC"),
    commands.AssetList(scale=2, name=b"ETH"),
    commands.AssetList(scale=0, name=b"USD"),
    _market(1, 3, tick_atoms=1, lot_atoms=1, symbol=b"BTCUSD"),
    _market(2, 3, tick_atoms=50, lot_atoms=4, symbol=b"ETHUSD"),
    _market(2, 1, tick_atoms=100, lot_atoms=4, symbol=b"ETHBTC"),
    commands.MarketFees(market=2, component=FeeComponent.STANDARD, maker=100_000, taker=200_000),
    commands.MarketFees(market=2, component=FeeComponent.STANDARD, tier=1, maker=0, taker=90_000),
    commands.MarketFees(market=2, component=FeeComponent.SPECIAL, buyer=30_000, seller=7),
    commands.MarketFees(market=3, component=FeeComponent.TAX, seller=1_000_000),
    _account(AccountClass.USER, b"user:1"),
    _account(AccountClass.USER, b"user:2", stp_group=1001),
    _account(AccountClass.USER, b"user:3"),
    _account(AccountClass.USER, b"user:4"),
    _account(AccountClass.USER, b"user:5"),
    _account(AccountClass.MIRROR, b"mirror"),
    commands.AccountSet(account=1003, tier=1, permissions=EVERYTHING),
    *(_credit(account, asset, RICH) for account in (1001, 1002, 1003) for asset in mixes.ASSETS),
    *(_credit(1004, asset, POOR) for asset in mixes.ASSETS),
    commands.SessionOpen(role=Role.TRADE, name=b"trade"),
    commands.SessionOpen(role=Role.WALLET, name=b"wallet"),
]
ADMIN, TRADE, WALLET, UNKNOWN = 1, 2, 3, 99


class Pair:
    """Both venues, fed the same bytes."""

    def __init__(self) -> None:
        self.model, self.rust = ModelVenue(), RustVenue()
        self._witnesses = [Witness(self.model), Witness(self.rust)]
        self._references: dict[bytes, bytes] = {}  # by the digest that the engine gives them

    @classmethod
    def open(cls, rules: int = 2) -> Self:
        """With three markets, five users, and money."""
        pair = cls()
        pair.send(commands.Rules(version=rules))
        for command in SETUP:
            pair.send(command)
        return pair

    def mix(self, seed: int) -> Mix:
        return Mix(seed, self.model.model.state)

    def send(self, command: Command, session: int | None = None) -> None:
        self.send_bytes(self.model.stamped(command, session))

    def send_bytes(self, command: bytes) -> None:
        hash_before = self.rust.engine.event_hash
        for witness in self._witnesses:
            witness.send(command)
            for holds in invariants.ALL:
                holds(witness)
        assert self.rust.engine.event_hash != hash_before
        of_model, of_rust = self._witnesses
        assert of_model.result == of_rust.result
        assert _typed(of_model.events) == _typed([self._with_reference(event) for event in of_rust.events])
        assert of_model.now == of_rust.now
        for market in of_model.now.markets:
            assert self.model.queries.reference_price(market) == self.rust.queries.reference_price(market)
        self.rust.engine.check()

    def end_every_order(self) -> None:
        """Cancels everything; then nothing may be held but for withdrawals (which invariant 3 sees to)."""
        for account in self.model.queries.account_ids():
            self.send(commands.CancelAll(account=account))
        while self.rust.engine.pending:
            self.send(commands.Continue())
        engine, state = self.rust.engine, self.model.model.state
        assert engine.open_order_count == len(state.orders) == len(state.lists) == 0

    def pass_time(self, by_ns: int) -> None:
        for witness in self._witnesses:
            witness.venue.time_ns += by_ns

    def _with_reference(self, event: Event) -> Event:
        """The model names a hold by its reference: one digest must always stand for the same one."""
        if not isinstance(event, HoldEvent):
            return event
        told = next(each for each in self._witnesses[0].events if isinstance(each, HoldEvent))
        return event._replace(digest=self._references.setdefault(event.digest, told.digest))


def _typed(events: Sequence[Event]) -> list[tuple[type, Event]]:
    """Named tuples of different kinds are equal when their fields are; events are not."""
    return [(type(event), event) for event in events]


def batches(log: Sequence[Sent], longest: int) -> Iterator[bytes]:
    """The log cut into batches of up to `longest` commands; one batch has one time and one epoch."""
    sequence = 1
    for (time_ns, epoch), run in groupby(log, key=lambda sent: (sent.time_ns, sent.epoch)):
        together = [sent.command for sent in run]
        for start in range(0, len(together), longest):
            chunk = together[start : start + longest]
            yield commands.batch(sequence, time_ns, epoch, chunk)
            sequence += len(chunk)


def replayed(log: Sequence[Sent], *, longest: int, over_snapshots: bool) -> tuple[Engine, bytes]:
    engine, output = Engine(), bytearray()
    for batch in batches(log, longest):
        output += engine.apply(batch)
        if over_snapshots:
            engine = Engine.restore(engine.snapshot())
    return engine, bytes(output)
