"""A data directory with a leader that makes one batch at a time, as the match thread does."""

from collections.abc import Sequence
from pathlib import Path

from cambist._matching import Engine
from cambist.log.file import FileLog
from cambist.log.journal import JournalRecord
from cambist.log.journal_writer import JournalWriter
from cambist.settings import Log as LogSettings
from cambist.settings import Settings

SEGMENT_BYTES = 128 << 10  # so small that a test fills several


def settings_in(home: Path, segment_bytes: int = SEGMENT_BYTES) -> Settings:
    return Settings(home=home, log=LogSettings(segment_bytes=segment_bytes))


class Leader:
    """Log, engine and journal, in the order in which the match server uses them."""

    def __init__(self, settings: Settings) -> None:
        self.log = FileLog.open(settings.log_directory, segment_bytes=settings.log.segment_bytes)
        self.engine = Engine()
        self.journal = JournalWriter(
            settings.journal_directory,
            self.log.log_id,
            self.engine.event_hash,
            segment_bytes=settings.log.segment_bytes,
        )

    def make(self, payloads: Sequence[bytes]) -> None:
        for payload in payloads:
            self.log.append(payload)
            self.say(payload)

    def say(self, payload: bytes) -> None:
        """What follows when a batch is durable."""
        first_sequence = self.engine.sequence + 1
        events = self.engine.apply(payload)
        engine = self.engine
        self.journal.append(
            JournalRecord(first_sequence, engine.sequence, engine.event_hash, engine.time_ns, events)
        )

    def close(self) -> None:
        self.journal.close()
        self.log.close()


def holder_of(lock: Path) -> int:
    """The process that has locked this file."""
    for line in Path("/proc/locks").read_text().splitlines():
        _, kind, _, _, pid, place, *_ = line.split()
        if kind == "FLOCK" and int(place.rpartition(":")[2]) == lock.stat().st_ino:
            return int(pid)
    raise AssertionError(f"nobody holds {lock}")
