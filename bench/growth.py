"""One timed run of a command file on a venue that has grown: more accounts, or more markets.

    python -m bench.growth FILE [ACCOUNTS]

All ACCOUNTS exist and hold every asset; without the number, the accounts of the file hold the assets that
it uses (with a thousand markets, everybody holding everything would be a bench of setting up). Prints one
line of JSON.
"""

import json
import sys
from collections.abc import Iterable
from pathlib import Path

from cambist.bench.closing import closing
from cambist.bench.cmdfile import CommandFile, load
from cambist.bench.engine import Translator, timed_run
from cambist.flow.venue import Listing, Venue


def main(path: Path, accounts: int | None) -> None:
    file = load(path)
    funded = None if accounts else used(file)
    venue = Venue(Listing(), accounts or file.users, markets=file.markets, funded=funded)
    translator = Translator(file, venue)
    prefill = list(translator.batches(0, file.prefill))
    timed = list(translator.batches(file.prefill, file.prefill + file.timed))
    seconds = timed_run(venue.engine, prefill, timed)
    found = {"accounts": len(venue.accounts), "markets": file.markets, "cpu_mops": file.timed / seconds / 1e6}
    print(json.dumps({**found, **closing(venue.engine)}))


def used(file: CommandFile) -> Iterable[tuple[int, int]]:
    """Who touches what: the quote asset (0) and the base asset of each market that the account trades on."""
    touched = {(record.user - 1, record.market + 1) for record in file.records()}
    return sorted(touched | {(account, 0) for account, _ in touched})


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else None)
