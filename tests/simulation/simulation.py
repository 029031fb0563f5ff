"""One history from beginning to end: trade while faults strike, then heal and demand that all works."""

import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from random import Random
from tempfile import mkdtemp
from typing import NamedTuple
from unittest.mock import patch

from cambist._matching import Engine
from cambist.engine import commands
from cambist.engine.codes import Role
from cambist.errors import ExchangeError
from cambist.log import snapshots
from cambist.log.errors import LogDamaged
from cambist.log.file import verify
from cambist.match import recovery
from tests.property.pair import SETUP

from .disk import DiskFault, ProcessDisk, flipped
from .programme import Fault, Programme
from .site import MS, Site, memory
from .traders import Trader
from .world import NS_PER_S, Crash, Violation

TRADERS = 4
CHECK_EVERY = 1_000
STUCK_NS = 60 * NS_PER_S  # of virtual time without one command
HEALED_NS = 20 * NS_PER_S
MOST_CONTINUED = 1_000


class Outcome(NamedTuple):
    digest: str
    commands: int
    answered: int
    unknown: int
    refused: int
    starts: int
    faults: dict[str, int]


class Failure(Exception):
    """A violation, with what leads to it again."""

    def __init__(self, programme: Programme, step: int, problem: BaseException, trace: list[str]) -> None:
        super().__init__(f"seed {programme.seed}, step {step}: {type(problem).__name__}: {problem}")
        self.programme = programme
        self.step = step
        self.trace = trace


def simulate(programme: Programme) -> Outcome:
    """Raises Failure."""
    home = Path(mkdtemp(prefix="cambist-simulation-", dir=memory()))
    try:
        with _quiet(), patch("cambist.log.file.secrets.token_bytes", Random(programme.seed).randbytes):
            run = Simulation(programme, home)
            try:
                return run.run()
            except (Exception, Violation) as problem:
                step, trace = run.site.history.sequence, [*run.site.world.trace]
                raise Failure(programme, step, problem, trace) from problem
            finally:
                run.end()
    finally:
        shutil.rmtree(home, ignore_errors=True)


class Simulation:
    def __init__(self, programme: Programme, home: Path) -> None:
        self.programme = programme
        self.site = Site(programme, home)
        self.traders = [Trader(self.site, nth) for nth in range(TRADERS)]
        self._to_strike = list(programme.faults)
        self._struck: dict[str, int] = {}
        self._next_check = CHECK_EVERY

    def run(self) -> Outcome:
        site, world = self.site, self.site.world
        site.start_exchange()
        self._set_up()
        site.start_data()
        for trader in self.traders:
            trader.begin()
        site.outside.later(1, self._watch)
        wanted = site.history.sequence + self.programme.commands
        while (before := site.history.sequence) < wanted:
            until = min(wanted, before + 500)
            world.run(partial(self._has_reached, until), STUCK_NS)
            site.history.must(site.history.sequence > before, f"nothing happens after sequence {before}")
        self._to_strike.clear()
        self._heal()
        self._check_everything()
        return Outcome(
            digest=world.digest,
            commands=site.history.sequence,
            answered=sum(trader.answered for trader in self.traders),
            unknown=sum(len(trader.unknown) for trader in self.traders),
            refused=sum(len(trader.refused) for trader in self.traders),
            starts=site.starts,
            faults=self._struck,
        )

    def _has_reached(self, sequence: int) -> bool:
        return self.site.history.sequence >= sequence

    def end(self) -> None:
        for process in self.site.processes():
            process.kill()

    def _set_up(self) -> None:
        """Accounts, markets and money, before anything goes wrong."""
        site = self.site
        self._until(self._exchange_is_open, "the exchange does not open")
        told: list[bytes | ExchangeError] = []
        assert site.exchange is not None
        exchange = site.exchange
        setup = [each.encode() for each in SETUP if each.kind != commands.Kind.SESSION_OPEN]

        def send() -> None:
            exchange.rules(2, told.append)
            for command in setup:
                exchange.submit(Role.ADMIN, command, told.append)

        exchange.later(1, send)
        self._until(lambda: len(told) == len(setup) + 1, "the set-up is not answered")
        for answer in told:
            assert isinstance(answer, bytes), answer

    def _exchange_is_open(self) -> bool:
        exchange = self.site.exchange
        return exchange is not None and exchange.is_alive and bool(exchange.ports)

    def _until(self, holds: Callable[[], bool], otherwise: str) -> None:
        self.site.history.must(self.site.world.run(holds, HEALED_NS), otherwise)

    def _watch(self) -> None:
        """Lets the faults strike whose time has come, and checks the whole state now and then."""
        sequence = self.site.history.sequence
        while self._to_strike and self._to_strike[0].at <= sequence:
            fault = self._to_strike.pop(0)
            self._struck[fault.kind] = self._struck.get(fault.kind, 0) + 1
            self.site.world.note(f"fault {fault}")
            self._strike(fault)
        if sequence >= self._next_check:
            self._next_check = sequence + CHECK_EVERY
            self._check()
        self.site.outside.later(MS // 2, self._watch)

    def _check(self) -> None:
        site = self.site
        site.history.check_all()
        site.keep_views()
        if (exchange := site.exchange) is not None and exchange.is_alive:
            site.history.check_engine(exchange.engine)
        data = site.data
        if data is not None and data.server is not None and data.position == site.history.sequence:
            site.history.check_views(data.server._db)

    # Faults.

    def _strike(self, fault: Fault) -> None:
        site, dice = self.site, Random(fault.dice)
        exchange, data = site.exchange, site.data
        match fault.kind:
            case "kill data" if data is not None and data.is_alive:
                data.kill()
                site.start_data_soon()
            case "kill data in a transaction" if data is not None:
                if dice.random() < 0.6:
                    data.switch.strikes_at_flush = True
                else:
                    data.switch.strikes_when_committed = True
            case "pause data" if data is not None and data.is_alive:
                data.pause()
                site.outside.later(dice.randrange(1, 500 * MS), data.resume)
            case "set the clock":
                jump_s = dice.choice([-3_600, -60, -1, 1, 2, 60, 3_600])
                site.world.wall_offset_ns += jump_s * NS_PER_S
            case "swizzle the links":
                self._swizzle(dice, cut=False)
            case "cut the links":
                self._swizzle(dice, cut=True)
            case "run low on disk":
                site.machine.free_bytes = 1
                site.outside.later(dice.randrange(1, 3_000 * MS), self._clean_disk)
            case "keep a snapshot":
                self._keep_snapshot(dice)
            case "flip a bit of a snapshot":
                self._flip(dice, sorted(site.settings.snapshots_directory.glob("*.snapshot")))
            case "flip a bit of the journal":
                self._flip(dice, sorted(site.settings.journal_directory.glob("*.journal")))
            case _ if exchange is not None and exchange.is_alive:
                self._strike_exchange(fault.kind, dice)

    def _strike_exchange(self, kind: str, dice: Random) -> None:
        site, exchange = self.site, self.site.exchange
        assert exchange is not None
        steps = dice.randrange(10)

        def end() -> None:
            exchange.kill()
            site.start_exchange_soon()

        match kind:
            case "kill the exchange":
                exchange.disk.faults.append(DiskFault("kill", steps, end))
            case "cut the power":
                exchange.disk.faults.append(DiskFault("power", steps, site.cut_power))
            case "leave noise in a sector":
                exchange.disk.faults.append(DiskFault("power", steps, lambda: site.cut_power(garbage=True)))
            case "pause the exchange":
                for_ns = dice.randrange(1, 3_000 * MS)
                exchange.disk.faults.append(
                    DiskFault("pause", steps, lambda: exchange.sleep_while_others_run(for_ns))
                )
            case "fail a sync":
                exchange.disk.faults.append(DiskFault("sync", steps))
            case "fail a write":
                exchange.disk.faults.append(DiskFault("EIO", steps))
            case "fill the disk":
                exchange.disk.faults.append(DiskFault("ENOSPC", steps))
            case "write short":
                exchange.disk.faults.append(DiskFault("short", steps))
            case "tear a write":
                exchange.disk.faults.append(DiskFault("torn", steps))
            case "stop and start":
                exchange.stop()
            case "flip a bit of the log":
                end()
                self._flip_log(dice)

    def _swizzle(self, dice: Random, *, cut: bool) -> None:
        """Links stop one by one and heal in another order."""
        links = [trader.link for trader in self.traders]
        at = 0
        for link in dice.sample(links, len(links)):
            at += dice.randrange(1, 100 * MS)
            self.site.outside.later(at, _stop_link, link, cut)
        for link in dice.sample(links, len(links)):
            at += dice.randrange(1, 200 * MS)
            self.site.outside.later(at, link.heal)

    def _clean_disk(self) -> None:
        self.site.machine.free_bytes = 1 << 40

    def _keep_snapshot(self, dice: Random) -> None:
        """As another process does it, which is killed on the way now and then."""
        site = self.site
        if not self._exchange_is_open():
            return
        disk = ProcessDisk(site.machine, site.outside)
        if dice.random() < 0.3:
            disk.faults.append(DiskFault("kill", dice.randrange(8), _crash))
        engine = recovery.state_at(site.settings, site.history.sequence, lambda at, of: None)
        site.history.check_engine(engine)
        snapshot = snapshots.Snapshot(
            sequence=engine.sequence,
            time_ns=engine.time_ns,
            event_hash=engine.event_hash,
            state_hash=engine.state_hash(),
            log_id=recovery.log_id(site.settings.log_directory),
            engine=engine.snapshot(),
        )
        try:
            snapshots.save(site.settings.snapshots_directory, snapshot, disk, keep=2)
        except Crash:
            site.world.note("killed while it keeps a snapshot")

    def _flip(self, dice: Random, files: list[Path]) -> None:
        if files:
            path = dice.choice(files)
            content = path.read_bytes()
            if content:
                self.site.machine.put(path, flipped(content, dice.randrange(8 * len(content))))

    def _flip_log(self, dice: Random) -> None:
        """Any bit of any record: no reading of the log may pass over it. Then the disk is mended."""
        site = self.site
        path = dice.choice(sorted(site.settings.log_directory.glob("*.log")))
        content = path.read_bytes()
        last = len(content.rstrip(b"\0"))
        site.machine.put(path, flipped(content, dice.randrange(8 * last)))
        try:
            verify(site.settings.log_directory)
        except LogDamaged:
            site.machine.put(path, content)
        else:
            raise Violation(f"I03: a flipped bit in {path.name} is not noticed")

    # The end.

    def _heal(self) -> None:
        """25: everything gets an answer, and everybody catches up."""
        site = self.site
        site.world.note("healed")
        for trader in self.traders:
            trader.link.heal()
        self._clean_disk()
        if site.exchange is not None:
            site.exchange.disk.faults.clear()
        if site.data is not None:
            site.data.switch.strikes_at_flush = site.data.switch.strikes_when_committed = False
        for process in site.processes():
            process.resume()
        self._until(self._exchange_is_open, "25: no exchange starts after the healing")
        answered = [trader.answered for trader in self.traders]
        self._until(
            lambda: all(
                trader.answered > before for trader, before in zip(self.traders, answered, strict=True)
            ),
            "25: a trader gets no answers after the healing",
        )
        for trader in self.traders:
            trader.rest()
        self._until(lambda: not any(trader.waiting for trader in self.traders), "25: requests stay open")
        exchange = site.exchange
        assert exchange is not None
        self._until(lambda: not exchange.engine.pending, "25: a cancel-all never ends")
        self._until(self._views_are_level, "25: the views do not catch up")

    def _views_are_level(self) -> bool:
        data = self.site.data
        return data is not None and data.is_alive and data.position == self.site.history.sequence

    def _check_everything(self) -> None:
        site, settings = self.site, self.site.settings
        assert site.exchange is not None and site.data is not None and site.data.server is not None
        site.history.check_all()
        site.history.check_engine(site.exchange.engine)
        site.history.check_views(site.data.server._db)
        site.exchange.stop()
        self._until(lambda: not site.exchange.is_alive, "25: the exchange does not stop")  # type: ignore[union-attr]
        site.history.read_log(settings.log_directory)
        self._check_replays()
        sealed = verify(settings.log_directory)
        site.history.must(sealed.is_sealed, "the log is not sealed by an orderly stop")
        site.history.must(sealed.epoch == site.history.engine.epoch, "19: epochs")
        site.world.note("end", site.history.engine.state_hash(), sealed.chain)

    def _check_replays(self) -> None:
        """13: the log from its beginning, and a snapshot with the rest, lead to the live hashes."""
        settings, history = self.site.settings, self.site.history
        fresh = Engine()
        for _ in recovery.replay(fresh, settings.log_directory, None, lambda at, of: None):
            pass
        for engine in (fresh, recovery.recover(settings, None, lambda at, of: None)):
            history.must(engine.sequence == history.sequence, "13: a replay ends early")
            history.check_engine(engine)


def _stop_link(link: object, cut: bool) -> None:
    setattr(link, "is_cut" if cut else "is_clogged", True)


def _crash() -> None:
    raise Crash


@contextmanager
def _quiet() -> Iterator[None]:
    """What the product warns of under faults is no news here."""
    product = logging.getLogger("cambist")
    before = product.level
    product.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        product.setLevel(before)
