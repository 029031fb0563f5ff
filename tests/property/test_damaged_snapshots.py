"""An engine snapshot whose bytes were changed is refused or is a sound state; it never brings a process down.

Files carry checksums, and a start compares hashes as well; this is what stands behind both.
"""

from random import Random

import pytest

from cambist._matching import Engine, EngineBroken
from cambist.engine import commands
from tests.property.pair import TRADE, Pair

SEEDS = range(6)
DAMAGES = 400


@pytest.fixture(scope="module")
def snapshots() -> list[bytes]:
    taken = []
    for seed in SEEDS:
        pair, random = Pair.open(), Random(seed)
        for _ in range(150):
            mix = pair.mix(random.getrandbits(32))
            make = random.choices(
                [mix.order, mix.money, mix.countdown, mix.operation], weights=[14, 4, 1, 2]
            )[0]
            pair.send(make(), None if seed % 2 else TRADE)
        taken.append(pair.rust.engine.snapshot())
    return taken


@pytest.mark.parametrize("seed", SEEDS)
def test_a_damaged_snapshot_is_refused_or_sound(snapshots: list[bytes], seed: int) -> None:
    random = Random(seed)
    refused = 0
    for _ in range(DAMAGES):
        damaged = bytearray(snapshots[seed])
        at = random.randrange(len(damaged))
        damaged[at : at + 8] = random.choice([random.randbytes(8), b"\xff" * 8, bytes(8)])
        try:
            engine = Engine.restore(bytes(damaged))
        except EngineBroken:
            refused += 1
            continue
        engine.check()
        engine.apply(
            commands.batch(engine.sequence + 1, engine.time_ns, engine.epoch, [commands.Time().encode()])
        )
    assert refused > DAMAGES // 10
