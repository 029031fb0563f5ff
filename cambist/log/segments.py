"""The files of a log, and what each of them holds. Format: docs/formats/log.md.

Known limit: a segment that is being written is read safely only up to a sequence known to be acknowledged.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from struct import Struct
from typing import NamedTuple

from xxhash import xxh3_64_intdigest

from cambist.log.errors import LogDamaged
from cambist.log.positions import pruned_through
from cambist.log.records import (
    ALIGNMENT,
    VERSION,
    Header,
    Kind,
    chain_after,
    is_unfinished,
    padding,
    read_header,
    record_size,
)

SUFFIX = ".log"
HEAD_PAYLOAD = Struct("<16sQ")  # log id, bytes of the file
HEAD_BYTES = record_size(HEAD_PAYLOAD.size)

_NAME = re.compile(r"(\d{10})-(\d{20})\.log")
_CHUNK_BYTES = 1 << 20
_ZEROS = bytes(_CHUNK_BYTES)


def segment_name(epoch: int, first_sequence: int) -> str:
    return f"{epoch:010}-{first_sequence:020}{SUFFIX}"


class Segment(NamedTuple):
    """A file by its name."""

    epoch: int
    first_sequence: int
    path: Path


def segments(directory: Path, archive: Path | None = None) -> list[Segment]:
    """The segments that are in the chain, oldest first; those that were pruned too if the `archive` has them.

    A segment that begins at or behind the beginning of a newer epoch's was written by a leader that had been
    replaced; nothing in it was acknowledged. One that such a leader leaves behind after the newer epoch's
    beginning was pruned lies wholly behind the mark.
    """
    kept = _in_chain(directory)
    needed = pruned_through(directory) + 1
    while len(kept) > 1 and kept[1].first_sequence <= needed:
        del kept[0]
    if archive is None:
        return kept
    archived = _in_chain(archive)
    return [found for found in archived if not kept or found.first_sequence < kept[0].first_sequence] + kept


def behind_chain(directory: Path) -> list[Segment]:
    """What the mark of `log.positions` lets go, oldest first, a replaced leader's segments there as well."""
    begins = segments(directory)[0].first_sequence
    found = map(named, directory.glob("*" + SUFFIX))
    gone = [segment for segment in found if segment.first_sequence < begins]
    return sorted(gone, key=lambda segment: segment.first_sequence)


def _in_chain(directory: Path) -> list[Segment]:
    kept: list[Segment] = []
    for segment in sorted(map(named, directory.glob("*" + SUFFIX)), reverse=True):
        if not kept or segment.first_sequence < kept[-1].first_sequence:
            kept.append(segment)
    return kept[::-1]


def named(path: Path) -> Segment:
    """Raises LogDamaged if the name is not a segment's."""
    match = _NAME.fullmatch(path.name)
    if match is None:
        raise LogDamaged(f"{path} is not named like a segment: {segment_name(1, 1)}")
    return Segment(int(match[1]), int(match[2]), path)


class SegmentReader:
    """Reads one segment and says where it ends. Raises LogDamaged at the first thing that cannot be."""

    def __init__(self, segment: Segment) -> None:
        self.path = segment.path
        self.epoch = segment.epoch
        self.first_sequence = segment.first_sequence
        self.last_sequence = segment.first_sequence - 1
        self._record_epoch = self.offset = 0
        self.records = 0
        self.is_sealed = False
        with self._readable(), self.path.open("rb") as file:
            self.size = os.fstat(file.fileno()).st_size
            raw = file.read(HEAD_BYTES)
        header = read_header(raw[:ALIGNMENT])
        if header is None or header.epoch != self.epoch or header.length != HEAD_PAYLOAD.size:
            raise self._damaged("no segment header")
        self.previous = self.chain = header.previous
        self._check(header)
        payload = raw[ALIGNMENT : ALIGNMENT + header.length]
        if not _is_body(header, payload, raw[ALIGNMENT + header.length :]):
            raise self._damaged("the segment header fails its checksum")
        log_id, size = HEAD_PAYLOAD.unpack(payload)
        self.log_id: bytes = log_id
        if size != self.size:
            raise self._damaged(f"the file has {self.size} bytes instead of {size}")
        self._advance(header, raw[:ALIGNMENT])
        self._record_epoch = 0  # a taker's first batch is still of the epoch before

    def batches(self, until: bytes | None = None) -> Iterator[tuple[Header, bytes]]:
        """Whole batches with their headers, up to what is no record, or to where the chain is `until`."""
        with self._readable(), self.path.open("rb", buffering=_CHUNK_BYTES) as file:
            file.seek(self.offset)
            while self.chain != until:
                raw = file.read(ALIGNMENT)
                header = read_header(raw)
                if header is None:
                    return
                self._check(header)
                payload = file.read(header.length)
                if not _is_body(header, payload, file.read(header.size - ALIGNMENT - header.length)):
                    return
                self._advance(header, raw)
                if header.commands:
                    yield header, payload

    def unfinished(self) -> bytes:
        """What a crash left behind the last whole record: never acknowledged, empty as a rule.

        Raises LogDamaged if what lies there is anything else.
        """
        rest = self._rest()
        if rest and not is_unfinished(rest, self.offset):
            raise self._damaged("the record is damaged")
        return rest

    def must_lead_to(self, successor: "SegmentReader") -> None:
        """Raises LogDamaged if the successor does not begin where this one ends."""
        if self.chain != successor.previous or successor.log_id != self.log_id:
            raise self._damaged(f"damaged, or {successor.path.name} does not follow")
        if self.epoch == successor.epoch and self._rest():
            raise self._damaged("bytes behind the last record")

    def _rest(self) -> bytes:
        """Everything behind the last whole record, without the zero fill at the end."""
        end = 0
        with self._readable(), self.path.open("rb", buffering=0) as file:
            file.seek(self.offset)
            position = self.offset
            while chunk := file.read(_CHUNK_BYTES):
                position += len(chunk)
                if chunk != _ZEROS[: len(chunk)]:
                    end = position
            if not end:
                return b""
            rest = os.pread(file.fileno(), end - self.offset, self.offset).rstrip(b"\0")
        return rest + bytes(-len(rest) % ALIGNMENT)  # a header may end with zeros

    def _check(self, header: Header) -> None:
        """Whether a header that was written whole belongs at this place."""
        if header.version != VERSION or header.reserved or header.may_hold_zero_sector > 1:
            raise self._damaged(f"format version {header.version}; this release reads version {VERSION}")
        if header.previous != self.chain or header.first_sequence != self.last_sequence + 1:
            raise self._damaged("the record does not follow the one before it")
        if not self._record_epoch <= header.epoch <= self.epoch:
            raise self._damaged(f"the record is of epoch {header.epoch}")
        expected = Kind.SEGMENT if self.offset == 0 else Kind.BATCH if header.commands else Kind.SEAL
        if header.kind != expected:
            raise self._damaged(f"a record of kind {header.kind} with {header.commands} commands")
        if self.offset + header.size > self.size:
            raise self._damaged("the record is longer than the file")

    def _advance(self, header: Header, raw: bytes) -> None:
        self._record_epoch = header.epoch
        self.chain = chain_after(raw)
        self.last_sequence += header.commands
        self.offset += header.size
        self.records += 1
        self.is_sealed = header.kind != Kind.BATCH

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except OSError as problem:
            raise self._damaged(f"cannot be read: {problem}") from problem

    def _damaged(self, what: str) -> LogDamaged:
        return LogDamaged(f"{self.path} offset {self.offset}, sequence {self.last_sequence + 1}: {what}")


def _is_body(header: Header, payload: bytes, after: bytes) -> bool:
    return after == padding(header.length) and xxh3_64_intdigest(payload) == header.body_checksum
