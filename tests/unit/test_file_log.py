"""What the log promises to its one writer and to its readers; what failing disks do is in integration/."""

import errno
import os
import threading
from copy import copy

import pytest

from cambist.log import records as log_records
from cambist.log.disk import Disk
from cambist.log.file import Fenced, FileLog, LogDamaged, LogFailed, LogInUse, read, verify
from cambist.log.records import CHAIN_START, RecordChain, is_unfinished, padding, record_size
from cambist.log.segments import segment_name, segments
from tests.log_disks import AtOnce, FaultyDisk, QuickDisk, batch

SEGMENT_BYTES = 4096


def opened(directory, disk=None, segment_bytes=SEGMENT_BYTES):
    return FileLog.open(directory, segment_bytes=segment_bytes, disk=disk or QuickDisk(), executor=AtOnce())


def filled(directory, count, command_bytes=48):
    """`count` batches of one command each, closed without a seal."""
    batches = [batch(first, 1, command_bytes) for first in range(1, count + 1)]
    log = opened(directory)
    for payload in batches:
        log.append(payload)
    log.close()
    return batches


def last_record(directory):
    """Path and offset of the last record in the last segment."""
    path = segments(directory)[-1].path
    return path, path.read_bytes().rindex(b"CbLr")


def overwrite(path, offset, data):
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def test_what_was_appended_is_read_back_in_order_over_many_segments(tmp_path):
    batches = filled(tmp_path, 60)
    assert len(segments(tmp_path)) > 2
    assert list(read(tmp_path)) == batches


def test_a_log_goes_on_where_it_ended(tmp_path):
    batches = filled(tmp_path, 30)
    log = opened(tmp_path)
    assert (log.epoch, log.last_sequence) == (1, 30)
    log.append(batch(31))
    log.close()
    assert list(read(tmp_path)) == [*batches, batch(31)]
    assert verify(tmp_path).log_id == log.log_id


def test_the_default_disk_and_thread_do_the_same(tmp_path):
    log = FileLog.open(tmp_path / "new" / "log", segment_bytes=SEGMENT_BYTES)
    for first in range(1, 41):
        log.append(batch(first))
    log.close()
    assert list(read(tmp_path / "new" / "log")) == [batch(first) for first in range(1, 41)]


@pytest.mark.parametrize("sequence", [0, 1, 29, 59, 60])
def test_reading_begins_behind_any_sequence(tmp_path, sequence):
    batches = filled(tmp_path, 60)
    assert list(read(tmp_path, sequence)) == batches[sequence:]


@pytest.mark.parametrize("sequence", [0, 1, 29, 59, 60])
def test_reading_ends_with_any_sequence_and_looks_at_nothing_behind_it(tmp_path, sequence):
    batches = filled(tmp_path, 60)
    path, offset = last_record(tmp_path)
    overwrite(path, offset + record_size(len(batches[-1])), b"a record that is half written")
    assert list(read(tmp_path, until_sequence=sequence)) == batches[:sequence]


def test_a_snapshot_newer_than_the_log_is_noticed(tmp_path):
    filled(tmp_path, 3)
    with pytest.raises(LogDamaged, match="ends at sequence 3, before 4"):
        list(read(tmp_path, 4))


def test_a_sequence_inside_a_batch_is_no_place_to_begin_or_to_end(tmp_path):
    log = opened(tmp_path)
    log.append(batch(1, commands=3))
    log.close()
    for start, end in ((2, None), (0, 2)):
        with pytest.raises(LogDamaged, match="no batch ends with sequence 2"):
            list(read(tmp_path, start, end))


def test_an_empty_directory_is_no_log(tmp_path):
    with pytest.raises(LogDamaged, match="does not reach back to sequence 1"):
        list(read(tmp_path))


def test_a_log_without_its_beginning_serves_only_what_comes_later(tmp_path):
    batches = filled(tmp_path, 60)
    first, second = segments(tmp_path)[:2]
    first.path.unlink()
    with pytest.raises(LogDamaged, match="does not reach back to sequence 1"):
        list(read(tmp_path))
    after = second.first_sequence - 1
    assert list(read(tmp_path, after)) == batches[after:]


def test_a_missing_segment_is_noticed(tmp_path):
    filled(tmp_path, 60)
    segments(tmp_path)[1].path.unlink()
    with pytest.raises(LogDamaged, match="does not follow"):
        list(read(tmp_path))


def test_a_segment_of_another_log_is_noticed(tmp_path):
    for name in ("ours", "other"):
        filled(tmp_path / name, 60)
    ours, other = segments(tmp_path / "ours")[-1].path, segments(tmp_path / "other")[-1].path
    assert ours.name == other.name
    ours.write_bytes(other.read_bytes())
    with pytest.raises(LogDamaged, match="does not follow"):
        list(read(tmp_path / "ours"))


def test_a_shortened_or_renamed_segment_is_noticed(tmp_path):
    filled(tmp_path, 3)
    path = segments(tmp_path)[0].path
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(LogDamaged, match="4095 bytes instead of 4096"):
        list(read(tmp_path))
    path.rename(tmp_path / "copy.log")
    with pytest.raises(LogDamaged, match=r"copy\.log is not named like a segment"):
        list(read(tmp_path))


def test_a_segment_that_cannot_be_read_is_named(tmp_path):
    filled(tmp_path, 60)
    path = segments(tmp_path)[1].path
    path.unlink()
    path.mkdir()
    with pytest.raises(LogDamaged, match=rf"{path.name} offset 0, sequence \d+: cannot be read"):
        list(read(tmp_path))


def test_an_older_copy_of_a_sector_is_noticed_once_something_follows_it(tmp_path):
    filled(tmp_path, 4)
    path = segments(tmp_path)[0].path
    sector = path.read_bytes()[512:1024]
    log = opened(tmp_path)
    for first in range(5, 20):
        log.append(batch(first))
    log.close()
    overwrite(path, 512, sector)
    with pytest.raises(LogDamaged):
        list(read(tmp_path))


@pytest.mark.parametrize(
    "payload",
    [
        batch(2),
        batch(4),
        batch(3, epoch=2),
        batch(3)[:-8],
        batch(3) + bytes(8),
        batch(3)[:16],
        batch(3, 0),
        b"",
    ],
)
def test_a_batch_that_does_not_follow_is_refused_and_the_next_one_is_taken(tmp_path, payload):
    filled(tmp_path, 2)
    log = opened(tmp_path)
    with pytest.raises(ValueError, match="batch"):
        log.append(payload)
    log.append(batch(3))
    log.close()
    assert list(read(tmp_path)) == [batch(1), batch(2), batch(3)]


def test_a_batch_larger_than_a_segment_gets_a_larger_segment(tmp_path):
    large = batch(1, commands=300)
    log = opened(tmp_path)  # its first segment is still empty, and is replaced
    for payload in (large, batch(301), batch(302, commands=200)):
        log.append(payload)
    log.close()
    assert list(read(tmp_path)) == [large, batch(301), batch(302, commands=200)]
    log = opened(tmp_path)
    assert log.last_sequence == 501
    log.close()


def test_a_directory_is_used_by_one_log_at_a_time(tmp_path):
    log = opened(tmp_path)
    with pytest.raises(LogInUse, match="in use"):
        opened(tmp_path)
    log.close()
    log.close()
    opened(tmp_path).close()


def test_a_closed_log_takes_nothing(tmp_path):
    log = opened(tmp_path)
    log.close()
    with pytest.raises(LogFailed, match="closed"):
        log.append(batch(1))


def test_a_log_that_cannot_be_opened_leaves_the_directory_free(tmp_path):
    filled(tmp_path, 1)
    with pytest.raises(LogFailed, match="EIO"):
        opened(tmp_path, FaultyDisk(fails_at=0))
    opened(tmp_path).close()


def test_a_start_syncs_the_last_segment_and_drops_the_kernels_copies_before_it_reads(tmp_path, monkeypatch):
    filled(tmp_path, 1)
    disk = FaultyDisk()
    monkeypatch.setattr(
        os, "posix_fadvise", lambda descriptor, start, length, advice: disk.steps.append(advice)
    )
    opened(tmp_path, disk).close()
    assert disk.steps == ["open", "fdatasync", os.POSIX_FADV_DONTNEED, "sync_directory", "exists"]


# Records that were written whole but do not belong where they are


def forged(directory, make, epoch=1):
    """A log of one segment whose head is good; `make` gives the record behind it."""
    records = RecordChain(epoch, 0, CHAIN_START)
    content = b"".join(records.segment(b"forged log id...".ljust(16) + SEGMENT_BYTES.to_bytes(8, "little")))
    content += b"".join(make(records))
    (directory / segment_name(epoch, 1)).write_bytes(content[:SEGMENT_BYTES].ljust(SEGMENT_BYTES, b"\0"))


def with_fields(records, **fields):
    for name, value in fields.items():
        setattr(records, name, value)
    return records


@pytest.mark.parametrize(
    "make, problem",
    [
        (lambda records: with_fields(records, chain=bytes(16)).batch(batch(1), 1), "does not follow"),
        (lambda records: with_fields(records, last_sequence=1).batch(batch(2), 1), "does not follow"),
        (lambda records: with_fields(records, epoch=2).batch(batch(1, epoch=2), 1), "of epoch 2"),
        (lambda records: records.segment(bytes(24)), "kind 1 with 0 commands"),
        (lambda records: records.batch(batch(1), 0), "kind 2 with 0 commands"),
        (lambda records: records.batch(batch(1, 100), 100), "longer than the file"),
    ],
)
def test_a_whole_record_at_the_wrong_place_stops_the_start(tmp_path, make, problem):
    forged(tmp_path, make)
    with pytest.raises(LogDamaged, match=rf"{segment_name(1, 1)} offset 128, sequence 1: .*{problem}"):
        opened(tmp_path)


def test_a_torn_record_whose_header_ends_with_a_zero_is_cut_off(tmp_path):
    def make(records):
        for command_bytes in range(600, 3_000):
            header, _, _ = copy(records).batch(batch(1, 1, command_bytes), 1)
            if header[-1] == 0:
                return (header,)  # and no sector behind it
        raise AssertionError("no such header")

    forged(tmp_path, make)
    opened(tmp_path).close()
    assert list(read(tmp_path)) == []


def test_a_bad_header_in_a_sector_that_is_not_zero_is_no_torn_record(tmp_path):
    forged(tmp_path, lambda records: (b"not a header".ljust(64, b"\0"),))
    with pytest.raises(LogDamaged, match="offset 128, sequence 1: the record is damaged"):
        opened(tmp_path)


def test_a_newer_format_is_refused_and_named(tmp_path, monkeypatch):
    monkeypatch.setattr(log_records, "VERSION", 2)
    forged(tmp_path, lambda records: records.batch(batch(1), 1))
    with pytest.raises(LogDamaged, match="format version 2; this release reads version 1"):
        opened(tmp_path)


def test_an_epoch_does_not_go_down_within_a_segment(tmp_path):
    def make(records):
        first = records.batch(batch(1, epoch=2), 1)
        return first + with_fields(records, epoch=1).batch(batch(2), 1)

    forged(tmp_path, make, epoch=2)
    with pytest.raises(LogDamaged, match="sequence 2: the record is of epoch 1"):
        list(read(tmp_path))


def test_a_first_segment_that_is_not_the_beginning_is_noticed(tmp_path):
    records = RecordChain(1, 0, b"another chain...")
    content = b"".join(records.segment(bytes(16) + SEGMENT_BYTES.to_bytes(8, "little")))
    (tmp_path / segment_name(1, 1)).write_bytes(content.ljust(SEGMENT_BYTES, b"\0"))
    with pytest.raises(LogDamaged, match="does not begin here"):
        list(read(tmp_path))


# Epochs


def test_a_leader_that_was_replaced_acknowledges_nothing_more(tmp_path):
    log = opened(tmp_path)
    log.append(batch(1))
    (tmp_path / "epoch-2").touch()
    with pytest.raises(Fenced, match="epoch 2 has begun"):
        log.append(batch(2))
    with pytest.raises(LogFailed):
        log.append(batch(3))
    log.close()


def taken_over(directory, keep):
    """A log of three batches whose second epoch begins behind the `keep`th; the rest came too late."""
    filled(directory, 3)
    payloads = list(read(directory))
    chain = chain_behind(directory, keep)
    records = RecordChain(2, keep, chain)
    head = records.segment(verify(directory).log_id + SEGMENT_BYTES.to_bytes(8, "little"))
    records.epoch = 1  # TAKE_OVER itself is still of the epoch before
    take_over = batch(keep + 1)
    content = b"".join(head + records.batch(take_over, 1))
    records.epoch = 2
    content += b"".join(records.batch(batch(keep + 2, epoch=2), 1))
    (directory / segment_name(2, keep + 1)).write_bytes(content.ljust(SEGMENT_BYTES, b"\0"))
    (directory / "epoch-2").touch()
    return [*payloads[:keep], take_over, batch(keep + 2, epoch=2)]


def chain_behind(directory, sequence):
    records = RecordChain(1, 0, CHAIN_START)
    records.segment(verify(directory).log_id + SEGMENT_BYTES.to_bytes(8, "little"))
    for payload in read(directory, until_sequence=sequence):
        records.batch(payload, 1)
    return records.chain


@pytest.mark.parametrize("keep", [1, 2, 3])
def test_what_an_old_leader_wrote_behind_the_end_that_the_new_one_named_does_not_count(tmp_path, keep):
    expected = taken_over(tmp_path, keep)
    assert list(read(tmp_path)) == expected
    log = opened(tmp_path)
    assert (log.epoch, log.last_sequence) == (2, keep + 2)
    log.append(batch(keep + 3, epoch=2))
    log.close()
    assert list(read(tmp_path)) == [*expected, batch(keep + 3, epoch=2)]


def test_a_segment_that_an_old_leader_began_too_late_does_not_count(tmp_path):
    expected = taken_over(tmp_path, 2)
    (tmp_path / segment_name(1, 4)).write_bytes(b"whatever it wrote")
    assert list(read(tmp_path)) == expected


def test_an_end_that_was_never_reached_is_noticed(tmp_path):
    taken_over(tmp_path, 2)
    path = segments(tmp_path)[0].path
    overwrite(path, path.read_bytes().index(b"CbLr", 200) + 70, b"\x01")
    with pytest.raises(LogDamaged, match="does not follow"):
        list(read(tmp_path))


# The end of the log


@pytest.mark.parametrize("sectors", [[0], [1], [2], [0, 1], [1, 2], [0, 2]])
def test_a_last_record_that_lacks_a_sector_is_cut_off_and_a_copy_kept(tmp_path, sectors, caplog):
    batches = filled(tmp_path, 3, command_bytes=1000)
    path, offset = last_record(tmp_path)
    for number in sectors:
        start = max(offset, (offset // 512 + number) * 512)
        overwrite(path, start, bytes(512 - start % 512))
    torn = path.read_bytes()[offset:].rstrip(b"\0")
    report = verify(tmp_path)
    assert report.last_sequence == 2 and report.torn_bytes >= len(torn)
    opened(tmp_path).close()
    assert [copy.read_bytes().rstrip(b"\0") for copy in tmp_path.glob("*.torn")] == [torn]
    assert list(read(tmp_path)) == batches[:2]
    assert verify(tmp_path).torn_bytes == 0
    assert [record.getMessage() for record in caplog.records] == [
        f"{path} offset {offset}: cut off an unfinished record"
    ]


def test_every_torn_record_keeps_its_own_copy(tmp_path):
    for _ in range(2):
        log = opened(tmp_path)
        log.append(batch(1, commands=30))
        log.close()
        path, offset = last_record(tmp_path)
        overwrite(path, offset - offset % 512 + 512, bytes(512))
        opened(tmp_path).close()
    assert len(list(tmp_path.glob("*.torn"))) == 2
    assert list(read(tmp_path)) == []


def test_damage_to_the_last_record_is_no_torn_record(tmp_path):
    filled(tmp_path, 3)
    path, offset = last_record(tmp_path)
    overwrite(path, offset + 100, b"\0")
    with pytest.raises(LogDamaged, match=rf"{path.name} offset {offset}, sequence 3: the record is damaged"):
        opened(tmp_path)
    assert not list(tmp_path.glob("*.torn"))


def test_behind_a_seal_nothing_passes_for_a_torn_record(tmp_path):
    log = opened(tmp_path)
    log.append(batch(1, command_bytes=1000))
    log.seal()
    log.close()
    assert verify(tmp_path).is_sealed
    overwrite(segments(tmp_path)[0].path, 512, bytes(512))
    with pytest.raises(LogDamaged, match="sequence 1: the record is damaged"):
        opened(tmp_path)


def test_a_record_with_a_sector_of_zeros_inside_never_passes_for_a_torn_one(tmp_path):
    payload = batch(1, command_bytes=2000)
    payload = payload[:100] + bytes(1500) + payload[1600:]
    log = opened(tmp_path)
    log.append(payload)
    log.close()
    assert list(read(tmp_path)) == [payload]
    overwrite(segments(tmp_path)[0].path, 128 + 64 + 50, b"\xff")
    with pytest.raises(LogDamaged, match="sequence 1: the record is damaged"):
        opened(tmp_path)


@pytest.mark.parametrize("length", [0, 31, 32, 447, 448, 449, 511, 512, 513, 1500])
@pytest.mark.parametrize("start", range(0, 512, 64))
def test_no_sector_of_a_whole_record_is_zero(start, length):
    payload = (1).to_bytes(8, "little") + bytes(length)
    header, body, end = RecordChain(1, 0, CHAIN_START).batch(payload, 1)
    record = header + body + end
    assert end == padding(len(payload)) and len(record) == record_size(len(payload))
    inside = -start % 512
    pieces = [record[:inside], *(record[at : at + 512] for at in range(inside, len(record), 512))]
    if bytes(512) not in payload:
        assert all(any(piece) for piece in pieces if piece)


@pytest.mark.parametrize(("zeros", "holds_sector"), [(511, 0), (512, 1), (513, 1)])
@pytest.mark.parametrize("start", [8, *range(63, 130), 512, 1000])
def test_a_record_says_so_if_a_sector_of_zeros_is_inside(zeros, holds_sector, start):
    payload = b"\1" * start + bytes(zeros) + b"\1" * 40
    for each in (payload, payload[: start + zeros]):
        header = log_records.read_header(RecordChain(1, 0, CHAIN_START).batch(each, 1)[0])
        assert header is not None
        assert header.may_hold_zero_sector == holds_sector


def test_a_lost_header_is_no_torn_record_if_a_whole_record_follows():
    records = RecordChain(1, 0, CHAIN_START)
    first, second = (b"".join(records.batch(batch(n, 9), 9)) for n in (1, 10))
    lost = bytes(512) + first[512:]
    assert is_unfinished(lost, 0)
    assert not is_unfinished(lost.ljust(1024, b"\0") + second, 0)


def test_sealing_twice_writes_once(tmp_path):
    log = opened(tmp_path)
    log.append(batch(1))
    log.seal()
    size = verify(tmp_path).record_bytes
    log.seal()
    assert verify(tmp_path).record_bytes == size
    log.close()


def test_a_full_segment_is_sealed_by_the_next_one(tmp_path):
    log = opened(tmp_path)
    log.append(batch(1, command_bytes=SEGMENT_BYTES - 128 - 64 - 32 - 8))  # to its very end
    log.seal()
    log.close()
    assert len(segments(tmp_path)) == 2
    assert verify(tmp_path).is_sealed
    assert list(read(tmp_path)) == [batch(1, command_bytes=SEGMENT_BYTES - 128 - 64 - 32 - 8)]


# What the disk is asked for


def test_a_batch_costs_one_write_and_one_sync_and_then_a_look_for_a_newer_epoch(tmp_path):
    disk = FaultyDisk()
    log = opened(tmp_path, disk)
    before = len(disk.steps)
    log.append(batch(1))
    assert disk.steps[before:] == ["pwritev", "fdatasync", "exists"]
    log.close()


def test_the_next_segment_is_filled_before_it_is_needed(tmp_path):
    disk = FillingDisk()
    log = FileLog.open(tmp_path, segment_bytes=SEGMENT_BYTES, disk=disk)
    for first in range(1, 30):
        log.append(batch(first))
    log.close()
    assert disk.filled_by == [threading.main_thread().name, "log-fill_0"]


class FillingDisk(Disk):
    def __init__(self):
        self.filled_by = []

    def create(self, path):
        self.filled_by.append(threading.current_thread().name)
        return super().create(path)


def test_a_failed_filling_ends_the_log_with_the_next_batch(tmp_path):
    log = opened(tmp_path, FullDisk())
    acknowledged = 0
    with pytest.raises(LogFailed, match="ENOSPC"):
        for first in range(1, 60):
            log.append(batch(first))
            acknowledged = first
    log.close()
    assert 10 < acknowledged < 20
    assert len(list(read(tmp_path))) == acknowledged


class FullDisk(QuickDisk):
    """Has room for one segment."""

    def create(self, path):
        if path.name == "next-1.tmp":
            raise OSError(errno.ENOSPC, "no space left")
        return super().create(path)


def test_a_killed_process_leaves_a_half_filled_file_that_is_removed(tmp_path):
    filled(tmp_path, 1)
    (tmp_path / "next-1.tmp").write_bytes(b"half")
    opened(tmp_path).close()
    assert not (tmp_path / "next-1.tmp").exists()
