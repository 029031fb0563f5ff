"""Does the ledger in SQL sum to zero, and is it the engine's?

The views stand at some sequence; an engine of our own is brought to the same one, from the log. So the check
is as good beside a running exchange as without one, and depends on nothing that either of them says.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, TypeAlias

from sqlalchemy import Connection, select

from cambist._matching import Engine
from cambist.control.exchange import Report
from cambist.control.verify import shown_totals
from cambist.data.projection import Position, read_position
from cambist.engine.commands import AccountClass
from cambist.errors import Unavailable
from cambist.ledger.trial_balance import AssetTotals, is_balanced
from cambist.match import recovery
from cambist.settings import Settings
from cambist.store.sqlite import open_database
from cambist.store.views import accounts, assets, balances, postings

PROBLEMS_MAX = 20  # of one kind that are shown
_CHUNK = 10_000

_Balances: TypeAlias = dict[tuple[int, int], tuple[int, int]]  # (account, asset) -> (available, held)


class NoViews(Unavailable):
    """There is nothing to check yet."""

    code = "no_views"


def check(settings: Settings, report: Report) -> dict[str, Any]:
    """What was found; `problems` is empty if everything is as it should be. Raises NoViews, LogDamaged."""
    if not settings.views_file.exists():
        raise NoViews("there are no views yet: `cambist run` or `cambist rebuild` makes them")
    database = open_database(settings.views_file, read_only=True)
    try:
        with database.begin() as db:  # one view of it all, however long this takes
            position = read_position(db)
            if position is None:
                raise NoViews("the views are empty: the data server has not taken anything yet")
            found = _balances(db)
            totals = _totals(db, found)
            problems = list(_against_postings(db, found))
    finally:
        database.dispose()
    engine = recovery.state_at(settings, position.sequence, report)
    problems += _against_engine(found, position, engine)
    problems += [f"{asset.name} does not sum to zero" for asset in totals if asset.sum_atoms]
    return {
        "sequence": position.sequence,
        "event_hash": f"{position.event_hash:016x}",
        "trial_balance": {asset.name: shown_totals(asset) for asset in totals},
        "ledger_balanced": is_balanced(totals),
        "problems": problems,
    }


def _balances(db: Connection) -> _Balances:
    rows = db.execute(
        select(balances.c.account, balances.c.asset, balances.c.available_atoms, balances.c.held_atoms)
    )
    return {(account, asset): (available, held) for account, asset, available, held in rows}


def _totals(db: Connection, found: _Balances) -> list[AssetTotals]:
    classes = {
        row.account: AccountClass(row.account_class)
        for row in db.execute(select(accounts.c.account, accounts.c.account_class))
    }
    totals = {
        asset: AssetTotals(name, scale)
        for asset, name, scale in db.execute(
            select(assets.c.asset, assets.c.name, assets.c.scale).order_by(assets.c.asset)
        )
    }
    for (account, asset), (available, held) in found.items():
        totals[asset].by_class[classes[account]] += available + held
    return list(totals.values())


def _against_postings(db: Connection, found: _Balances) -> Iterator[str]:
    """Every balance is the sum of its postings, and every sequence's postings sum to zero per asset."""
    sums: dict[tuple[int, int], int] = defaultdict(int)
    entry: dict[int, int] = defaultdict(int)
    last_sequence, problems = 0, 0
    columns = (postings.c.sequence, postings.c.account, postings.c.asset, postings.c.posting_atoms)
    rows = db.execute(select(*columns).order_by(postings.c.sequence).execution_options(yield_per=_CHUNK))
    for sequence, account, asset, atoms in rows:
        if sequence != last_sequence:
            if any(entry.values()) and problems < PROBLEMS_MAX:
                problems += 1
                yield f"the postings of sequence {last_sequence} do not sum to zero"
            entry.clear()
            last_sequence = sequence
        entry[asset] += atoms
        sums[account, asset] += atoms
    if any(entry.values()):
        yield f"the postings of sequence {last_sequence} do not sum to zero"
    differ = [key for key in found.keys() | sums.keys() if sum(found.get(key, (0, 0))) != sums[key]]
    for account, asset in sorted(differ)[:PROBLEMS_MAX]:
        yield f"account {account}, asset {asset}: the balance is not the sum of its postings"


def _against_engine(found: _Balances, position: Position, engine: Engine) -> Iterator[str]:
    if engine.event_hash != position.event_hash:
        yield f"the views hold other events than the log up to sequence {position.sequence}"
    engines = {
        (account, asset): (available, held)
        for account in engine.account_ids()
        for asset, available, held in engine.balances(account)
    }
    nothing = (0, 0)
    differ = [
        key for key in found.keys() | engines.keys() if found.get(key, nothing) != engines.get(key, nothing)
    ]
    for account, asset in sorted(differ)[:PROBLEMS_MAX]:
        sql, own = found.get((account, asset), nothing), engines.get((account, asset), nothing)
        yield f"account {account}, asset {asset}: available and held are {sql} in SQL, {own} in the engine"
