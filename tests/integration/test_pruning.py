"""Log and journal lose their beginning, and an exchange, its views and its checks go on as before."""

import itertools
import logging
import os
import shutil
import time
from pathlib import Path

import msgspec
import pytest

from cambist._matching import Engine
from cambist.data.server import ViewsForeign
from cambist.keep.archive import ArchiveRefused
from cambist.keep.prune import prune
from cambist.log import journal, snapshots
from cambist.log.errors import LogDamaged
from cambist.log.file import read
from cambist.log.journal import JournalForeign
from cambist.log.journal_writer import JournalWriter
from cambist.log.positions import pruned_through, store_position
from cambist.log.segments import segments
from cambist.match import recovery
from cambist.settings import Settings
from tests.journals import busy_batches
from tests.kept import bring_views_up, small, start, with_keep
from tests.log_disks import FaultyDisk, QuickDisk

PAYLOADS = busy_batches(seed=11, orders=1_200)
FIRST, SECOND = 80, 120  # batches after which a snapshot was made


@pytest.fixture(scope="module")
def grown(tmp_path_factory) -> Path:
    """Log, journal and views in many files, two snapshots on the way; nothing pruned yet."""
    settings = small(tmp_path_factory.mktemp("grown") / "home")
    for batches in (PAYLOADS[:FIRST], PAYLOADS[FIRST:SECOND]):
        recovery.keep_snapshot(settings, start(settings, batches), QuickDisk())
    start(settings, PAYLOADS[SECOND:])
    bring_views_up(settings)
    assert len(segments(settings.log_directory)) > 8
    assert len(journal.segments(settings.journal_directory)) > 8
    return settings.home


@pytest.fixture
def settings(grown, tmp_path) -> Settings:
    shutil.copytree(grown, tmp_path / "home")
    return with_keep(small(tmp_path / "home"), prune=True, commands=0)


@pytest.fixture
def archived(settings, tmp_path) -> Settings:
    return with_keep(settings, archive=str(tmp_path / "archive"))


def end_of(batches: int) -> int:
    """The sequence with which so many batches end."""
    engine = Engine()
    for payload in PAYLOADS[:batches]:
        engine.apply(payload)
    return engine.sequence


BASE = end_of(FIRST)


def whole() -> Engine:
    engine = Engine()
    for payload in PAYLOADS:
        engine.apply(payload)
    return engine


def files(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }


def begins(settings: Settings) -> tuple[int, int]:
    """First sequences of log and journal."""
    return (
        segments(settings.log_directory)[0].first_sequence,
        journal.segments(settings.journal_directory)[0][0],
    )


def test_what_lies_behind_the_older_snapshot_stays_and_nothing_more(settings):
    assert prune(settings, QuickDisk()) == BASE == pruned_through(settings.log_directory)
    for found in (
        [segment.first_sequence for segment in segments(settings.log_directory)],
        [first for first, _ in journal.segments(settings.journal_directory)],
    ):
        assert 1 < found[0] <= BASE + 1 < found[1]


def test_nothing_is_pruned_unless_it_is_asked_for(settings):
    before = files(settings.home)
    assert prune(with_keep(settings, prune=False), QuickDisk()) == 0
    assert files(settings.home) == before


def test_a_pruned_exchange_starts_and_goes_on(settings):
    prune(settings, QuickDisk())
    assert start(settings).state_hash() == whole().state_hash()
    assert bring_views_up(settings) == whole().sequence


def test_a_pruned_exchange_starts_from_either_snapshot(settings):
    prune(settings, QuickDisk())
    newest, oldest = snapshots.sequences(settings.snapshots_directory)
    for damaged in (newest, oldest):
        path = snapshots.path_of(settings.snapshots_directory, damaged)
        content = path.read_bytes()
        path.write_bytes(content[:-1])
        assert start(settings).state_hash() == whole().state_hash()
        path.write_bytes(content)


def test_a_journal_that_is_lost_begins_anew_behind_the_oldest_snapshot_and_the_views_go_on(settings):
    prune(settings, QuickDisk())
    shutil.rmtree(settings.journal_directory)
    start(settings)
    assert begins(settings)[1] == BASE + 1
    assert bring_views_up(settings) == whole().sequence


def test_a_journal_that_ends_before_the_oldest_snapshot_begins_anew(settings):
    prune(settings, QuickDisk())
    log_id = recovery.log_id(settings.log_directory)
    writer = JournalWriter(settings.journal_directory, log_id, Engine().event_hash)
    writer.cut(BASE - 1)
    writer.close()
    assert start(settings).state_hash() == whole().state_hash()
    assert begins(settings)[1] == BASE + 1


def test_a_journal_that_lost_more_than_was_pruned_begins_anew(settings):
    prune(settings, QuickDisk())
    found = journal.segments(settings.journal_directory)
    for _, path in found[:-1]:
        path.unlink()
    start(settings)
    assert begins(settings)[1] == BASE + 1


def test_without_any_snapshot_a_pruned_exchange_says_what_is_missing(settings):
    prune(settings, QuickDisk())
    shutil.rmtree(settings.snapshots_directory)
    with pytest.raises(LogDamaged, match="no whole snapshot leads there"):
        start(settings)


def test_views_that_are_behind_hold_the_log_for_themselves(settings):
    settings.views_file.unlink()
    assert prune(settings, QuickDisk()) == 0
    assert bring_views_up(settings, until=BASE // 2) < BASE
    assert prune(settings, QuickDisk()) == 0
    bring_views_up(settings)
    assert prune(settings, QuickDisk()) == BASE


def test_a_reader_holds_the_log_until_it_has_been_away_for_too_long(settings):
    store_position(settings.run_directory, "standby", BASE - 1)
    assert prune(settings, QuickDisk()) == 0
    days_ago_s = time.time() - settings.keep.consumer_max_days * 86_400 - 60
    os.utime(settings.run_directory / "position-standby", (days_ago_s, days_ago_s))
    assert prune(settings, QuickDisk()) == BASE


def test_the_newest_commands_stay_as_the_settings_say(settings):
    newest = snapshots.sequences(settings.snapshots_directory)[0]
    assert prune(with_keep(settings, commands=newest - BASE + 1), QuickDisk()) == 0
    assert prune(with_keep(settings, commands=newest - BASE), QuickDisk()) == BASE


def test_a_damaged_snapshot_is_none_to_prune_up_to(settings, caplog):
    path = snapshots.path_of(settings.snapshots_directory, BASE)
    path.write_bytes(path.read_bytes()[:-1])
    assert prune(settings, QuickDisk()) == 0
    assert "nothing is pruned up to this snapshot" in caplog.text


def test_the_archive_and_what_is_left_are_the_whole_history(archived):
    records = list(journal.read(archived.journal_directory))
    prune(archived, QuickDisk())
    archive = recovery.archive_of(archived)
    assert archive is not None
    assert list(read(archived.log_directory, archive=archive / "log")) == PAYLOADS
    assert list(journal.read(archived.journal_directory, archive=archive / "journal")) == records


def test_an_archive_of_another_log_is_never_mixed_with_this_ones(archived, tmp_path):
    prune(archived, QuickDisk())
    other = with_keep(small(tmp_path / "other"), archive=archived.keep.archive)
    start(other, PAYLOADS[:3])
    assert recovery.archive_of(other) != recovery.archive_of(archived)


def test_a_file_that_differs_from_what_the_archive_holds_stays_where_it_is(archived):
    archive = recovery.archive_of(archived)
    assert archive is not None
    oldest = segments(archived.log_directory)[0].path
    (archive / "log").mkdir(parents=True)
    (archive / "log" / oldest.name).write_bytes(b"of a restored exchange")
    before = files(archived.home)
    with pytest.raises(ArchiveRefused, match="differs from"):
        prune(archived, QuickDisk())
    assert files(archived.home) == before


def test_a_copy_that_reads_back_wrong_removes_nothing(archived):
    class LyingDisk(QuickDisk):
        def pwritev(self, descriptor, buffers, offset):
            data = bytearray(b"".join(buffers))
            data[-1] ^= 1
            return super().pwritev(descriptor, [data], offset)

    before = files(archived.home)
    with pytest.raises(ArchiveRefused, match="does not read back"):
        prune(archived, LyingDisk())
    assert files(archived.home) == before


def steps_of(archived: Settings, tmp_path: Path) -> list[str]:
    shutil.copytree(archived.home, tmp_path / "healthy")
    disk = FaultyDisk()
    prune(
        msgspec.structs.replace(
            with_keep(archived, archive=str(tmp_path / "healthy-archive")), home=tmp_path / "healthy"
        ),
        disk,
    )
    return disk.steps


def test_a_crash_at_any_step_harms_nothing_and_the_next_turn_does_the_rest(archived, tmp_path, caplog):
    """Every step fails once; then the exchange starts, its history is whole, and pruning comes to its end."""
    caplog.set_level(logging.ERROR)
    before = files(archived.home)
    records = list(journal.read(archived.journal_directory))
    end = whole().state_hash()
    archive = recovery.archive_of(archived)
    assert archive is not None
    steps = steps_of(archived, tmp_path)
    assert {"create", "pwritev", "fdatasync", "rename", "sync_directory", "unlink"} <= set(steps)
    # The first of each kind, and then some: many files in a row are copied and removed alike.
    numbers = {steps.index(step) for step in steps} | set(range(0, len(steps), 9)) | {len(steps) - 1}
    for number in sorted(numbers):
        step = steps[number]
        disk = FaultyDisk(number, "torn write" if step == "pwritev" else "EIO")
        with pytest.raises(OSError):
            prune(archived, disk)
        disk.process_ends()
        assert start(archived).state_hash() == end, f"{step} {number}"
        assert list(read(archived.log_directory, archive=archive / "log")) == PAYLOADS
        assert list(journal.read(archived.journal_directory, archive=archive / "journal")) == records
        assert prune(archived, QuickDisk()) == BASE
        assert start(archived).state_hash() == end
        assert list(read(archived.log_directory, archive=archive / "log")) == PAYLOADS
        shutil.rmtree(archive)
        shutil.rmtree(archived.home)
        for name, content in before.items():
            path = archived.home / name
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.write_bytes(content)


def test_views_whose_place_is_gone_say_so(settings, tmp_path):
    behind = msgspec.structs.replace(settings, home=tmp_path / "behind")
    shutil.copytree(settings.home, behind.home)
    for part in behind.home.glob("views.db*"):
        part.unlink()
    bring_views_up(behind, until=BASE // 2)
    prune(settings, QuickDisk())
    for part in settings.home.glob("views.db*"):
        part.unlink()
    shutil.copy(behind.views_file, settings.views_file)
    with pytest.raises(ViewsForeign, match="was pruned"):
        bring_views_up(settings)


def test_the_journal_and_the_views_are_durable_before_anything_goes(archived):
    """Neither is synced by who writes it, and a power cut must not leave a gap behind the archive."""

    synced = set[str]()

    class Watching(QuickDisk):
        def fdatasync(self, descriptor: int) -> None:
            synced.add(self.opened[descriptor].name)

        def unlink(self, path: Path) -> None:
            assert {kept, "views.db"} <= synced
            super().unlink(path)

    pieces = journal.segments(archived.journal_directory)
    kept = [path.name for first, path in pieces if first <= BASE + 1][-1]
    assert prune(archived, Watching()) == BASE
    assert not pieces[0][1].exists()


def test_reading_from_a_place_that_is_gone_is_refused(settings):
    prune(settings, QuickDisk())
    with pytest.raises(JournalForeign, match="was pruned"):
        list(itertools.islice(journal.read(settings.journal_directory), 1))
