"""What a seed decides beforehand: how much is sent, and which faults strike when.

Everything here can be taken away piece by piece, which is how a failure is shrunk.
"""

from random import Random
from typing import NamedTuple

COMMANDS = 5_000

# How often each kind is drawn where a seed has it, and whether it needs a disk step to strike in.
KINDS = {
    "kill the exchange": 4,
    "cut the power": 4,
    "fail a sync": 1,
    "fail a write": 1,
    "fill the disk": 1,
    "write short": 2,
    "tear a write": 1,
    "pause the exchange": 2,
    "kill data": 4,
    "kill data in a transaction": 3,
    "pause data": 2,
    "set the clock": 2,
    "swizzle the links": 3,
    "cut the links": 2,
    "run low on disk": 1,
    "keep a snapshot": 4,
    "stop and start": 2,
    "flip a bit of the log": 1,
    "flip a bit of the journal": 1,
    "flip a bit of a snapshot": 1,
    "leave noise in a sector": 1,
}


class Fault(NamedTuple):
    """Strikes when the history has reached sequence `at`. `dice` seeds what else there is to draw."""

    at: int
    kind: str
    dice: int

    def __str__(self) -> str:
        return f"at {self.at}: {self.kind}"


class Programme(NamedTuple):
    seed: int
    commands: int
    drawn_for: int  # commands, when the faults were drawn
    faults: tuple[Fault, ...]
    # Habits of this seed.
    segment_bytes: int
    lost_share: float  # of unsynced sectors at a power cut
    round_max_ns: int  # the longest that the match server rests between two rounds
    delay_max_ns: int  # of a message
    burst_max: int

    @classmethod
    def of(cls, seed: int, commands: int = COMMANDS) -> "Programme":
        dice = Random(f"{seed}:programme")
        kinds = [kind for kind in KINDS if dice.random() < 0.5]
        gap = dice.choice([100, 300, 300, 600, 1_200])
        faults, at = [], dice.randrange(1, 2 * gap)
        while kinds and at < commands:
            kind = dice.choices(kinds, weights=[KINDS[each] for each in kinds])[0]
            faults.append(Fault(at, kind, dice.getrandbits(32)))
            at += dice.randrange(1, 2 * gap)
        return cls(
            seed=seed,
            commands=commands,
            drawn_for=commands,
            faults=tuple(faults),
            segment_bytes=dice.choice([1 << 13, 1 << 15, 1 << 16, 1 << 18]),
            lost_share=dice.choice([0.5, 0.8, 0.9, 1.0]),
            round_max_ns=dice.choice([100_000, 1_000_000, 10_000_000]),
            delay_max_ns=dice.choice([100_000, 2_000_000, 20_000_000]),
            burst_max=dice.choice([1, 8, 30, 60]),
        )
