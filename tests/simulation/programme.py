"""What a seed decides beforehand: how much is sent, and which faults strike when.

Everything here can be taken away piece by piece, which is how a failure is shrunk.
"""

from collections.abc import Sequence
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
    "pause the exchange": 4,
    "kill the standby": 2,
    "kill a gateway": 2,
    "pause a gateway": 1,
    "cut a gateway off": 3,
    "mute a gateway": 1,
    "kill the snapshotter": 3,
    "kill data": 4,
    "kill data in a transaction": 3,
    "pause data": 2,
    "set the clock": 2,
    "swizzle the links": 3,
    "cut the links": 2,
    "run low on disk": 1,
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
    only: tuple[str, ...]  # kinds that they were drawn from
    faults: tuple[Fault, ...]
    # Habits of this seed.
    segment_bytes: int
    journal_bytes: int  # of a segment
    lost_share: float  # of unsynced sectors at a power cut
    round_max_ns: int  # the longest that the match server rests between two rounds
    poll_max_ns: int  # the longest that the data process rests
    delay_max_ns: int  # of a message
    burst_max: int
    has_standby: bool
    silent_ms: int  # of a leader, before the standby takes over
    snapshot_every: int  # commands
    prunes: bool

    @classmethod
    def of(cls, seed: int, commands: int = COMMANDS, only: Sequence[str] = ()) -> "Programme":
        """`only`: faults of these kinds, one soon after the other; else some kinds, more or less often."""
        dice = Random(f"{seed}:programme")
        kinds = list(only) or [kind for kind in KINDS if dice.random() < 0.5]
        gap = 40 if only else dice.choice([100, 300, 300, 600, 1_200])
        faults, at = [], dice.randrange(1, 2 * gap)
        while kinds and at < commands:
            kind = dice.choices(kinds, weights=[KINDS[each] for each in kinds])[0]
            faults.append(Fault(at, kind, dice.getrandbits(32)))
            at += dice.randrange(1, 2 * gap)
        return cls(
            seed=seed,
            commands=commands,
            drawn_for=commands,
            only=tuple(only),
            faults=tuple(faults),
            segment_bytes=dice.choice([1 << 14, 1 << 15, 1 << 16, 1 << 18]),
            journal_bytes=dice.choice([1 << 16, 1 << 17, 1 << 20]),
            lost_share=dice.choice([0.5, 0.8, 0.9, 1.0]),
            round_max_ns=dice.choice([100_000, 1_000_000, 10_000_000]),
            poll_max_ns=dice.choice([10_000_000, 50_000_000, 200_000_000]),
            delay_max_ns=dice.choice([100_000, 2_000_000, 20_000_000]),
            burst_max=dice.choice([2, 8, 30, 60]),
            has_standby=dice.random() < 0.5,
            silent_ms=dice.choice([100, 300, 1_000]),
            snapshot_every=dice.choice([300, 700, 2_000]),
            prunes=dice.random() < 0.5,
        )
