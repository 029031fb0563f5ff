"""An exchange's files without the exchange: log, journal and views grow by as many batches as a test says."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from cambist._matching import Engine
from cambist.data.projection import Projection
from cambist.data.server import DataServer
from cambist.log.file import FileLog
from cambist.log.journal import JournalRecord
from cambist.log.journal_writer import JournalWriter
from cambist.match import recovery
from cambist.settings import Log, Settings, Snapshots
from tests.log_disks import AtOnce, QuickDisk

SEGMENT_BYTES = 8_192  # small, so that a short log has many files


def quiet(done: int, total: int) -> None:
    pass


def small(home: Path, snapshots: Snapshots | None = None) -> Settings:
    home.mkdir(mode=0o700, exist_ok=True)
    return Settings(home=home, log=Log(segment_bytes=SEGMENT_BYTES), snapshots=snapshots or Snapshots())


def with_keep(settings: Settings, **changed: object) -> Settings:
    return msgspec.structs.replace(settings, keep=msgspec.structs.replace(settings.keep, **changed))


def start(settings: Settings, payloads: Sequence[bytes] = ()) -> Engine:
    """What a start comes to; then these batches are logged, applied and put into the journal."""
    log = FileLog.open(
        settings.log_directory, segment_bytes=settings.log.segment_bytes, disk=QuickDisk(), executor=AtOnce()
    )
    journal = JournalWriter(
        settings.journal_directory,
        log.log_id,
        Engine().event_hash,
        segment_bytes=settings.log.segment_bytes,
    )
    try:
        engine = recovery.recover_with(journal, settings, log.last_sequence, quiet)
        for payload in payloads:
            log.append(payload)
            first_sequence = engine.sequence + 1
            events = engine.apply(payload)
            journal.append(
                JournalRecord(first_sequence, engine.sequence, engine.event_hash, engine.time_ns, events)
            )
        return engine
    finally:
        journal.close()
        log.close()


def bring_views_up(settings: Settings, until: int | None = None) -> int:
    """As the data process does; returns where the views stand."""
    server = DataServer(
        settings.journal_directory,
        settings.views_file,
        recovery.log_id(settings.log_directory),
        Projection(),
        group_bytes=4_096,
    )
    try:
        while (until is None or server.position < until) and server.catch_up():
            pass
        return server.position
    finally:
        server.close()
