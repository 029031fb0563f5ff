"""Random histories through the plain model and the Rust engine at once.

After every command both have said the same events and answer the same queries, and invariants 1 to 9 and 12
hold in both. At the end the same commands, with other batch borders or over snapshots, give the same
bytes and hashes.
"""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from cambist.engine import commands
from cambist.engine.codes import Kind, OrderType, Side, TimeInForce

from .mixes import USERS
from .pair import ADMIN, TRADE, UNKNOWN, WALLET, Pair, replayed

CROWD = 66  # more than one step of a cancel-all closes

seeds = st.integers(0, (1 << 64) - 1)
bursts = st.integers(1, 25)


class Histories(RuleBasedStateMachine):
    @initialize(rules=st.sampled_from([1, 2, 2, 2]))
    def open_for_business(self, rules: int) -> None:
        self.pair = Pair.open(rules)
        self.has_been_crowded = False

    @rule(seed=seeds, count=bursts)
    def trade(self, seed: int, count: int) -> None:
        mix = self.pair.mix(seed)
        for _ in range(count):
            self.pair.send(mix.order(), TRADE)

    @rule(seed=seeds, count=bursts)
    def send_anything(self, seed: int, count: int) -> None:
        mix = self.pair.mix(seed)
        for _ in range(count):
            self.pair.send(mix.any())

    @rule(seed=seeds, count=bursts)
    def move_money(self, seed: int, count: int) -> None:
        mix = self.pair.mix(seed)
        for _ in range(count):
            self.pair.send(mix.money())

    @rule(seed=seeds)
    def operate(self, seed: int) -> None:
        self.pair.send(self.pair.mix(seed).operation())

    @rule(seed=seeds)
    def run_the_sequencer(self, seed: int) -> None:
        self.pair.send(self.pair.mix(seed).of_the_sequencer())

    @rule(by_ns=st.integers(1, 10**9))
    def let_time_pass(self, by_ns: int) -> None:
        self.pair.pass_time(by_ns)

    @rule(seed=seeds, session=st.sampled_from([ADMIN, TRADE, WALLET, UNKNOWN]))
    def send_by_any_session(self, seed: int, session: int) -> None:
        self.pair.send(self.pair.mix(seed).any(), session)

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
        mix = self.pair.mix(seed)
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
    @rule(account=st.sampled_from(USERS[:3]), goes_on=st.integers(0, 2))
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
        self.pair.end_every_order()


Histories.TestCase.settings = settings(
    max_examples=45,
    stateful_step_count=50,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
# Only a failure takes long: Hypothesis then looks for the shortest history that shows it, for minutes.
TestHistories = pytest.mark.timeout(900)(Histories.TestCase)
