"""The log read again by an engine of its own: does everything agree?

`verify` begins with the first batch (of a log that was pruned without an archive: with its oldest snapshot,
up to whose sequence it trusts) and checks on the way: every record of the log (by reading it), every
snapshot (by passing its sequence), the invariants that tie books, holds and balances together, the trial
balance, the chain of the audit trail, and the running exchange's own hash. `make_snapshot` takes the short
way and compares the same hash.
"""

from pathlib import Path
from typing import Any

import msgspec

from cambist._matching import Engine, EngineBroken
from cambist.control.exchange import Report
from cambist.control.records import audit_rows
from cambist.errors import Broken
from cambist.ledger.trial_balance import AssetTotals, is_balanced, trial_balance
from cambist.log import snapshots
from cambist.log.errors import LogError
from cambist.log.journal import JournalDamaged, JournalRecord, read, segments
from cambist.log.snapshots import Snapshot
from cambist.match import recovery
from cambist.money import format_atoms
from cambist.settings import Settings
from cambist.store.audit import AuditBroken


class Position(msgspec.Struct, frozen=True):
    """Where a running exchange stands: everything up to `sequence` is acknowledged."""

    sequence: int
    event_hash: str

    @classmethod
    def of(cls, engine: Engine) -> "Position":
        return cls(engine.sequence, f"{engine.event_hash:016x}")


class Said:
    """The event journal, compared with what an engine says. It may end early: the next start completes it.

    It may also begin later than `after_sequence`, by less than a segment; then it is compared from there on.
    """

    def __init__(self, directory: Path, archive: Path | None, after_sequence: int) -> None:
        begins = [first - 1 for first, _ in segments(directory, archive)[:1]]
        self.sequence = max([after_sequence, *begins])  # up to here both say the same
        self._records = read(directory, self.sequence, archive=archive)
        self.problems: list[str] = []

    def compare(self, record: JournalRecord) -> None:
        if self.problems or record.first_sequence <= self.sequence:
            return
        try:
            found = next(self._records, None)
        except JournalDamaged as problem:
            self.problems.append(f"{problem}: `cambist rebuild` writes it anew")
            return
        if found == record:
            self.sequence = record.last_sequence
        elif found is not None:
            self.problems.append(
                f"the event journal says other things than the log behind sequence {self.sequence}: "
                "the next start writes it anew"
            )


def make_snapshot(settings: Settings, live: Position | None, report: Report) -> dict[str, Any]:
    """Raises Broken, and keeps nothing, if the log does not lead to where the running exchange stands."""
    engine = recovery.recover(settings, _until(live), report)
    _require_sound(engine, live)
    path = recovery.keep_snapshot(settings, engine)
    return {"snapshot": str(path), "bytes": path.stat().st_size, **_shown(engine)}


def verify(settings: Settings, live: Position | None, report: Report) -> dict[str, Any]:
    """What was found; `problems` is empty if everything is as it should be."""
    archive = recovery.archive_of(settings)
    engine = recovery.oldest_state(settings, archive)
    trusted = engine.sequence
    problems: list[str] = []
    kept = {at: found for at, found in _kept_snapshots(settings, problems).items() if at > trusted}
    passed = []
    said = Said(settings.journal_directory, recovery.journal_in(archive), trusted)
    log_archive = recovery.log_in(archive)
    try:
        of_log = recovery.log_id(settings.log_directory)
        for record in recovery.replay(
            engine, settings.log_directory, _until(live), report, archive=log_archive
        ):
            sequence = record.last_sequence
            said.compare(record)
            if sequence in kept:
                _require_same(engine, recovery.restored(kept.pop(sequence), of_log))
                passed.append(sequence)
        _require_sound(engine, live)
    except (LogError, Broken) as problem:
        problems.append(str(problem))
    problems += said.problems
    problems += [f"the log does not pass the snapshot at sequence {sequence}" for sequence in kept]
    audited = 0
    try:
        audited = audit_rows(settings)
    except AuditBroken as problem:
        problems.append(str(problem))
    totals = trial_balance(engine)
    if not is_balanced(totals):
        problems.append("the trial balance does not sum to zero")
    return {
        **_shown(engine),
        "trusted_sequence": trusted,
        "snapshots": passed,
        "journal_sequence": said.sequence,
        "audit_rows": audited,
        "trial_balance": {asset.name: shown_totals(asset) for asset in totals},
        "ledger_balanced": is_balanced(totals),
        "problems": problems,
    }


def _until(live: Position | None) -> int | None:
    return None if live is None else live.sequence


def _kept_snapshots(settings: Settings, problems: list[str]) -> dict[int, Snapshot]:
    kept = {}
    for path in sorted(settings.snapshots_directory.glob("*" + snapshots.SUFFIX)):
        try:
            snapshot = snapshots.load(path)
        except snapshots.SnapshotDamaged as problem:
            problems.append(str(problem))
        else:
            kept[snapshot.sequence] = snapshot
    return kept


def _require_same(engine: Engine, restored: Engine) -> None:
    if engine.state_hash() != restored.state_hash():
        raise Broken(f"the snapshot at sequence {restored.sequence} is not what the log leads to")


def _require_sound(engine: Engine, live: Position | None) -> None:
    """Raises Broken."""
    try:
        engine.check()
    except EngineBroken as problem:
        raise Broken(str(problem)) from problem
    if live is not None and live != Position.of(engine):
        raise Broken(f"the running exchange stands at {live}, its log leads to {Position.of(engine)}")


def _shown(engine: Engine) -> dict[str, Any]:
    position = Position.of(engine)
    return {
        "sequence": position.sequence,
        "event_hash": position.event_hash,
        "state_hash": engine.state_hash().hex(),
        "open_orders": engine.open_order_count,
    }


def shown_totals(asset: AssetTotals) -> dict[str, str]:
    totals = {
        account_class.name.lower(): format_atoms(atoms, asset.scale)
        for account_class, atoms in sorted(asset.by_class.items())
    }
    return totals | {"sum": format_atoms(asset.sum_atoms, asset.scale)}
