"""The log on disks that fail, tear, lose power or rot: nothing acknowledged is lost, no damage served."""

import itertools
import shutil
import tempfile
from pathlib import Path

import pytest

from cambist.log.file import FileLog, LogDamaged, LogError, LogFailed, read
from cambist.log.segments import segments
from tests.log_disks import AtOnce, FaultyDisk, PowerCutDisk, QuickDisk, batch

SEGMENT_BYTES = 4096
MEMORY = Path("/dev/shm")


@pytest.fixture
def scratch():
    """In memory if possible: thousands of small logs are made and deleted here, and none is ever synced."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as directory:
        yield Path(directory)


def some_batches(count):
    """Of many sizes, from part of a sector to more than a segment."""
    first = 1
    for number in range(count):
        commands = 1 + number % 7
        command_bytes = 5 * SEGMENT_BYTES // 4 if number % 50 == 49 else 48 + 8 * (number % 23)
        yield batch(first, commands, command_bytes)
        first += commands


def work(directory, disk, batches, acknowledged):
    """Appends with a seal here and there and a restart in the middle; notes what was acknowledged."""
    remaining = iter(batches)
    for count in (len(batches) // 2, len(batches)):
        log = FileLog.open(directory, segment_bytes=SEGMENT_BYTES, disk=disk, executor=AtOnce())
        try:
            for payload in itertools.islice(remaining, count):
                log.append(payload)
                acknowledged.append(payload)
                if len(acknowledged) % 9 == 0:
                    log.seal()
        except LogError:
            check_that_it_takes_nothing_more(log, payload)
            raise
        finally:
            log.close()
        if disk.has_failed:
            return  # beside the records, and every batch was acknowledged before anyone noticed


def check_that_it_takes_nothing_more(log, payload):
    for attempt in (lambda: log.append(payload), log.seal):
        with pytest.raises(LogFailed, match="has failed"):
            attempt()


def recovered(directory):
    """Opens with a healthy disk and reads everything back, twice; the log can be continued."""
    log = FileLog.open(directory, segment_bytes=SEGMENT_BYTES, disk=QuickDisk(), executor=AtOnce())
    try:
        found = list(read(directory))
        log.append(batch(log.last_sequence + 1))
        assert list(read(directory))[:-1] == found
    finally:
        log.close()
    return found


def assert_nothing_lost(found, acknowledged, batches):
    """What was acknowledged is there; at most the batch that was in flight is there too."""
    assert found in (batches[: len(acknowledged)], batches[: len(acknowledged) + 1])


def steps_of(directory, batches):
    disk = FaultyDisk()
    work(directory, disk, batches, [])
    return disk.steps


def test_every_step_may_fail_once_and_nothing_acknowledged_is_lost(scratch):
    batches = list(some_batches(100))
    steps = steps_of(scratch / "healthy", batches)
    assert {"create", "open", "pwritev", "fdatasync", "rename", "sync_directory", "exists"} <= set(steps)
    for number, step in enumerate(steps):
        for fault in FaultyDisk.WRITE_FAULTS if step == "pwritev" else FaultyDisk.OTHER_FAULTS:
            directory = scratch / "faulty"
            disk = FaultyDisk(number, fault)
            acknowledged: list[bytes] = []
            try:
                work(directory, disk, batches, acknowledged)
            except LogFailed:
                assert disk.has_failed
            disk.process_ends()
            where = f"{fault} at step {number}, {step}"
            assert not set(disk.asked_afterwards) & {"pwritev", "fdatasync", "rename"}, where
            assert disk.has_failed or (fault == "short write" and acknowledged == batches), where
            assert_nothing_lost(recovered(directory), acknowledged, batches)
            shutil.rmtree(directory)


def check_every_power_cut(directory, run, acknowledged, batches, mixtures):
    """Runs `run(disk)`; before every step, a power cut there leaves a log with everything acknowledged."""
    after = directory.with_name("after")
    numbers = itertools.count()

    def cut():
        for files in disk.power_cuts(seed=next(numbers), count=mixtures):
            after.mkdir()
            for name, content in files.items():
                (after / name).write_bytes(content)
            assert_nothing_lost(recovered(after), acknowledged, batches)
            shutil.rmtree(after)

    directory.mkdir(exist_ok=True)
    disk = PowerCutDisk(directory, cut)
    run(disk)
    cut()
    return next(numbers)


def test_power_may_fail_at_every_step_with_unsynced_sectors_lost_in_any_mixture(scratch):
    batches = list(some_batches(50))
    acknowledged: list[bytes] = []
    cuts = check_every_power_cut(
        scratch / "log",
        lambda disk: work(scratch / "log", disk, batches, acknowledged),
        acknowledged,
        batches,
        mixtures=4,
    )
    assert acknowledged == batches
    assert cuts > 150


def test_power_may_fail_again_while_a_torn_record_is_cut_off(scratch):
    batches = list(some_batches(12))
    directory = scratch / "log"
    work(directory, QuickDisk(), batches, [])
    tear_last_record(directory, sector=1)

    def reopen(disk):
        log = FileLog.open(directory, segment_bytes=SEGMENT_BYTES, disk=disk, executor=AtOnce())
        log.close()

    check_every_power_cut(directory, reopen, batches[:-1], batches[:-1], mixtures=20)
    assert list(read(directory)) == batches[:-1]


def tear_last_record(directory, sector):
    """Puts zero fill back into one sector of the last record, which spans several."""
    path = segments(directory)[-1].path
    content = bytearray(path.read_bytes())
    start = record_starts(path)[-1]
    torn_at = (start // 512 + sector) * 512
    content[max(start, torn_at) : torn_at + 512] = bytes(torn_at + 512 - max(start, torn_at))
    path.write_bytes(content)


def record_end(path):
    return -(-len(path.read_bytes().rstrip(b"\0")) // 64) * 64


def record_starts(path):
    content = path.read_bytes()
    return [at for at in range(0, len(content), 64) if content[at : at + 4] == b"CbLr"]


def test_every_byte_of_a_small_log_may_rot_and_is_refused_by_place_or_changes_nothing(scratch):
    directory = scratch / "log"
    batches = list(some_batches(20))
    work(directory, QuickDisk(), batches, [])
    found = segments(directory)
    last = found[-1].path
    next_sector = (record_end(last) // 512 + 1) * 512
    harmless = []
    for segment in found:
        content = segment.path.read_bytes()
        with segment.path.open("r+b", buffering=0) as file:
            for offset, byte in enumerate(content):
                file.seek(offset)
                file.write(bytes([byte ^ 1 << offset % 8]))
                try:
                    assert list(read(directory)) == batches
                    harmless.append((segment.path, offset))
                except LogDamaged as problem:
                    assert ".log offset " in str(problem) and ", sequence " in str(problem)
                file.seek(offset)
                file.write(bytes([byte]))
    # Only zero fill in sectors without any record can change, and is then cut off as an unfinished record.
    assert harmless == [(last, offset) for offset in range(next_sector, SEGMENT_BYTES)]
