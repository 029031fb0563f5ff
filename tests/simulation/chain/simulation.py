"""One history with coins: people deposit, trade and withdraw while faults strike; then all must end well."""

import gc
import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from random import Random
from tempfile import mkdtemp
from typing import Any, NamedTuple
from unittest.mock import patch

from cambist.errors import Broken
from tests.simulation.disk import DiskFault
from tests.simulation.site import memory
from tests.simulation.world import NS_PER_S, Violation

from .ending import check, what_waits
from .ethereum import BASE_FEE
from .lies import lie_of
from .place import BLOCK_NS, Place
from .programme import Fault, Programme
from .start import SETUP

OPENED_NS = 20 * NS_PER_S
HEALED_BLOCKS = 90  # at most, until nothing waits


class Outcome(NamedTuple):
    digest: str
    blocks: int
    deposits: int  # credited
    reversed: int
    withdrawals: int  # settled
    given_back: int
    sent: int  # transactions of ours that the chain took
    trades: int
    reorgs: int
    deepest: int
    starts: int  # of the wallets
    crossings: int
    steps: int
    lies: int
    faults: dict[str, int]


class Failure(Exception):
    """A violation, with what leads to it again."""

    def __init__(self, programme: Programme, step: int, problem: BaseException, trace: list[str]) -> None:
        super().__init__(f"seed {programme.seed}, block {step}: {type(problem).__name__}: {problem}")
        self.programme = programme
        self.step = step
        self.trace = trace


def simulate(programme: Programme) -> Outcome:
    """Raises Failure."""
    home = Path(mkdtemp(prefix="cambist-simulation-", dir=memory()))
    gc.disable()
    try:
        with _quiet(), patch("cambist.log.file.secrets.token_bytes", Random(programme.seed).randbytes):
            run = Simulation(programme, home)
            try:
                return run.run()
            except (Exception, Broken) as problem:
                raise Failure(programme, run.mined, problem, [*run.place.world.trace]) from problem
            finally:
                run.end()
    finally:
        gc.enable()
        shutil.rmtree(home, ignore_errors=True)


class Simulation:
    def __init__(self, programme: Programme, home: Path) -> None:
        self.programme = programme
        self.place = Place(programme, home)
        self.mined = 0  # blocks behind the set-up
        self._to_strike = list(programme.faults)
        self._struck: dict[str, int] = {}

    def run(self) -> Outcome:
        place = self.place
        self._set_up()
        while self.mined < self.programme.blocks:
            self._strike_all()
            place.people.act()
            self._block()
        self._heal()
        check(place.oracle)
        oracle = place.oracle
        return Outcome(
            digest=place.world.digest,
            blocks=place.blocks,
            deposits=len(oracle.credited) + len(oracle.reversed),
            reversed=len(oracle.reversed),
            withdrawals=len(oracle.settled),
            given_back=len(oracle.released),
            sent=sum(1 for _ in oracle.ours()),
            trades=place.site.history.fold.trades,
            reorgs=oracle.reorgs,
            deepest=oracle.deepest,
            starts=place.starts,
            crossings=place.crossings,
            steps=place.steps,
            lies=sum(node.told for node in place.nodes),
            faults=self._struck,
        )

    def end(self) -> None:
        place = self.place
        for process in place.site.processes():
            process.kill()
        if place.wallets is not None:
            place.wallets.kill()
            place.wallets.records.close()
        place.signer.kill()
        place.office.close()
        place.oracle.close()

    def _set_up(self) -> None:
        """Accounts and a market; the wallets read on from the block that is there."""
        place, site = self.place, self.place.site
        site.start_exchange()
        assert site.exchange is not None
        told: list[bytes] = []
        site.exchange.spawn(site.exchange.set_up(told.append, [each.encode() for each in SETUP]))
        self._until(lambda: len(told) == len(SETUP) + 1, "the set-up is not answered")
        place.bind()
        site.gateways[0].start()
        place.start_wallets()
        self._until(lambda: place.has_cursor(), "the wallets read nothing")
        place.people.begin()
        for _ in range(self.programme.confirmations + 1):
            self._block()
        self.mined, place.share = 0, self.programme.share

    def _until(self, holds: Any, otherwise: str) -> None:
        self.place.oracle.must(self.place.world.run(holds, OPENED_NS), otherwise)

    def _block(self) -> None:
        place = self.place
        place.world.pass_time(place.world.dice("miner").randrange(BLOCK_NS // 4, 7 * BLOCK_NS // 4))
        place.mine()
        self.mined += 1

    def _block_that_is_awaited(self) -> None:
        """Comes when the one before is read: steps are what costs, and one to a block is enough here."""
        place = self.place
        before = place.steps
        place.world.run(lambda: place.steps > before and place.oracle.is_read(), 7 * BLOCK_NS)
        place.mine()
        self.mined += 1

    # Faults.

    def _strike_all(self) -> None:
        while self._to_strike and self._to_strike[0].at <= self.mined:
            fault = self._to_strike.pop(0)
            self._struck[fault.kind] = self._struck.get(fault.kind, 0) + 1
            self.place.world.note(f"fault {fault}")
            self._strike(fault)

    def _strike(self, fault: Fault) -> None:
        place, dice = self.place, Random(fault.dice)
        lag = self.programme.final_lag
        match fault.kind:
            case "reorg":
                place.reorganise(dice.randrange(1, self.programme.confirmations + 1), dice)
            case "deep reorg":
                place.reorganise(lag - 1, dice, forgotten=0.9)
            case "a node lags":
                self._mislead(dice, "lag", dice.randrange(1, 6), 0)
            case "a node lies":
                self._mislead(dice, "lie", lie_of(dice), None)
            case "a node forks off":
                head = place.chain.head.at(max(0, place.chain.height - dice.randrange(3)))
                assert head is not None
                for _ in range(dice.randrange(1, 5)):
                    head = place.chain.block_on(head, dice, 1.0)
                self._mislead(dice, "head", head, None)
            case "nodes drop answers":
                for node in place.nodes:
                    node.drops = dice.choice([0.1, 0.4, 1.0])
                self._later(dice, self._hear)
            case "nodes forget":
                for txid in list(place.chain.pool):
                    if dice.random() < 0.7 and place.chain.pool[txid].pay is not None:
                        transaction = place.chain.pool.pop(txid)
                        self._later(dice, partial(place.chain.pool.setdefault, txid, transaction))
            case "fees rise":
                place.chain.base_fee = BASE_FEE * dice.choice([3, 5, 20])
                self._later(dice, self._calm, most=40)
            case "cut the wallets off":
                if place.wallets is not None:
                    place.wallets.port.is_mute = dice.random() < 0.5
                    place.wallets.port.cut()
                    self._later(dice, place.wallets.port.speak, most=10)
            case "kill the gateway":
                place.site.gateways[0].kill()
                place.site.restart_gateway(0)
            case _:
                self._kill(fault.kind, dice)

    def _kill(self, kind: str, dice: Random) -> None:
        """At a step of the wallets, of the signer, or of the exchange's disk."""
        place = self.place
        steps = dice.randrange(dice.choice([4, 30, 150]))
        strikes = {
            "kill the wallets": place.end_wallets,
            "kill everything": place.end_everything,
            "cut the power": place.cut_power,
        }
        exchange = place.site.exchange
        if kind in strikes:
            place.strike_wallets(steps, strikes[kind])
        elif kind == "kill the signer":
            place.signer.strikes.append(dice.randrange(1, 8))
        elif exchange is not None and exchange.is_alive:
            exchange.disk.faults.append(DiskFault("kill", steps % 10, place.end_exchange))

    def _mislead(self, dice: Random, what: str, value: Any, otherwise: Any) -> None:
        """One of both nodes, for some blocks; the other one is honest meanwhile."""
        for node in self.place.nodes:
            node.heal()
        node = dice.choice(self.place.nodes)
        setattr(node, what, value)
        self._later(dice, partial(setattr, node, what, otherwise))

    def _later(self, dice: Random, act: Any, most: int = 8) -> None:
        self.place.site.outside.later(dice.randrange(1, most * BLOCK_NS), act)

    def _hear(self) -> None:
        for node in self.place.nodes:
            node.drops = 0.0

    def _calm(self) -> None:
        self.place.chain.base_fee = BASE_FEE

    # The end.

    def _heal(self) -> None:
        """25: what was begun comes to its end."""
        place = self.place
        place.world.note("healed")
        self._to_strike.clear()
        place.heal()
        why = "nothing was looked at"
        for _ in range(HEALED_BLOCKS):
            place.people.review(1.0)
            place.people.look()
            place.heal()
            self._block_that_is_awaited()
            if not (why := what_waits(place.oracle)):
                return
        raise Violation(f"25: {why}")


@contextmanager
def _quiet() -> Iterator[None]:
    """What the product logs of faults is not of interest here."""
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
