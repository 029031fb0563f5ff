"""Random histories through the plain model and the Rust engine at once.

After every command both have said the same events and answer the same queries, and invariants 1 to 9 and 12
hold in both. At the end the same commands, with other batch borders or over snapshots, give the same
bytes and hashes.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from cambist._matching import Engine
from cambist.engine import commands
from cambist.engine.codes import (
    AccountClass,
    FeeComponent,
    Kind,
    MarketStatus,
    OrderType,
    Role,
    Side,
    TimeInForce,
)
from cambist.engine.commands import Command
from cambist.engine.events import Event, HoldEvent
from tests.contract.venues import ModelVenue, RustVenue, Sent

from . import invariants, mixes
from .invariants import Witness
from .mixes import EVERYTHING, Mix

RICH, POOR = 1_000_000, 3_000
CROWD = 66  # more than one step of a cancel-all closes


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

    def send(self, command: Command, session: int | None = None) -> None:
        self.send_bytes(self.model.stamped(command, session))

    def send_bytes(self, command: bytes) -> None:
        for witness in self._witnesses:
            witness.send(command)
            for holds in invariants.ALL:
                holds(witness)
        of_model, of_rust = self._witnesses
        assert of_model.result == of_rust.result
        assert _typed(of_model.events) == _typed([self._with_reference(event) for event in of_rust.events])
        assert of_model.now == of_rust.now
        self.rust.engine.check()

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


seeds = st.integers(0, (1 << 64) - 1)
bursts = st.integers(1, 25)


class Histories(RuleBasedStateMachine):
    @initialize()
    def open_for_business(self) -> None:
        self.pair = Pair()
        self.has_been_crowded = False
        for command in SETUP:
            self.pair.send(command)

    def mix(self, seed: int) -> Mix:
        return Mix(seed, self.pair.model.model.state)

    @rule(seed=seeds, count=bursts)
    def trade(self, seed: int, count: int) -> None:
        mix = self.mix(seed)
        for _ in range(count):
            self.pair.send(mix.order(), TRADE)

    @rule(seed=seeds, count=bursts)
    def send_anything(self, seed: int, count: int) -> None:
        mix = self.mix(seed)
        for _ in range(count):
            self.pair.send(mix.any())

    @rule(seed=seeds, count=bursts)
    def move_money(self, seed: int, count: int) -> None:
        mix = self.mix(seed)
        for _ in range(count):
            self.pair.send(mix.money())

    @rule(seed=seeds)
    def operate(self, seed: int) -> None:
        self.pair.send(self.mix(seed).operation())

    @rule(seed=seeds)
    def run_the_sequencer(self, seed: int) -> None:
        self.pair.send(self.mix(seed).of_the_sequencer())

    @rule(by_ns=st.integers(1, 10**9))
    def let_time_pass(self, by_ns: int) -> None:
        self.pair.pass_time(by_ns)

    @rule(seed=seeds, session=st.sampled_from([ADMIN, TRADE, WALLET, UNKNOWN]))
    def send_by_any_session(self, seed: int, session: int) -> None:
        self.pair.send(self.mix(seed).any(), session)

    @rule(back=st.integers(1, 60))
    def send_again(self, back: int) -> None:
        log = self.pair.model.log
        self.pair.send_bytes(log[-min(back, len(log))].command)

    @rule(skipped=st.sampled_from([1, 4_095, 4_096]))
    def skip_numbers(self, skipped: int) -> None:
        self.pair.model.numbers[TRADE] += skipped

    @rule(seed=seeds, place=st.integers(0, 1_000), byte=st.integers(0, 255))
    def send_garbled(self, seed: int, place: int, byte: int) -> None:
        """One byte is another; length, kind, session and number stay."""
        mix = self.mix(seed)
        command = mix.order() if seed % 2 else mix.money()
        raw = bytearray(self.pair.model.stamped(command, ADMIN))
        places = [3, *range(16, len(raw))]
        raw[places[place % len(places)]] = byte
        self.pair.send_bytes(bytes(raw))

    @rule(kind=st.integers(0, 255), session=st.sampled_from([0, ADMIN, TRADE]))
    def send_an_unknown_kind(self, kind: int, session: int) -> None:
        raw = bytearray(self.pair.model.stamped(commands.Time(), session))
        raw[2] = kind if kind not in set(Kind) else 41
        self.pair.send_bytes(bytes(raw))

    @precondition(lambda self: not self.has_been_crowded)
    @rule(account=st.sampled_from(mixes.USERS[:3]), goes_on=st.integers(0, 2))
    def crowd_a_market_and_leave_it(self, account: int, goes_on: int) -> None:
        self.has_been_crowded = True
        for nth in range(CROWD):
            self.pair.send(
                commands.Place(
                    account=account,
                    market=1,
                    side=Side.SELL,
                    order_type=OrderType.LIMIT,
                    time_in_force=TimeInForce.GTC,
                    price_ticks=105 + nth % 3,
                    quantity_lots=1,
                ),
                TRADE,
            )
        self.pair.send(commands.CancelAll(account=account), TRADE)
        for _ in range(goes_on):
            self.pair.send(commands.Continue())

    def teardown(self) -> None:
        live, log = self.pair.rust, self.pair.rust.log
        for longest, over_snapshots in ((7, False), (1_000, False), (40, True)):
            engine, output = replayed(log, longest=longest, over_snapshots=over_snapshots)
            assert output == b"".join(live.outputs)
            assert engine.event_hash == live.engine.event_hash
            assert engine.state_hash() == live.engine.state_hash()
            assert engine.business_hash() == live.engine.business_hash()


Histories.TestCase.settings = settings(
    max_examples=120,
    stateful_step_count=50,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TestHistories = Histories.TestCase
