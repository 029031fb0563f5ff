"""One history from beginning to end: trade while faults strike, then heal and demand that all works."""

import gc
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

from cambist.engine import commands
from cambist.errors import Broken
from cambist.log.errors import LogDamaged
from cambist.log.segments import SegmentReader, segments
from cambist.match import recovery
from tests.property.pair import SETUP

from .disk import DiskFault, flipped
from .exchange import Exchange
from .keeper import Keeper
from .programme import Fault, Programme
from .site import Site, memory
from .traders import Trader
from .world import MS, NS_PER_S, Process, Violation

TRADERS = 4
CHECK_EVERY = 1_000
MODEL_EVERY, MODEL_COMMANDS = 20, 1_000  # one history in so many, and its first commands: it is slow
STUCK_NS = 60 * NS_PER_S  # of virtual time without one command
HEALED_NS = 20 * NS_PER_S
LEVEL_NS = 200 * NS_PER_S  # a reader of a damaged journal is patient, and so is the operator


class Outcome(NamedTuple):
    digest: str
    commands: int
    answered: int
    unknown: int
    refused: int
    starts: int
    takeovers: int
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
    gc.disable()  # it takes a tenth of the time, and a history has an end
    try:
        with _quiet(), patch("cambist.log.file.secrets.token_bytes", Random(programme.seed).randbytes):
            run = Simulation(programme, home)
            try:
                return run.run()
            except (Exception, Broken) as problem:
                step, trace = run.site.history.sequence, [*run.site.world.trace]
                raise Failure(programme, step, problem, trace) from problem
            finally:
                run.end()
    finally:
        gc.enable()
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
        self._set_up()
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
            takeovers=site.takeovers,
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
        site.start_exchange()
        assert site.exchange is not None
        told: list[bytes] = []
        setup = [each.encode() for each in SETUP if each.kind != commands.Kind.SESSION_OPEN]
        site.exchange.spawn(site.exchange.set_up(told.append, setup))
        self._until(lambda: len(told) == len(setup) + 1, "the set-up is not answered")
        for gateway in site.gateways:
            gateway.start()
        self._until(self._all_gateways_are_open, "the gateways find no exchange")
        site.start_data()
        site.start_keeper()

    def _all_gateways_are_open(self) -> bool:
        return all(gateway.is_open for gateway in self.site.gateways)

    def _until(self, holds: Callable[[], bool], otherwise: str, within_ns: int = HEALED_NS) -> None:
        self.site.history.must(self.site.world.run(holds, within_ns), otherwise)

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
        data, keeper = site.data, site.keeper
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
                self._pause(data, dice.randrange(1, dice.choice([100, 500, 3_000]) * MS))
            case "kill the snapshotter" if keeper is not None and keeper.is_alive:
                keeper.disk.faults.append(DiskFault("kill", dice.randrange(12), keeper.kill))
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
            case "flip a bit of a snapshot":
                self._flip(dice, sorted(site.settings.snapshots_directory.glob("*.snapshot")))
            case "flip a bit of the journal":
                self._flip(dice, sorted(site.settings.journal_directory.glob("*.journal")))
            case "kill a gateway" | "pause a gateway" | "cut a gateway off" | "mute a gateway":
                self._strike_gateway(fault.kind, dice)
            case "kill the standby":
                for member in site.members:
                    if member.epoch == 0 and member.is_alive:
                        member.disk.faults.append(
                            DiskFault("kill", dice.randrange(14), partial(self._end, member))
                        )
            case _:
                self._strike_exchange(fault.kind, dice)

    def _strike_gateway(self, kind: str, dice: Random) -> None:
        nth = dice.randrange(len(self.site.gateways))
        gateway = self.site.gateways[nth]
        match kind:
            case "kill a gateway" if gateway.is_alive:
                gateway.kill()
                self.site.outside.later(dice.randrange(1, 300 * MS), self.site.restart_gateway, nth)
            case "pause a gateway" if gateway.is_alive:
                self._pause(gateway, dice.randrange(1, 3_000 * MS))
            case "cut a gateway off":
                gateway.cut()
            case "mute a gateway":
                gateway.is_mute = True
                self.site.outside.later(dice.randrange(1, 4_000 * MS), gateway.speak)

    def _pause(self, process: Process, for_ns: int) -> None:
        process.pause()
        self.site.outside.later(for_ns, process.resume)

    def _end(self, member: Exchange) -> None:
        self.site.end(member)
        self.site.start_exchange_soon()

    def _strike_exchange(self, kind: str, dice: Random) -> None:
        site, exchange = self.site, self.site.exchange
        if exchange is None or not exchange.is_alive:
            return
        for_ns, steps = dice.randrange(1, dice.choice([100, 800, 1_600]) * MS), dice.randrange(10)
        faults: dict[str, tuple[str, Callable[[], None]]] = {
            "kill the exchange": ("kill", partial(self._end, exchange)),
            "cut the power": ("power", site.cut_power),
            "leave noise in a sector": ("power", partial(site.cut_power, garbage=True)),
            "pause the exchange": ("pause", partial(exchange.sleep_while_others_run, for_ns)),
            "fail a sync": ("sync", _nothing),
            "fail a write": ("EIO", _nothing),
            "fill the disk": ("ENOSPC", _nothing),
            "write short": ("short", _nothing),
            "tear a write": ("torn", _nothing),
        }
        if kind in faults:
            what, act = faults[kind]
            exchange.disk.faults.append(DiskFault(what, steps, act))
        elif kind == "stop and start":
            exchange.stop()
        elif kind == "flip a bit of the log":
            for member in site.members:
                site.end(member)
            site.start_exchange_soon()
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

    def _flip(self, dice: Random, files: list[Path]) -> None:
        if files:
            path = dice.choice(files)
            content = path.read_bytes()
            if content:
                self.site.machine.put(path, flipped(content, dice.randrange(8 * len(content))))

    def _flip_log(self, dice: Random) -> None:
        """Any bit of any record of the chain: no reader may pass over it. Then the disk is mended."""
        site = self.site
        readers = read_chain(site.settings.log_directory)
        reader = dice.choice(readers)
        content = reader.path.read_bytes()
        site.machine.put(reader.path, flipped(content, dice.randrange(8 * reader.offset)))
        try:
            read_chain(site.settings.log_directory)
        except LogDamaged:
            site.machine.put(reader.path, content)
        else:
            raise Violation(f"I03: a flipped bit in {reader.path.name} is not noticed")

    # The end.

    def _heal(self) -> None:
        """25: everything gets an answer, and everybody catches up."""
        site = self.site
        site.world.note("healed")
        for trader in self.traders:
            trader.link.heal()
            trader.calm_down()
        for gateway in site.gateways:
            gateway.speak()
        self._clean_disk()
        for process in site.processes():
            process.resume()
            if isinstance(process, Exchange | Keeper):
                process.disk.faults.clear()
        if site.data is not None:
            site.data.switch.strikes_at_flush = site.data.switch.strikes_when_committed = False
        self._until(self._all_gateways_are_open, "25: the gateways find no exchange after the healing")
        answered = [trader.answered for trader in self.traders]
        self._until(
            lambda: all(now.answered > before for now, before in zip(self.traders, answered, strict=True)),
            "25: a trader gets no answers after the healing",
        )
        for trader in self.traders:
            trader.rest()
        self._until(lambda: not any(trader.waiting for trader in self.traders), "25: requests stay open")
        self._until(self._all_are_level, "25: somebody does not catch up", LEVEL_NS)

    def _all_are_level(self) -> bool:
        """A start or a mended journal may set one of them back while another catches up."""
        leader = self.site.exchange
        leads = leader is not None and leader.is_alive and not leader.engine.pending
        has_company = self._standby_is_level() or not self.site.programme.has_standby
        return leads and has_company and self._views_are_level()

    def _leader(self) -> Exchange:
        assert self.site.exchange is not None
        return self.site.exchange

    def _standby_is_level(self) -> bool:
        sequence = self.site.history.sequence
        return any(each.follows() == sequence for each in self.site.members if each.is_alive)

    def _views_are_level(self) -> bool:
        data = self.site.data
        return data is not None and data.server is not None and data.position == self.site.history.sequence

    def _check_everything(self) -> None:
        site, settings = self.site, self.site.settings
        leader = self._leader()
        assert site.data is not None and site.data.server is not None
        site.history.check_all()
        site.history.check_engine(leader.engine)
        site.history.check_views(site.data.server._db)
        for trader in self.traders:
            for request in trader.refused:
                site.history.was_not_executed(bytes(request.command))
        for member in site.members:
            if member is not leader:
                site.end(member)
        leader.stop()
        self._until(lambda: not leader.is_alive, "25: the exchange does not stop")
        site.history.read_log(settings.log_directory)
        self._check_replays()
        if site.world.dice("model").randrange(MODEL_EVERY) == 0:
            site.history.check_model(MODEL_COMMANDS)
        last = read_chain(settings.log_directory)[-1]
        site.history.must(last.is_sealed, "the log is not sealed by an orderly stop")
        site.history.must(last.epoch == site.history.engine.epoch, "19: epochs")
        site.world.note("end", site.history.engine.state_hash(), last.chain)

    def _check_replays(self) -> None:
        """13: the whole log, and the newest snapshot with what lies behind it, lead to the live hashes."""
        settings, history = self.site.settings, self.site.history
        whole = recovery.oldest_state(settings)
        for _ in recovery.replay(whole, settings.log_directory, None, lambda at, of: None):
            pass
        for engine in (whole, recovery.recover(settings, None, lambda at, of: None)):
            history.must(engine.sequence == history.sequence, "13: a replay ends early")
            history.check_engine(engine)


def read_chain(directory: Path) -> list[SegmentReader]:
    """Every segment, read to where it ends, or where the next epoch says that it ends."""
    readers = [SegmentReader(segment) for segment in segments(directory)]
    for reader, successor in zip(readers, [*readers[1:], None], strict=True):
        for _ in reader.batches(until=None if successor is None else successor.previous):
            pass
        if successor is not None:
            reader.must_lead_to(successor)
    readers[-1].unfinished()
    return readers


def _stop_link(link: object, cut: bool) -> None:
    setattr(link, "is_cut" if cut else "is_clogged", True)


def _nothing() -> None:
    """The disk itself does what is wrong."""


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
