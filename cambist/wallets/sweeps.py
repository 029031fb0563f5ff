"""Brings what users have deposited from their addresses to the hot address, one address at a time.

A token's transfer costs coins, which a deposit address has not: it gets them from the hot address first. Only
deposits that have been credited are swept, and only where it is worth its fee. Every transaction is stored
before it is sent, so none of them is taken for a deposit. The signer knows one destination for each of both.
"""

import logging
import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple, Protocol

from sqlalchemy import Connection, select

from cambist.errors import Refused
from cambist.store.records import Records
from cambist.store.wallet_tables import deposit_addresses, deposits
from cambist.wallets import networks, reconciliation, sends
from cambist.wallets.chain import Chain, Terms
from cambist.wallets.deposit_state import State
from cambist.wallets.networks import AssetNetwork, Network
from cambist.wallets.sends import Kind, Send

# A sweep takes at least as many times its highest fee, or it stays where it is: it is not lost there.
WORTH_FEES = 10
# Gas is given for the fee as it may have become until the sweep is signed.
GAS_SPARE = 2
STUCK_AFTER_NS = 600_000_000_000
AGAIN_AFTER_NS = 60_000_000_000
COIN = ""

log = logging.getLogger(__name__)


class Signed(NamedTuple):
    raw: bytes
    txid: str


class Sweeper(Protocol):
    """The signer, as far as deposit addresses go. Both raise Unavailable, and Refused beyond its caps."""

    def sign_sweep(
        self, network: str, index: int, contract: str, amount_units: int, terms: Terms
    ) -> Signed: ...

    def sign_gas(self, network: str, index: int, amount_units: int, terms: Terms) -> Signed: ...


class _Holding(NamedTuple):
    asset: AssetNetwork
    number: int
    address: str
    amount_units: int


class Sweeps:
    """One network's. `step` it. Usable by one thread."""

    def __init__(
        self, records: Records, chain: Chain, signer: Sweeper, clock: Callable[[], int] = time.time_ns
    ) -> None:
        self._records = records
        self._chain = chain
        self._signer = signer
        self._clock = clock
        self._waits_until_ns: dict[tuple[str, str], int] = {}

    def step(self) -> bool:
        """Signs and stores one transaction, to be pushed; whether there was one. Raises Unavailable."""
        with self._records.read() as db:
            network = networks.network(db, self._chain.network)
            if network is None:
                return False
            stuck = sends.stuck(db, network.name, Kind.SWEEP, self._clock() - STUCK_AFTER_NS)
            waiting = _to_sweep(db, network)
        if stuck is not None and self._chain.next_nonce(stuck.sender) <= stuck.nonce:
            return self._try((stuck.contract, stuck.sender), lambda: self._raise_fee(network, stuck))
        return any(
            self._try((each.asset.contract, each.address), partial(self._sweep, network, each))
            for each in waiting
        )

    def _try(self, place: tuple[str, str], make: Callable[[], bool]) -> bool:
        """What is refused for one address is tried again later, and keeps no other one waiting."""
        if self._clock() < self._waits_until_ns.get(place, 0):
            return False
        try:
            return make()
        except Refused as problem:
            log.error("%s: %s is not swept: %s", self._chain.network, place[1], problem)
            self._waits_until_ns[place] = self._clock() + AGAIN_AFTER_NS
            return False

    def _sweep(self, network: Network, held: _Holding) -> bool:
        hot = network.hot_address
        terms = self._terms(held.address, held.asset.contract, hot, held.amount_units)
        amount_units = held.amount_units
        if not held.asset.contract:
            amount_units -= terms.fee_max_units
            if amount_units < WORTH_FEES * terms.fee_max_units:
                return False
        elif self._chain.balance(COIN, held.address, self._chain.tip().height) < terms.fee_max_units:
            return self._give_gas(network, held, GAS_SPARE * terms.fee_max_units)
        self._sign(network, held.number, held.address, held.asset.contract, amount_units, terms)
        return True

    def _give_gas(self, network: Network, held: _Holding, amount_units: int) -> bool:
        hot = network.hot_address
        terms = self._terms(hot, COIN, held.address, amount_units)
        signed = self._signer.sign_gas(network.name, held.number, amount_units, terms)
        self._store(Send(network.name, Kind.GAS, held.number, hot, terms.nonce, COIN, amount_units, *signed))
        return True

    def _raise_fee(self, network: Network, stuck: sends.Stuck) -> bool:
        """The same coins at the same nonce; of the network's coin what the higher fee leaves of them."""
        hot, amount_units = network.hot_address, stuck.amount_units
        terms = self._chain.dearer(
            self._terms_at(stuck.nonce, stuck.sender, stuck.contract, hot, amount_units)
        )
        if not stuck.contract:
            held_units = self._chain.balance(COIN, stuck.sender, self._chain.tip().height)
            amount_units = held_units - terms.fee_max_units
        self._sign(network, stuck.subject, stuck.sender, stuck.contract, amount_units, terms)
        return True

    def _sign(
        self, network: Network, number: int, address: str, contract: str, amount_units: int, terms: Terms
    ) -> None:
        signed = self._signer.sign_sweep(network.name, number, contract, amount_units, terms)
        self._store(
            Send(network.name, Kind.SWEEP, number, address, terms.nonce, contract, amount_units, *signed)
        )

    def _store(self, send: Send) -> None:
        with self._records.write() as db:
            sends.store(db, send, self._clock())

    def _terms(self, sender: str, contract: str, to: str, amount_units: int) -> Terms:
        on_chain = self._chain.nonces_seen(sender)
        with self._records.read() as db:
            nonce = sends.next_nonce(db, self._chain.network, sender, on_chain)
        return self._terms_at(nonce, sender, contract, to, amount_units)

    def _terms_at(self, nonce: int, sender: str, contract: str, to: str, amount_units: int) -> Terms:
        waiting = partial(sends.waiting, self._records, self._chain.network, sender, nonce)
        return self._chain.terms(sender, nonce, contract, to, amount_units, waiting)


def _to_sweep(db: Connection, network: Network) -> list[_Holding]:
    """Tokens first: what is swept of the coin they could need for their fee."""
    held = reconciliation.holdings(db, network.name)
    busy = sends.under_way(db, network.name, (Kind.SWEEP, Kind.GAS))
    seen = db.execute(
        select(deposits.c.contract, deposits.c.address).where(
            deposits.c.network == network.name, deposits.c.state == State.SEEN
        )
    )
    unfinished = {(contract, address) for contract, address in seen}
    given = db.execute(
        select(deposit_addresses.c.address, deposit_addresses.c.index).where(
            deposit_addresses.c.network == network.name,
            deposit_addresses.c.address.in_([address for _, address in held]),
        )
    )
    indexes = {row.address: row[1] for row in given}
    assets = sorted(networks.all_of(db, network.name), key=lambda asset: not asset.contract)
    at_hot = {
        asset.contract: held.get((asset.contract, network.hot_address), 0)
        + sends.on_the_way(db, network.name, asset.contract)
        for asset in assets
    }
    return [
        _Holding(asset, indexes[address], address, units)
        for asset in assets
        if not asset.halted
        for (contract, address), units in sorted(held.items())
        if contract == asset.contract
        and address in indexes
        and indexes[address] not in busy
        and (contract, address) not in unfinished
        and asset.ledger_atoms(units) >= asset.deposit_min_atoms
        and asset.has_room(at_hot[contract] + units)
    ]
