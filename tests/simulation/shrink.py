"""From a history that fails to a shorter one: fewer faults first, then fewer commands."""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from .programme import Fault, Programme
from .simulation import Failure, simulate

WITHIN_S = 120

T = TypeVar("T")


def shrink(failure: Failure, within_s: float = WITHIN_S) -> Failure:
    """The last failure found in that time; a shorter programme may fail in another way."""
    deadline_s = time.monotonic() + within_s

    def still_fails(faults: tuple[Fault, ...]) -> bool:
        nonlocal failure
        shorter = _fails(failure.programme._replace(faults=faults))
        failure = shorter or failure
        return shorter is not None

    fewest(failure.programme.faults, still_fails, deadline_s)
    low, high = 0, min(failure.programme.commands, failure.step)
    while high - low > max(10, high // 20) and time.monotonic() < deadline_s:
        middle = (low + high) // 2
        shorter = _fails(failure.programme._replace(commands=middle))
        if shorter:
            failure, high = shorter, middle
        else:
            low = middle
    return failure


def fewest(
    faults: tuple[T, ...], still_fails: Callable[[tuple[T, ...]], bool], deadline_s: float
) -> tuple[T, ...]:
    """Of these the fewest that were found until then."""
    size = len(faults)
    while size and time.monotonic() < deadline_s:
        for part in [faults[at : at + size] for at in range(0, len(faults), size)]:
            left = tuple(fault for fault in faults if fault not in part)
            if still_fails(left):
                faults = left
        size //= 2
    return faults


def how_to_replay(programme: Programme) -> str:
    """The command that runs it again; the faults that are left are named by their number."""
    whole = Programme.of(programme.seed, programme.drawn_for, programme.only)
    command = f"python -m tests.simulation {programme.seed} --commands {programme.commands}"
    command += "".join(f' --only "{kind}"' for kind in programme.only)
    if programme.drawn_for != programme.commands:
        command += f" --drawn-for {programme.drawn_for}"
    if programme.faults != whole.faults:
        command += f" --faults {numbers(whole.faults, programme.faults)}"
    return command


def chosen(faults: Sequence[T], numbers: str) -> tuple[T, ...]:
    return tuple(faults[int(each)] for each in numbers.split(",") if each)


def numbers(whole: Sequence[T], kept: Sequence[T]) -> str:
    return ",".join(str(whole.index(fault)) for fault in kept) or ","


def _fails(programme: Programme) -> Failure | None:
    try:
        simulate(programme)
    except Failure as failure:
        return failure
    return None
