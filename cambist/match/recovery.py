"""Where the engine stands: the newest snapshot and the log behind it, or the whole log from the start."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeAlias

from cambist._matching import Engine, EngineBroken, History
from cambist.errors import Broken
from cambist.log import snapshots
from cambist.log.file import read
from cambist.log.segments import SegmentReader, segments
from cambist.log.snapshots import Snapshot
from cambist.settings import Settings

# (sequence reached, sequence to reach, or 0 for the end of the log)
Report: TypeAlias = Callable[[int, int], None]

_REPORT_EVERY = 10_000

log = logging.getLogger(__name__)


class State(NamedTuple):
    engine: Engine
    history: History


def genesis(settings: Settings) -> State:
    """Before the first command."""
    match = settings.match
    history = History(
        match.history_orders_per_account, match.history_trades_per_account, match.history_trades_per_market
    )
    return State(Engine(), history)


def recover(settings: Settings, until_sequence: int | None, report: Report) -> State:
    """The state after `until_sequence`, or after the log's last batch, in the shortest way.

    A damaged snapshot is passed over for an older one. Raises LogDamaged, or Broken if the log, the snapshot
    and the engine do not agree.
    """
    snapshot, damaged = snapshots.newest(settings.snapshots_directory)
    for problem in damaged:
        log.warning("passed over a snapshot: %s", problem)
    state = genesis(settings)
    if snapshot is not None:
        state = restored(snapshot, log_id(settings.log_directory))
    if until_sequence is not None and until_sequence < state.engine.sequence:
        raise Broken(
            f"the log ends at sequence {until_sequence}, before the snapshot at {state.engine.sequence}: "
            "what was acknowledged is missing; restore the log"
        )
    for _ in replay(state, settings.log_directory, until_sequence, report):
        pass
    return state


def restored(snapshot: Snapshot, of_log: bytes) -> State:
    """Raises Broken unless it belongs to that log and has the hashes that were stored with it."""
    if snapshot.log_id != of_log:
        raise Broken(f"the snapshot at sequence {snapshot.sequence} belongs to another log: move it away")
    try:
        engine, history = Engine.restore(snapshot.engine), History.restore(snapshot.history)
    except EngineBroken as problem:
        raise Broken(
            f"the snapshot at sequence {snapshot.sequence} cannot be restored: {problem}"
        ) from problem
    if (engine.event_hash, engine.state_hash()) != (snapshot.event_hash, snapshot.state_hash):
        raise Broken(f"the snapshot at sequence {snapshot.sequence} does not restore to its own hashes")
    return State(engine, history)


def replay(state: State, log_directory: Path, until_sequence: int | None, report: Report) -> Iterator[int]:
    """Runs the log from where `state` stands, and yields the sequence after each batch."""
    engine, history = state
    next_report = engine.sequence
    for payload in read(log_directory, engine.sequence, until_sequence):
        try:
            history.apply(engine.apply(payload))
        except EngineBroken as problem:
            raise Broken(f"the log does not replay: {problem}") from problem
        if engine.sequence >= next_report:
            report(engine.sequence, until_sequence or 0)
            next_report = engine.sequence + _REPORT_EVERY
        yield engine.sequence


def keep_snapshot(settings: Settings, state: State) -> Path:
    """Stores `state` so that the next start begins there. Raises OSError or SnapshotDamaged."""
    engine, history = state
    snapshot = Snapshot(
        sequence=engine.sequence,
        time_ns=engine.time_ns,
        event_hash=engine.event_hash,
        state_hash=engine.state_hash(),
        log_id=log_id(settings.log_directory),
        engine=engine.snapshot(),
        history=history.snapshot(),
    )
    return snapshots.save(settings.snapshots_directory, snapshot, keep=settings.snapshots.keep)


def log_id(log_directory: Path) -> bytes:
    """Which log this is, whoever has a copy of it. Raises LogDamaged."""
    identity: bytes = SegmentReader(segments(log_directory)[-1]).log_id
    return identity
