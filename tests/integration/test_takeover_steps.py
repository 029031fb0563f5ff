"""One process follows another as leader of a log, with every order of their steps on the disk.

Whatever was acknowledged, by whomever, is in the one chain that readers find, on its side of the TAKE_OVER.
"""

import shutil
import tempfile
from itertools import count
from pathlib import Path
from random import Random

import pytest

from cambist.engine.commands import Kind
from cambist.log.errors import Fenced, LogInUse
from cambist.log.file import FileLog, read, verify
from cambist.log.leadership import Condition, leader_of, newest_epoch
from cambist.log.records import time_of
from cambist.log.segments import segments
from tests.log_disks import AtOnce, PowerCutDisk, QuickDisk, batch
from tests.steps import Killed, Process

SEGMENT_BYTES = 4096
MEMORY = Path("/dev/shm")


@pytest.fixture
def directory():
    """In memory if possible: thousands of small logs are made and deleted here, and none is ever synced."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as scratch:
        yield Path(scratch) / "log"


class Told:
    """What was acknowledged, in the order in which it was."""

    def __init__(self):
        self.batches = []

    def serve(self, log, batches, command_bytes):
        """As a leader does; raises what the log raises."""
        log.beat()
        for _ in range(batches):
            payload = batch(log.last_sequence + 1, 1, command_bytes, log.epoch)
            log.append(payload)
            self.batches.append((log.epoch, payload))
        log.seal()


def opened(directory, disk):
    return FileLog.open(directory, segment_bytes=SEGMENT_BYTES, disk=disk, executor=AtOnce())


def taken_over(directory, epoch, disk):
    return FileLog.take_over(directory, epoch, segment_bytes=SEGMENT_BYTES, disk=disk, executor=AtOnce())


def leader(directory, told, batches, command_bytes=1_500):
    def work(process):
        log = opened(directory, process.disk)
        process.log = log
        try:
            told.serve(log, batches, command_bytes)
        finally:
            close(log)

    return Process("leader", work)


def taker(directory, told, batches=2, epoch=2):
    def work(process):
        log = taken_over(directory, epoch, process.disk)
        process.log = log
        try:
            told.serve(log, batches, 1_500)
        finally:
            close(log)

    return Process("taker", work)


def close(log):
    """The steps of a process that is killed are none."""
    try:
        log.close()
    except Killed:
        log._lock.release()


def steps_of(directory, batches):
    """How many steps a leader takes that nobody disturbs, and with which of them it serves."""
    process = leader(directory, Told(), batches)
    serving = None
    while not process.has_ended:
        if serving is None and leads(directory):
            serving = process.steps
        process.go()
    steps = process.steps
    shutil.rmtree(directory)
    return serving, steps


def leads(directory, epoch=1):
    return leader_of(directory, epoch).condition == Condition.LEADING


def check(directory, told):
    """One chain with all that was acknowledged, which any later start goes on with."""
    log = opened(directory, QuickDisk())
    log.append(batch(log.last_sequence + 1, epoch=log.epoch))
    log.close()
    chain = list(read(directory))
    assert verify(directory).last_sequence == log.last_sequence
    places_of = {payload: place for place, payload in enumerate(chain)}
    # Who was stopped behind its last look at the epoch may tell late what is in the chain.
    acknowledged = sorted(told.batches, key=lambda each: each[0])
    places = [places_of[payload] for _, payload in acknowledged]
    assert places == sorted(set(places)), "what was acknowledged is lost, or in another order"
    take_overs = {
        int.from_bytes(payload[56:60], "little"): place
        for place, payload in enumerate(chain)
        if payload[34] == Kind.TAKE_OVER
    }
    assert sorted(take_overs) == list(range(2, log.epoch + 1)), "one TAKE_OVER for each epoch"
    for (epoch, _), place in zip(acknowledged, places, strict=True):
        assert epoch == 1 or take_overs[epoch] < place
        assert place < take_overs.get(epoch + 1, len(chain))
    assert [time_of(payload) for payload in chain] == sorted(time_of(payload) for payload in chain)


BATCHES = 5  # over three segments
EPOCH_HAS_BEGUN = 2  # so many steps of the taker later
END_OF_A_BATCH = 12  # so many steps of the leader later at least one batch is acknowledged


def test_a_leader_may_be_stopped_before_any_step_and_wake_before_any_step_of_its_successor(directory):
    serving, end = steps_of(directory, BATCHES)
    orders = 0
    for stopped_at in range(serving, end):
        for woken_at in count():
            told = Told()
            old = leader(directory, told, BATCHES)
            old.go(stopped_at)
            new = taker(directory, told)
            new.go(woken_at)
            was_over = new.has_ended
            old.finish()
            new.finish()
            assert new.problem is None, (stopped_at, woken_at)
            assert isinstance(old.problem, Fenced) == (woken_at >= EPOCH_HAS_BEGUN), (stopped_at, woken_at)
            check(directory, told)
            shutil.rmtree(directory)
            orders += 1
            if was_over:
                break
    print(f"{orders} orders of steps")


def test_a_taker_may_die_before_any_step_and_the_next_start_or_taker_finishes(directory):
    for next_one in (start, taker_of_what_is_left):
        for died_at in count():
            told = Told()
            old = leader(directory, told, BATCHES)
            old.go(END_OF_A_BATCH)
            new = taker(directory, told)
            new.go(died_at)
            was_over = new.has_ended
            new.kill()
            third = next_one(directory, told)
            third.finish()
            old.finish()
            assert third.problem is None, died_at
            has_begun = died_at >= EPOCH_HAS_BEGUN or next_one is taker_of_what_is_left
            assert isinstance(old.problem, Fenced if has_begun else type(None)), died_at
            check(directory, told)
            shutil.rmtree(directory)
            if was_over:
                break


def start(directory, told):
    """As an operator would make one; with the old leader there it waits for the next epoch."""

    def work(process):
        try:
            log = opened(directory, process.disk)
        except LogInUse:
            return  # no epoch has begun: the old leader is still the leader
        serve_and_close(log, told)

    return Process("start", work)


def taker_of_what_is_left(directory, told):
    """As a standby does it that gets the lock, or sees the leader silent."""

    def work(process):
        epoch = newest_epoch(directory)
        if segments(directory)[-1].epoch < epoch:
            log = opened(directory, process.disk)
        else:
            log = taken_over(directory, epoch + 1, process.disk)
        serve_and_close(log, told)

    return Process("next taker", work)


def serve_and_close(log, told):
    try:
        told.serve(log, 2, 1_500)
    finally:
        close(log)


def test_of_two_takers_one_leads_whatever_the_order_of_their_steps(directory):
    dice = Random(3)
    for _ in range(150):
        told = Told()
        old = leader(directory, told, BATCHES)
        old.go(dice.randrange(END_OF_A_BATCH, 2 * END_OF_A_BATCH))
        takers = [taker(directory, told), taker(directory, told)]
        processes = [old, *takers]
        while not all(process.has_ended for process in processes):
            dice.choice(processes).go(dice.choice((1, 1, 2, 5)))
        lost = [each.problem for each in takers if each.problem is not None]
        assert len(lost) == 1 and isinstance(lost[0], LogInUse), lost
        check(directory, told)
        shutil.rmtree(directory)


def test_any_number_of_leaders_takers_stops_and_kills_leave_one_chain(directory):
    """Whoever comes takes over, finishes or is refused; some are killed, all others wake in the end."""
    led = 0
    for seed in range(120):
        dice = Random(seed)
        told = Told()
        processes = [leader(directory, told, BATCHES)]
        processes[0].go(END_OF_A_BATCH)
        for _ in range(6):
            comes = dice.choice((start, taker_of_what_is_left))
            processes.append(comes(directory, told))
            for _ in range(dice.randrange(60)):
                dice.choice(processes).go()
            if dice.random() < 0.5:
                dice.choice(processes).kill()
        while not all(process.has_ended for process in processes):
            dice.choice(processes).go()
        for process in processes:
            assert process.problem is None or isinstance(process.problem, Fenced | LogInUse), process.problem
        check(directory, told)
        led = max(led, newest_epoch(directory))
        shutil.rmtree(directory)
    assert led > 3


@pytest.mark.parametrize("unsynced", [False, True])
def test_power_may_fail_before_any_step_of_a_takeover(directory, monkeypatch, unsynced):
    """Its predecessor was killed, as the case may be behind a record that it had written and not synced."""
    after = directory.with_name("after")
    told = Told()
    cuts = count()
    is_watched = False

    def before_step():
        if is_watched:
            for files in disk.power_cuts(seed=next(cuts), count=6):
                after.mkdir()
                for name, content in files.items():
                    (after / name).write_bytes(content)
                check(after, told)
                shutil.rmtree(after)

    directory.mkdir()
    disk = PowerCutDisk(directory, before_step)
    old = opened(directory, disk)
    told.serve(old, 3, 1_500)
    if unsynced:
        with monkeypatch.context() as dying, pytest.raises(Killed):
            dying.setattr(disk, "fdatasync", dies)
            told.serve(old, 1, 1_500)
    old._lock.release()
    is_watched = True
    new = taken_over(directory, 2, disk)
    told.serve(new, 3, 1_500)
    new.close()
    before_step()
    assert next(cuts) > 20


def dies(descriptor):
    raise Killed
