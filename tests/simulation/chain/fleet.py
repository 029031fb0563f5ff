"""One history with coins for a pool of processes, and what many of them did."""

from collections import Counter

from .programme import Programme
from .shrink import how_to_replay, shrink
from .simulation import Failure, Outcome, simulate


def outcome_of(seed: int) -> Outcome | str:
    """A text if it fails: its end, a shorter one, and how to see it again."""
    try:
        return simulate(Programme.of(seed))
    except Failure as failure:
        found = shrink(failure)
        trace = "\n".join(found.trace[-60:])
        return f"{trace}\n{failure}\nshrunk: {found}\nagain: {how_to_replay(found.programme)}"


def tell(found: list[Outcome], seconds: float) -> str:
    sums, faults = Counter[str](), Counter[str]()
    for outcome in found:
        sums.update({name: value for name, value in outcome._asdict().items() if isinstance(value, int)})
        faults.update(outcome.faults)
    told = ", ".join(f"{many} {kind}" for kind, many in sorted(faults.items()))
    return (
        f"simulation with coins: {len(found)} seeds, {sums['blocks']:,} blocks, "
        f"{sums['deposits']:,} deposits credited and {sums['reversed']} of them reversed, "
        f"{sums['withdrawals']} withdrawals paid and {sums['given_back']} given back, "
        f"{sums['sent']:,} transactions of ours, {sums['trades']} trades, "
        f"{sums['reorgs']} reorgs (at most {max(outcome.deepest for outcome in found)} blocks deep), "
        f"{sums['starts']} starts of the wallets, {sums['crossings']:,} places to end at, "
        f"{sums['lies']:,} lies, {seconds:.0f} s; faults: {told}"
    )
