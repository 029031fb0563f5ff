"""`python -m tests.simulation SEED` runs one history again; `--shrink` looks for a shorter one."""

import argparse
import sys
import time

from .programme import COMMANDS, KINDS, Programme
from .shrink import chosen, how_to_replay, shrink
from .simulation import Failure, simulate


def main() -> int:
    arguments = _parser().parse_args()
    if arguments.seeds > 1:
        return _run_many(arguments)
    drawn_for = arguments.drawn_for or arguments.commands
    programme = Programme.of(arguments.seed, drawn_for, arguments.only)._replace(commands=arguments.commands)
    if arguments.faults is not None:
        programme = programme._replace(faults=chosen(programme.faults, arguments.faults))
    for fault in programme.faults:
        print(f"  {fault}")
    started_s = time.perf_counter()
    try:
        outcome = simulate(programme)
    except Failure as failure:
        found = shrink(failure) if arguments.shrink else failure
        print("\n".join(found.trace))
        print(f"{found}\nagain: {how_to_replay(found.programme)}")
        return 1
    print(f"{outcome}\n{time.perf_counter() - started_s:.1f} s")
    return 0


def _run_many(arguments: argparse.Namespace) -> int:
    """Until one fails."""
    for seed in range(arguments.seed, arguments.seed + arguments.seeds):
        try:
            simulate(Programme.of(seed, arguments.commands, arguments.only))
        except Failure as failure:
            print(failure)
            return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("seed", type=int)
    parser.add_argument("--seeds", type=int, default=1, help="how many, until one fails")
    parser.add_argument("--commands", type=int, default=COMMANDS)
    parser.add_argument("--drawn-for", type=int, help="commands that the faults were drawn for")
    parser.add_argument("--faults", help="numbers of those to keep, separated by commas")
    parser.add_argument("--only", action="append", default=[], choices=[*KINDS], metavar="KIND")
    parser.add_argument("--shrink", action="store_true")
    return parser


if __name__ == "__main__":
    sys.exit(main())
