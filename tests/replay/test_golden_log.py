"""Logs and snapshots of released formats lead to the state that they led to when they were written."""

import json
from pathlib import Path

import pytest

from cambist._matching import Engine
from cambist.log import snapshots
from cambist.log.file import read

GOLDEN = Path(__file__).parent / "golden"
FORMATS = sorted(path for path in GOLDEN.iterdir() if path.is_dir())


def outcome(engine: Engine) -> dict[str, object]:
    return {
        "sequence": engine.sequence,
        "event_hash": f"{engine.event_hash:016x}",
        "state_hash": engine.state_hash().hex(),
        "open_orders": engine.open_order_count,
    }


def expected_of(golden: Path) -> dict[str, object]:
    expected: dict[str, object] = json.loads((golden / "expected.json").read_text())
    expected.pop("history_bytes", None)  # of closed orders, which snapshots held in the first release
    return expected


@pytest.mark.parametrize("golden", FORMATS, ids=lambda path: path.name)
def test_a_released_log_replays_to_the_same_state(golden: Path) -> None:
    engine = Engine()
    for payload in read(golden / "log"):
        engine.apply(payload)
    engine.check()
    assert outcome(engine) == expected_of(golden)


@pytest.mark.parametrize("golden", FORMATS, ids=lambda path: path.name)
def test_a_released_snapshot_and_the_rest_of_its_log_do_too(golden: Path) -> None:
    snapshot, damaged = snapshots.newest(golden / "snapshots")
    assert snapshot is not None
    assert damaged == []
    engine = Engine.restore(snapshot.engine)
    assert engine.state_hash() == snapshot.state_hash
    for payload in read(golden / "log", engine.sequence):
        engine.apply(payload)
    assert outcome(engine) == expected_of(golden)


def test_every_released_format_has_its_golden_log() -> None:
    assert [path.name for path in FORMATS] == ["v1"]
