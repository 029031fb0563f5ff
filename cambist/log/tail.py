"""The log read as it grows: what was verified once is not read again, however long the log is.

Known limit: to find its place, the first read begins with the segment in which that lies.
"""

from collections.abc import Iterator
from copy import copy
from itertools import pairwise
from pathlib import Path

from cambist.log.errors import LogDamaged
from cambist.log.records import time_of
from cambist.log.segments import Segment, SegmentReader, segments


class LogTail:
    """Gives the batches behind `sequence`, which moves with each batch given, as does its `time_ns`."""

    def __init__(self, directory: Path, after_sequence: int, time_ns: int) -> None:
        self.sequence = after_sequence
        self.time_ns = time_ns
        self._directory = directory
        self._reader: SegmentReader | None = None  # of the segment in which the place lies

    def read(self, until_sequence: int) -> Iterator[bytes]:
        """Up to the batch that ends with `until_sequence`, which is known to be acknowledged.

        Raises LogDamaged, which names the record, at the first thing that cannot be.
        """
        for payload in self._read(self._readers()):
            if self.sequence > until_sequence:
                raise LogDamaged(f"{self._directory}: no batch ends with sequence {until_sequence}")
            yield payload
            if self.sequence == until_sequence:
                return  # before a look at what comes next, which may be half written
        raise LogDamaged(f"{self._directory}: the log ends at {self.sequence}, before {until_sequence}")

    def to_end(self) -> SegmentReader:
        """Passes all that is left; the last segment. What lies behind the last record is not looked at."""
        readers = self._readers()
        for _ in self._read(readers):
            pass
        return readers[-1]

    def offset_in(self, segment: Segment) -> int:
        """Up to where this segment was verified."""
        return self._reader.offset if self._reader is not None and self._reader.path == segment.path else 0

    def copy(self) -> "LogTail":
        """Another one at the same place."""
        other = copy(self)
        other._reader = copy(self._reader)
        return other

    def _read(self, readers: list[SegmentReader]) -> Iterator[bytes]:
        """Only up to where a successor says that its chain begins: more may have come too late to count."""
        for reader, successor in pairwise([*readers, None]):
            assert reader is not None
            self._reader = reader
            for header, payload in reader.batches(until=None if successor is None else successor.previous):
                if header.last_sequence <= self.sequence:
                    continue
                if header.first_sequence != self.sequence + 1:
                    raise LogDamaged(f"{self._directory}: no batch ends with sequence {self.sequence}")
                self.sequence, self.time_ns = header.last_sequence, time_of(payload)
                yield payload
            if successor is not None:
                reader.must_lead_to(successor)

    def _readers(self) -> list[SegmentReader]:
        """Of the segments from the one in which the place lies, which goes on where it was left."""
        found = segments(self._directory)
        while len(found) > 1 and found[1].first_sequence <= self.sequence + 1:
            del found[0]
        if not found or found[0].first_sequence > self.sequence + 1:
            raise LogDamaged(f"{self._directory}: the log does not reach back to {self.sequence + 1}")
        first = self._reader
        if first is None or first.path != found[0].path:
            first = SegmentReader(found[0])
        return [first, *map(SegmentReader, found[1:])]
