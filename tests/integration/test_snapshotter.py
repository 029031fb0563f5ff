"""The snapshotter beside a log that grows: what it keeps is what the exchange is, or it keeps nothing."""

import asyncio
import os
import shutil
import subprocess
import sys
import time

import pytest

from cambist._matching import Engine
from cambist.errors import Broken
from cambist.keep.held import files_stay
from cambist.keep.snapshotter import RETRY_S, Snapshotter
from cambist.log import journal, snapshots
from cambist.log.segments import segments
from cambist.match import recovery
from cambist.settings import Settings, Snapshots, write_default
from tests.journals import busy_batches, write_journal
from tests.kept import bring_views_up, quiet, small, start, with_keep
from tests.log_disks import FaultyDisk, QuickDisk

PAYLOADS = busy_batches(seed=3, orders=800)
ONE = Snapshots(every_commands=380, every_minutes=0)
EVERY_200 = Snapshots(every_commands=200, every_minutes=0)


class Clock:
    """Seconds, as `time.time` counts them."""

    def __init__(self, now_s: float = 2_000_000_000.0) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s


def follow(snapshotter: Snapshotter) -> None:
    while snapshotter.step():
        pass


def kept(settings) -> list[int]:
    return snapshots.sequences(settings.snapshots_directory)


def test_a_snapshot_is_made_after_so_many_commands_and_holds_the_exchanges_state(tmp_path):
    settings = small(tmp_path / "home", EVERY_200)
    start(settings, PAYLOADS[:10])
    snapshotter = Snapshotter(settings, QuickDisk())
    follow(snapshotter)
    assert kept(settings) == []
    start(settings, PAYLOADS[10:])
    follow(snapshotter)
    newest, older = kept(settings)
    assert newest - older >= 200
    assert snapshotter.sequence == newest
    for sequence in (newest, older):
        found = snapshots.load(snapshots.path_of(settings.snapshots_directory, sequence))
        exchange = replayed_to(settings, sequence)
        assert (found.event_hash, found.state_hash) == (exchange.event_hash, exchange.state_hash())
        assert Engine.restore(found.engine).state_hash() == exchange.state_hash()


def replayed_to(settings: Settings, sequence: int) -> Engine:
    engine = Engine()
    for _ in recovery.replay(engine, settings.log_directory, sequence, quiet):
        pass
    return engine


def test_by_time_a_snapshot_is_made_only_if_there_was_a_command(tmp_path):
    clock = Clock()
    settings = small(tmp_path / "home", Snapshots(every_commands=0, every_minutes=5))
    end = start(settings, PAYLOADS[:10]).sequence
    snapshotter = Snapshotter(settings, QuickDisk(), clock)
    follow(snapshotter)
    clock.now_s += 299
    follow(snapshotter)
    assert kept(settings) == []
    clock.now_s += 1
    follow(snapshotter)
    assert kept(settings) == [end]
    clock.now_s += 1_000
    snapshots.path_of(settings.snapshots_directory, end).unlink()
    follow(snapshotter)
    assert kept(settings) == []


def test_one_older_generation_is_kept(tmp_path):
    settings = small(tmp_path / "home", Snapshots(every_commands=1, every_minutes=0))
    start(settings, PAYLOADS[:40])
    snapshotter, made = Snapshotter(settings, QuickDisk()), set[int]()
    while snapshotter.step():
        made.update(kept(settings))
    assert len(made) > 2
    assert kept(settings) == sorted(made)[:-3:-1]


def test_a_new_one_goes_on_from_the_newest_snapshot(tmp_path):
    settings = small(tmp_path / "home", EVERY_200)
    start(settings, PAYLOADS)
    follow(Snapshotter(settings, QuickDisk()))
    made = kept(settings)
    again = Snapshotter(settings, QuickDisk())
    assert (again.position, again.sequence) == (made[0], made[0])
    follow(again)
    assert kept(settings) == made


def test_nothing_is_kept_of_a_state_that_the_exchange_is_not_in(tmp_path):
    """The journal says what the serving engine said; a bit of its hash is not what this engine comes to."""
    settings = small(tmp_path / "home", Snapshots(every_commands=1, every_minutes=0))
    start(settings, PAYLOADS[:10])
    records = list(journal.read(settings.journal_directory))
    shutil.rmtree(settings.journal_directory)
    records[5] = records[5]._replace(event_hash=records[5].event_hash ^ 1)
    write_journal(settings.journal_directory, records)
    with pytest.raises(Broken, match="come apart"):
        follow(Snapshotter(settings, QuickDisk()))
    assert kept(settings) == []


def test_a_disk_that_fails_costs_a_snapshot_and_is_tried_again_later(tmp_path, caplog):
    settings = small(tmp_path / "home", ONE)
    start(settings, PAYLOADS[:40])
    steps = steps_of_one(tmp_path)
    for number in range(len(steps)):
        clock, disk = Clock(), FaultyDisk(number, "ENOSPC")
        snapshotter = Snapshotter(settings, disk, clock)
        follow(snapshotter)
        assert "no snapshot was stored" in caplog.text
        caplog.clear()
        follow(snapshotter)
        assert disk.asked_afterwards == []
        clock.now_s += RETRY_S
        follow(snapshotter)
        found = snapshots.newest(settings.snapshots_directory)
        assert found.snapshot is not None
        assert found.damaged == []
        assert found.snapshot.sequence == snapshotter.position
        shutil.rmtree(settings.snapshots_directory)


def steps_of_one(tmp_path) -> list[str]:
    settings = small(tmp_path / "healthy", ONE)
    start(settings, PAYLOADS[:40])
    disk = FaultyDisk()
    follow(Snapshotter(settings, disk))
    return disk.steps


def test_no_snapshot_is_made_while_backups_or_checks_count_on_the_files(tmp_path):
    settings = small(tmp_path / "home", EVERY_200)
    start(settings, PAYLOADS)
    snapshotter = Snapshotter(settings, QuickDisk())
    with files_stay(settings), files_stay(settings):
        follow(snapshotter)
        assert kept(settings) == []
    follow(snapshotter)
    assert kept(settings) == [snapshotter.position]


def test_it_runs_until_it_is_told_to_stop(tmp_path):
    settings = small(tmp_path / "home", EVERY_200)
    end = start(settings, PAYLOADS).sequence
    snapshotter = Snapshotter(settings, QuickDisk())

    async def session() -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(snapshotter.run(stop))
        while snapshotter.position < end or not kept(settings):
            assert not running.done()
            await asyncio.sleep(0.01)
        stop.set()
        await running

    asyncio.run(asyncio.wait_for(session(), 120))


def test_an_archive_that_takes_nothing_leaves_snapshots_and_log_as_they_are(tmp_path, caplog):
    settings = with_keep(
        small(tmp_path / "home", EVERY_200), prune=True, commands=0, archive=str(tmp_path / "archive")
    )
    start(settings, PAYLOADS)
    bring_views_up(settings)
    (tmp_path / "archive").write_text("no directory")
    snapshotter = Snapshotter(settings, QuickDisk())
    follow(snapshotter)
    assert "log and journal were not pruned" in caplog.text
    assert len(kept(settings)) == 2
    assert segments(settings.log_directory)[0].first_sequence == 1
    (tmp_path / "archive").unlink()
    snapshots.path_of(settings.snapshots_directory, kept(settings)[0]).unlink()
    follow(Snapshotter(settings, QuickDisk()))
    assert segments(settings.log_directory)[0].first_sequence > 1


def test_the_process_makes_snapshots_until_its_parent_ends(tmp_path):
    settings = small(tmp_path / "home")
    start(settings, PAYLOADS)
    write_default(settings.home)
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "cambist.app_snapshotter"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("CAMBIST_")},
            "CAMBIST_HOME": str(settings.home),
            "CAMBIST_SNAPSHOTS_EVERY_COMMANDS": "200",
        },
    )
    try:
        deadline_s = time.monotonic() + 120
        while len(kept(settings)) < 2:
            assert process.poll() is None
            assert time.monotonic() < deadline_s
            time.sleep(0.05)
        assert os.getpriority(os.PRIO_PROCESS, process.pid) == 19
        assert process.communicate(timeout=120)[1] == ""
        assert process.returncode == 0
    finally:
        process.kill()
        process.wait()
