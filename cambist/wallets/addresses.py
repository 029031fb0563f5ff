"""Which deposit address is whose: given once, never changed, never given again.

An address is derived from the network's extended public key here and by the signer, and shown only if both
say the same: who writes to this database cannot make users pay to an address of his own. A restored database
leaves a gap behind its last one: docs/decisions/0212.
"""

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol, TypeAlias

from sqlalchemy import Connection, func, insert, select

from cambist.errors import Refused
from cambist.store.records import Records
from cambist.store.tables import users
from cambist.store.wallet_tables import deposit_addresses, networks
from cambist.wallets.evm import xpub

# Of an extended public key and an index; by network.
Derive: TypeAlias = Callable[[str, int], str]
DERIVE: Mapping[str, Derive] = {"ETH": xpub.address}


class Deriver(Protocol):
    """The signer, as far as addresses go."""

    def derive(self, network: str, indexes: list[int]) -> list[str]: ...


class NoNetwork(Refused):
    """The network is not set up, or its wallets have not been started yet."""

    code = "network_unknown"


class NoAccount(Refused):
    code = "account_missing"


class AddressDoubted(Refused):
    """The signer derives another address than these records have: nobody may pay to it."""

    code = "address_doubted"


class Given(NamedTuple):
    number: int
    address: str


class Addresses:
    """Usable from every thread. `deriver` is asked once for each address and start."""

    def __init__(
        self,
        records: Records,
        deriver: Deriver,
        *,
        derive: Mapping[str, Derive] = DERIVE,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._records = records
        self._deriver = deriver
        self._derive = derive
        self._clock = clock
        self._verified: set[str] = set()

    def of(self, network: str, user_id: int) -> str:
        """The user's address on the network, given now if he has none.

        Raises NoNetwork, NoAccount, Unavailable if the signer is away, and AddressDoubted.
        """
        given = self._records.remembered(
            ("address", network, user_id), lambda db: _find(db, network, user_id)
        )
        if given is None:
            with self._records.write() as db:
                given = _find(db, network, user_id) or self._give(db, network, user_id)
        if given.address not in self._verified:
            self._verify(network, given)
        return given.address

    def _give(self, db: Connection, network: str, user_id: int) -> Given:
        key = db.scalar(select(networks.c.xpub).where(networks.c.name == network))
        if key is None or network not in self._derive:
            raise NoNetwork(f"there are no deposits on {network} yet")
        account = db.scalar(select(users.c.account).where(users.c.id == user_id))
        if account is None:
            raise NoAccount(f"user {user_id} has no account yet")
        newest = db.scalar(
            select(func.max(deposit_addresses.c.index)).where(deposit_addresses.c.network == network)
        )
        index = max(self._records.addresses_from(db), 0 if newest is None else newest + 1)
        address = self._derive[network](key, index)
        row = {
            "network": network,
            "index": index,
            "address": address,
            "user_id": user_id,
            "account": account,
            "given_at_ns": self._clock(),
        }
        db.execute(insert(deposit_addresses).values(row))
        return Given(index, address)

    def _verify(self, network: str, given: Given) -> None:
        derived = self._deriver.derive(network, [given.number])
        if derived != [given.address]:
            raise AddressDoubted(
                f"address {given.number} on {network} is {given.address} here, but {derived} in the signer"
            )
        self._verified.add(given.address)


def _find(db: Connection, network: str, user_id: int) -> Given | None:
    row = db.execute(
        select(deposit_addresses.c.index, deposit_addresses.c.address).where(
            deposit_addresses.c.network == network, deposit_addresses.c.user_id == user_id
        )
    ).one_or_none()
    return None if row is None else Given(*row)
