"""The event journal: what the engine said, one record per batch. Format: docs/formats/journal.md.

It is not synced, because the log can say everything again: whatever is off with it is dropped and written
anew at the next start. Consumers read it while it is written: bytes that are not all there yet end a poll.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from struct import Struct
from typing import NamedTuple

from xxhash import xxh3_64_intdigest

SUFFIX = ".journal"
VERSION = 1
HEAD_BYTES = 48
HEADER_BYTES = 64

_HEAD = Struct("<4sHH16sQQ")  # magic, version, reserved, log id, first sequence, event hash before it
_HEADER = Struct(
    "<4sHHQQQqIIQ"
)  # magic, version, reserved, first, last, event hash, time, length, reserved, body
_CHECKSUM = Struct("<Q")
_HEAD_MAGIC, _MAGIC = b"CbJs", b"CbJr"
_NAME = re.compile(r"(\d{20})\.journal")
_CHUNK_BYTES = 1 << 20
# How often in a row a poll may find something that cannot be before it is damage, and not a writer at work.
_PATIENCE = 100


class JournalDamaged(Exception):
    """The text names the file and the sequence. The log says everything that is missing."""


class JournalForeign(JournalDamaged):
    """Whole, but not the continuation of what the reader has seen."""


class JournalRecord(NamedTuple):
    """What a batch came to: the bytes of `Engine.apply`, and the engine's rolling event hash after them."""

    first_sequence: int
    last_sequence: int
    event_hash: int
    time_ns: int
    events: bytes


class Head(NamedTuple):
    """The beginning of a segment. `event_hash` is what the engine had before `first_sequence`."""

    log_id: bytes
    first_sequence: int
    event_hash: int


class Place(NamedTuple):
    """Behind a record that was read: its file, where it ends there, and what it says."""

    path: Path
    offset: int
    sequence: int
    event_hash: int


def segment_path(directory: Path, first_sequence: int) -> Path:
    return directory / f"{first_sequence:020}{SUFFIX}"


def segments(directory: Path, archive: Path | None = None) -> list[tuple[int, Path]]:
    """First sequence and file of every segment, oldest first; pruned ones too if the `archive` has them."""
    kept = _segments(directory)
    if archive is None:
        return kept
    return [found for found in _segments(archive) if not kept or found[0] < kept[0][0]] + kept


def _segments(directory: Path) -> list[tuple[int, Path]]:
    found = [(_NAME.fullmatch(path.name), path) for path in directory.glob("*" + SUFFIX)]
    return sorted((int(name[1]), path) for name, path in found if name is not None)


def encode_head(head: Head) -> bytes:
    fields = _HEAD.pack(_HEAD_MAGIC, VERSION, 0, head.log_id, head.first_sequence, head.event_hash)
    return fields + _CHECKSUM.pack(xxh3_64_intdigest(fields))


def decode_head(raw: bytes) -> Head | None:
    """None if these bytes are no head of this version that was written whole."""
    if len(raw) < HEAD_BYTES or _CHECKSUM.unpack_from(raw, _HEAD.size)[0] != xxh3_64_intdigest(
        raw[: _HEAD.size]
    ):
        return None
    magic, version, _, log_id, first_sequence, event_hash = _HEAD.unpack_from(raw)
    return Head(log_id, first_sequence, event_hash) if (magic, version) == (_HEAD_MAGIC, VERSION) else None


def encode_header(record: JournalRecord) -> bytes:
    events = record.events
    fields = _HEADER.pack(
        _MAGIC,
        VERSION,
        0,
        record.first_sequence,
        record.last_sequence,
        record.event_hash,
        record.time_ns,
        len(events),
        0,
        xxh3_64_intdigest(events),
    )
    return fields + _CHECKSUM.pack(xxh3_64_intdigest(fields))


def decode(raw: bytes, at: int) -> tuple[JournalRecord | None, int]:
    """The record at `at` and the bytes it takes; (None, bytes needed) while it is not all there.

    Raises JournalDamaged for bytes that are there and are no record.
    """
    end = at + HEADER_BYTES
    if len(raw) < end:
        return None, HEADER_BYTES
    checksum_at = at + _HEADER.size
    magic, version, _, first, last, event_hash, time_ns, length, _, body = _HEADER.unpack_from(raw, at)
    is_header = (magic, version) == (_MAGIC, VERSION)
    if not is_header or _CHECKSUM.unpack_from(raw, checksum_at)[0] != xxh3_64_intdigest(raw[at:checksum_at]):
        raise JournalDamaged("no record header")
    if len(raw) < end + length:
        return None, HEADER_BYTES + length
    events = raw[end : end + length]
    if xxh3_64_intdigest(events) != body:
        raise JournalDamaged(f"the record of sequence {first} fails its checksum")
    return JournalRecord(first, last, event_hash, time_ns, events), HEADER_BYTES + length


def read_head(path: Path) -> Head:
    """Raises JournalDamaged."""
    with path.open("rb") as file:
        head = decode_head(file.read(HEAD_BYTES))
    if head is None or path != segment_path(path.parent, head.first_sequence):
        raise JournalDamaged(f"{path}: no segment head of this version")
    return head


def missing(directory: Path, archive: Path | None = None) -> range:
    """Sequences that lie before the newest segment and are nowhere: what was pruned and is not archived.

    Only the ends are looked at; damage in between is met by who reads it. Raises JournalDamaged.
    """
    found = segments(directory, archive)
    if not found:
        return range(0)
    if found[0][0] > 1:
        return range(1, found[0][0])
    archived = [first for first, path in found if path.parent != directory]
    if archive is None or not archived or len(archived) == len(found):
        return range(0)
    end = archived[-1] - 1
    for record in read(archive, end):
        end = record.last_sequence
    return range(end + 1, found[len(archived)][0])


def read(directory: Path, after_sequence: int = 0, *, archive: Path | None = None) -> Iterator[JournalRecord]:
    """The whole records behind `after_sequence` that are there now. Raises JournalDamaged."""
    follower = Follower(directory, after_sequence, patience=1, archive=archive)
    while records := follower.poll():
        yield from records


def read_behind(directory: Path, sequence: int, archive: Path | None = None) -> Iterator[JournalRecord]:
    """The records that are there and end behind `sequence`, which need not be the end of a batch.

    If what follows it was pruned they begin later. Raises JournalDamaged.
    """
    starts = [first for first, _ in segments(directory, archive)]
    at_or_before = [first for first in starts if first <= sequence + 1] or starts[:1]
    if at_or_before:
        for record in read(directory, at_or_before[-1] - 1, archive=archive):
            if record.last_sequence > sequence:
                yield record


class Follower:
    """Gives the records behind a place, as they come. `poll` never waits.

    With `event_hash`, the hash that the engine had at `after_sequence`, a journal that leads elsewhere is
    refused (JournalForeign), as is one that was pruned beyond the place, unless the `archive` has the rest.
    Known limit: up to one segment is read to find the place.
    """

    def __init__(
        self,
        directory: Path,
        after_sequence: int = 0,
        event_hash: int | None = None,
        *,
        patience: int = _PATIENCE,
        archive: Path | None = None,
    ) -> None:
        self._directory = directory
        self._archive = archive
        self._sequence = after_sequence  # of the last record that was passed
        self._event_hash = event_hash
        self._patience = self._doubts = patience
        self._descriptor = -1
        self._path = directory
        self._offset = 0
        self._is_at_place = False

    @property
    def sequence(self) -> int:
        return self._sequence

    @property
    def place(self) -> Place | None:
        """Where it goes on; None before it has found that, or when its file was written anew."""
        if not self._is_at_place or self._descriptor < 0 or self._event_hash is None:
            return None
        if os.fstat(self._descriptor).st_nlink == 0:
            return None
        return Place(self._path, self._offset, self._sequence, self._event_hash)

    def poll(self, most_bytes: int = _CHUNK_BYTES) -> list[JournalRecord]:
        """What has been written since, about `most_bytes` of it. Raises JournalDamaged."""
        try:
            records = self._read(most_bytes)
        except JournalForeign:
            raise
        except JournalDamaged as problem:
            self._doubts -= 1
            if self._doubts <= 0:
                raise JournalDamaged(f"{self._path} behind sequence {self._sequence}: {problem}") from None
            return []
        self._doubts = self._patience
        return records

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _read(self, most_bytes: int) -> list[JournalRecord]:
        while self._descriptor >= 0 or self._open():
            records, was_read = self._parse(os.pread(self._descriptor, most_bytes, self._offset))
            if records:
                return records
            if not was_read and not self._advance():
                return []
        return []

    def _parse(self, raw: bytes) -> tuple[list[JournalRecord], bool]:
        """Records behind the place, and whether any record was passed at all."""
        at, found = 0, []
        while at < len(raw):
            try:
                record, size = decode(raw, at)
            except JournalDamaged:
                if at:
                    break  # first what is good
                raise
            if record is None:
                if at:
                    break
                raw = os.pread(self._descriptor, size, self._offset)
                if len(raw) < size:
                    break
                continue
            if self._passes(record):
                found.append(record)
            at += size
        self._offset += at
        return found, at > 0

    def _passes(self, record: JournalRecord) -> bool:
        if self._is_at_place:
            if record.first_sequence != self._sequence + 1:
                raise JournalForeign(
                    f"{self._path}: sequence {record.first_sequence} follows {self._sequence}"
                )
            self._sequence, self._event_hash = record.last_sequence, record.event_hash
            return True
        if record.last_sequence == self._sequence:
            self._arrive(record.event_hash)
        elif record.last_sequence > self._sequence:
            raise JournalForeign(f"{self._path}: no record ends with sequence {self._sequence}")
        return False

    def _arrive(self, event_hash: int) -> None:
        if self._event_hash not in (None, event_hash):
            raise JournalForeign(f"{self._path}: other events lead to sequence {self._sequence}")
        self._is_at_place = True
        self._event_hash = event_hash

    def _open(self) -> bool:
        """The segment in which the next record lies or will lie; False if there is none yet."""
        found = segments(self._directory, self._archive)
        at_or_before = [path for first_sequence, path in found if first_sequence <= self._sequence + 1]
        if found and not at_or_before:
            raise JournalForeign(
                f"{self._directory}: the event journal begins with sequence {found[0][0]}; what lies between "
                f"that and sequence {self._sequence} was pruned"
            )
        return bool(at_or_before) and self._enter(at_or_before[-1])

    def _enter(self, path: Path) -> bool:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False  # pruned since it was listed: the next look finds it in the archive, or says so
        raw = os.pread(descriptor, HEAD_BYTES, 0)
        head = decode_head(raw)
        if head is None or path != segment_path(path.parent, head.first_sequence):
            os.close(descriptor)
            if len(raw) < HEAD_BYTES:
                return False  # its writer is at it
            raise JournalDamaged("no segment head of this version")
        self.close()
        self._descriptor, self._path, self._offset = descriptor, path, HEAD_BYTES
        if head.first_sequence == self._sequence + 1:
            self._arrive(head.event_hash)
        return True

    def _advance(self) -> bool:
        """On to the next segment, if it has begun. Raises JournalDamaged if it is not the next."""
        found = segments(self._directory, self._archive)
        following = [segment for segment in found if segment[0] > _first_sequence(self._path)]
        if following and self._is_at_place and following[0][0] == self._sequence + 1:
            return self._enter(following[0][1])
        if os.fstat(self._descriptor).st_nlink == 0:
            raise JournalForeign(f"{self._path}: the journal has been written anew")
        if following:
            raise JournalDamaged(f"the next segment begins with sequence {following[0][0]}")
        return False


def _first_sequence(path: Path) -> int:
    return int(path.stem)
