"""A log through another build: the same is found to be the same, and the first thing that is not is shown."""

import shutil
from pathlib import Path

import msgspec
import pytest

from cambist._matching import Engine
from cambist.engine import events
from cambist.engine.commands import RULES_NEWEST
from cambist.engine.events import Status
from cambist.keep.prune import prune
from cambist.keep.rehearse import NoLog, rehearse, settings_of
from cambist.log import journal
from cambist.log.journal import JournalRecord
from cambist.match import recovery
from cambist.settings import Settings
from tests.conftest import CHECKOUT
from tests.journals import busy_batches, write_journal
from tests.kept import bring_views_up, quiet, small, start, with_keep
from tests.log_disks import QuickDisk

PAYLOADS = busy_batches(seed=5, orders=400)
STATUS = 8  # offset in a RESULT: docs/formats/events.md
GOLDEN = CHECKOUT / "tests/replay/golden/v1"


@pytest.fixture(scope="module")
def grown(tmp_path_factory) -> Path:
    settings = small(tmp_path_factory.mktemp("grown") / "home")
    for batches in (PAYLOADS[:40], PAYLOADS[40:55]):
        recovery.keep_snapshot(settings, start(settings, batches), QuickDisk())
    start(settings, PAYLOADS[55:])
    return settings.home


@pytest.fixture
def settings(grown, tmp_path) -> Settings:
    shutil.copytree(grown, tmp_path / "home")
    return small(tmp_path / "home")


def say_otherwise(settings: Settings, nth: int, change) -> list[JournalRecord]:
    """The journal as another build would have written it, from the nth batch on."""
    records = list(journal.read(settings.journal_directory))
    records[nth] = change(records[nth])
    shutil.rmtree(settings.journal_directory)
    write_journal(settings.journal_directory, records)
    return records


def test_this_build_says_the_same_as_itself(settings):
    found = rehearse(settings, None, None, quiet)
    assert found.problems == []
    assert (found.after_sequence, found.batches_compared, found.snapshots_compared) == (0, len(PAYLOADS), 2)
    engine = Engine()
    for payload in PAYLOADS:
        engine.apply(payload)
    assert (found.sequence, found.state_hash) == (engine.sequence, engine.state_hash().hex())


def test_it_goes_as_far_as_it_is_told(settings):
    records = list(journal.read(settings.journal_directory))
    found = rehearse(settings, records[9].last_sequence, None, quiet)
    assert (found.problems, found.sequence, found.batches_compared) == ([], records[9].last_sequence, 10)


def test_the_first_event_that_differs_is_shown_with_what_it_was_and_is(settings):
    def other_balance(record: JournalRecord) -> JournalRecord:
        raw = bytearray(record.events)
        raw[-16] ^= 1  # the last event's, inside its last fields
        return record._replace(events=bytes(raw), event_hash=record.event_hash ^ 1)

    records = say_otherwise(settings, 50, other_balance)
    found = rehearse(settings, None, None, quiet)
    (problem,) = found.problems
    last = list(events.split(records[50].events))[-1]
    assert problem.startswith(f"sequence {events.place(last)[0]}: ")
    assert " was " in problem and "now it is" in problem
    assert found.batches_compared == 50
    assert found.sequence == records[50].last_sequence


def test_a_hash_that_differs_alone_is_a_difference(settings):
    say_otherwise(settings, 20, lambda record: record._replace(event_hash=record.event_hash ^ 1))
    (problem,) = rehearse(settings, None, None, quiet).problems
    assert "the events are the same and the event hash is not" in problem


def test_a_result_that_differs_is_shown(settings):
    def refused(record: JournalRecord) -> JournalRecord:
        raw = bytearray(record.events)
        raw[STATUS] = Status.MALFORMED
        return record._replace(events=bytes(raw), event_hash=record.event_hash ^ 1)

    records = say_otherwise(settings, 30, refused)
    (problem,) = rehearse(settings, None, None, quiet).problems
    assert problem.startswith(f"sequence {records[30].first_sequence}: was Result(")


def test_without_a_journal_snapshots_are_compared(settings):
    shutil.rmtree(settings.journal_directory)
    found = rehearse(settings, None, None, quiet)
    assert (found.problems, found.batches_compared, found.snapshots_compared) == ([], 0, 2)


def test_with_nothing_to_compare_it_is_no_rehearsal(settings):
    shutil.rmtree(settings.journal_directory)
    shutil.rmtree(settings.snapshots_directory)
    (problem,) = rehearse(settings, None, None, quiet).problems
    assert "nothing was compared" in problem


def test_a_damaged_log_is_a_problem_with_its_place(settings):
    oldest = sorted(settings.log_directory.glob("*.log"))[1]
    raw = bytearray(oldest.read_bytes())
    raw[400] ^= 1
    oldest.write_bytes(raw)
    (problem,) = rehearse(settings, None, None, quiet).problems
    assert oldest.name in problem


def test_a_pruned_log_is_rehearsed_from_its_archive_or_its_oldest_snapshot(settings, tmp_path):
    bring_views_up(settings)
    pruned = with_keep(settings, prune=True, commands=0, archive=str(tmp_path / "archive"))
    base = prune(pruned, QuickDisk())
    assert base > 0
    whole = rehearse(pruned, None, None, quiet)
    assert (whole.problems, whole.after_sequence, whole.batches_compared) == ([], 0, len(PAYLOADS))
    rest = rehearse(settings, None, None, quiet)
    assert (rest.problems, rest.after_sequence, rest.state_hash) == ([], base, whole.state_hash)
    archive = recovery.archive_of(pruned)
    assert archive is not None
    alone = rehearse(settings_of(archive, None), None, None, quiet)
    assert (alone.problems, alone.after_sequence) == ([], 0)
    assert 0 < alone.batches_compared < whole.batches_compared


def test_new_rules_are_tried_on_a_copy(settings):
    before = rehearse(settings, None, None, quiet)
    assert before.rules < RULES_NEWEST
    found = rehearse(settings, None, RULES_NEWEST, quiet)
    assert (found.problems, found.activated_rules, found.rules) == ([], RULES_NEWEST, before.rules)
    assert found.state_hash == before.state_hash


def test_rules_that_this_build_does_not_know_are_a_problem(settings):
    (problem,) = rehearse(settings, None, RULES_NEWEST + 1, quiet).problems
    assert problem.startswith(f"rules version {RULES_NEWEST + 1}: the engine refuses them")


def test_the_golden_log_of_a_released_format_is_rehearsed():
    found = rehearse(settings_of(GOLDEN, None), None, None, quiet)
    assert (found.problems, found.snapshots_compared) == ([], 1)


def test_a_directory_without_a_log_is_refused(tmp_path):
    with pytest.raises(NoLog):
        settings_of(tmp_path, None)


def test_nothing_is_written(settings):
    before = {path: path.stat().st_mtime_ns for path in settings.home.rglob("*")}
    rehearse(msgspec.structs.replace(settings), None, RULES_NEWEST, quiet)
    assert {path: path.stat().st_mtime_ns for path in settings.home.rglob("*")} == before
