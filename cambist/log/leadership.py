"""Who leads a log: each epoch has a file that its leader keeps locked, and in which it says how it is.

The kernel drops the lock with the process, so a leader that died is known at once. One that is stopped or
hangs keeps the lock, but its beats stand still. It may wake at any moment and go on where it was, so whoever
follows it begins the next epoch first: docs/formats/log.md, "Epochs".
"""

import os
import re
import threading
from collections.abc import Iterator
from contextlib import suppress
from enum import IntEnum
from pathlib import Path
from struct import Struct
from typing import NamedTuple

from cambist.log.disk import TEMPORARY, Disk
from cambist.log.errors import LogInUse
from cambist.log.lock import DirectoryLock

_HAS_EPOCH = re.compile(r"epoch-([1-9]\d*)|(\d{10})-\d{20}\.log")
_OF_EPOCH = re.compile(r".*-(\d+)\.tmp")
_STATE = Struct("<4sB3xQ")  # magic, condition, beats
_MAGIC = b"CbLd"


class Condition(IntEnum):
    UNKNOWN = 0  # it has said nothing yet
    STARTING = 1  # it may still change anything in log and journal
    LEADING = 2  # it appends, and does nothing else to them
    FAILED = 3  # its disk failed: nobody goes on there by himself


class Leader(NamedTuple):
    """What the leader of an epoch has said. `beats` grows while it can run."""

    epoch: int
    condition: Condition
    beats: int


def leader_of(directory: Path, epoch: int) -> Leader:
    """It may be dead: only who holds its lock knows."""
    try:
        raw = epoch_file(directory, epoch).read_bytes()
    except FileNotFoundError:
        raw = b""
    if len(raw) != _STATE.size or not raw.startswith(_MAGIC):
        return Leader(epoch, Condition.UNKNOWN, 0)
    _, condition, beats = _STATE.unpack(raw)
    return Leader(epoch, Condition(condition), beats)


def newest_epoch(directory: Path) -> int:
    """Of those that have begun. The copy of a log may lack the file; its segments say it then."""
    found = map(_HAS_EPOCH.fullmatch, os.listdir(directory))
    return max([1, *(int(name[1] or name[2]) for name in found if name is not None)])


def epoch_file(directory: Path, epoch: int) -> Path:
    return directory / ("LOCK" if epoch == 1 else f"epoch-{epoch}")


def begin_epoch(directory: Path, epoch: int, disk: Disk) -> None:
    """From now on the leader of the epoch before acknowledges nothing more.

    Raises LogInUse if another process has begun it already.
    """
    try:
        disk.close(disk.create_new(epoch_file(directory, epoch)))
    except FileExistsError:
        raise LogInUse(f"{directory}: another process has begun epoch {epoch}") from None
    disk.sync_directory(directory)


class LeaderLock(DirectoryLock):
    """The lock of the newest epoch. Raises LogInUse if another process (or this one) holds it."""

    def __init__(self, directory: Path) -> None:
        self.epoch = newest_epoch(directory)
        super().__init__(directory, epoch_file(directory, self.epoch).name)
        self._beats = 0
        self._turn = threading.Lock()  # a descriptor that was closed may be another file's a moment later
        if newest_epoch(directory) != self.epoch:
            self.release()
            raise LogInUse(f"{directory}: another process has begun a newer epoch")

    def starts(self) -> None:
        """Raises OSError."""
        self._say(Condition.STARTING)

    def beat(self) -> None:
        """It leads. Raises OSError."""
        self._beats += 1
        self._say(Condition.LEADING)

    def fails(self) -> None:
        with suppress(OSError):  # no disk, no mark: who tries to go on there finds out
            self._say(Condition.FAILED)

    def release(self) -> None:
        with self._turn:
            super().release()

    def _say(self, condition: Condition) -> None:
        """In vain after `release`."""
        with self._turn:
            if self._descriptor >= 0:
                os.pwrite(self._descriptor, _STATE.pack(_MAGIC, condition, self._beats), 0)


def temporary_name(what: str, epoch: int) -> str:
    """A name of its own for each leader, since the one before may still be at work on its own."""
    return f"{what}-{epoch}{TEMPORARY}"


def leftovers(directory: Path, epoch: int) -> Iterator[Path]:
    """Temporary files of this epoch's leaders and of those before."""
    for path in directory.glob("*" + TEMPORARY):
        name = _OF_EPOCH.fullmatch(path.name)
        if name is None or int(name[1]) <= epoch:
            yield path
