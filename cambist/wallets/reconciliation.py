"""Whether the coins are there: what the chain holds for us against what the ledger says, to the unit.

    on the chain - owed by the ledger = under way

`under way` is what the one knows and the other does not yet: deposits before their credit, payments and fees
that are mined and not booked, and what is held below an atom. Anything else is drift: somebody took coins,
a token changed its balances, or this code is wrong. Nothing of the asset is paid any more until a person has
looked. Known limit: coins that came to a deposit address in no way that a block shows (a miner's reward) are
not seen until something else comes there.
"""

from typing import NamedTuple, Protocol

from sqlalchemy import Connection, and_, delete, func, insert, select, update

from cambist.store.records import Records
from cambist.store.wallet_tables import (
    chain_balances,
    chain_blocks,
    chain_cursors,
    chain_sends,
    deposit_addresses,
    deposits,
    reconciliations,
    withdrawals,
)
from cambist.wallets import networks, sends
from cambist.wallets.chain import Chain
from cambist.wallets.networks import AssetNetwork


class Ledger(Protocol):
    def owed_atoms(self, mirror: int, asset: int) -> int:
        """What the mirror stands for: the negative of its balance. Raises Unavailable."""


class Reconciliation(NamedTuple):
    """Of one asset behind a block, in units of the chain."""

    asset: AssetNetwork
    on_chain_units: int
    ledger_units: int
    under_way_units: int

    @property
    def drift_units(self) -> int:
        return self.on_chain_units - self.ledger_units - self.under_way_units


class _Place(NamedTuple):
    contract: str
    address: str


def reconcile(records: Records, chain: Chain, ledger: Ledger, now_ns: int) -> list[Reconciliation]:
    """Once for each block that the cursor has reached; empty if this one is done, or left our branch.

    What it finds is written down, and an asset that drifts is halted. Raises Unavailable, NodesDisagree.
    """
    with records.read() as db:
        height = _height_to_do(db, chain.network)
        if height is None:
            return []
        places = _places(db, chain.network)
        block = _block(db, chain.network, height)
    found = _look(chain, places, height)
    if chain.header(height).hash != block:  # what was read may be of another branch
        return []
    with records.read() as db:
        compared = [
            _compare(db, asset, found, ledger.owed_atoms(asset.mirror, asset.asset))
            for asset in networks.all_of(db, chain.network)
        ]
    with records.write() as db:
        for place, units in found.items():
            _remember(db, chain.network, place, units, height)
        for each in compared:
            _write_down(db, each, height, now_ns)
    return compared


def is_due(db: Connection, network: str) -> bool:
    """Whether the block that the cursor has reached is not compared yet."""
    return _height_to_do(db, network) is not None


def holdings(db: Connection, network: str) -> dict[tuple[str, str], int]:
    """By contract and address, at the last reconciliation; those that hold nothing are left out."""
    rows = db.execute(
        select(chain_balances).where(
            chain_balances.c.network == network, chain_balances.c.amount_units != "0"
        )
    )
    return {(row.contract, row.address): int(row.amount_units) for row in rows}


def lost(db: Connection, network: str, above: int) -> None:
    """The blocks above are no longer of our branch: those in their places are compared anew.

    What comes there is looked at as what came since, also where the old branch had been read further.
    """
    ids = [asset.id for asset in networks.all_of(db, network)]
    db.execute(
        delete(reconciliations).where(
            reconciliations.c.asset_network_id.in_(ids), reconciliations.c.height > above
        )
    )
    db.execute(
        update(chain_balances)
        .where(chain_balances.c.network == network, chain_balances.c.height > above)
        .values(height=above)
    )


def _height_to_do(db: Connection, network: str) -> int | None:
    height = db.scalar(select(chain_cursors.c.height).where(chain_cursors.c.network == network))
    ids = [asset.id for asset in networks.all_of(db, network)]
    if height is None or not ids:
        return None
    done = db.scalar(
        select(func.count())
        .select_from(reconciliations)
        .where(reconciliations.c.asset_network_id.in_(ids), reconciliations.c.height == height)
    )
    return None if done == len(ids) else int(height)


def _block(db: Connection, network: str, height: int) -> str | None:
    return db.scalar(
        select(chain_blocks.c.hash).where(chain_blocks.c.network == network, chain_blocks.c.height == height)
    )


def _places(db: Connection, network: str) -> set[_Place]:
    """Where anything was held last time, or came since; and the hot address."""
    of_it = networks.network(db, network)
    contracts = [asset.contract for asset in networks.all_of(db, network)]
    is_of_it = chain_balances.c.network == network
    since = db.scalar(select(func.max(chain_balances.c.height)).where(is_of_it)) or 0
    held = db.execute(
        select(chain_balances.c.contract, chain_balances.c.address).where(
            is_of_it, chain_balances.c.contract.in_(contracts), chain_balances.c.amount_units != "0"
        )
    )
    came = db.execute(
        select(deposits.c.contract, deposits.c.address).where(
            deposits.c.network == network,
            deposits.c.asset_network_id.is_not(None),
            deposits.c.block.is_not(None),
            deposits.c.height > since,
        )
    )
    # Coins for fees come from us and are no deposits.
    funded = db.scalars(
        select(deposit_addresses.c.address)
        .join(chain_sends, chain_sends.c.subject == deposit_addresses.c.index)
        .where(
            deposit_addresses.c.network == network,
            chain_sends.c.network == network,
            chain_sends.c.kind == sends.Kind.GAS,
            chain_sends.c.height > since,
        )
    )
    places = {_Place(*row) for row in [*held, *came]} | {_Place("", address) for address in funded}
    if of_it is not None:
        places |= {_Place(contract, of_it.hot_address) for contract in contracts}
    return places


def _look(chain: Chain, places: set[_Place], height: int) -> dict[_Place, int]:
    """What is at each place after the block. Raises NodeFailed, NodesDisagree."""
    found: dict[_Place, int] = {}
    for contract in {place.contract for place in places}:
        of_it = sorted(place for place in places if place.contract == contract)
        balances = chain.balances(contract, [place.address for place in of_it], height)
        found |= dict(zip(of_it, balances, strict=True))
    return found


def _compare(
    db: Connection, asset: AssetNetwork, found: dict[_Place, int], owed_atoms: int
) -> Reconciliation:
    on_chain = sum(units for place, units in found.items() if place.contract == asset.contract)
    owed_units = owed_atoms * asset.units_in_one // asset.atoms_in_one
    under_way = asset.rest_units + _deposits(db, asset) - _payments(db, asset) - _fees(db, asset)
    return Reconciliation(asset, on_chain, owed_units, under_way)


def _deposits(db: Connection, asset: AssetNetwork) -> int:
    """Of those on the chain that the ledger has not, less those that it has and the chain has not."""
    is_in_ledger = and_(deposits.c.credited_at_ns.is_not(None), deposits.c.state != "reversed")
    rows = db.execute(
        select(deposits.c.amount_units, is_in_ledger).where(
            deposits.c.asset_network_id == asset.id,
            deposits.c.block.is_not(None) != is_in_ledger,
            deposits.c.state != "quarantined",  # what has come by it is not known
        )
    )
    return sum(-int(units) if credited else int(units) for units, credited in rows)


def _payments(db: Connection, asset: AssetNetwork) -> int:
    """That have left, while the ledger still holds them for the user."""
    rows = db.scalars(
        select(chain_sends.c.amount_units)
        .join(withdrawals, withdrawals.c.id == chain_sends.c.subject)
        .where(
            chain_sends.c.network == asset.network,
            chain_sends.c.contract == asset.contract,
            chain_sends.c.kind == sends.Kind.WITHDRAWAL,
            chain_sends.c.state.in_([sends.State.MINED, sends.State.FINAL]),
            withdrawals.c.state != "settled",
        )
    )
    return sum(map(int, rows))


def _fees(db: Connection, asset: AssetNetwork) -> int:
    """Spent and not booked. They are paid in the network's own coin."""
    if asset.contract:
        return 0
    return sum(map(int, db.scalars(select(chain_sends.c.fee_units).where(*sends.unbooked(asset.network)))))


def _remember(db: Connection, network: str, place: _Place, units: int, height: int) -> None:
    key = {"network": network, "contract": place.contract, "address": place.address}
    values = {"height": height, "amount_units": str(units)}
    known = (chain_balances.c[name] == value for name, value in key.items())
    if db.execute(update(chain_balances).where(*known).values(values)).rowcount == 0:
        db.execute(insert(chain_balances).values(key | values))


def _write_down(db: Connection, each: Reconciliation, height: int, now_ns: int) -> None:
    row = {
        "asset_network_id": each.asset.id,
        "height": height,
        "on_chain_units": str(each.on_chain_units),
        "ledger_units": str(each.ledger_units),
        "under_way_units": str(each.under_way_units),
        "drift_units": str(each.drift_units),
        "time_ns": now_ns,
    }
    known = (reconciliations.c.asset_network_id == each.asset.id, reconciliations.c.height == height)
    if db.execute(update(reconciliations).where(*known).values(row)).rowcount == 0:
        db.execute(insert(reconciliations).values(row))
    if each.drift_units:
        networks.halt(
            db,
            each.asset,
            f"at block {height} the chain has {each.drift_units} units more than there should be",
        )
