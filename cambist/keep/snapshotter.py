"""Makes snapshots while the exchange runs, with an engine of its own: the one that serves never stops for it.

It follows the log as far as the event journal says, and every batch is compared with what the serving engine
said. A state is kept only after it was restored and compared, and read back from the disk. It can be killed
at any moment, and what it cannot go on with ends it: a new one begins with the newest snapshot.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from cambist.keep.archive import ArchiveRefused
from cambist.keep.held import KEEP_LOCK
from cambist.keep.prune import prune
from cambist.log import snapshots
from cambist.log.disk import Disk
from cambist.log.errors import LogInUse
from cambist.log.lock import DirectoryLock
from cambist.log.snapshots import SnapshotDamaged
from cambist.match import recovery
from cambist.match.follower import Follower
from cambist.settings import Settings

IDLE_S = 0.25
RETRY_S = 60.0  # after a snapshot that could not be stored

log = logging.getLogger(__name__)


class Snapshotter:
    """`sequence` is the newest snapshot's, `position` how far its engine has come; from any thread.

    Raises LogDamaged, JournalDamaged or Broken when it cannot go on.
    """

    def __init__(
        self, settings: Settings, disk: Disk | None = None, clock_s: Callable[[], float] = time.time
    ) -> None:
        self._settings = settings
        self._disk = disk or Disk()
        self._clock_s = clock_s
        self._follower = Follower(settings)
        self._next_try_s = 0.0
        self.position = self._follower.engine.sequence  # while that is at work, nobody may ask it
        self.sequence, self._made_s = _newest(settings.snapshots_directory, clock_s())

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set."""
        try:
            while not stop.is_set():
                has_more = await asyncio.to_thread(self.step)
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), 0 if has_more else IDLE_S)
        finally:
            self._follower.close()

    def step(self) -> bool:
        """Follows a bounded piece, and makes a snapshot if one is due; False if it is level with the log."""
        has_more = self._follower.catch_up()
        self.position = self._follower.engine.sequence
        if self._is_due():
            self._make()
        return has_more

    def _is_due(self) -> bool:
        """By commands, or by time if there were any."""
        every, new, now_s = self._settings.snapshots, self.position - self.sequence, self._clock_s()
        is_late = 0 < every.every_minutes * 60 <= now_s - self._made_s
        return now_s >= self._next_try_s and (0 < every.every_commands <= new or (is_late and new > 0))

    def _make(self) -> None:
        try:
            lock = DirectoryLock(self._settings.home, KEEP_LOCK)
        except LogInUse:
            return  # a backup is being made of what is there: due again at the next step
        try:
            path = recovery.keep_snapshot(self._settings, self._follower.engine, self._disk)
            self.sequence, self._made_s = self.position, self._clock_s()
            log.info("made %s", path.name)
            self._prune()
        except (OSError, SnapshotDamaged) as problem:
            # The exchange goes on without: its next start takes longer, and no log is removed.
            self._next_try_s = self._clock_s() + RETRY_S
            log.error("no snapshot was stored: %s; the next try is in %d s", problem, RETRY_S)
        finally:
            lock.release()

    def _prune(self) -> None:
        try:
            prune(self._settings, self._disk)
        except (OSError, ValueError, ArchiveRefused) as problem:
            log.error("log and journal were not pruned: %s; the next snapshot tries again", problem)


def _newest(directory: Path, now_s: float) -> tuple[int, float]:
    """Sequence and time of the newest snapshot; without any, time counts from now."""
    for sequence in snapshots.sequences(directory):
        return sequence, snapshots.path_of(directory, sequence).stat().st_mtime
    return 0, now_s
