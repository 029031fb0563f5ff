"""A log whose beginning was pruned: what is left is a chain, what is missing is said or in the archive."""

import os

import pytest

from cambist.log.errors import LogDamaged
from cambist.log.file import FileLog, read
from cambist.log.positions import mark_pruned, pruned_through, reader_positions, store_position
from cambist.log.reader import reaches_back_to
from cambist.log.segments import segment_name, segments
from cambist.log.snapshots import newest, oldest, save
from tests.log_disks import AtOnce, QuickDisk, batch
from tests.unit.test_snapshot_files import snapshot

SEGMENT_BYTES = 4096
BATCHES = [batch(first) for first in range(1, 151)]


@pytest.fixture
def directory(tmp_path):
    """A log of 150 batches with one command each, in several segments."""
    directory = tmp_path / "log"
    log = FileLog.open(directory, segment_bytes=SEGMENT_BYTES, disk=QuickDisk(), executor=AtOnce())
    for payload in BATCHES:
        log.append(payload)
    log.close()
    assert len(segments(directory)) > 5
    return directory


def prune(directory, archive, count):
    """Moves the oldest segments away; returns the last sequence that is in none of the others."""
    archive.mkdir()
    gone, kept = segments(directory)[:count], segments(directory)[count]
    mark_pruned(directory, kept.first_sequence - 1, QuickDisk())
    for segment in gone:
        segment.path.rename(archive / segment.path.name)
    return kept.first_sequence - 1


def test_the_rest_is_read_and_the_beginning_is_said_to_be_missing(directory, tmp_path):
    gone = prune(directory, tmp_path / "archive", 2)
    assert list(read(directory, gone)) == BATCHES[gone:]
    with pytest.raises(LogDamaged, match=f"begins with sequence {gone + 1} and does not reach back"):
        list(read(directory))


def test_what_was_pruned_is_read_from_the_archive(directory, tmp_path):
    prune(directory, tmp_path / "archive", 2)
    assert list(read(directory, archive=tmp_path / "archive")) == BATCHES
    assert reaches_back_to(directory, 1, tmp_path / "archive")
    assert not reaches_back_to(directory, 1)


def test_an_archive_with_a_gap_is_refused(directory, tmp_path):
    prune(directory, tmp_path / "archive", 3)
    segments(tmp_path / "archive")[1].path.unlink()
    with pytest.raises(LogDamaged, match="does not follow"):
        list(read(directory, archive=tmp_path / "archive"))


def test_a_pruned_log_is_continued(directory, tmp_path):
    gone = prune(directory, tmp_path / "archive", 2)
    log = FileLog.open(directory, segment_bytes=SEGMENT_BYTES, disk=QuickDisk(), executor=AtOnce())
    log.append(batch(log.last_sequence + 1))
    log.close()
    assert len(list(read(directory, gone))) == len(BATCHES) - gone + 1


def test_a_segment_that_is_marked_but_not_yet_removed_is_not_looked_at(directory):
    found = segments(directory)
    mark_pruned(directory, found[2].first_sequence, QuickDisk())
    assert segments(directory) == found[2:]


def test_a_replaced_leaders_segment_does_not_enter_the_chain_when_its_successors_were_pruned(
    directory, tmp_path
):
    """It wakes after the newer epoch's first segments have gone, and names the segment it was at."""
    found = segments(directory)
    for segment in found[1:]:
        newer = segment.path.with_name(segment_name(2, segment.first_sequence))
        segment.path.rename(newer)
    prune(directory, tmp_path / "archive", 3)
    (directory / segment_name(1, found[2].first_sequence + 1)).write_bytes(bytes(SEGMENT_BYTES))
    assert [segment.first_sequence for segment in segments(directory)] == [
        segment.first_sequence for segment in found[3:]
    ]


def test_the_mark_only_moves_on(directory):
    assert pruned_through(directory) == 0
    for sequence in (7, 40):
        mark_pruned(directory, sequence, QuickDisk())
    assert pruned_through(directory) == 40
    assert [path.name for path in directory.glob("pruned-*")] == [f"pruned-{40:020}"]


def test_a_reader_tells_how_far_it_has_come(tmp_path):
    run = tmp_path / "run"
    store_position(run, "standby", 12)
    store_position(run, "standby", 13)
    os.utime(run / "position-standby", (0, 0))
    (found,) = reader_positions(run)
    assert (found.name, found.sequence) == ("standby", 13)
    assert found.age_s > 1e9


def test_a_position_that_cannot_be_read_is_no_permission_to_prune(tmp_path):
    store_position(tmp_path, "standby", 12)
    (tmp_path / "position-standby").write_text("")
    with pytest.raises(ValueError):
        reader_positions(tmp_path)


def test_the_snapshot_at_which_a_pruned_log_begins_stays(tmp_path):
    for sequence in (1, 2, 3, 4, 5):
        save(tmp_path, snapshot(sequence), QuickDisk(), needed=2)
    assert sorted(int(path.stem) for path in tmp_path.iterdir()) == [2, 4, 5]
    assert newest(tmp_path).snapshot == snapshot(5)


def test_the_oldest_whole_snapshot_from_a_sequence_on_is_found(tmp_path):
    for sequence in (3, 5, 7):
        save(tmp_path, snapshot(sequence), QuickDisk(), keep=3)
    assert [oldest(tmp_path, sequence) for sequence in (1, 4, 8)] == [snapshot(3), snapshot(5), None]
    (tmp_path / f"{3:020}.snapshot").write_bytes(b"")
    assert oldest(tmp_path, 1) == snapshot(5)
