"""Transactions of our addresses that the records have not made: they are an older copy, or a key is stolen.

Whatever a block holds of the kind is stored with our own, so that its nonce and its fee count, and payouts
stop. What moves coins among our own addresses explains itself. Of everything else two people say what it was
before payouts can go on: the payment of a withdrawal, which then takes its course, or coins that are lost.
"""

import logging
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, and_, insert, select, update

from cambist.errors import Conflict, Refused
from cambist.store.records import Records
from cambist.store.wallet_tables import (
    asset_networks,
    chain_cursors,
    chain_sends,
    deposit_addresses,
    withdrawals,
)
from cambist.wallets import networks, sends
from cambist.wallets.chain import Block, Strange
from cambist.wallets.networks import AssetNetwork
from cambist.wallets.sends import Kind
from cambist.wallets.watched import Watched
from cambist.wallets.withdrawals import State, change

_UNPAID = (State.HELD, State.APPROVED, State.CANCELLED, State.REJECTED)

log = logging.getLogger(__name__)


class NothingToExplain(Refused):
    code = "nothing_to_explain"

    def __init__(self, txid: str) -> None:
        super().__init__(f"no transaction {txid[:80]} waits for an explanation")


class NotFinal(Conflict):
    code = "not_final"

    def __init__(self) -> None:
        super().__init__("another branch may still be without it: explain it when its block is final")


class DoesNotFit(Refused):
    code = "does_not_fit"

    def __init__(self, number: int) -> None:
        super().__init__(
            f"withdrawal {number} does not wait for a payment of this amount of this asset to this address"
        )


class Unexplained(NamedTuple):
    """`withdrawals` are those whose payment it can be."""

    network: str
    txid: str
    height: int
    contract: str
    receiver: str
    amount_units: int
    withdrawals: Sequence[int]


def found(
    records: Records, db: Connection, network: str, block: Block, watched: Watched, now_ns: int
) -> None:
    """In the transaction of a block of our branch, before its deposits are looked at."""
    for each in block.strange:
        kind, subject = _kind(db, network, each, watched)
        values = {
            "network": network,
            "kind": kind,
            "subject": subject,
            "sender": each.sender,
            "nonce": each.nonce,
            "contract": each.contract,
            "amount_units": str(each.amount_units),
            "raw": b"",
            "receiver": each.receiver,
            "txid": each.txid,
            "state": sends.State.SENT,
            "fee_units": "0",
            "is_fee_booked": False,
            "signed_at_ns": now_ns,
        }
        db.execute(insert(chain_sends).values(values))
        sends.mined(db, network, block.header.height, {each.txid: each.outcome})
        reason = (
            f"{network}: {each.txid} is a transaction of {each.sender}, and these records have not made it"
        )
        log.error("payouts are stopped: %s", reason)
        records.stop_payouts(db, reason)


def unexplained(db: Connection, network: str | None = None) -> list[Unexplained]:
    """Oldest first; of all networks, if none is named."""
    wanted = [_waits] if network is None else [_waits, chain_sends.c.network == network]
    rows = db.execute(select(chain_sends).where(*wanted).order_by(chain_sends.c.id)).all()
    return [
        Unexplained(
            row.network,
            row.txid,
            row.height,
            row.contract,
            row.receiver,
            int(row.amount_units),
            _fitting(db, row.network, row.contract, row.receiver, int(row.amount_units)),
        )
        for row in rows
    ]


def explain_as_payment(db: Connection, network: str, txid: str, withdrawal_id: int) -> None:
    """The withdrawal goes on as one that is sent. Raises NothingToExplain, NotFinal, DoesNotFit."""
    row = waiting(db, network, txid)
    if withdrawal_id not in _fitting(db, network, row.contract, row.receiver, int(row.amount_units)):
        raise DoesNotFit(withdrawal_id)
    _settle(db, row, Kind.WITHDRAWAL, withdrawal_id)
    change(db, withdrawal_id, state=State.SIGNED, reason="", txid=txid, signed_at_ns=row.signed_at_ns)


def explain_as_lost(db: Connection, network: str, txid: str) -> None:
    """The loss account has paid for it. Raises NothingToExplain, NotFinal."""
    row = waiting(db, network, txid)
    _settle(db, row, Kind.LOST, 0)
    asset = asset_of(db, row)
    if asset is not None:
        too_much = asset.chain_units(asset.atoms_up(lost_units(row))) - lost_units(row)
        networks.add_rest(db, asset.id, too_much)


def waiting(db: Connection, network: str, txid: str) -> Row[Any]:
    """Raises NothingToExplain, NotFinal."""
    wanted = (_waits, chain_sends.c.network == network, chain_sends.c.txid == txid)
    row = db.execute(select(chain_sends).where(*wanted)).one_or_none()
    if row is None:
        raise NothingToExplain(txid)
    final = db.scalar(select(chain_cursors.c.final_height).where(chain_cursors.c.network == network))
    if final is None or row.height is None or row.height > final:
        raise NotFinal
    return row


def asset_of(db: Connection, row: Row[Any]) -> AssetNetwork | None:
    """None for a token that is not listed: the ledger has none of it."""
    listed = networks.all_of(db, row.network)
    return next((asset for asset in listed if asset.contract == row.contract), None)


def lost_units(row: Row[Any]) -> int:
    """Beside its fee."""
    return 0 if row.state == sends.State.FAILED else int(row.amount_units)


def _kind(db: Connection, network: str, each: Strange, watched: Watched) -> tuple[Kind, int]:
    """And its subject."""
    if each.receiver in watched:
        is_from_hot = watched.owner(each.sender).user_id is None
        is_to_hot = watched.owner(each.receiver).user_id is None
        if is_to_hot and not is_from_hot:
            return Kind.SWEEP, _index(db, network, each.sender)
        fits = _fitting(db, network, each.contract, each.receiver, each.amount_units)
        if is_from_hot and not is_to_hot and not each.contract and not fits:
            return Kind.GAS, _index(db, network, each.receiver)
    return Kind.UNKNOWN, 0


def _index(db: Connection, network: str, address: str) -> int:
    of_it = (deposit_addresses.c.network == network, deposit_addresses.c.address == address)
    return int(db.execute(select(deposit_addresses.c.index).where(*of_it)).scalar_one())


def _fitting(db: Connection, network: str, contract: str, receiver: str, amount_units: int) -> Sequence[int]:
    """Withdrawals of this that nobody has paid, and whose amount nobody has given back."""
    is_held = and_(withdrawals.c.held_at_ns.is_not(None), withdrawals.c.ended_at_ns.is_(None))
    return db.scalars(
        select(withdrawals.c.id)
        .join(asset_networks, asset_networks.c.id == withdrawals.c.asset_network_id)
        .where(asset_networks.c.network == network, asset_networks.c.contract == contract)
        .where(withdrawals.c.address == receiver, withdrawals.c.amount_units == str(amount_units))
        .where(withdrawals.c.state.in_(_UNPAID), is_held)
        .order_by(withdrawals.c.id)
    ).all()


def _settle(db: Connection, row: Row[Any], kind: Kind, subject: int) -> None:
    db.execute(update(chain_sends).where(chain_sends.c.id == row.id).values(kind=kind, subject=subject))


_waits = chain_sends.c.kind == Kind.UNKNOWN
