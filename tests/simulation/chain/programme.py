"""What a seed decides beforehand of a history with coins: its habits, and which faults strike when."""

from collections.abc import Sequence
from random import Random
from typing import NamedTuple

BLOCKS = 5

# How often each kind is drawn where a seed has it.
KINDS = {
    "kill the wallets": 8,
    "kill the signer": 4,
    "kill the exchange": 3,
    "kill the gateway": 1,
    "kill everything": 3,
    "cut the power": 2,
    "cut the wallets off": 3,
    "reorg": 6,
    "deep reorg": 4,
    "a node lags": 3,
    "a node lies": 4,
    "a node forks off": 2,
    "nodes drop answers": 3,
    "nodes forget": 2,
    "fees rise": 3,
}


class Fault(NamedTuple):
    """Strikes when `at` blocks were mined behind the set-up. `dice` seeds what else there is to draw."""

    at: int
    kind: str
    dice: int

    def __str__(self) -> str:
        return f"at block {self.at}: {self.kind}"


class Programme(NamedTuple):
    seed: int
    blocks: int
    only: tuple[str, ...]  # kinds that they were drawn from
    faults: tuple[Fault, ...]
    # Habits of this seed.
    confirmations: int
    final_lag: int  # blocks behind the newest that are final
    waits_for_final: bool
    share: float  # of what waits that a block takes
    hot_max_coins: int  # 0: no ceiling
    rest_share: float  # of the wallets' crossings at which time passes

    @classmethod
    def of(cls, seed: int, blocks: int = BLOCKS, only: Sequence[str] = ()) -> "Programme":
        """`only`: faults of these kinds, one soon after the other; else some kinds, more or less often."""
        dice = Random(f"{seed}:coins")
        kinds = list(only) or [kind for kind in KINDS if dice.random() < 0.45]
        gap = 2 if only else dice.choice([1, 1, 2, 3])
        faults, at = [], dice.randrange(0, 2 * gap)
        while kinds and at < blocks:
            kind = dice.choices(kinds, weights=[KINDS[each] for each in kinds])[0]
            faults.append(Fault(at, kind, dice.getrandbits(32)))
            at += dice.randrange(1, 2 * gap)
        confirmations = dice.choice([1, 2, 2, 3])
        return cls(
            seed=seed,
            blocks=blocks,
            only=tuple(only),
            faults=tuple(faults),
            confirmations=confirmations,
            final_lag=confirmations + dice.choice([2, 3]),
            waits_for_final=dice.random() < 0.3,
            share=dice.choice([0.5, 0.9, 1.0]),
            hot_max_coins=dice.choice([0, 0, 30]),
            rest_share=dice.choice([0.0, 0.03, 0.1]),
        )
