"""Reading a log back: every record is verified, and each must follow the one before it.

Verification may begin in the middle: a segment begins with the hash that the chain had there. What lies
before that segment is then taken on trust, as is the snapshot that covers it.
"""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from cambist.log.errors import LogDamaged
from cambist.log.records import CHAIN_START, Header
from cambist.log.segments import Segment, SegmentReader, segments


class LogReport(NamedTuple):
    """What a whole log holds. `record_bytes` leaves out the zero fill behind the records."""

    log_id: bytes
    epoch: int
    first_sequence: int
    last_sequence: int
    segments: int
    records: int
    record_bytes: int
    chain: bytes
    is_sealed: bool
    torn_bytes: int


def read(
    directory: Path,
    after_sequence: int = 0,
    until_sequence: int | None = None,
    *,
    archive: Path | None = None,
) -> Iterator[bytes]:
    """Batches as they were appended, from the one that begins with `after_sequence` + 1.

    Ends with the batch that ends with `until_sequence`, or with the log. An unfinished last record counts as
    never written. A log that is being written is read with `until_sequence`, set to something acknowledged.
    What was pruned is read from the `archive`. Raises LogDamaged, which names the record, at the first thing
    that cannot be; what came before it is good.
    """
    if until_sequence is not None and until_sequence <= after_sequence:
        return
    found = _from(directory, after_sequence, archive)
    last_sequence = found[0].first_sequence - 1
    for header, payload in _batches([SegmentReader(segment) for segment in found]):
        last_sequence = header.last_sequence
        if last_sequence <= after_sequence:
            continue
        for wanted in (after_sequence, until_sequence or 0):
            if header.first_sequence <= wanted < last_sequence:
                raise LogDamaged(f"{directory}: no batch ends with sequence {wanted}")
        yield payload
        if last_sequence == until_sequence:
            return  # before a look at what comes next, which may be half written
    wanted = until_sequence or after_sequence
    if last_sequence < wanted:
        raise LogDamaged(f"{directory}: the log ends at sequence {last_sequence}, before {wanted}")


def verify(directory: Path) -> LogReport:
    """Reads the whole log. Raises LogDamaged as `read` does."""
    found = [SegmentReader(segment) for segment in _from(directory, 0)]
    for _ in _batches(found):
        pass
    last = found[-1]
    return LogReport(
        log_id=last.log_id,
        epoch=last.epoch,
        first_sequence=found[0].first_sequence,
        last_sequence=last.last_sequence,
        segments=len(found),
        records=sum(reader.records for reader in found),
        record_bytes=sum(reader.offset for reader in found),
        chain=last.chain,
        is_sealed=last.is_sealed,
        torn_bytes=len(last.unfinished()),
    )


def reaches_back_to(directory: Path, sequence: int, archive: Path | None = None) -> bool:
    """Whether the log, with what is in the `archive`, begins at or before `sequence`."""
    found = segments(directory, archive)
    return bool(found) and found[0].first_sequence <= sequence


def _from(directory: Path, after_sequence: int, archive: Path | None = None) -> list[Segment]:
    """The segments from the one that holds what comes behind `after_sequence`."""
    found = segments(directory, archive)
    if not found or found[0].first_sequence > after_sequence + 1:
        begins = f"begins with sequence {found[0].first_sequence}" if found else "is empty"
        raise LogDamaged(
            f"{directory}: the log {begins} and does not reach back to sequence {after_sequence + 1}: "
            "what was pruned is in the archive, if one was set (keep.archive)"
        )
    while len(found) > 1 and found[1].first_sequence <= after_sequence + 1:
        del found[0]
    return found


def _batches(found: list[SegmentReader]) -> Iterator[tuple[Header, bytes]]:
    first, last = found[0], found[-1]
    if first.first_sequence == 1 and first.previous != CHAIN_START:
        raise LogDamaged(f"{first.path}: the log does not begin here")
    for reader, successor in pairwise(found):
        yield from reader.batches(until=successor.previous)
        reader.must_lead_to(successor)
    yield from last.batches()
    last.unfinished()
