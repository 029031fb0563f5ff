"""Golden logs: one small log and snapshot of every released format, kept for ever.

`python -m tests.replay.golden DIRECTORY` writes a new one, from a fixed seed: to be run once per format, when
it is released, and never over an old one. What a later build must arrive at stands in `expected.json`.
"""

import json
import sys
from pathlib import Path
from random import Random

from cambist._matching import Engine
from cambist.log import snapshots
from cambist.log.file import FileLog, read
from cambist.log.snapshots import Snapshot
from tests.property.pair import ADMIN, TRADE, WALLET, Pair, batches

RULES = 2  # what the format is new for
SEED = 8
COMMANDS = 600
LONGEST_BATCH = 9
SEGMENT_BYTES = 32 << 10


def write(directory: Path) -> None:
    pair = Pair.open(rules=RULES)
    random = Random(SEED)
    for _ in range(COMMANDS):
        pair.pass_time(random.randrange(3) * 1_000_000)
        mix = pair.mix(random.getrandbits(32))
        if random.random() < 0.8:
            pair.send(mix.order(), TRADE)
        else:
            pair.send(mix.any(), random.choice([WALLET, ADMIN]))
    assert pair.rust.engine.open_order_count > 0
    log = FileLog.open(directory / "log", segment_bytes=SEGMENT_BYTES)
    for payload in batches(pair.rust.log, LONGEST_BATCH):
        log.append(payload)
        if random.random() < 0.1:
            log.seal()
    log.seal()
    log.close()
    half = _state(directory, until_sequence=COMMANDS // 2)
    snapshots.save(directory / "snapshots", _snapshot(half, log.log_id))
    engine = _state(directory)
    expected = {
        "sequence": engine.sequence,
        "event_hash": f"{engine.event_hash:016x}",
        "state_hash": engine.state_hash().hex(),
        "open_orders": engine.open_order_count,
    }
    (directory / "expected.json").write_text(json.dumps(expected, indent=2) + "\n")


def _state(directory: Path, until_sequence: int | None = None) -> Engine:
    engine = Engine()
    for payload in read(directory / "log"):
        if until_sequence is not None and engine.sequence >= until_sequence:
            break
        engine.apply(payload)
    return engine


def _snapshot(engine: Engine, log_id: bytes) -> Snapshot:
    return Snapshot(
        sequence=engine.sequence,
        time_ns=engine.time_ns,
        event_hash=engine.event_hash,
        state_hash=engine.state_hash(),
        log_id=log_id,
        engine=engine.snapshot(),
    )


if __name__ == "__main__":
    write(Path(sys.argv[1]))
