"""One record of the log: how it is written, and how much of one a disk holds. Format: docs/formats/log.md.

Two properties of these bytes let a crash be told from damage. A header never straddles two sectors, and no
sector of a whole record is all zero: headers begin with a magic, payloads with a sequence above zero, and
the padding (at least one byte) is not zero. The rare payload with a whole sector of zeros inside says so in
its header.
"""

from collections.abc import Iterator
from enum import IntEnum
from struct import Struct
from typing import NamedTuple, TypeAlias

from xxhash import xxh3_64_intdigest, xxh3_128_digest

from cambist._matching import log_header

SECTOR = 512
ALIGNMENT = 64  # of every record, and the size of a header
VERSION = 1
CHAIN_START = bytes(16)

_MAGIC = b"CbLr"
_HEADER = Struct("<4sBBHQIIII16sQ")
_CHECKSUM = Struct("<Q")
# docs/formats/commands.md: first_sequence, time, epoch, count, length, reserved
_BATCH = Struct("<QqIIII")
_PADDING = [b"\xff" * (ALIGNMENT - end) for end in range(ALIGNMENT)]


class Kind(IntEnum):
    SEGMENT = 1  # the first record of a segment
    BATCH = 2
    SEAL = 3  # the log was idle: what lies before it is whole


class Header(NamedTuple):
    """`first_sequence` of a record without commands is that of the next one."""

    kind: int
    may_hold_zero_sector: int
    version: int
    first_sequence: int
    epoch: int
    commands: int
    length: int
    reserved: int
    previous: bytes
    body_checksum: int

    @property
    def size(self) -> int:
        """Bytes of the whole record on disk."""
        return record_size(self.length)

    @property
    def last_sequence(self) -> int:
        return self.first_sequence + self.commands - 1


def time_of(batch: bytes) -> int:
    """Its `time_ns`."""
    return int(_BATCH.unpack_from(batch)[1])


def record_size(length: int) -> int:
    """Header, payload of `length` bytes, and 1 to 64 bytes of padding."""
    return ALIGNMENT + length + ALIGNMENT - length % ALIGNMENT


def padding(length: int) -> bytes:
    return _PADDING[length % ALIGNMENT]


def read_header(raw: bytes) -> Header | None:
    """None if these bytes are no header that was written whole."""
    if len(raw) < ALIGNMENT or raw[:4] != _MAGIC:
        return None
    checksum_at = ALIGNMENT - _CHECKSUM.size
    if xxh3_64_intdigest(raw[:checksum_at]) != _CHECKSUM.unpack_from(raw, checksum_at)[0]:
        return None
    return Header(*_HEADER.unpack_from(raw)[1:])


def chain_after(raw_header: bytes) -> bytes:
    """What the next record calls `previous`. A header holds its payload's checksum, so this covers both."""
    return xxh3_128_digest(raw_header)


Parts: TypeAlias = tuple[bytes, bytes, bytes]  # header, payload, padding


class RecordChain:
    """Makes records that follow each other. Its place moves with every record made, written or not."""

    def __init__(self, epoch: int, last_sequence: int, chain: bytes) -> None:
        self.epoch = epoch
        self.last_sequence = last_sequence
        self.chain = chain

    def check(self, payload: bytes) -> int:
        """How many commands the batch holds. Raises ValueError if it does not follow the last one."""
        if len(payload) < _BATCH.size:
            raise ValueError(f"{len(payload)} bytes are no batch")
        first_sequence, _, epoch, count, length, _ = _BATCH.unpack_from(payload)
        if (first_sequence, epoch, length) != (
            self.last_sequence + 1,
            self.epoch,
            len(payload) - _BATCH.size,
        ):
            raise ValueError(
                f"batch {first_sequence} of epoch {epoch} with {length} bytes of commands does not follow "
                f"sequence {self.last_sequence} of epoch {self.epoch}, or is not as long as it says"
            )
        if count == 0:
            raise ValueError(f"batch {first_sequence} has no commands")
        return int(count)

    def batch(self, payload: bytes, count: int) -> Parts:
        record = self._make(Kind.BATCH, count, payload)
        self.last_sequence += count
        return record

    def take_over(self, payload: bytes) -> Parts:
        """The first batch of this epoch, which is itself still of the one before."""
        self.epoch -= 1
        record = self.batch(payload, 1)
        self.epoch += 1
        return record

    def seal(self) -> Parts:
        return self._make(Kind.SEAL, 0, b"")

    def segment(self, payload: bytes) -> Parts:
        return self._make(Kind.SEGMENT, 0, payload)

    def _make(self, kind: Kind, count: int, payload: bytes) -> Parts:
        next_sequence = self.last_sequence + 1
        header, self.chain = log_header(kind, VERSION, next_sequence, self.epoch, count, self.chain, payload)
        return header, payload, padding(len(payload))


def is_unfinished(rest: bytes, offset: int) -> bool:
    """Whether `rest`, all that lies behind `offset` but zero fill, is one record that lacks a sector.

    A record of which some sector never reached the disk was not acknowledged, whatever the others hold.
    """
    header = read_header(rest[:ALIGNMENT])
    if header is None:
        in_first_sector = SECTOR - offset % SECTOR
        return not any(rest[:in_first_sector]) and not _holds_header(rest, in_first_sector)
    if header.may_hold_zero_sector or len(rest) > header.size:
        return False
    return any(not any(sector) for sector in _sectors(rest.ljust(header.size, b"\0"), offset))


def _sectors(record: bytes, offset: int) -> Iterator[bytes]:
    start = 0
    while start < len(record):
        end = start + SECTOR - (offset + start) % SECTOR
        yield record[start:end]
        start = end


def _holds_header(rest: bytes, start: int) -> bool:
    """A whole header further on was written after the record at the beginning was acknowledged."""
    while (start := rest.find(_MAGIC, start)) >= 0:
        if read_header(rest[start : start + ALIGNMENT]) is not None:
            return True
        start += 1
    return False
