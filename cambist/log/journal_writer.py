"""Writes the event journal, and at a start finds out how much of it can be used: docs/formats/journal.md.

Only the process that holds the log's lock may do this. What cannot be used is dropped, because the log says
it again. Known limit: a start verifies the last segment; damage further back is met by who reads it, and
`cambist verify` looks for it.
"""

import errno
import logging
import os
from contextlib import suppress
from pathlib import Path

from cambist.log.disk import Disk, write_all
from cambist.log.errors import LogFailed
from cambist.log.journal import (
    HEAD_BYTES,
    HEADER_BYTES,
    Head,
    JournalDamaged,
    JournalRecord,
    Place,
    decode,
    decode_head,
    encode_head,
    encode_header,
    read,
    segment_path,
    segments,
)

SEGMENT_BYTES = 64 << 20

log = logging.getLogger(__name__)


class JournalFailed(LogFailed):
    """The journal could not be written. Nothing is lost: the next start writes what it lacks."""


class JournalWriter:
    """Appends to the journal of one log. `event_hash` is the engine's at `last_sequence`."""

    def __init__(
        self,
        directory: Path,
        log_id: bytes,
        genesis_hash: int,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        disk: Disk | None = None,
        behind: Place | None = None,
    ) -> None:
        """Takes the place behind the last good record. Raises JournalFailed if the disk does not let it.

        `behind` saves reading what lies before that place, which its owner has read already.
        """
        self._directory = directory
        self._log_id = log_id
        self._genesis_hash = genesis_hash
        self._segment_bytes = segment_bytes
        self._disk = disk or Disk()
        self._descriptor = -1
        self._offset = 0
        self.last_sequence = 0
        self.event_hash = genesis_hash
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._find_end(behind=behind)
        except OSError as problem:
            raise _failed(directory, problem) from problem

    def append(self, record: JournalRecord) -> None:
        """Raises JournalFailed; the writer takes nothing more then."""
        if record.first_sequence != self.last_sequence + 1:
            raise ValueError(f"sequence {record.first_sequence} does not follow {self.last_sequence}")
        try:
            if self._descriptor < 0 or self._offset >= self._segment_bytes:
                self._begin(record.first_sequence)
            write_all(self._disk, self._descriptor, [encode_header(record), record.events], self._offset)
        except OSError as problem:
            raise _failed(self._directory, problem) from problem
        self._offset += HEADER_BYTES + len(record.events)
        self.last_sequence, self.event_hash = record.last_sequence, record.event_hash

    def cut(self, sequence: int) -> None:
        """Drops what lies behind `sequence`, and the record that goes beyond it. Raises JournalFailed."""
        try:
            self._find_end(sequence)
        except OSError as problem:
            raise _failed(self._directory, problem) from problem

    @property
    def first_sequence(self) -> int:
        """Of the first record that is there, or that will be."""
        found = segments(self._directory)
        return found[0][0] if found else self.last_sequence + 1

    def mend(self) -> None:
        """Looks at everything and drops what lies behind the first damage. Raises JournalFailed."""
        sequence = self.first_sequence - 1
        try:
            for record in read(self._directory, sequence):
                sequence = record.last_sequence
        except JournalDamaged as problem:
            log.warning("%s; what lies behind it is written anew", problem)
        if sequence < self.last_sequence:
            self.cut(sequence)

    def clear(self, sequence: int, event_hash: int) -> None:
        """Drops everything and goes on behind `sequence`, where the engine's hash is `event_hash`."""
        self.cut(0)
        self.last_sequence, self.event_hash = sequence, event_hash

    def close(self) -> None:
        """Safe to repeat."""
        if self._descriptor >= 0:
            with suppress(OSError):  # what the journal lacks, the next start writes
                self._disk.close(self._descriptor)
            self._descriptor = -1

    def _find_end(self, until: int | None = None, behind: Place | None = None) -> None:
        self.close()
        self.last_sequence, self.event_hash = 0, self._genesis_hash
        for first_sequence, path in reversed(segments(self._directory)):
            is_wanted = until is None or first_sequence <= until
            if is_wanted and self._take_up(first_sequence, path, until, behind):
                return
            self._disk.unlink(path)

    def _take_up(self, first_sequence: int, path: Path, until: int | None, behind: Place | None) -> bool:
        """Goes on in this segment behind its last good record; False if it is of no use."""
        with path.open("rb") as file:
            head = decode_head(file.read(HEAD_BYTES))
            if head is None or (head.log_id, head.first_sequence) != (self._log_id, first_sequence):
                log.warning("%s is no segment of this log's journal; what it held is written anew", path)
                return False
            at, self.last_sequence, self.event_hash = HEAD_BYTES, first_sequence - 1, head.event_hash
            if (
                behind is not None
                and behind.path == path
                and behind.offset <= os.fstat(file.fileno()).st_size
            ):
                at, self.last_sequence, self.event_hash = behind.offset, behind.sequence, behind.event_hash
            file.seek(at)
            rest = file.read()
        end = at + self._follow(rest, until)
        if end < at + len(rest):
            log.warning("%s: cut off behind sequence %d; the rest is written anew", path, self.last_sequence)
        self._descriptor = self._disk.open(path)
        os.ftruncate(self._descriptor, end)
        self._offset = end
        return True

    def _follow(self, raw: bytes, until: int | None) -> int:
        """Where the last good record ends."""
        at = 0
        while at < len(raw):
            try:
                record, size = decode(raw, at)
            except JournalDamaged:
                break
            if record is None or record.first_sequence != self.last_sequence + 1:
                break
            if until is not None and record.last_sequence > until:
                break
            self.last_sequence, self.event_hash = record.last_sequence, record.event_hash
            at += size
        return at

    def _begin(self, first_sequence: int) -> None:
        self.close()
        head = encode_head(Head(self._log_id, first_sequence, self.event_hash))
        # Never emptied: another leader of the same log may have begun it already, with the same bytes.
        self._descriptor = self._disk.open_or_create(segment_path(self._directory, first_sequence))
        write_all(self._disk, self._descriptor, [head], 0)
        self._offset = HEAD_BYTES


def _failed(directory: Path, problem: OSError) -> JournalFailed:
    code = errno.errorcode.get(problem.errno or 0, "?")
    return JournalFailed(f"{directory}: the event journal cannot be written: {code} {problem}")
