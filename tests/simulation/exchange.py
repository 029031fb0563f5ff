"""The process that leads: log, engine, journal and match server as the product wires them, and the door."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from cambist._matching import Engine
from cambist.engine import commands, events
from cambist.engine.codes import Role, Status
from cambist.errors import Broken, ExchangeError, Unavailable
from cambist.log.errors import LogFailed
from cambist.log.file import FileLog
from cambist.log.journal import JournalRecord
from cambist.log.journal_writer import JournalWriter
from cambist.match import recovery
from cambist.match.disk import LowDiskMark
from cambist.match.server import MatchServer, Port, StampedPort

from .disk import ProcessDisk, SlowFill
from .world import Crash, Process, Violation

if TYPE_CHECKING:
    from .site import Site

GENESIS = Engine().event_hash
ROLES = (Role.TRADE, Role.ADMIN, Role.WALLET)


class Exchange(Process):
    def __init__(self, site: "Site", name: str, *, mend: bool) -> None:
        super().__init__(site.world, name)
        self.site = site
        self.disk = ProcessDisk(site.machine, self)
        self.problem: BaseException | None = None
        self.ports: dict[Role, Port] = {}
        self._mend = mend
        self._log: FileLog | None = None

    def start(self) -> None:
        """Raises LogDamaged. What else goes wrong ends this process, and the operator starts the next."""
        try:
            self._open()
        except (LogFailed, Crash) as problem:
            self.problem = problem
            self._let_go()
            self.site.exchange_ended(self)
            return
        site = self.site
        site.history.read_log(site.settings.log_directory)
        site.noise.clear()
        site.history.check_engine(self.engine)
        site.history.must(self.engine.sequence == site.history.sequence, "13: recovery stops early")
        self.world.note(f"{self.name} begins at {self.engine.sequence}")
        self.later(1, self._round)
        self.spawn(self._open_ports())

    def _open(self) -> None:
        settings, site = self.site.settings, self.site
        self._log = FileLog.open(
            settings.log_directory,
            segment_bytes=settings.log.segment_bytes,
            disk=self.disk,
            executor=SlowFill(self),
            monotonic_ns=lambda: site.world.now_ns,
        )
        journal = JournalWriter(
            settings.journal_directory,
            self._log.log_id,
            GENESIS,
            segment_bytes=settings.log.segment_bytes,
            disk=self.disk,
        )
        if self._mend:
            journal.mend()
        self.engine = recovery.recover_with(journal, settings, self._log.last_sequence, lambda at, of: None)
        self.server = MatchServer(
            WatchedLog(self._log, self),
            self.engine,
            WatchedJournal(journal, self),
            match=settings.match,
            log_settings=settings.log,
            disk=LowDiskMark(
                settings.log.low_disk_bytes,
                lambda: site.machine.free_bytes,
                lambda: site.world.now_ns,
            ),
            clock=site.world.wall_ns,
        )

    def kill(self) -> None:
        super().kill()
        self._let_go()

    def _let_go(self) -> None:
        """What the kernel does when a process has ended."""
        if self._log is not None:
            self._log.close()

    async def _open_ports(self) -> None:
        ports, sequencer = {}, StampedPort(self.server)
        for role in ROLES:
            command = commands.SessionOpen(role=role, name=role.name.lower().encode()).encode()
            try:
                answer = events.result(await sequencer.submit(command))
            except ExchangeError:
                return
            self.site.history.must(answer.status == Status.OK, f"no session: {answer}")
            ports[role] = Port(self.server, answer.value)
        self.ports = ports

    def _round(self) -> None:
        goes_on = self.server.turn(0)
        if not self.is_alive:
            return
        if goes_on:
            self.later(self.world.dice("rounds").randrange(1, self.site.programme.round_max_ns), self._round)
            return
        self.problem = self.server.problem
        if isinstance(self.problem, Broken):
            raise Violation(f"{self.name} breaks: {self.problem}") from self.problem
        self.site.exchange_ended(self)

    def stop(self) -> None:
        """In order: what waits is answered, the log is sealed."""
        self.server._is_stopping = True

    # The door.

    def submit(self, role: Role, command: bytearray, answer: Callable[[bytes | ExchangeError], None]) -> None:
        """`answer` gets the record, or why there is none; it is called in this process."""
        if role not in self.ports:
            answer(Unavailable("the exchange starts"))
            return
        try:
            future = self.ports[role].submit(command)
        except ExchangeError as problem:
            answer(problem)
            return
        future.add_done_callback(partial(_tell, answer))

    def rules(self, version: int, answer: Callable[[bytes | ExchangeError], None]) -> None:
        command = commands.Rules(version=version).encode()
        StampedPort(self.server).submit(command).add_done_callback(partial(_tell, answer))


def _tell(answer: Callable[[bytes | ExchangeError], None], future: "asyncio.Future[bytes]") -> None:
    problem = future.exception()
    if problem is None:
        answer(future.result())
    else:
        assert isinstance(problem, ExchangeError), problem
        answer(problem)


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

    def seal(self) -> None:
        self._log.seal()

    def beat(self) -> None:
        self._log.beat()

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
