"""The command log on one disk: a batch is durable when `append` returns. Format: docs/formats/log.md.

After any failed write or sync the log takes nothing more, because nobody can say any longer what the disk
holds; the process ends, and the next start reads what is there.

Known limits: one directory on one disk, so a lost disk is a lost log. A sector that the disk loses later
can be told from a crash only in front of a seal or another record.
"""

import errno
import logging
import os
import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from cambist.engine.commands import TakeOver, batch
from cambist.log.disk import Disk, write_all, write_file, zero_fill
from cambist.log.errors import Fenced, LogDamaged, LogError, LogFailed, LogInUse
from cambist.log.leadership import (
    LeaderLock,
    begin_epoch,
    epoch_file,
    leftovers,
    temporary_name,
)
from cambist.log.reader import LogReport, read, verify
from cambist.log.records import CHAIN_START, Parts, RecordChain, record_size
from cambist.log.segments import (
    HEAD_BYTES,
    HEAD_PAYLOAD,
    Segment,
    SegmentReader,
    segment_name,
    segments,
)
from cambist.log.succession import end_of_chain, require_appends_only
from cambist.log.tail import LogTail

__all__ = [
    "Fenced",
    "FileLog",
    "LogDamaged",
    "LogError",
    "LogFailed",
    "LogInUse",
    "LogReport",
    "read",
    "verify",
]

SEGMENT_BYTES = 64 << 20
FIRST_OF_EPOCH_BYTES = 1 << 20  # who takes over has no time to fill more with zeros
LOOK_EVERY_NS = 500_000_000  # for a newer epoch, when nothing is appended

log = logging.getLogger(__name__)


class FileLog:
    """Appends to the log in one directory, which it alone may use until `close`."""

    @classmethod
    def open(
        cls,
        directory: Path,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        disk: Disk | None = None,
        executor: Executor | None = None,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> "FileLog":
        """Takes the lock and the place behind the last whole record; begins a new log in an empty directory.

        An unfinished last record is cut off, and a copy of it kept. Only the last segment is read here;
        `read` verifies the others. Where an epoch has begun without its first record, that is made.
        `executor` fills the next segment meanwhile, by default in a thread.
        Raises LogInUse, LogDamaged, Fenced, or LogFailed.
        """
        return cls._open(directory, segment_bytes, disk or Disk(), executor, monotonic_ns, None)

    @classmethod
    def take_over(
        cls,
        directory: Path,
        epoch: int,
        *,
        tail: LogTail | None = None,
        segment_bytes: int = SEGMENT_BYTES,
        disk: Disk | None = None,
        executor: Executor | None = None,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> "FileLog":
        """Begins `epoch`, the one behind that of the leader who is dead or silent, and goes on in its place.

        When it returns, TAKE_OVER is durable and was read back. `tail` saves reading what its owner has read
        already. Raises LogInUse if another process was first, and as `open` does.
        """
        disk = disk or Disk()
        try:
            begin_epoch(directory, epoch, disk)
        except OSError as problem:
            raise LogFailed(f"{directory}: {problem}") from problem
        return cls._open(directory, segment_bytes, disk, executor, monotonic_ns, tail)

    @classmethod
    def _open(
        cls,
        directory: Path,
        segment_bytes: int,
        disk: Disk,
        executor: Executor | None,
        monotonic_ns: Callable[[], int],
        tail: LogTail | None,
    ) -> "FileLog":
        try:
            directory.mkdir(parents=True, exist_ok=True)
            lock = LeaderLock(directory)
        except OSError as problem:
            raise LogFailed(f"{directory}: {problem}") from problem
        executor = executor or ThreadPoolExecutor(1, "log-fill")
        opened = cls(directory, lock, segment_bytes, disk, executor, monotonic_ns)
        try:
            opened._begin(tail)
        except BaseException:
            opened.close()
            raise
        return opened

    def __init__(
        self,
        directory: Path,
        lock: LeaderLock,
        segment_bytes: int,
        disk: Disk,
        executor: Executor,
        monotonic_ns: Callable[[], int],
    ) -> None:
        """Use `open` or `take_over`."""
        self._directory = directory
        self._lock = lock
        self._segment_bytes = segment_bytes
        self._disk = disk
        self._executor = executor
        self._monotonic_ns = monotonic_ns
        self._looked_ns = 0
        self._spare: Future[int] | None = None  # the next segment's descriptor, once it is filled
        self._spare_path = directory / temporary_name("next", lock.epoch)
        self._successor_path = epoch_file(directory, lock.epoch + 1)  # looked for after every batch
        self._is_usable = True
        self._is_sealed = True
        self._chain = RecordChain(lock.epoch, 0, CHAIN_START)
        self.log_id = b""
        # The segment that is written now.
        self._descriptor = -1
        self._offset = self._size = 0
        self._first_sequence = 0
        self._previous = CHAIN_START

    @property
    def epoch(self) -> int:
        return self._chain.epoch

    @property
    def last_sequence(self) -> int:
        return self._chain.last_sequence

    def append(self, payload: bytes) -> None:
        """Returns when the batch is on the disk.

        Raises ValueError, and stays usable, if the batch does not follow the last one; otherwise LogFailed.
        """
        self._refuse_if_unusable()
        count = self._chain.check(payload)
        with self._must_succeed():
            if self._offset + record_size(len(payload)) > self._size:
                self._rotate(record_size(len(payload)))
            self._write(self._chain.batch(payload, count))
            self._is_sealed = False
            if self._spare is None and self._offset > self._size // 2:
                self._spare = self._executor.submit(
                    zero_fill, self._disk, self._spare_path, self._segment_bytes
                )

    def seal(self) -> None:
        """Says on the disk that the last batch is whole, so that damage to it can never pass for a crash."""
        self._refuse_if_unusable()
        if self._is_sealed:
            return
        with self._must_succeed():
            if self._offset + record_size(0) > self._size:
                self._rotate(0)  # the head of the next segment says the same
            else:
                self._write(self._chain.seal())
            self._is_sealed = True

    def require_leading(self) -> None:
        """Raises Fenced if another process leads. Asks the disk if the last look is half a second old."""
        self._refuse_if_unusable()
        if self._monotonic_ns() - self._looked_ns >= LOOK_EVERY_NS:
            with self._must_succeed():
                self._refuse_if_fenced()

    def beat(self) -> None:
        """Shows those who watch that this process leads and can run; from any thread, in vain after `close`.

        What was wrong with log and journal at the start is mended by then. Raises OSError.
        """
        self._lock.beat()

    def close(self) -> None:
        """Gives the directory free. Safe to repeat; never raises, since what was acknowledged is durable."""
        self._is_usable = False
        self._executor.shutdown()
        if self._spare is not None and self._spare.exception() is None:
            self._close(self._spare.result())
        self._spare = None
        self._close(self._descriptor)
        self._descriptor = -1
        self._lock.release()

    def _begin(self, tail: LogTail | None) -> None:
        with self._must_succeed():
            self._lock.starts()
            for leftover in leftovers(self._directory, self._lock.epoch):
                with suppress(FileNotFoundError):  # an old leader that is still at work gave it its name
                    self._disk.unlink(leftover)
            found = segments(self._directory)
            if not found:
                self.log_id = secrets.token_bytes(16)
                self._rotate(0)
                self._disk.sync_directory(self._directory.parent)
            elif found[-1].epoch == self._lock.epoch:
                self._continue(found[-1])
            else:
                self._follow(tail)
            self._refuse_if_fenced()

    def _continue(self, segment: Segment) -> None:
        """Takes the place behind the last record that is on the disk, not only in the kernel's memory.

        A process that was killed may have written what it never synced, so it is synced now. After a failed
        sync the kernel shows bytes that the disk does not hold; without its copies the reader asks the disk.
        """
        self._descriptor = self._disk.open(segment.path)
        self._disk.fdatasync(self._descriptor)
        os.posix_fadvise(self._descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        self._disk.sync_directory(self._directory)
        reader = SegmentReader(segment)
        for _ in reader.batches():
            pass
        if torn := reader.unfinished():
            self._cut(reader, torn)
        self.log_id = reader.log_id
        self._chain = RecordChain(reader.epoch, reader.last_sequence, reader.chain)
        self._is_sealed = reader.is_sealed
        self._offset, self._size = reader.offset, reader.size
        self._first_sequence, self._previous = reader.first_sequence, reader.previous

    def _follow(self, tail: LogTail | None) -> None:
        """Makes TAKE_OVER the first record of this epoch, behind the last one of the epoch before.

        It has a segment of its own, which gets its name only with the record in it. Nothing of the epoch
        before is changed: its leader may still be at it.
        """
        epoch = self._lock.epoch
        require_appends_only(self._directory, epoch - 1)
        end = end_of_chain(self._directory, tail, self._disk)
        if end.epoch != epoch - 1:
            raise LogDamaged(f"{self._directory}: epoch {epoch} has begun, the log ends in epoch {end.epoch}")
        payload = batch(end.last_sequence + 1, end.time_ns, end.epoch, [TakeOver(epoch=epoch).encode()])
        self.log_id = end.log_id
        self._chain = RecordChain(epoch, end.last_sequence, end.chain)
        self._enter(*self._filled(min(self._segment_bytes, FIRST_OF_EPOCH_BYTES)), take_over=payload)
        self._is_sealed = False
        self._read_back(payload)

    def _read_back(self, payload: bytes) -> None:
        os.posix_fadvise(self._descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        name = segment_name(self.epoch, self._first_sequence)
        reader = SegmentReader(Segment(self.epoch, self._first_sequence, self._directory / name))
        if [found for _, found in reader.batches()] != [payload]:
            raise LogFailed(f"{reader.path} does not read back as it was written")

    def _cut(self, reader: SegmentReader, torn: bytes) -> None:
        copies = len(list(self._directory.glob("*.torn")))
        log.warning("%s offset %d: cut off an unfinished record", reader.path, reader.offset)
        name = f"{reader.path.stem}-{reader.offset}-{copies + 1}.torn"
        write_file(self._disk, self._directory / name, [torn])
        write_all(self._disk, self._descriptor, [bytes(len(torn))], reader.offset)
        self._disk.fdatasync(self._descriptor)

    def _write(self, record: Parts) -> None:
        """The one place where a record becomes durable."""
        write_all(self._disk, self._descriptor, record, self._offset)
        self._disk.fdatasync(self._descriptor)
        self._offset += record_size(len(record[1]))
        self._refuse_if_fenced()

    def _rotate(self, size: int) -> None:
        """Goes on in a new segment that has room for a record of `size` bytes.

        It gets its name only when its head is durable, so a named segment is never empty.
        """
        if self._first_sequence == self.last_sequence + 1:
            self._chain.chain = self._previous  # nothing but its head in this one: the new one replaces it
        self._enter(*self._filled(max(self._segment_bytes, HEAD_BYTES + size)))

    def _enter(self, aside: Path, descriptor: int, file_bytes: int, take_over: bytes = b"") -> None:
        first_sequence, previous = self.last_sequence + 1, self._chain.chain
        content = [*self._chain.segment(HEAD_PAYLOAD.pack(self.log_id, file_bytes))]
        if take_over:
            content += self._chain.take_over(take_over)
        write_all(self._disk, descriptor, content, 0)
        self._disk.fdatasync(descriptor)
        self._disk.rename(aside, self._directory / segment_name(self.epoch, first_sequence))
        self._disk.sync_directory(self._directory)
        self._close(self._descriptor)
        self._descriptor = descriptor
        self._offset, self._size = sum(map(len, content)), file_bytes
        self._first_sequence, self._previous = first_sequence, previous

    def _filled(self, size: int) -> tuple[Path, int, int]:
        """Path, descriptor and size of a file of zeros, as a rule the one filled ahead."""
        if self._spare is not None and size == self._segment_bytes:
            spare, self._spare = self._spare, None
            return self._spare_path, spare.result(), size
        aside = self._directory / temporary_name("now", self._lock.epoch)
        return aside, zero_fill(self._disk, aside, size), size

    def _refuse_if_unusable(self) -> None:
        if not self._is_usable:
            raise LogFailed(f"{self._directory}: the log has failed or is closed")

    def _refuse_if_fenced(self) -> None:
        if self._disk.exists(self._successor_path):
            successor = self._lock.epoch + 1
            raise Fenced(f"{self._directory}: epoch {successor} has begun; this process no longer leads")
        self._looked_ns = self._monotonic_ns()

    def _close(self, descriptor: int) -> None:
        """Everything of worth behind it has been synced, so an error here says nothing."""
        if descriptor >= 0:
            with suppress(OSError):
                self._disk.close(descriptor)

    @contextmanager
    def _must_succeed(self) -> Iterator[None]:
        """Whatever leaves the block by an exception leaves the log unusable."""
        self._is_usable = False
        try:
            if self._spare is not None and self._spare.done():
                self._spare.result()  # a disk that failed elsewhere is not trusted with one more record
            yield
        except OSError as problem:
            with suppress(OSError):
                self._refuse_if_fenced()  # who was replaced may find his temporary files gone
            self._lock.fails()
            code = errno.errorcode.get(problem.errno or 0, "?")
            raise LogFailed(f"{self._directory}: {code} {problem}") from problem
        self._is_usable = True
