"""The event journal: what is written comes back as it was, while it grows and after anything went wrong."""

import os
import shutil
from itertools import pairwise

import pytest

from cambist._matching import Engine
from cambist.log.journal import (
    HEAD_BYTES,
    HEADER_BYTES,
    Follower,
    JournalDamaged,
    JournalForeign,
    JournalRecord,
    decode,
    read,
    read_behind,
    segments,
)
from cambist.log.journal_writer import JournalFailed, JournalWriter
from tests.journals import LOG_ID, busy_batches, records_of, write_journal
from tests.log_disks import FaultyDisk

GENESIS = Engine().event_hash
RECORDS = list(records_of(busy_batches(seed=7, orders=400)))
END = RECORDS[-1].last_sequence


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "journal"


def writer(directory, log_id=LOG_ID, segment_bytes=1 << 20, disk=None):
    return JournalWriter(directory, log_id, GENESIS, segment_bytes=segment_bytes, disk=disk)


def write(directory, records=RECORDS, segment_bytes=16_384):
    write_journal(directory, records, segment_bytes)


def test_what_was_written_is_read_over_many_segments(directory):
    write(directory)
    assert len(segments(directory)) > 3
    assert list(read(directory)) == RECORDS


@pytest.mark.parametrize("record", [0, 1, 17, len(RECORDS) - 2])
def test_reading_goes_on_behind_any_record(directory, record):
    write(directory)
    assert list(read(directory, RECORDS[record].last_sequence)) == RECORDS[record + 1 :]


def test_there_is_nothing_behind_the_end_or_where_nothing_was_written(directory):
    assert list(read(directory)) == []
    write(directory)
    assert list(read(directory, END)) == []


def test_a_record_may_be_larger_than_what_is_read_at_once(directory):
    large = RECORDS[0]._replace(events=os.urandom(8) * 400_000)
    write(directory, [large, RECORDS[1]])
    assert list(read(directory)) == [large, RECORDS[1]]


def test_a_follower_gets_each_record_once_while_they_are_written(directory):
    follower, journal = Follower(directory), writer(directory, segment_bytes=16_384)
    seen: list[JournalRecord] = []
    for count, record in enumerate(RECORDS):
        journal.append(record)
        if count % 3 == 0:
            seen += follower.poll(most_bytes=4_096)
    while records := follower.poll():
        seen += records
    assert seen == RECORDS
    assert follower.sequence == END


def test_a_record_that_is_half_written_is_not_there_yet(directory, tmp_path):
    write(directory, RECORDS[:2], segment_bytes=1 << 20)
    ((_, path),) = segments(directory)
    whole = path.read_bytes()
    size = HEADER_BYTES + len(RECORDS[1].events)
    for missing in range(1, size + 1):
        path.write_bytes(whole[: len(whole) - missing])
        follower = Follower(directory)
        assert follower.poll() == RECORDS[:1]
        path.write_bytes(whole)
        assert follower.poll() == [RECORDS[1]]


def test_a_follower_may_wait_for_a_journal_that_is_behind_it(directory):
    write(directory, RECORDS[:5])
    follower = Follower(directory, RECORDS[9].last_sequence, RECORDS[9].event_hash)
    assert follower.poll() == []
    journal = writer(directory)
    for record in RECORDS[5:12]:
        journal.append(record)
    assert follower.poll() == RECORDS[10:12]


def test_a_follower_refuses_a_journal_that_says_other_things_up_to_its_place(directory):
    write(directory)
    for place in (3, 20):
        follower = Follower(directory, RECORDS[place].last_sequence, RECORDS[place].event_hash ^ 1)
        with pytest.raises(JournalForeign, match="other events lead to sequence"):
            follower.poll()


def test_a_follower_refuses_a_place_inside_a_record(directory):
    write(directory)
    with pytest.raises(JournalForeign, match="no record ends with sequence"):
        Follower(directory, RECORDS[-2].last_sequence - 1).poll()


def test_a_follower_notices_that_the_journal_was_written_anew(directory):
    write(directory, RECORDS[:5])
    follower = Follower(directory)
    follower.poll()
    journal = writer(directory)
    journal.clear(0, GENESIS)
    journal.append(RECORDS[0])
    with pytest.raises(JournalForeign, match="written anew"):
        follower.poll()


def test_a_changed_byte_is_damage_and_what_stands_before_it_is_given(directory):
    write(directory, RECORDS[:6], segment_bytes=1 << 20)
    ((_, path),) = segments(directory)
    whole = path.read_bytes()
    at = HEAD_BYTES + sum(HEADER_BYTES + len(record.events) for record in RECORDS[:3])
    for byte in (0, 9, 40, HEADER_BYTES - 1, HEADER_BYTES, HEADER_BYTES + len(RECORDS[3].events) - 1):
        path.write_bytes(changed(whole, at + byte))
        seen = []
        with pytest.raises(JournalDamaged, match=f"behind sequence {RECORDS[2].last_sequence}"):
            for record in read(directory):
                seen.append(record)
        assert seen == RECORDS[:3]


def test_a_missing_segment_is_damage(directory):
    write(directory)
    segments(directory)[1][1].unlink()
    with pytest.raises(JournalDamaged, match="the next segment begins with sequence"):
        list(read(directory))


def test_the_writer_goes_on_where_it_ended(directory):
    write(directory, RECORDS[:10])
    journal = writer(directory)
    assert (journal.last_sequence, journal.event_hash) == (RECORDS[9].last_sequence, RECORDS[9].event_hash)
    for record in RECORDS[10:]:
        journal.append(record)
    assert list(read(directory)) == RECORDS


def test_the_writer_cuts_off_whatever_is_no_whole_record_at_the_end(directory):
    write(directory, RECORDS[:6], segment_bytes=1 << 20)
    ((_, path),) = segments(directory)
    whole = path.read_bytes()
    last = HEADER_BYTES + len(RECORDS[5].events)
    torn = [whole[:-missing] for missing in (1, last // 2, last - 1)]
    zeros = whole[: len(whole) - last + 20] + bytes(last - 20)
    for found in (*torn, zeros, changed(whole, len(whole) - 1)):
        path.write_bytes(found)
        journal = writer(directory)
        assert journal.last_sequence == RECORDS[4].last_sequence
        journal.append(RECORDS[5])
        journal.close()
        assert path.read_bytes() == whole


def test_the_writer_drops_a_last_segment_without_a_head(directory):
    for left in (lambda head: b"", lambda head: head[:-1], lambda head: bytes(HEAD_BYTES)):
        write(directory)
        path = segments(directory)[-1][1]
        path.write_bytes(left(path.read_bytes()[:HEAD_BYTES]))
        journal = writer(directory)
        assert journal.last_sequence == int(path.stem) - 1
        for record in RECORDS:
            if record.first_sequence > journal.last_sequence:
                journal.append(record)
        assert list(read(directory)) == RECORDS
        journal.clear(0, GENESIS)


def test_the_journal_of_another_log_is_dropped(directory):
    write(directory)
    assert writer(directory, log_id=bytes(16)).last_sequence == 0
    assert segments(directory) == []


def test_a_cut_keeps_whole_records_up_to_the_place(directory):
    for record, following in pairwise(RECORDS[::7]):
        write(directory)
        journal = writer(directory)
        journal.cut(following.last_sequence - 1)
        assert record.last_sequence <= journal.last_sequence < following.last_sequence
        assert list(read(directory))[-1].last_sequence == journal.last_sequence
        journal.clear(0, GENESIS)


def test_a_record_that_does_not_follow_is_not_taken(directory):
    journal = writer(directory)
    with pytest.raises(ValueError, match="does not follow"):
        journal.append(RECORDS[1])


@pytest.mark.parametrize("fault", ["EIO", "ENOSPC", "short write"])
def test_what_a_failing_disk_leaves_can_be_gone_on_with(directory, fault):
    for step in range(12):
        disk = FaultyDisk(step, fault)
        try:
            journal = writer(directory, segment_bytes=4_096, disk=disk)
            for record in RECORDS[:10]:
                journal.append(record)
        except JournalFailed as problem:
            assert f"cannot be written: {'ENOSPC' if fault == 'ENOSPC' else 'EIO'}" in str(problem)
        journal = writer(directory, segment_bytes=4_096)
        assert list(read(directory)) == [
            record for record in RECORDS[:10] if record.last_sequence <= journal.last_sequence
        ]
        journal.clear(0, GENESIS)


def changed(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def test_what_is_behind_a_command_in_the_middle_of_a_batch_begins_with_its_batch(directory):
    write(directory)
    record = RECORDS[len(RECORDS) // 2]
    assert record.last_sequence > record.first_sequence
    behind = list(read_behind(directory, record.first_sequence))
    assert behind == RECORDS[len(RECORDS) // 2 :]
    assert list(read_behind(directory, record.last_sequence)) == RECORDS[len(RECORDS) // 2 + 1 :]
    assert list(read_behind(directory, END)) == []


def test_what_is_behind_a_place_that_was_pruned_is_what_is_left_or_in_the_archive(directory, tmp_path):
    assert list(read_behind(directory, 0)) == []
    write(directory)
    prune(directory, tmp_path / "archive", 2)
    assert next(read_behind(directory, 1)).first_sequence == segments(directory)[0][0]
    assert list(read_behind(directory, 0, tmp_path / "archive")) == RECORDS


def prune(directory, archive, count):
    """Moves the oldest segments away."""
    archive.mkdir()
    for _, path in segments(directory)[:count]:
        path.rename(archive / path.name)


def test_a_place_that_was_pruned_is_refused_and_says_where_the_journal_begins(directory, tmp_path):
    write(directory)
    prune(directory, tmp_path / "archive", 2)
    begins = segments(directory)[0][0]
    with pytest.raises(JournalForeign, match=f"begins with sequence {begins}"):
        Follower(directory).poll()
    with pytest.raises(JournalForeign):
        Follower(directory, begins - 2).poll()
    assert list(read(directory, begins - 1)) == [one for one in RECORDS if one.first_sequence >= begins]


def test_what_was_pruned_is_read_from_the_archive(directory, tmp_path):
    write(directory)
    prune(directory, tmp_path / "archive", 2)
    assert list(read(directory, archive=tmp_path / "archive")) == RECORDS


def test_an_archive_that_leads_elsewhere_is_refused(directory, tmp_path):
    write(directory)
    prune(directory, tmp_path / "archive", 2)
    begins, path = segments(directory)[0]
    other = RECORDS[len(RECORDS) // 2]._replace(first_sequence=begins, last_sequence=begins)
    path.unlink()
    foreign = writer(tmp_path / "foreign")
    foreign.clear(begins - 1, 4711)
    foreign.append(other)
    (tmp_path / "foreign" / path.name).rename(path)
    with pytest.raises(JournalForeign, match="other events lead to"):
        list(read(directory, archive=tmp_path / "archive"))


def test_a_follower_at_the_end_of_a_segment_goes_on_when_that_is_pruned(directory, tmp_path):
    write(directory)
    first_of_third = segments(directory)[2][0]
    follower = Follower(directory)
    while follower.sequence < first_of_third - 1:
        follower.poll(most_bytes=64)
    prune(directory, tmp_path / "archive", 2)
    shutil.rmtree(tmp_path / "archive")
    assert follower.poll()[0].first_sequence == first_of_third


def test_a_writer_goes_on_in_a_journal_that_does_not_begin_with_the_first_command(directory, tmp_path):
    write(directory, RECORDS[:-1])
    prune(directory, tmp_path / "archive", 2)
    journal = writer(directory)
    assert (journal.first_sequence, journal.last_sequence) == (
        segments(directory)[0][0],
        RECORDS[-2].last_sequence,
    )
    journal.append(RECORDS[-1])
    assert list(read(directory, journal.first_sequence - 1))[-1] == RECORDS[-1]


def test_a_journal_can_begin_anew_behind_any_sequence(directory):
    write(directory)
    middle = len(RECORDS) // 2
    journal = writer(directory)
    journal.clear(RECORDS[middle].last_sequence, RECORDS[middle].event_hash)
    for record in RECORDS[middle + 1 :]:
        journal.append(record)
    follower = Follower(directory, RECORDS[middle].last_sequence, RECORDS[middle].event_hash)
    assert follower.poll() == RECORDS[middle + 1 :]


def test_who_has_read_the_journal_goes_on_behind_that_without_reading_it_again(directory):
    write(directory, RECORDS[:-1], segment_bytes=1 << 20)
    follower = Follower(directory)
    while follower.poll():
        pass
    place = follower.place
    follower.close()
    [(_, path)] = segments(directory)
    content = bytearray(path.read_bytes())
    content[HEAD_BYTES + 10] ^= 1  # which reading again would find
    path.write_bytes(content)
    behind = JournalWriter(directory, LOG_ID, GENESIS, behind=place)
    assert (behind.last_sequence, behind.event_hash) == (RECORDS[-2].last_sequence, RECORDS[-2].event_hash)
    behind.append(RECORDS[-1])
    behind.close()
    assert place is not None and decode(path.read_bytes()[place.offset :], 0)[0] == RECORDS[-1]


def test_a_place_that_the_journal_has_lost_again_is_none(directory):
    write(directory, RECORDS, segment_bytes=1 << 20)
    follower = Follower(directory)
    while follower.poll():
        pass
    place = follower.place
    shorter = writer(directory)
    shorter.cut(RECORDS[-3].last_sequence)
    shorter.close()
    again = JournalWriter(directory, LOG_ID, GENESIS, behind=place)
    assert again.last_sequence == RECORDS[-3].last_sequence
    again.clear(0, GENESIS)
    again.close()
    assert follower.place is None
    follower.close()
