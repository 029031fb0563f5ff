"""From a history with coins that fails to one with fewer faults, and how to see it again."""

import time

from tests.simulation.shrink import fewest, numbers

from .programme import Fault, Programme
from .simulation import Failure, simulate

WITHIN_S = 60


def shrink(failure: Failure, within_s: float = WITHIN_S) -> Failure:
    """The last failure found in that time; with fewer faults it may fail in another way."""

    def still_fails(faults: tuple[Fault, ...]) -> bool:
        nonlocal failure
        try:
            simulate(failure.programme._replace(faults=faults))
        except Failure as shorter:
            failure = shorter
            return True
        return False

    fewest(failure.programme.faults, still_fails, time.monotonic() + within_s)
    return failure


def how_to_replay(programme: Programme) -> str:
    """The command that runs it again; the faults that are left are named by their number."""
    whole = Programme.of(programme.seed, programme.blocks, programme.only)
    command = f"python -m tests.simulation.chain {programme.seed} --blocks {programme.blocks}"
    command += "".join(f' --only "{kind}"' for kind in programme.only)
    if programme.faults != whole.faults:
        command += f" --faults {numbers(whole.faults, programme.faults)}"
    return command
