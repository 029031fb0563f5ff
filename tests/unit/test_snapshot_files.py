"""Snapshot files: whole or refused, the newest that is whole is found, an older one is kept."""

import errno
import os

import pytest

from cambist.log.snapshots import Snapshot, SnapshotDamaged, load, newest, save
from tests.log_disks import FaultyDisk, PowerCutDisk, QuickDisk


def snapshot(sequence, engine=b"engine " * 100):
    return Snapshot(sequence, 1_700_000_000_000_000_000, 2**64 - 1, b"s" * 32, b"l" * 16, engine)


def names(directory):
    return sorted(path.name for path in directory.iterdir())


def test_what_was_saved_is_found(tmp_path):
    path = save(tmp_path / "snapshots", snapshot(7))
    assert path.name == "00000000000000000007.snapshot"
    assert newest(tmp_path / "snapshots") == (snapshot(7), [])


def test_empty_state_is_state(tmp_path):
    save(tmp_path, snapshot(0, b""), QuickDisk())
    assert newest(tmp_path).snapshot == snapshot(0, b"")


def test_no_snapshot_is_found_where_none_is(tmp_path):
    assert newest(tmp_path / "missing") == (None, [])


def test_two_generations_are_kept(tmp_path):
    for sequence in (5, 900, 1_000, 70):
        save(tmp_path, snapshot(sequence), QuickDisk())
    assert names(tmp_path) == ["00000000000000000900.snapshot", "00000000000000001000.snapshot"]
    assert newest(tmp_path).snapshot == snapshot(1_000)


@pytest.mark.parametrize(("keep", "kept"), [(3, [2, 3, 4]), (2, [3, 4]), (1, [3, 4])])
def test_as_many_are_kept_as_the_settings_say_but_never_fewer_than_two(tmp_path, keep, kept):
    for sequence in (1, 2, 3, 4):
        save(tmp_path, snapshot(sequence), QuickDisk(), keep=keep)
    assert names(tmp_path) == [f"{sequence:020}.snapshot" for sequence in kept]


def test_every_byte_may_rot_and_the_older_snapshot_is_used(tmp_path):
    save(tmp_path, snapshot(1), QuickDisk())
    path = save(tmp_path, snapshot(2), QuickDisk())
    with path.open("r+b", buffering=0) as file:
        for offset, byte in enumerate(path.read_bytes()):
            for mask in (1 << offset % 8, 0xFF, 0):
                file.seek(offset)
                file.write(bytes([byte ^ mask]))
                found = newest(tmp_path)
                assert found.snapshot == snapshot(1 if mask else 2), offset
                assert [path.name in str(problem) for problem in found.damaged] == [True] * (mask > 0)


def test_a_snapshot_that_was_cut_or_goes_on_is_refused(tmp_path):
    path = save(tmp_path, snapshot(1), QuickDisk())
    content = path.read_bytes()
    for wrong in (b"", content[:100], content[:136], content[:-1], content + b"\0"):
        path.write_bytes(wrong)
        with pytest.raises(SnapshotDamaged, match=path.name):
            load(path)


def test_a_snapshot_under_another_name_is_not_used(tmp_path):
    save(tmp_path, snapshot(1), QuickDisk()).rename(tmp_path / "00000000000000000009.snapshot")
    found = newest(tmp_path)
    assert found.snapshot is None
    assert "holds the state after sequence 1" in str(found.damaged[0])


def test_a_snapshot_that_cannot_be_read_is_reported(tmp_path):
    save(tmp_path, snapshot(1), QuickDisk())
    (tmp_path / "00000000000000000002.snapshot").mkdir()
    found = newest(tmp_path)
    assert found.snapshot == snapshot(1)
    assert len(found.damaged) == 1


def test_what_reads_back_wrong_gets_no_name(tmp_path):
    class LyingDisk(QuickDisk):
        def pwritev(self, descriptor, buffers, offset):
            data = bytearray(b"".join(buffers))
            data[-1] ^= 1
            return super().pwritev(descriptor, [data], offset)

    save(tmp_path, snapshot(1), QuickDisk())
    with pytest.raises(SnapshotDamaged, match="damaged"):
        save(tmp_path, snapshot(2), LyingDisk())
    assert newest(tmp_path) == (snapshot(1), [])


def test_what_a_crash_left_half_written_is_removed_by_the_next_snapshot(tmp_path):
    (tmp_path / "00000000000000000003.snapshot.tmp").write_bytes(b"half")
    save(tmp_path, snapshot(4), QuickDisk())
    assert names(tmp_path) == ["00000000000000000004.snapshot"]


def steps_of_a_third(directory):
    for sequence in (1, 2):
        save(directory, snapshot(sequence), QuickDisk())
    disk = FaultyDisk()
    save(directory, snapshot(3), disk)
    return disk.steps


def test_every_step_may_fail_and_a_snapshot_that_was_there_before_is_still_there(tmp_path):
    steps = steps_of_a_third(tmp_path / "healthy")
    assert set(steps) == {"sync_directory", "create", "pwritev", "fdatasync", "rename", "unlink"}
    for number, step in enumerate(steps):
        for fault in FaultyDisk.WRITE_FAULTS if step == "pwritev" else FaultyDisk.OTHER_FAULTS:
            directory = tmp_path / f"{number} {fault}"
            for sequence in (1, 2):
                save(directory, snapshot(sequence), QuickDisk())
            if fault == "short write":
                save(directory, snapshot(3), FaultyDisk(number, fault))
                assert newest(directory) == (snapshot(3), [])
                continue
            with pytest.raises(OSError) as problem:
                save(directory, snapshot(3), FaultyDisk(number, fault))
            assert problem.value.errno in (errno.EIO, errno.ENOSPC)
            found = newest(directory)
            assert found.snapshot in (snapshot(2), snapshot(3)) and not found.damaged
            save(directory, snapshot(4), QuickDisk())
            assert newest(directory) == (snapshot(4), [])


def test_power_may_fail_at_every_step_and_a_whole_snapshot_is_found(tmp_path):
    directory, after = tmp_path / "snapshots", tmp_path / "after"
    for sequence in (1, 2):
        save(directory, snapshot(sequence), QuickDisk())
    found: set[int] = set()

    def cut():
        for files in disk.power_cuts(seed=len(found), count=20):
            after.mkdir(exist_ok=True)
            for old in after.iterdir():
                os.unlink(old)
            for name, content in files.items():
                (after / name).write_bytes(content)
            newest_after_cut, damaged = newest(after)
            assert newest_after_cut is not None and not damaged
            assert newest_after_cut in (snapshot(2), snapshot(3))
            found.add(newest_after_cut.sequence)

    disk = PowerCutDisk(directory, cut)
    save(directory, snapshot(3), disk)
    assert found == {2, 3}
    found.clear()
    cut()
    assert found == {3}
