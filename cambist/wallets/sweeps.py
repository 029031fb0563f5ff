"""Brings what users have deposited from their addresses to the hot address, one address at a time.

A token's transfer costs coins, which a deposit address has not: it gets them from the hot address first. Only
deposits that have been credited are swept, and only where it is worth its fee. Every transaction is stored
before it is sent, so none of them is taken for a deposit. The signer knows one destination for each of both.
"""

from typing import NamedTuple, Protocol

from sqlalchemy import Connection, select

from cambist.store.records import Records
from cambist.store.wallet_tables import deposit_addresses, deposits
from cambist.wallets import networks, reconciliation, sends
from cambist.wallets.chain import Chain, Terms
from cambist.wallets.networks import AssetNetwork, Network
from cambist.wallets.sends import Kind, Send

# A sweep takes at least as many times its highest fee, or it stays where it is: it is not lost there.
WORTH_FEES = 10
# Gas is given for the fee as it may have become until the sweep is signed.
GAS_SPARE = 2


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


def sweep(records: Records, chain: Chain, signer: Sweeper, now_ns: int) -> bool:
    """Signs and stores one transaction, to be pushed; whether there was one to make.

    Raises Unavailable, or Refused by chain or signer.
    """
    with records.read() as db:
        network = networks.network(db, chain.network)
        waiting = [] if network is None else _to_sweep(db, network)
    if network is None:
        return False
    return any(_sweep_one(records, chain, signer, network, each, now_ns) for each in waiting)


def _to_sweep(db: Connection, network: Network) -> list[_Holding]:
    """Tokens first: what is swept of the coin they could need for their fee."""
    held = reconciliation.holdings(db, network.name)
    busy = sends.under_way(db, network.name, (Kind.SWEEP, Kind.GAS))
    unfinished = set(
        db.scalars(
            select(deposits.c.address).where(
                deposits.c.network == network.name, deposits.c.state.in_(["seen", "confirmed"])
            )
        )
    )
    given = db.execute(
        select(deposit_addresses.c.address, deposit_addresses.c.index).where(
            deposit_addresses.c.network == network.name,
            deposit_addresses.c.address.in_([address for _, address in held]),
        )
    )
    indexes = {row.address: row[1] for row in given}
    assets = sorted(networks.all_of(db, network.name), key=lambda asset: not asset.contract)
    return [
        _Holding(asset, indexes[address], address, units)
        for asset in assets
        if not asset.halted
        for (contract, address), units in sorted(held.items())
        if contract == asset.contract
        and address in indexes
        and indexes[address] not in busy
        and address not in unfinished
        and asset.ledger_atoms(units) >= asset.deposit_min_atoms
    ]


def _sweep_one(
    records: Records, chain: Chain, signer: Sweeper, network: Network, held: _Holding, now_ns: int
) -> bool:
    terms = _terms(records, chain, held.address, held.asset.contract, network.hot_address, held.amount_units)
    amount_units = held.amount_units
    if not held.asset.contract:
        amount_units -= terms.fee_max_units
        if amount_units < WORTH_FEES * terms.fee_max_units:
            return False
    elif chain.balance("", held.address, chain.tip().height) < terms.fee_max_units:
        return _give_gas(records, chain, signer, network, held, GAS_SPARE * terms.fee_max_units, now_ns)
    signed = signer.sign_sweep(network.name, held.number, held.asset.contract, amount_units, terms)
    send = Send(
        network.name,
        Kind.SWEEP,
        held.number,
        held.address,
        terms.nonce,
        held.asset.contract,
        amount_units,
        *signed,
    )
    with records.write() as db:
        sends.store(db, send, now_ns)
    return True


def _give_gas(
    records: Records,
    chain: Chain,
    signer: Sweeper,
    network: Network,
    held: _Holding,
    amount_units: int,
    now_ns: int,
) -> bool:
    terms = _terms(records, chain, network.hot_address, "", held.address, amount_units)
    signed = signer.sign_gas(network.name, held.number, amount_units, terms)
    send = Send(
        network.name, Kind.GAS, held.number, network.hot_address, terms.nonce, "", amount_units, *signed
    )
    with records.write() as db:
        sends.store(db, send, now_ns)
    return True


def _terms(records: Records, chain: Chain, sender: str, contract: str, to: str, amount_units: int) -> Terms:
    on_chain = chain.next_nonce(sender)
    with records.read() as db:
        nonce = sends.next_nonce(db, chain.network, sender, on_chain)
    return chain.terms(sender, nonce, contract, to, amount_units)
