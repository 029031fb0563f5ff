"""Removes the beginning of log and journal, as far as no start, no consumer and no setting needs it.

What is removed ends at a snapshot, of which there is a newer one too: that snapshot, the log behind it and
the journal behind it lead to everything later. With an archive every file is copied there first. A crash
between any two steps leaves a log that starts, and the next turn does the rest.

Known limit: a reader that stores no position (the views' database, files of `log.positions`) is not waited
for; it is refused when its place is gone.
"""

import logging
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

from cambist.data.database import stored_position
from cambist.keep.archive import store
from cambist.log import journal, snapshots
from cambist.log.disk import Disk
from cambist.log.positions import mark_pruned, pruned_through, reader_positions
from cambist.log.segments import behind_chain, segments
from cambist.log.snapshots import SnapshotDamaged
from cambist.match import recovery
from cambist.settings import Settings

_DAY_S = 86_400

log = logging.getLogger(__name__)


def prune(settings: Settings, disk: Disk) -> int:
    """Returns the sequence behind which log and journal are kept. The caller holds `keep.held` alone.

    Raises OSError, ArchiveRefused, or ValueError for a position that cannot be read.
    """
    before = pruned_through(settings.log_directory)
    if not settings.keep.prune:
        return before
    through = max(before, _prunable(settings, disk))
    log_pieces = [(segment.first_sequence, segment.path) for segment in segments(settings.log_directory)]
    old_log = _wholly_before(log_pieces, through)
    journal_pieces = journal.segments(settings.journal_directory)
    old_journal = _wholly_before(journal_pieces, through)
    archive = recovery.archive_of(settings)
    if archive is not None:
        store(old_log, archive / "log", disk)
        store(old_journal, archive / "journal", disk)
    if through > before:
        # Nobody else syncs the journal. After a power cut it must still go on where the archive ends: what it
        # has lost before the mark, the log here does not say again.
        _sync([path for _, path in journal_pieces[len(old_journal) :][:1]], disk)
        disk.sync_directory(settings.journal_directory)
        mark_pruned(settings.log_directory, through, disk)
        log.info("log and journal are kept behind sequence %d", through)
    _remove((segment.path for segment in behind_chain(settings.log_directory)), disk)
    _remove(old_journal, disk)
    return through


def _prunable(settings: Settings, disk: Disk) -> int:
    """The newest snapshot that is whole and has a newer one, at or before what is still needed; 0: none."""
    newest, *older = snapshots.sequences(settings.snapshots_directory) or [0]
    needed = [newest - settings.keep.commands, _views_position(settings, disk)]
    for reader in reader_positions(settings.run_directory):
        if reader.age_s <= settings.keep.consumer_max_days * _DAY_S:
            needed.append(reader.sequence)
    for sequence in older:
        if sequence <= min(needed) and _is_whole(snapshots.path_of(settings.snapshots_directory, sequence)):
            return sequence
    return 0


def _is_whole(path: Path) -> bool:
    try:
        snapshots.load(path)
    except SnapshotDamaged as problem:
        log.warning("nothing is pruned up to this snapshot: %s", problem)
        return False
    return True


def _views_position(settings: Settings, disk: Disk) -> int:
    """Up to where the views would be after a power cut: their transactions are not synced by themselves."""
    file = settings.views_file
    if not file.exists():
        return 0
    position = stored_position(file)
    # Not before the connection there is closed: closing any descriptor of a file drops all of this process's
    # locks on it, and SQLite counts on those.
    _sync([part for part in (file.with_name(file.name + "-wal"), file) if part.exists()], disk)
    return 0 if position is None else position.sequence


def _sync(paths: Iterable[Path], disk: Disk) -> None:
    for path in paths:
        descriptor = disk.open(path)
        try:
            disk.fdatasync(descriptor)
        finally:
            disk.close(descriptor)


def _wholly_before(pieces: Sequence[tuple[int, Path]], through: int) -> list[Path]:
    """Those of which the next one holds what follows `through`, or begins right there."""
    return [path for (_, path), (following, _) in pairwise(pieces) if following <= through + 1]


def _remove(paths: Iterable[Path], disk: Disk) -> None:
    directories = set()
    for path in paths:
        disk.unlink(path)
        directories.add(path.parent)
    for directory in directories:
        disk.sync_directory(directory)
