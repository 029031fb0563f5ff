"""`python -m tests.simulation.chain SEED` runs one history with coins again; `--shrink` leaves faults out."""

import argparse
import sys
import time
from collections.abc import Sequence

from tests.simulation.shrink import chosen

from .fleet import tell
from .programme import BLOCKS, KINDS, Programme
from .shrink import how_to_replay, shrink
from .simulation import Failure, Outcome, simulate


def main() -> int:
    arguments = _parser().parse_args()
    started_s = time.perf_counter()
    found: list[Outcome] = []
    for seed in range(arguments.seed, arguments.seed + arguments.seeds):
        programme = Programme.of(seed, arguments.blocks, arguments.only)
        if arguments.faults is not None:
            programme = programme._replace(faults=chosen(programme.faults, arguments.faults))
        try:
            found.append(simulate(programme))
        except Failure as failure:
            _tell_failure(shrink(failure) if arguments.shrink else failure, arguments.seeds == 1)
            return 1
    print(found[0] if arguments.seeds == 1 else tell(found, time.perf_counter() - started_s))
    return 0


def _tell_failure(failure: Failure, is_wholly: bool) -> None:
    if is_wholly:
        lines: Sequence[object] = [*failure.programme.faults, *failure.trace]
        print("\n".join(map(str, lines)))
    print(f"{failure}\nagain: {how_to_replay(failure.programme)}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.chain", description=__doc__)
    parser.add_argument("seed", type=int)
    parser.add_argument("--seeds", type=int, default=1, help="how many, until one fails")
    parser.add_argument("--blocks", type=int, default=BLOCKS)
    parser.add_argument("--faults", help="numbers of those to keep, separated by commas")
    parser.add_argument("--only", action="append", default=[], choices=[*KINDS], metavar="KIND")
    parser.add_argument("--shrink", action="store_true")
    return parser


if __name__ == "__main__":
    sys.exit(main())
