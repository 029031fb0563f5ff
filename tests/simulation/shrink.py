"""From a history that fails to a shorter one: fewer faults first, then fewer commands."""

import time
from collections.abc import Sequence

from .programme import Fault, Programme
from .simulation import Failure, simulate

WITHIN_S = 120


def shrink(failure: Failure, within_s: float = WITHIN_S) -> Failure:
    """The last failure found in that time; a shorter programme may fail in another way."""
    deadline_s = time.monotonic() + within_s
    size = len(failure.programme.faults)
    while size and time.monotonic() < deadline_s:
        faults = failure.programme.faults
        parts = [faults[at : at + size] for at in range(0, len(faults), size)]
        for part in parts:
            left = tuple(fault for fault in failure.programme.faults if fault not in part)
            failure = _fails(failure.programme._replace(faults=left)) or failure
        size //= 2
    low, high = 0, min(failure.programme.commands, failure.step)
    while high - low > max(10, high // 20) and time.monotonic() < deadline_s:
        middle = (low + high) // 2
        shorter = _fails(failure.programme._replace(commands=middle))
        if shorter:
            failure, high = shorter, middle
        else:
            low = middle
    return failure


def how_to_replay(programme: Programme) -> str:
    """The command that runs it again; the faults that are left are named by their number."""
    whole = Programme.of(programme.seed, programme.drawn_for, programme.only)
    command = f"python -m tests.simulation {programme.seed} --commands {programme.commands}"
    command += "".join(f' --only "{kind}"' for kind in programme.only)
    if programme.drawn_for != programme.commands:
        command += f" --drawn-for {programme.drawn_for}"
    if programme.faults != whole.faults:
        command += f" --faults {_numbers(whole.faults, programme.faults)}"
    return command


def with_faults(programme: Programme, numbers: str) -> Programme:
    kept = tuple(programme.faults[int(each)] for each in numbers.split(",") if each)
    return programme._replace(faults=kept)


def _numbers(whole: Sequence[Fault], kept: Sequence[Fault]) -> str:
    return ",".join(str(whole.index(fault)) for fault in kept) or ","


def _fails(programme: Programme) -> Failure | None:
    try:
        simulate(programme)
    except Failure as failure:
        return failure
    return None
