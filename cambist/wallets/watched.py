"""Whose address it is, of all that were given on a network; and the network's hot address, which is ours."""

from typing import NamedTuple

from sqlalchemy import Connection, select

from cambist.engine.system_accounts import HOUSE
from cambist.store.wallet_tables import deposit_addresses
from cambist.wallets import networks


class Owner(NamedTuple):
    """`user_id` is None for the exchange itself."""

    user_id: int | None
    account: int


class Watched:
    """A Container of addresses, all of them in memory: about 300 bytes each."""

    def __init__(self, network: str) -> None:
        self._network = network
        self._owners: dict[str, Owner] = {}
        self._newest = -1

    def refresh(self, db: Connection) -> None:
        """Adds what was given since; what was given stays."""
        of_it = networks.network(db, self._network)
        if of_it is not None:
            self._owners[of_it.hot_address] = Owner(None, HOUSE)
        given = db.execute(
            select(
                deposit_addresses.c.index.label("number"),
                deposit_addresses.c.address,
                deposit_addresses.c.user_id,
                deposit_addresses.c.account,
            )
            .where(deposit_addresses.c.network == self._network, deposit_addresses.c.index > self._newest)
            .order_by(deposit_addresses.c.index)
        )
        for row in given:
            self._owners[row.address] = Owner(row.user_id, row.account)
            self._newest = row.number

    def __contains__(self, address: object) -> bool:
        return address in self._owners

    def owner(self, address: str) -> Owner:
        return self._owners[address]
