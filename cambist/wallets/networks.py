"""The networks and the assets on them, read from the records; and amounts between ledger and chain.

The ledger keeps an asset at its own scale, a chain at the contract's decimals. Where the chain is finer, what
is below an atom stays on the chain as a rest; where the ledger is finer, only whole units can leave.
"""

from typing import NamedTuple

from sqlalchemy import Connection, Row, select, update

from cambist.errors import Refused
from cambist.store.wallet_tables import asset_networks, networks

HALTED_LONGEST = 255


class NotWhole(Refused):
    """An amount that the chain is too coarse for."""

    code = "amount_between_units"


class Network(NamedTuple):
    """As the signer says it."""

    name: str
    chain_id: int
    xpub: str
    hot_address: str


class AssetNetwork(NamedTuple):
    """An asset on a network. `mirror` is the engine's account that stands for what is held there."""

    id: int
    asset: int
    asset_name: str
    scale: int
    network: str
    contract: str
    decimals: int
    mirror: int
    confirmations: int
    deposit_min_atoms: int
    withdrawal_fee_atoms: int
    withdrawal_min_atoms: int
    withdrawal_daily_max_atoms: int
    review_two_above_atoms: int
    hot_max_units: int
    is_deposit_open: bool
    is_withdrawal_open: bool
    halted: str
    rest_units: int
    token_code: str
    large_above_atoms: int
    large_confirmations: int

    def is_large(self, atoms: int) -> bool:
        """Whether a deposit of as much needs `large_confirmations`."""
        return 0 < self.large_above_atoms < atoms

    @property
    def atoms_in_one(self) -> int:
        """Atoms of one whole coin."""
        return int(10**self.scale)

    @property
    def units_in_one(self) -> int:
        """The chain's units of one whole coin."""
        return int(10**self.decimals)

    def has_room(self, hot_units: int) -> bool:
        """Whether as much may lie at the hot address."""
        return not self.hot_max_units or hot_units <= self.hot_max_units

    def ledger_atoms(self, units: int) -> int:
        """Whole atoms of an amount on the chain, rounded down."""
        return units * self.atoms_in_one // self.units_in_one

    def chain_units(self, atoms: int) -> int:
        """Raises NotWhole."""
        units, rest = divmod(atoms * self.units_in_one, self.atoms_in_one)
        if rest:
            raise NotWhole(f"{self.asset_name} has {self.decimals} decimals on {self.network}")
        return units

    def rest_of(self, units: int) -> int:
        """What of an amount on the chain is below an atom."""
        return units - self.ledger_atoms(units) * self.units_in_one // self.atoms_in_one

    def atoms_up(self, units: int) -> int:
        """Whole atoms, rounded up."""
        return -(-units * self.atoms_in_one // self.units_in_one)


def network(db: Connection, name: str) -> Network | None:
    row = db.execute(select(networks).where(networks.c.name == name)).one_or_none()
    return None if row is None else Network(*row)


def all_of(db: Connection, name: str) -> list[AssetNetwork]:
    """The assets on a network."""
    found = select(asset_networks).where(asset_networks.c.network == name).order_by(asset_networks.c.id)
    return [_asset_network(row) for row in db.execute(found)]


def every(db: Connection) -> list[AssetNetwork]:
    found = select(asset_networks).order_by(asset_networks.c.asset, asset_networks.c.id)
    return [_asset_network(row) for row in db.execute(found)]


def by_id(db: Connection, number: int) -> AssetNetwork:
    return _asset_network(db.execute(select(asset_networks).where(asset_networks.c.id == number)).one())


def halt(db: Connection, asset: AssetNetwork, reason: str) -> bool:
    """Nothing of the asset is credited or paid on this network until a person has looked.

    A reason that stands already is kept: it is the older one. False if one did.
    """
    halted = db.execute(
        update(asset_networks)
        .where(asset_networks.c.id == asset.id, asset_networks.c.halted == "")
        .values(halted=reason[:HALTED_LONGEST])
    )
    return halted.rowcount > 0


def add_rest(db: Connection, asset_network_id: int, units: int) -> None:
    """`units` more, or less, are held below an atom."""
    rest = by_id(db, asset_network_id).rest_units + units
    db.execute(
        update(asset_networks).where(asset_networks.c.id == asset_network_id).values(rest_units=str(rest))
    )


def _asset_network(row: Row[tuple[object, ...]]) -> AssetNetwork:
    fields = row._asdict()
    amounts = {name: int(value) for name, value in fields.items() if name.endswith(("_atoms", "_units"))}
    return AssetNetwork(**fields | amounts)
