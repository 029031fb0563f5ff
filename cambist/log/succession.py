"""Where an epoch ends, found by who follows its leader: what the first record of the next epoch comes behind.

The leader before may be alive, and stopped or slow at any point of what it does. It appends one batch more at
most, and acknowledges nothing after the next epoch has begun: whatever of that batch is not whole when it is
looked for here is not in the chain, however whole it becomes later.
"""

import os
import time
from pathlib import Path
from typing import NamedTuple

from cambist.log.disk import Disk
from cambist.log.errors import LogDamaged
from cambist.log.leadership import Condition, epoch_file, leader_of
from cambist.log.lock import DirectoryLock
from cambist.log.segments import segments
from cambist.log.tail import LogTail

_LOOKS = 5  # at a record that cannot be: it may just be being written
_LOOK_AGAIN_MS = 20
_DROPPED_BYTES = 1 << 20  # of the kernel's copies behind the place that was verified


class End(NamedTuple):
    """The last record of the chain: `chain` is its hash, `time_ns` that of the last batch."""

    log_id: bytes
    epoch: int
    last_sequence: int
    chain: bytes
    time_ns: int


def end_of_chain(directory: Path, tail: LogTail | None, disk: Disk) -> End:
    """Reads on from `tail`, or else the last two segments. What it counts is durable.

    Raises LogDamaged, and OSError.
    """
    looks = _LOOKS
    while True:
        try:
            return _end(directory, tail or _tail(directory), disk)
        except LogDamaged:
            looks -= 1
            if not looks:
                raise
        time.sleep(_LOOK_AGAIN_MS / 1_000)


def require_appends_only(directory: Path, epoch: int) -> None:
    """Raises LogInUse while the leader of `epoch` is still starting, since it may yet change anything."""
    if leader_of(directory, epoch).condition == Condition.LEADING:
        return
    DirectoryLock(directory, epoch_file(directory, epoch).name).release()


def _tail(directory: Path) -> LogTail:
    """From the last segment but one: the last may hold no batch yet, and so no time."""
    return LogTail(directory, segments(directory)[-2:][0].first_sequence - 1, 0)


def _end(directory: Path, tail: LogTail, disk: Disk) -> End:
    last = segments(directory)[-1]
    descriptor = disk.open(last.path)
    try:
        disk.fdatasync(descriptor)
        # After a failed sync the kernel shows bytes that the disk does not hold; without its copies the
        # reader asks the disk.
        os.posix_fadvise(descriptor, tail.offset_in(last), _DROPPED_BYTES, os.POSIX_FADV_DONTNEED)
        disk.sync_directory(directory)
        reader = tail.to_end()
        if reader.path != last.path:
            raise LogDamaged(f"{reader.path} was begun just now")
        reader.unfinished()
        disk.fdatasync(descriptor)  # a record that became whole since the first one
    finally:
        disk.close(descriptor)
    is_empty = reader.first_sequence == reader.last_sequence + 1  # the new segment takes its place
    return End(
        reader.log_id,
        reader.epoch,
        reader.last_sequence,
        reader.previous if is_empty else reader.chain,
        tail.time_ns,
    )
