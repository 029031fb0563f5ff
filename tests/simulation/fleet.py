"""Many histories at once, in a few processes."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context
from typing import TypeVar

from .programme import Programme
from .shrink import how_to_replay, shrink
from .simulation import Failure, Outcome, simulate

PROCESSES = 2

T = TypeVar("T")


class Found(AssertionError):
    """A history that fails: its trace, a shorter one, and how to see it again."""


def outcome_of(seed: int) -> Outcome | str:
    try:
        return simulate(Programme.of(seed))
    except Failure as failure:
        found = shrink(failure)
        trace = "\n".join(found.trace[-60:])
        return f"{trace}\n{failure}\nshrunk: {found}\nagain: {how_to_replay(found.programme)}"


def outcomes(seeds: Iterator[int], outcome_of: Callable[[int], T | str]) -> Iterator[T]:
    """Raises Found at the first that fails. Never has more than a few seeds in hand.

    `outcome_of` runs one in another process; a text is what a failure tells.
    """
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        waiting = [pool.submit(outcome_of, seed) for seed in islice(seeds, 2 * PROCESSES)]
        while waiting:
            outcome = waiting.pop(0).result()
            if isinstance(outcome, str):
                for future in waiting:
                    future.cancel()
                raise Found(outcome)
            waiting += [pool.submit(outcome_of, seed) for seed in islice(seeds, 1)]
            yield outcome


def tell(found: list[Outcome], seconds: float) -> str:
    faults: Counter[str] = Counter()
    for outcome in found:
        faults.update(outcome.faults)
    told = ", ".join(f"{many} {kind}" for kind, many in sorted(faults.items()))
    return (
        f"simulation: {len(found)} seeds, {sum(outcome.commands for outcome in found):,} commands logged, "
        f"{sum(outcome.answered for outcome in found):,} answered, "
        f"{sum(outcome.unknown for outcome in found):,} unknown, "
        f"{sum(outcome.refused for outcome in found):,} turned away, "
        f"{sum(outcome.starts for outcome in found):,} starts, {seconds:.0f} s; faults: {told}"
    )
