"""A standby takes over when its leader is dead or silent, and only then; nothing that was said changes."""

import pytest

from cambist._matching import Engine
from cambist.engine import commands
from cambist.log import journal
from cambist.log.disk import Disk
from cambist.log.errors import Fenced, LogFailed
from cambist.log.file import FileLog, read, verify
from cambist.log.journal import JournalRecord
from cambist.log.leadership import begin_epoch
from cambist.log.records import time_of
from cambist.log.segments import segments
from cambist.match.standby import Standby
from tests.journals import busy_batches
from tests.leading import Leader, settings_in

BATCHES = busy_batches(seed=6, orders=800)
HALF = len(BATCHES) // 2


@pytest.fixture
def settings(tmp_path):
    settings = settings_in(tmp_path)
    settings.run_directory.mkdir()
    return settings


@pytest.fixture
def leader(settings):
    leader = Leader(settings)
    leader.make(BATCHES[:HALF])
    yield leader
    leader.close()


class Clock:
    """Monotonic; goes on only when it is told to."""

    def __init__(self):
        self.ns = 1

    def __call__(self):
        return self.ns

    def wait_ms(self, milliseconds):
        self.ns += milliseconds * 1_000_000


@pytest.fixture
def clock():
    return Clock()


def led_by(standby):
    led = standby.step()
    assert led is not None
    return led


def close(led):
    led.journal.close()
    led.log.close()


def is_said(settings):
    """Whether the journal says what the log leads to, record by record."""
    engine, said = Engine(), journal.read(settings.journal_directory)
    for payload in read(settings.log_directory):
        first_sequence = engine.sequence + 1
        events = engine.apply(payload)
        expected = JournalRecord(first_sequence, engine.sequence, engine.event_hash, engine.time_ns, events)
        if next(said, None) != expected:
            return False
    return next(said, None) is None


def moved_to(batches, engine):
    """The same commands as another leader would number them."""
    sequence = engine.sequence
    for payload in batches:
        inside = list(split(payload[32:]))
        yield commands.batch(sequence + 1, time_of(payload), engine.epoch, inside)
        sequence += len(inside)


def split(body):
    while body:
        length = int.from_bytes(body[:2], "little")
        yield body[:length]
        body = body[length:]


def serve(led, batches):
    for payload in moved_to(batches, led.engine):
        led.log.append(payload)
        first_sequence = led.engine.sequence + 1
        events = led.engine.apply(payload)
        led.journal.append(
            JournalRecord(
                first_sequence, led.engine.sequence, led.engine.event_hash, led.engine.time_ns, events
            )
        )


def test_a_dead_leader_is_followed_at_once_and_everything_goes_on(settings, leader, clock):
    standby = Standby(settings, clock)
    assert standby.step() is None
    leader.make(BATCHES[HALF : HALF + 10])
    leader.close()
    led = led_by(standby)
    assert (led.log.epoch, led.engine.epoch) == (2, 2)
    assert led.log.last_sequence == led.engine.sequence == leader.engine.sequence + 1  # TAKE_OVER
    expected = Engine()
    for payload in read(settings.log_directory):
        expected.apply(payload)
    assert led.engine.state_hash() == expected.state_hash()
    serve(led, BATCHES[HALF + 10 :])
    close(led)
    assert is_said(settings)
    assert verify(settings.log_directory).epoch == 2


def test_a_leader_whose_beats_stand_still_is_followed_after_the_time_that_is_set(settings, leader, clock):
    standby = Standby(settings, clock)
    for _ in range(10):
        leader.log.beat()
        assert standby.step() is None
        clock.wait_ms(900)
    clock.wait_ms(99)
    assert standby.step() is None
    clock.wait_ms(1)
    led = led_by(standby)
    with pytest.raises(Fenced):
        leader.log.append(BATCHES[HALF])
    close(led)
    assert is_said(settings)


def test_a_leader_that_is_still_starting_is_left_alone_however_long_it_takes(settings, leader, clock):
    standby = Standby(settings, clock)
    for _ in range(5):
        assert standby.step() is None
        clock.wait_ms(60_000)


def test_a_leader_that_starts_when_the_next_epoch_begins_is_waited_for(settings, leader, clock):
    """It could still rewrite the journal; it looks for a newer epoch before it does."""
    standby = Standby(settings, clock)
    begin_epoch(settings.log_directory, 2, Disk())
    assert standby.step() is None
    with pytest.raises(Fenced):
        leader.log.append(BATCHES[HALF])
    leader.close()
    led = led_by(standby)
    assert led.log.epoch == 2
    close(led)


def test_where_the_disk_has_failed_nobody_takes_over_but_a_person_may_start(settings, clock, monkeypatch):
    leader = Leader(settings)
    leader.make(BATCHES[:HALF])
    leader.log.beat()
    standby = Standby(settings, clock)
    assert standby.step() is None
    monkeypatch.setattr(leader.log, "_disk", Failing())
    with pytest.raises(LogFailed):
        leader.log.append(BATCHES[HALF])
    leader.close()
    with pytest.raises(LogFailed, match="disk has failed"):
        standby.step()
    again = FileLog.open(settings.log_directory)
    assert again.epoch == 1
    again.close()


class Failing(Disk):
    def fdatasync(self, descriptor):
        raise OSError(5, "Input/output error")


def test_of_two_standbys_one_leads_and_the_other_follows_it(settings, leader, clock):
    one, other = Standby(settings, clock), Standby(settings, clock)
    leader.log.beat()
    assert (one.step(), other.step()) == (None, None)
    clock.wait_ms(1_000)
    led = led_by(one)
    assert other.step() is None
    serve(led, BATCHES[HALF:])
    assert other.step() is None
    assert other.sequence == led.engine.sequence
    led.log.beat()
    close(led)
    third = led_by(other)
    assert third.log.epoch == 3
    close(third)
    assert is_said(settings)


def test_what_a_stopped_leader_still_says_when_it_wakes_is_what_its_successor_said(settings, clock):
    """Its last batch is durable and answered, its record of the journal is not written; at every place."""
    begun_anew = 0
    for last in range(15, 35):
        home = settings.home / str(last)
        (home / "run").mkdir(parents=True)
        each = settings_in(home, segment_bytes=8 << 10)
        leader = Leader(each)
        leader.make(BATCHES[:last])
        leader.log.beat()
        files = len(journal.segments(each.journal_directory))
        standby = Standby(each, clock)
        assert standby.step() is None
        leader.log.append(BATCHES[last])
        clock.wait_ms(1_000)
        led = led_by(standby)
        leader.say(BATCHES[last])
        begun_anew += len(journal.segments(each.journal_directory)) > files
        serve(led, BATCHES[last + 1 : last + 4])
        assert is_said(each)
        leader.close()
        close(led)
    assert begun_anew


def test_a_journal_that_has_lost_its_end_is_completed_by_who_takes_over(settings, leader, clock):
    standby = Standby(settings, clock)
    assert standby.step() is None
    leader.journal.cut(leader.engine.sequence // 2)
    leader.close()
    close(led_by(standby))
    assert is_said(settings)


def test_a_taker_that_died_between_its_steps_is_finished_by_the_next(settings, leader, clock):
    leader.log.beat()
    standby = Standby(settings, clock)
    assert standby.step() is None
    begin_epoch(settings.log_directory, 2, Disk())  # and no more: its lock is free
    led = led_by(standby)
    assert led.log.epoch == 2
    with pytest.raises(Fenced):
        leader.log.append(BATCHES[HALF])
    close(led)
    assert [segment.epoch for segment in segments(settings.log_directory)] == [1, 2]
    assert is_said(settings)
