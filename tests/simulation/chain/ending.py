"""What must hold when everything has healed and nobody wants anything any more: nothing is lost, or waits."""

from sqlalchemy import select

from cambist.engine.system_accounts import HOUSE
from cambist.store.wallet_tables import asset_networks, chain_cursors, deposits, reconciliations, withdrawals

from .ethereum import COIN
from .oracle import ENDED, Oracle
from .start import ASSETS, UNITS, UNITS_IN_ATOM, hot_address

BOOKED_WITHIN = 4  # blocks behind the one that makes a transaction final: fees are booked one by one


def what_waits(oracle: Oracle) -> str:
    """Of what ends by itself, something that has not; empty if everything has."""
    for number, promise in oracle.promises.items():
        if promise.state not in ENDED:
            return f"withdrawal {number} is {promise.state}"
    for reference, coming in oracle.coming():
        if coming.atoms and reference not in oracle.credited and not _waits_for_a_person(oracle, reference):
            return f"deposit {reference!r} is not credited"
    on_chain = {reference for reference, _ in oracle.coming()}
    for reference in oracle.credited:
        if reference not in on_chain:
            return f"deposit {reference!r} is credited and not on the chain"
    booked_at = oracle.place.chain.height - oracle.place.programme.final_lag - BOOKED_WITHIN
    for block, mined in oracle.ours():
        if mined.transaction.txid not in oracle.booked and block.height <= booked_at:
            return f"the fee of {mined.transaction.txid} is not booked"
    for held in oracle.held:
        number = int(held.split(b":")[1])
        if number not in oracle.settled and number not in oracle.released:
            return f"withdrawal {number} is still held"
    if any(each.pay is not None for each in oracle.place.chain.pool.values()):
        return "a transaction of ours waits for a block"
    return _halted(oracle)


def check(oracle: Oracle) -> None:
    """20: on-chain = users + house + loss, to the unit; 21: who was paid, and who not; 23: the ceiling."""
    head = oracle.place.chain.head
    for contract in ASSETS:
        has = sum(head.balances.get((contract, address), 0) for address in oracle.owners)
        below = sum(
            each.units - oracle.credited.get(reference, 0) * UNITS_IN_ATOM
            for reference, each in oracle.coming()
            if each.contract == contract
        )
        # Booked in whole atoms, or not yet.
        fees = sum(
            oracle.booked.get(each.transaction.txid, 0) * UNITS_IN_ATOM - each.fee_units
            for _, each in oracle.ours()
        )
        expected = oracle.owed_atoms(contract) * UNITS_IN_ATOM + below + (fees if contract == COIN else 0)
        oracle.must(has == expected, f"20: the chain has {has}, and there should be {expected}")
    paid = {oracle.promise_of(mined.transaction) for _, mined in oracle.ours() if mined.is_ok} - {None}
    settled = {number for number, promise in oracle.promises.items() if promise.state == "settled"}
    oracle.must(paid == settled == set(oracle.settled), f"21: {paid} paid, {settled} settled")
    ceiling = oracle.place.programme.hot_max_coins * UNITS
    for contract in ASSETS if ceiling else ():
        # What others send straight to it nobody can refuse; an alarm says so.
        sent = sum(
            each.units for _, each in oracle.coming() if (each.contract, each.account) == (contract, HOUSE)
        )
        swept = head.balances.get((contract, hot_address()), 0) - sent
        oracle.must(swept <= ceiling, f"23: {swept} units were swept to the hot address, {ceiling} may be")


def _waits_for_a_person(oracle: Oracle, reference: bytes) -> bool:
    """A deposit that was reversed and has come again: the asset was halted for it once more."""
    _, txid, output = reference.decode().split(":")
    with oracle.place.office.read() as db:
        reason = db.scalar(
            select(deposits.c.reason).where(deposits.c.txid == txid, deposits.c.output == output)
        )
    return reference in oracle.reversed and reason == "it was reversed, and has come again"


def _halted(oracle: Oracle) -> str:
    with oracle.place.office.read() as db:
        reasons = [f"halted: {each}" for each in db.scalars(select(asset_networks.c.halted)) if each]
        reasons += [f"not read: {each}" for each in db.scalars(select(chain_cursors.c.halted)) if each]
        if db.scalar(select(withdrawals.c.id).where(withdrawals.c.digest == b"")) is not None:
            reasons.append("a withdrawal has no digest")
        heights = list(db.scalars(select(reconciliations.c.height)))
    stopped = oracle.place.office.payouts_stopped()
    reasons += [f"stopped: {stopped}"] if stopped else []
    if not heights or max(heights) < oracle.place.chain.height - 1:
        reasons.append("the newest blocks are not compared")
    return "; ".join(reasons)
