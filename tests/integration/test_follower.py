"""The follower is where the leader's journal is, whatever lies behind that in the log."""

import pytest

from cambist._matching import Engine
from cambist.errors import Broken
from cambist.log.journal import JournalForeign
from cambist.log.segments import segments
from cambist.match import recovery
from cambist.match.follower import Follower
from tests.journals import busy_batches
from tests.leading import Leader, settings_in

BATCHES = busy_batches(seed=5, orders=3_200)


@pytest.fixture
def settings(tmp_path):
    return settings_in(tmp_path)


@pytest.fixture
def leader(settings):
    leader = Leader(settings)
    yield leader
    leader.close()


def caught_up(follower):
    while follower.catch_up():
        pass
    return follower


def same(follower, engine):
    return (follower.engine.sequence, follower.engine.state_hash()) == (engine.sequence, engine.state_hash())


def test_it_goes_along_step_by_step_over_many_segments(settings, leader):
    leader.make(BATCHES[:10])
    follower = caught_up(Follower(settings))
    for at in range(10, len(BATCHES), 50):
        leader.make(BATCHES[at : at + 50])
        assert same(caught_up(follower), leader.engine)
    assert len(segments(settings.log_directory)) > 1


def test_a_durable_batch_counts_only_when_its_events_are_in_the_journal(settings, leader):
    leader.make(BATCHES[:20])
    leader.log.append(BATCHES[20])
    follower = caught_up(Follower(settings))
    assert same(follower, leader.engine)
    leader.say(BATCHES[20])
    assert same(caught_up(follower), leader.engine)


def test_it_begins_with_the_newest_snapshot(settings, leader):
    leader.make(BATCHES[:300])
    recovery.keep_snapshot(settings, leader.engine)
    leader.make(BATCHES[300:400])
    follower = Follower(settings)
    assert follower.engine.sequence == recovery.recover(settings, None, lambda *_: None).sequence - sum(
        count_of(payload) for payload in BATCHES[300:400]
    )
    assert same(caught_up(follower), leader.engine)


def count_of(payload):
    return int.from_bytes(payload[20:24], "little")


def test_a_journal_that_was_written_anew_asks_for_a_new_follower(settings, leader):
    leader.make(BATCHES[:100])
    follower = caught_up(Follower(settings))
    leader.journal.clear(0, Engine().event_hash)
    engine, leader.engine = leader.engine, Engine()
    for payload in BATCHES[:100]:
        leader.say(payload)
    with pytest.raises(JournalForeign):
        caught_up(follower)
    assert same(caught_up(Follower(settings)), engine)


def test_an_engine_that_says_other_things_than_the_leader_goes_no_further(settings, leader):
    leader.make(BATCHES[:50])
    leader.log.append(BATCHES[50])
    record = next(iter(recovery.replay(leader.engine, settings.log_directory, None, lambda *_: None)))
    leader.journal.append(record._replace(event_hash=record.event_hash ^ 1))
    with pytest.raises(Broken, match="have come apart"):
        caught_up(Follower(settings))
