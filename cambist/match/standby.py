"""Waits beside the leader of a log, level with it, and leads when that one is dead or silent.

Known limit: both use the same disk. A standby helps against a process that dies, stops or hangs, not against
a disk that fails; where that has happened it ends as its leader did, and a person looks first.
"""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from cambist._matching import Engine
from cambist.log.disk import Disk
from cambist.log.errors import LogFailed, LogInUse
from cambist.log.file import FileLog
from cambist.log.journal import JournalForeign
from cambist.log.journal_writer import JournalWriter
from cambist.log.leadership import Condition, Leader, LeaderLock, leader_of, newest_epoch
from cambist.log.positions import store_position
from cambist.log.segments import segments
from cambist.match import recovery
from cambist.match.follower import Follower
from cambist.match.server import MatchServer
from cambist.settings import Settings

BEAT_EVERY_MS = 100
LOOK_EVERY_MS = 50
POSITION_EVERY_NS = 60_000_000_000
POSITION = "standby"

log = logging.getLogger(__name__)


class Led(NamedTuple):
    """What a leader needs, in the state in which the last one left it."""

    log: FileLog
    journal: JournalWriter
    engine: Engine


class Watch:
    """Whether the beats of the leader stand still."""

    def __init__(self, directory: Path, silent_ns: int, monotonic_ns: Callable[[], int]) -> None:
        self._directory = directory
        self._silent_ns = silent_ns
        self._monotonic_ns = monotonic_ns
        self._seen: Leader | None = None
        self._since_ns = 0

    def silent_epoch(self) -> int | None:
        """The epoch of a leader that leads and has not said so for long; None while there is none such."""
        leader = leader_of(self._directory, newest_epoch(self._directory))
        now_ns = self._monotonic_ns()
        if leader != self._seen:
            self._seen, self._since_ns = leader, now_ns
        is_silent = now_ns - self._since_ns >= self._silent_ns
        return leader.epoch if is_silent and leader.condition == Condition.LEADING else None


class Standby:
    """`step` again and again until it returns what to lead with; `wait` does that.

    Both raise LogFailed where the leader's disk has failed, and what the follower, the log and the journal
    raise.
    """

    def __init__(
        self,
        settings: Settings,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        *,
        disk: Disk | None = None,
        executor: Executor | None = None,
    ) -> None:
        """`disk` and `executor` are those of the log and the journal that it leads with."""
        self._settings = settings
        self._monotonic_ns = monotonic_ns
        self._disk = disk
        self._executor = executor
        self._watch = Watch(settings.log_directory, settings.standby.silent_ms * 1_000_000, monotonic_ns)
        self._follower = Follower(settings)
        settings.run_directory.mkdir(mode=0o700, exist_ok=True)
        self._stored_ns = -POSITION_EVERY_NS

    @property
    def sequence(self) -> int:
        return self._follower.engine.sequence

    def wait(self, stop: threading.Event) -> Led | None:
        """None once `stop` is set."""
        while not stop.is_set():
            if (led := self.step()) is not None:
                return led
            stop.wait(LOOK_EVERY_MS / 1_000)
        return None

    def step(self) -> Led | None:
        """Follows as far as the journal goes, looks at the leader once, and takes over if that is due."""
        while self._catch_up():
            pass
        self._store_position()
        try:
            command_log = self._lead()
        except LogInUse:
            return None
        return None if command_log is None else self._led(command_log)

    def _catch_up(self) -> bool:
        try:
            return self._follower.catch_up()
        except JournalForeign as problem:
            log.warning("%s; the standby begins again with the newest snapshot", problem)
            self._follower.close()
            self._follower = Follower(self._settings)
            return False

    def _lead(self) -> FileLog | None:
        """Raises LogInUse while another process leads, or was faster."""
        directory = self._settings.log_directory
        try:
            lock = LeaderLock(directory)
        except LogInUse:
            epoch = self._watch.silent_epoch()
            return None if epoch is None else self._take_over(epoch + 1)
        condition = leader_of(directory, lock.epoch).condition
        lock.release()
        if condition == Condition.FAILED:
            raise LogFailed(f"{directory}: the leader's disk has failed; nobody goes on there by himself")
        if segments(directory)[-1].epoch < lock.epoch:
            return FileLog.open(
                directory,
                segment_bytes=self._settings.log.segment_bytes,
                disk=self._disk,
                executor=self._executor,
                monotonic_ns=self._monotonic_ns,
            )
        return self._take_over(lock.epoch + 1)

    def _take_over(self, epoch: int) -> FileLog:
        log.warning("the leader of epoch %d is gone or silent: beginning epoch %d", epoch - 1, epoch)
        return FileLog.take_over(
            self._settings.log_directory,
            epoch,
            tail=self._follower.tail.copy(),
            segment_bytes=self._settings.log.segment_bytes,
            disk=self._disk,
            executor=self._executor,
            monotonic_ns=self._monotonic_ns,
        )

    def _led(self, command_log: FileLog) -> Led:
        with ExitStack() as undo:
            undo.callback(command_log.close)
            journal = recovery.open_journal(
                self._settings, command_log.log_id, self._disk, behind=self._follower.place
            )
            undo.callback(journal.close)
            engine = self._complete(journal, command_log.last_sequence)
            undo.pop_all()
        self._follower.close()
        log.warning("this process leads epoch %d behind sequence %d", command_log.epoch, engine.sequence)
        return Led(command_log, journal, engine)

    def _complete(self, journal: JournalWriter, last_sequence: int) -> Engine:
        """The engine runs what is left of the log, and the journal says it."""
        follower = self._follower
        if journal.last_sequence < follower.engine.sequence:  # it lost its end, or was being written anew
            return recovery.recover_with(journal, self._settings, last_sequence, lambda *_: None)
        for payload in follower.tail.read(last_sequence):
            record = follower.run(payload)
            if record.first_sequence > journal.last_sequence:
                journal.append(record)
        return follower.engine

    def _store_position(self) -> None:
        now_ns = self._monotonic_ns()
        if now_ns - self._stored_ns >= POSITION_EVERY_NS:
            store_position(self._settings.run_directory, POSITION, self.sequence)
            self._stored_ns = now_ns


class Heartbeat:
    """Shows that this process leads and can run, as long as it does.

    A thread of its own, so that a slow disk, which a standby would share, is no reason to take over.
    """

    def __init__(self, server: MatchServer) -> None:
        self._server = server
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Only when nothing is left to do that a successor must not meet: it may come any moment later."""
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        self._server.beat()
        while not self._stop.wait(BEAT_EVERY_MS / 1_000):
            self._server.beat()
