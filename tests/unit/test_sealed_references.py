"""References that a state keeps for ever are stored once, beside the snapshots that count on them."""

import errno
from pathlib import Path

import pytest

from cambist._matching import Engine
from cambist.log import sealed
from cambist.log.sealed import REFERENCE_BYTES
from cambist.log.snapshots import Snapshot, SnapshotDamaged, load, newest, save
from tests.journals import busy_batches
from tests.log_disks import FaultyDisk, PowerCutDisk, QuickDisk

PIECE = 4 * REFERENCE_BYTES
FRONT = b"what comes before" * 3


def state(sequence: int, references: int) -> tuple[Snapshot, range]:
    """With so many references, which grow at their end as an engine's do, and other bytes around them."""
    listed = b"".join(number.to_bytes(REFERENCE_BYTES, "little") for number in range(references))
    behind = f"what comes after {sequence}".encode() * 3
    snapshot = Snapshot(sequence, 7, 8, b"s" * 32, b"l" * 16, FRONT + listed + behind)
    return snapshot, range(len(FRONT), len(FRONT) + len(listed))


def store(directory: Path, sequence: int, references: int, disk: QuickDisk | None = None) -> Snapshot:
    snapshot, at = state(sequence, references)
    save(directory, snapshot, disk or QuickDisk(), references=at, piece_bytes=PIECE)
    return snapshot


def pieces(directory: Path) -> list[Path]:
    return sorted(sealed.files(directory, b"l" * 16))


def test_a_state_comes_back_whole_from_its_snapshot_and_its_pieces(tmp_path):
    snapshot = store(tmp_path, 1, references=11)
    assert len(pieces(tmp_path)) == 2 * 2
    assert newest(tmp_path) == (snapshot, [])
    assert (tmp_path / f"{1:020}.snapshot").stat().st_size < 400


def test_a_piece_is_written_once(tmp_path):
    store(tmp_path, 1, references=9)
    before = {path: path.stat().st_ino for path in pieces(tmp_path)}
    snapshot = store(tmp_path, 2, references=17)
    after = {path: path.stat().st_ino for path in pieces(tmp_path)}
    assert len(before) == 2 * 2
    assert len(after) == 2 * 4
    assert before.items() <= after.items()
    assert newest(tmp_path).snapshot == snapshot


def test_before_the_first_piece_is_full_a_snapshot_is_one_file_of_the_first_version(tmp_path):
    snapshot = store(tmp_path, 1, references=3)
    assert pieces(tmp_path) == []
    assert (tmp_path / f"{1:020}.snapshot").read_bytes()[4] == 1
    assert newest(tmp_path).snapshot == snapshot


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:-1] + b"!")])
def test_one_of_the_two_files_of_a_piece_may_be_lost_and_the_next_snapshot_mends_it(tmp_path, harm):
    snapshot = store(tmp_path, 1, references=8)
    whole = {path: path.read_bytes() for path in pieces(tmp_path)}
    for path in whole:
        harm(path)
        assert newest(tmp_path) == (snapshot, [])
        store(tmp_path, 1, references=8)
        assert {path: path.read_bytes() for path in pieces(tmp_path)} == whole


def test_a_piece_that_is_nowhere_whole_is_named_and_every_snapshot_that_needs_it_is_damaged(tmp_path):
    older = store(tmp_path, 1, references=3)
    store(tmp_path, 2, references=8)
    lost = pieces(tmp_path)[2:]
    for path in lost:
        path.write_bytes(bytes(PIECE))
    with pytest.raises(SnapshotDamaged, match=lost[0].name):
        load(tmp_path / f"{2:020}.snapshot")
    assert newest(tmp_path).snapshot == older


def test_pieces_of_another_log_are_not_taken(tmp_path):
    store(tmp_path, 1, references=8)
    for path in pieces(tmp_path):
        path.rename(path.with_name(path.name.replace((b"l" * 16).hex(), (b"m" * 16).hex())))
    assert newest(tmp_path).snapshot is None


def test_every_step_may_fail_and_the_snapshot_before_is_still_there(tmp_path):
    disk = FaultyDisk()
    store(tmp_path / "healthy", 1, references=5)
    store(tmp_path / "healthy", 2, references=13, disk=disk)
    assert disk.steps.count("create") == 1 + 2 * 2
    for number, step in enumerate(disk.steps):
        directory = tmp_path / f"{number}"
        first = store(directory, 1, references=5)
        with pytest.raises(OSError) as problem:
            store(
                directory,
                2,
                references=13,
                disk=FaultyDisk(number, "torn write" if step == "pwritev" else "EIO"),
            )
        assert problem.value.errno == errno.EIO
        found = newest(directory)
        assert found.snapshot in (first, state(2, 13)[0])
        assert not found.damaged
        assert newest(directory).snapshot in (first, state(2, 13)[0])
        assert store(directory, 3, references=14) == newest(directory).snapshot


def test_power_may_fail_at_every_step_and_a_whole_snapshot_is_found(tmp_path):
    directory, after = tmp_path / "snapshots", tmp_path / "after"
    first = store(directory, 1, references=5)
    found = set[int]()

    def cut() -> None:
        for files in disk.power_cuts(seed=len(found), count=10):
            after.mkdir(exist_ok=True)
            for old in after.iterdir():
                old.unlink()
            for name, content in files.items():
                (after / name).write_bytes(content)
            snapshot, damaged = newest(after)
            assert snapshot in (first, state(2, 13)[0])
            assert not damaged
            found.add(snapshot.sequence)

    disk = PowerCutDisk(directory, cut)
    store(directory, 2, references=13, disk=disk)
    assert found == {1, 2}


def test_an_engine_says_where_its_references_are_and_only_ever_adds_to_them(tmp_path):
    engine, before = Engine(), b""
    for payload in busy_batches(seed=2, orders=8, accounts=30):
        engine.apply(payload)
        whole = engine.snapshot()
        start, count = engine.references_in_snapshot()
        listed = whole[start : start + count * REFERENCE_BYTES]
        assert int.from_bytes(whole[start - 8 : start], "little") == count
        assert listed.startswith(before)
        before = listed
    assert count > 30
    snapshot = Snapshot(
        engine.sequence, engine.time_ns, engine.event_hash, engine.state_hash(), b"l" * 16, whole
    )
    save(tmp_path, snapshot, QuickDisk(), references=range(start, start + len(listed)), piece_bytes=PIECE)
    found = newest(tmp_path).snapshot
    assert found is not None
    assert Engine.restore(found.engine).state_hash() == engine.state_hash()
