"""A log replayed through this build, and compared with what was recorded of it: before an upgrade, not after.

What was recorded: the event hash of every batch in the event journal, the hashes of every snapshot, and those
of a backup's manifest. New rules can be tried on a copy of the state where the log ends; nothing is written.
"""

import time
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from struct import error as StructError
from typing import Any

import msgspec

from cambist._matching import Engine, EngineBroken
from cambist.engine import commands, events
from cambist.engine.events import Status
from cambist.errors import Broken, Refused
from cambist.keep import manifest as manifests
from cambist.ledger.trial_balance import is_balanced, trial_balance
from cambist.log import journal, snapshots
from cambist.log.errors import LogError
from cambist.log.journal import JournalDamaged, JournalRecord
from cambist.match import recovery
from cambist.match.recovery import Report
from cambist.settings import FILE_NAME, Keep, Settings

_SHOWN_CHARACTERS = 500


class NoLog(Refused):
    code = "no_log"


class Difference(Broken):
    """This build says something else than what was recorded; the text says where it begins."""


class Rehearsal(msgspec.Struct, kw_only=True):
    """`problems` is empty if this build says the same as the one that wrote the log.

    Whatever was not recorded is not compared; `batches_compared` and `snapshots_compared` say how much was.
    """

    after_sequence: int
    sequence: int
    event_hash: str
    state_hash: str
    rules: int
    batches_compared: int
    snapshots_compared: int
    seconds: float
    activated_rules: int | None
    problems: list[str]


def rehearse(settings: Settings, until: int | None, activate_rules: int | None, report: Report) -> Rehearsal:
    """Replays from the log's beginning, or the oldest snapshot behind which it begins, to `until` or its end.

    Raises LogDamaged if there is neither.
    """
    began_s = time.monotonic()
    engine = recovery.oldest_state(settings, recovery.archive_of(settings))
    after = engine.sequence
    recorded = _Recorded(settings, after)
    problems: list[str] = []
    try:
        for record in _replayed(engine, settings, until, report):
            recorded.compare(record, engine)
    except (Difference, Broken, LogError, JournalDamaged) as problem:
        problems.append(str(problem))
    if not problems and not recorded.batches and not recorded.snapshots:
        problems.append(
            "nothing was compared: there is no journal, no snapshot and no manifest beside the log"
        )
    activated = None
    if activate_rules is not None and not problems:
        try:
            activated = _activated(engine, activate_rules)
        except (Broken, EngineBroken) as problem:
            problems.append(f"rules version {activate_rules}: {problem}")
    return Rehearsal(
        after_sequence=after,
        sequence=engine.sequence,
        event_hash=f"{engine.event_hash:016x}",
        state_hash=engine.state_hash().hex(),
        rules=engine.rules,
        batches_compared=recorded.batches,
        snapshots_compared=recorded.snapshots,
        seconds=round(time.monotonic() - began_s, 1),
        activated_rules=activated,
        problems=problems,
    )


def settings_of(directory: Path, archive: Path | None) -> Settings:
    """For a data directory, a backup, or the archive of one log. Raises NoLog, SettingsError."""
    if not (directory / "log").is_dir():
        raise NoLog(
            f"{directory} has no log/ in it: name a data directory, a backup, or the archive of a log"
        )
    is_home = (directory / FILE_NAME).exists() and not (directory / manifests.MANIFEST).exists()
    settings = Settings.load(directory) if is_home else Settings(home=directory.absolute())
    if archive is None:
        return settings
    return msgspec.structs.replace(settings, keep=Keep(archive=str(archive.absolute())))


def _replayed(
    engine: Engine, settings: Settings, until: int | None, report: Report
) -> Iterator[JournalRecord]:
    archive = recovery.log_in(recovery.archive_of(settings))
    return recovery.replay(engine, settings.log_directory, until, report, archive=archive)


class _Recorded:
    """What is known of the log from the build that wrote it."""

    def __init__(self, settings: Settings, after: int) -> None:
        archive = recovery.journal_in(recovery.archive_of(settings))
        begins = [first - 1 for first, _ in journal.segments(settings.journal_directory, archive)[:1]]
        self._journal_from = max([after, *begins])
        self._journal = journal.read(settings.journal_directory, self._journal_from, archive=archive)
        self._hashes = {
            sequence: found
            for sequence, found in (*_of_snapshots(settings), *_of_manifest(settings.home))
            if sequence > after
        }
        self.batches = self.snapshots = 0

    def compare(self, record: JournalRecord, engine: Engine) -> None:
        """Raises Difference, JournalDamaged."""
        if record.first_sequence > self._journal_from:
            said = next(self._journal, None)
            if said is not None:
                _require_same(said, record)
                self.batches += 1
        wanted = self._hashes.pop(record.last_sequence, None)
        if wanted is not None:
            if wanted != (engine.event_hash, engine.state_hash()):
                raise Difference(f"sequence {record.last_sequence}: a recorded state has other hashes")
            self.snapshots += 1


def _of_snapshots(settings: Settings) -> Iterator[tuple[int, tuple[int, bytes]]]:
    directory = settings.snapshots_directory
    for sequence in snapshots.sequences(directory):
        snapshot = snapshots.load(snapshots.path_of(directory, sequence))
        yield sequence, (snapshot.event_hash, snapshot.state_hash)


def _of_manifest(directory: Path) -> Iterator[tuple[int, tuple[int, bytes]]]:
    if (directory / manifests.MANIFEST).exists():
        manifest = manifests.read(directory)
        yield manifest.sequence, (int(manifest.event_hash, 16), bytes.fromhex(manifest.state_hash))


def _require_same(said: JournalRecord, now: JournalRecord) -> None:
    """Raises Difference, which shows the first event that is not the same."""
    if said == now:
        return
    place = f"sequence {now.first_sequence} to {now.last_sequence}"
    if (said.first_sequence, said.last_sequence) != (now.first_sequence, now.last_sequence):
        raise Difference(f"{place}: the journal has {said.first_sequence} to {said.last_sequence} there")
    for was, now_is in zip(events.split(said.events), events.split(now.events), strict=False):
        if was != now_is:
            sequence, _ = events.place(now_is)
            raise Difference(f"sequence {sequence}: {_first_difference(was, now_is)}")
    raise Difference(f"{place}: the events are the same and the event hash is not")


def _first_difference(was: bytes, now: bytes) -> str:
    """In words where this build can read what the other one wrote, otherwise in bytes."""
    try:
        pairs: list[tuple[Any, Any]] = [(events.result(was), events.result(now))]
        pairs += zip_longest(events.decode(was), events.decode(now))
    except (KeyError, StructError):
        pairs = []
    for before, after in (*pairs, (was.hex(), now.hex())):
        if before != after:
            return f"was {_cut(before)}, now it is {_cut(after)}"
    raise ValueError("there is no difference")


def _cut(shown: object) -> str:
    return str(shown)[:_SHOWN_CHARACTERS]


def _activated(engine: Engine, version: int) -> int:
    """What a copy of the state comes to with other rules. Raises Broken or EngineBroken."""
    copy = Engine.restore(engine.snapshot())
    payload = commands.batch(
        copy.sequence + 1, copy.time_ns, copy.epoch, [commands.Rules(version=version).encode()]
    )
    answer = events.result(copy.apply(payload))
    if answer.status != Status.OK:
        raise Broken(f"the engine refuses them: {Status(answer.status).name}")
    copy.check()
    if Engine.restore(copy.snapshot()).state_hash() != copy.state_hash():
        raise Broken("the state does not restore to itself")
    if not is_balanced(trial_balance(copy)):
        raise Broken("the trial balance does not sum to zero")
    return copy.rules
