"""Where the engine stands: the newest snapshot and the log behind it, or the whole log from the start.

Who is to serve begins where the event journal can be completed from: at the newest snapshot at or below the
journal's end. What the journal lacks is written on the way, what it has is compared. A log that was pruned
begins behind a snapshot, and so does a journal that has to be written anew then.
"""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

from cambist._matching import Engine, EngineBroken
from cambist.errors import Broken, Refused
from cambist.log import journal as journals
from cambist.log import snapshots
from cambist.log.disk import Disk
from cambist.log.errors import LogDamaged
from cambist.log.journal import JournalForeign, JournalRecord, Place
from cambist.log.journal_writer import JournalWriter
from cambist.log.positions import pruned_through
from cambist.log.reader import reaches_back_to, read
from cambist.log.sealed import REFERENCE_BYTES
from cambist.log.segments import SegmentReader, segments
from cambist.log.snapshots import Snapshot
from cambist.settings import Settings

# (sequence reached, sequence to reach, or 0 for the end of the log)
Report: TypeAlias = Callable[[int, int], None]

_REPORT_EVERY = 10_000

log = logging.getLogger(__name__)


def recover(settings: Settings, until_sequence: int | None, report: Report) -> Engine:
    """The state after `until_sequence`, or after the log's last batch, in the shortest way.

    Without any snapshot what was pruned is read from the archive. A damaged snapshot is passed over for an
    older one. Raises LogDamaged, or Broken if the log, the snapshot and the engine do not agree.
    """
    engine = newest_state(settings, None)
    _require_log_beyond(engine.sequence, until_sequence)
    archive = archive_of(settings)
    for _ in replay(engine, settings.log_directory, until_sequence, report, archive=log_in(archive)):
        pass
    return engine


def open_journal(
    settings: Settings, of_log: bytes, disk: Disk | None = None, behind: Place | None = None
) -> JournalWriter:
    """Only for who holds that log; what lies before `behind` is not read again. Raises JournalFailed."""
    return JournalWriter(
        settings.journal_directory,
        of_log,
        Engine().event_hash,
        segment_bytes=settings.log.segment_bytes,
        disk=disk,
        behind=behind,
    )


def recover_with(journal: JournalWriter, settings: Settings, last_sequence: int, report: Report) -> Engine:
    """The same at the log's end, and the journal says everything that the log here leads to.

    A journal that is ahead of the log, or that says anything else than the engine, is dropped and written
    anew. Raises JournalFailed too.
    """
    newest = _newest_snapshot(settings, None)
    if newest is not None:
        _require_own(newest, log_id(settings.log_directory))
        _require_log_beyond(newest.sequence, last_sequence)
    if journal.last_sequence > last_sequence:
        log.warning("the event journal is ahead of the log, which ends with sequence %d", last_sequence)
        journal.cut(last_sequence)
    try:
        if journal.first_sequence > pruned_through(settings.log_directory) + 1:
            raise JournalForeign("the event journal's beginning is missing")
        return _complete(journal, settings, last_sequence, report)
    except JournalForeign as problem:
        oldest = oldest_state(settings)
        log.warning("%s; it is written anew behind sequence %d", problem, oldest.sequence)
        journal.clear(oldest.sequence, oldest.event_hash)
        return _complete(journal, settings, last_sequence, report)


def state_at(settings: Settings, sequence: int, report: Report) -> Engine:
    """The state after a batch that lies before the newest snapshot, or not. Raises as `recover` does."""
    engine = newest_state(settings, sequence)
    archive = archive_of(settings)
    for _ in replay(engine, settings.log_directory, sequence, report, archive=log_in(archive)):
        pass
    return engine


def oldest_state(settings: Settings, archive: Path | None = None) -> Engine:
    """The first state from which the log, with what is in its `archive`, leads on without a gap.

    Raises LogDamaged if there is none.
    """
    found = segments(settings.log_directory, log_in(archive))
    if found and found[0].first_sequence == 1:
        return Engine()
    begins = found[0].first_sequence if found else 1
    snapshot = snapshots.oldest(settings.snapshots_directory, begins - 1)
    if snapshot is None:
        raise LogDamaged(
            f"{settings.log_directory}: the log begins with sequence {begins}, and no whole snapshot leads "
            "there: restore one from the backup, or let `cambist snapshot` make one from the archive"
        )
    return restored(snapshot, log_id(settings.log_directory))


def _complete(journal: JournalWriter, settings: Settings, last_sequence: int, report: Report) -> Engine:
    engine = newest_state(settings, journal.last_sequence)
    if not reaches_back_to(settings.log_directory, engine.sequence + 1):
        raise JournalForeign("the event journal ends before the oldest snapshot")
    _require_said(journal, engine.sequence, engine.event_hash)
    for record in replay(engine, settings.log_directory, last_sequence, report):
        if record.first_sequence > journal.last_sequence:
            journal.append(record)
        else:
            _require_said(journal, record.last_sequence, record.event_hash)
    return engine


def _require_said(journal: JournalWriter, sequence: int, event_hash: int) -> None:
    """Raises JournalForeign if the engine, where the journal ends, has said anything else."""
    if sequence > journal.last_sequence:
        raise JournalForeign(f"the event journal ends with sequence {journal.last_sequence}, inside a batch")
    if sequence == journal.last_sequence and event_hash != journal.event_hash:
        raise JournalForeign(f"the event journal says other things than the log up to sequence {sequence}")


def newest_state(settings: Settings, until_sequence: int | None) -> Engine:
    """The newest snapshot at or below `until_sequence`; before the first command if there is none."""
    snapshot = _newest_snapshot(settings, until_sequence)
    return Engine() if snapshot is None else restored(snapshot, log_id(settings.log_directory))


def _newest_snapshot(settings: Settings, until_sequence: int | None) -> Snapshot | None:
    snapshot, damaged = snapshots.newest(settings.snapshots_directory, until_sequence)
    for problem in damaged:
        log.warning("passed over a snapshot: %s", problem)
    return snapshot


def _require_log_beyond(snapshot_sequence: int, last_sequence: int | None) -> None:
    if last_sequence is not None and last_sequence < snapshot_sequence:
        raise Broken(
            f"the log ends at sequence {last_sequence}, before the snapshot at {snapshot_sequence}: "
            "what was acknowledged is missing; restore the log"
        )


def _require_own(snapshot: Snapshot, of_log: bytes) -> None:
    if snapshot.log_id != of_log:
        raise Broken(f"the snapshot at sequence {snapshot.sequence} belongs to another log: move it away")


def restored(snapshot: Snapshot, of_log: bytes) -> Engine:
    """Raises Broken unless it belongs to that log and has the hashes that were stored with it."""
    _require_own(snapshot, of_log)
    try:
        engine = Engine.restore(snapshot.engine)
    except EngineBroken as problem:
        raise Broken(
            f"the snapshot at sequence {snapshot.sequence} cannot be restored: {problem}"
        ) from problem
    if (engine.event_hash, engine.state_hash()) != (snapshot.event_hash, snapshot.state_hash):
        raise Broken(f"the snapshot at sequence {snapshot.sequence} does not restore to its own hashes")
    return engine


def replay(
    engine: Engine,
    log_directory: Path,
    until_sequence: int | None,
    report: Report,
    *,
    archive: Path | None = None,
) -> Iterator[JournalRecord]:
    """Runs the log from where `engine` stands, and yields what the engine says to each batch."""
    next_report = engine.sequence
    for payload in read(log_directory, engine.sequence, until_sequence, archive=archive):
        first_sequence = engine.sequence + 1
        try:
            events = engine.apply(payload)
        except EngineBroken as problem:
            raise Broken(f"the log does not replay: {problem}") from problem
        if engine.sequence >= next_report:
            report(engine.sequence, until_sequence or 0)
            next_report = engine.sequence + _REPORT_EVERY
        yield JournalRecord(first_sequence, engine.sequence, engine.event_hash, engine.time_ns, events)


def keep_snapshot(settings: Settings, engine: Engine, disk: Disk | None = None) -> Path:
    """Stores its state so that the next start begins there; the state was restored and compared before.

    Raises OSError or SnapshotDamaged, or Broken if what the engine wrote does not restore to itself.
    """
    snapshot = Snapshot(
        sequence=engine.sequence,
        time_ns=engine.time_ns,
        event_hash=engine.event_hash,
        state_hash=engine.state_hash(),
        log_id=log_id(settings.log_directory),
        engine=engine.snapshot(),
    )
    restored(snapshot, snapshot.log_id)
    start, count = engine.references_in_snapshot()
    return snapshots.save(
        settings.snapshots_directory,
        snapshot,
        disk,
        keep=settings.snapshots.keep,
        needed=pruned_through(settings.log_directory),
        references=range(start, start + count * REFERENCE_BYTES),
    )


def log_id(log_directory: Path) -> bytes:
    """Which log this is, whoever has a copy of it. Raises LogDamaged."""
    found = segments(log_directory)
    if not found:
        raise LogDamaged(f"{log_directory}: there is no log")
    identity: bytes = SegmentReader(found[-1]).log_id
    return identity


def archive_of(settings: Settings) -> Path | None:
    """Where what was pruned of this log is kept; None if it is not."""
    root = settings.archive_directory
    return None if root is None else root / log_id(settings.log_directory).hex()


def log_in(archive: Path | None) -> Path | None:
    return None if archive is None else archive / "log"


def journal_in(archive: Path | None) -> Path | None:
    return None if archive is None else archive / "journal"


class HistoryMissing(Refused):
    """What was pruned cannot be told again."""

    code = "history_missing"


def require_history(settings: Settings) -> None:
    """Raises HistoryMissing unless the event journal, with its archive, tells of every command."""
    gone = journals.missing(settings.journal_directory, journal_in(archive_of(settings)))
    if gone:
        archive = settings.archive_directory
        raise HistoryMissing(
            f"the views cannot be made anew and stay as they are: the events of sequence {gone.start} to "
            f"{gone[-1]} were pruned and "
            + (f"are not in {archive}" if archive else "no archive is set (keep.archive)")
        )
