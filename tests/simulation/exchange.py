"""A process that leads or stands by: log, engine, journal, match server, intake, wired as in the product."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from cambist._matching import Engine
from cambist.engine import commands, events
from cambist.engine.codes import Role, Status
from cambist.errors import Broken
from cambist.intake.protocol import HEARTBEAT_S
from cambist.intake.server import Connection, Intake
from cambist.log.errors import LogFailed
from cambist.log.file import FileLog
from cambist.log.journal import JournalDamaged, JournalRecord
from cambist.log.journal_writer import JournalWriter
from cambist.match import recovery
from cambist.match.disk import LowDiskMark
from cambist.match.server import MatchServer, Port, StampedPort
from cambist.match.standby import BEAT_EVERY_MS, LOOK_EVERY_MS, Led, Standby

from .disk import ProcessDisk, SlowFill
from .world import MS, NS_PER_S, Crash, Process, Violation

if TYPE_CHECKING:
    from .site import Site

IDLE_MAX_NS = 40 * MS

T = TypeVar("T")


class Exchange(Process):
    """`epoch` is 0 until it leads."""

    engine: Engine
    server: MatchServer
    intake: Intake

    def __init__(self, site: "Site", name: str) -> None:
        super().__init__(site.world, name)
        self.site = site
        self.disk = ProcessDisk(site.machine, self)
        self.problem: BaseException | None = None
        self.epoch = 0
        self.connections: list[Connection] = []  # in the order in which they came
        self._log: FileLog | None = None
        self._standby: Standby | None = None
        self._is_round_near = False

    # How it comes to lead.

    def start(self, *, mend: bool = False) -> None:
        """Raises LogDamaged and LogInUse. What else goes wrong ends this process."""
        settings, site = self.site.settings, self.site
        try:
            self._log = FileLog.open(
                settings.log_directory,
                segment_bytes=settings.log.segment_bytes,
                disk=self.disk,
                executor=SlowFill(self),
                monotonic_ns=self._now_ns,
            )
            journal = recovery.open_journal(settings, self._log.log_id, self.disk)
            if mend:
                journal.mend()
            last_sequence = self._log.last_sequence
            engine = recovery.recover_with(journal, settings, last_sequence, lambda at, of: None)
        except (LogFailed, Crash) as problem:
            self._end(problem)
            return
        site.noise.clear()
        self._lead(Led(self._log, journal, engine))

    def stand_by(self) -> None:
        self._standby = Standby(self.site.settings, self._now_ns, disk=self.disk, executor=SlowFill(self))
        self.world.note(f"{self.name} stands by")
        self.later(1, self._look)

    def follows(self) -> int | None:
        """How far, if it stands by."""
        return self._standby.sequence if self._standby is not None and self.epoch == 0 else None

    def _look(self) -> None:
        assert self._standby is not None
        try:
            led = self._standby.step()
        except (LogFailed, JournalDamaged, Crash) as problem:
            self._end(problem)
            return
        if led is not None:
            self._lead(led)
            return
        ahead = self._standby.sequence > self.site.history.sequence
        self.site.history.must(not ahead, "15: the standby is ahead of the log")
        self.later(self.world.dice("rounds").randrange(1, 2 * LOOK_EVERY_MS * MS), self._look)

    def _lead(self, led: Led) -> None:
        site = self.site
        self._log, journal, self.engine = led
        site.history.read_log(site.settings.log_directory)
        site.history.must(self.engine.sequence == site.history.sequence, "13: recovery stops early")
        site.history.check_engine(self.engine)
        self.server = MatchServer(
            WatchedLog(self._log, self),
            self.engine,
            WatchedJournal(journal, self),
            match=site.settings.match,
            log_settings=site.settings.log,
            disk=LowDiskMark(site.settings.log.low_disk_bytes, lambda: site.machine.free_bytes, self._now_ns),
            clock=site.world.wall_ns,
        )
        self.intake = Intake(self.server, site.settings.journal_directory, site.secret, self._aside)
        self.epoch = self._log.epoch
        self.world.note(f"{self.name} leads epoch {self.epoch} behind {self.engine.sequence}")
        self.later(1, self._idle)
        self.later(1, self._beat)
        self.later(1, self._tick)
        site.leads(self)

    # How it ends.

    def kill(self) -> None:
        super().kill()
        self._let_go()

    def stop(self) -> None:
        """In order: what waits is answered, the log is sealed."""
        self.server._is_stopping = True
        self.round_soon()

    def _end(self, problem: BaseException | None) -> None:
        """By itself; or it was killed in the middle of something."""
        self.problem = problem
        self._let_go()
        self.site.exchange_ended(self)

    def _let_go(self) -> None:
        """What the kernel does when a process has ended: files are closed, and with them locks."""
        if self._log is not None:
            self._log.close()
        if self._standby is not None:
            self._standby._follower.close()

    # What it does while it leads.

    def round_soon(self) -> None:
        """Something may wait for one."""
        if not self._is_round_near:
            self._is_round_near = True
            delay_ns = self.world.dice("rounds").randrange(1, self.site.programme.round_max_ns)
            self.later(delay_ns, self._round)

    def _round(self) -> None:
        self._is_round_near = False
        goes_on = self.server.turn(0)
        if not self.is_alive:
            return
        if goes_on:
            if self.engine.pending or self.server._queue:
                self.round_soon()
            return
        if isinstance(self.server.problem, Broken):
            raise Violation(f"{self.name} breaks: {self.server.problem}") from self.server.problem
        self._end(self.server.problem)

    def _idle(self) -> None:
        """Deadlines and seals need rounds too."""
        self._round()
        if self.is_alive:
            self.later(self.world.dice("rounds").randrange(1, IDLE_MAX_NS), self._idle)

    def _beat(self) -> None:
        self.server.beat()
        self.later(BEAT_EVERY_MS * MS, self._beat)

    def _tick(self) -> None:
        self.connections = [each for each in self.connections if not each.is_closed]
        for connection in self.connections:
            connection.tick(self.loop.time())
        self.later(int(HEARTBEAT_S * NS_PER_S), self._tick)

    def _aside(self, work: Callable[[], T], done: Callable[[T], None]) -> None:
        self.later(self.world.dice("aside").randrange(1, 20 * MS), lambda: done(work()))

    def _now_ns(self) -> int:
        return self.world.now_ns

    # The operator's own session, in the leading process.

    async def set_up(self, told: Callable[[bytes], None], setup: list[bytearray]) -> None:
        sequencer = StampedPort(self.server)
        self.round_soon()
        told(await sequencer.submit(commands.Rules(version=2).encode()))
        opening = sequencer.submit(commands.SessionOpen(role=Role.ADMIN, name=b"operator").encode())
        self.round_soon()
        session = events.result(await opening)
        self.site.history.must(session.status == Status.OK, f"no session: {session}")
        port = Port(self.server, session.value)
        answers = [port.submit(command) for command in setup]
        self.round_soon()
        for answer in answers:
            told(await answer)


class WatchedLog:
    """The log, and the history that learns what it has acknowledged."""

    def __init__(self, log: FileLog, exchange: Exchange) -> None:
        self._log = log
        self._exchange = exchange

    def append(self, payload: bytes) -> None:
        history = self._exchange.site.history
        history.attempted.add(payload)
        self._log.append(payload)
        history.take(payload)

    def require_leading(self) -> None:
        self._log.require_leading()

    def beat(self) -> None:
        self._log.beat()

    def seal(self) -> None:
        self._log.seal()

    def close(self) -> None:
        self._log.close()


class WatchedJournal:
    def __init__(self, journal: JournalWriter, exchange: Exchange) -> None:
        self._journal = journal
        self._exchange = exchange

    def append(self, record: JournalRecord) -> None:
        self._exchange.site.history.said(record)
        self._journal.append(record)

    def close(self) -> None:
        self._journal.close()
