"""What has come to our addresses, until it is credited; and what to do if it was credited and comes no more.

    seen -> credited                the user has it
         -> suspense                below the minimum: the suspense account has it, for a person to attribute
         -> orphaned -> seen        no block of our branch holds it any more; perhaps another one will
    credited, suspense -> reversed  the chain went on without it; if it comes again, a person decides
    quarantined                     the amount is in doubt, or the ledger refused it: a person has to look
    suspense without a credit       of a token that is not listed

A deposit is known by its transaction and output, in whichever block that is, so it is credited once; the
engine keeps the reference for ever and refuses a second one. Only what is credited can be spent or withdrawn.
"""

import struct
import time
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection, Row, Select, insert, select, update

from cambist.accounts import mail
from cambist.engine.commands import Credit, Reverse
from cambist.engine.events import Status
from cambist.engine.system_accounts import SUSPENSE
from cambist.errors import Refused
from cambist.match.courier import Courier, Effect, Post
from cambist.money import format_atoms
from cambist.store.audit import Act
from cambist.store.outbox import Answer
from cambist.store.records import Records
from cambist.store.wallet_tables import chain_cursors, deposits
from cambist.wallets import networks, sends
from cambist.wallets.chain import Block, Output
from cambist.wallets.deposit_state import State
from cambist.wallets.depth import Depth
from cambist.wallets.networks import AssetNetwork
from cambist.wallets.watched import Watched

ACTOR = "wallets"
# More than there can be of anything: what a contract of somebody's own may say all the same.
ATOMS_MAX = 1 << 96
# Purposes in the outbox: stored, never rename.
CREDITED = "deposit.credited"
SUSPENDED = "deposit.suspended"
REVERSED = "deposit.reversed"


class Overtaken(Refused):
    """The deposit has changed since it was looked at; it is looked at again."""

    code = "overtaken"


# What a block means for deposits: called in the block's transaction.


def found(db: Connection, network: str, block: Block, watched: Watched, now_ns: int) -> None:
    """A block of our branch brings these. What we moved among our own addresses is no deposit."""
    assets = {asset.contract: asset for asset in networks.all_of(db, network)}
    for output in block.outputs:
        if sends.is_internal(db, network, output.txid):
            continue
        row = db.execute(_of(network).where(*_is(output))).one_or_none()
        if row is None:
            _insert(db, network, block, output, watched, assets.get(output.contract), now_ns)
        else:
            _come_again(db, row, block, output)


def lost(db: Connection, network: str, block: str) -> None:
    """That block is of our branch no more."""
    of_block = (deposits.c.network == network, deposits.c.block == block)
    for row in db.execute(select(deposits).where(*of_block, deposits.c.credited_at_ns.is_not(None))):
        if row.state != State.REVERSED:
            asset = networks.by_id(db, row.asset_network_id)
            networks.halt(db, asset, f"deposit {row.id} was credited and has left the chain: {row.txid}")
    db.execute(update(deposits).where(*of_block, deposits.c.state == State.SEEN).values(state=State.ORPHANED))
    db.execute(update(deposits).where(*of_block).values(block=None))


# What follows from them.


class Deposits:
    """One network's, from the chain into the ledger. `step` it. Usable by one thread."""

    def __init__(
        self,
        records: Records,
        courier: Courier,
        network: str,
        *,
        waits_for_final: bool,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._records = records
        self._courier = courier
        self._network = network
        self._waits_for_final = waits_for_final
        self._clock = clock

    def step(self) -> bool:
        """Credits and reverses all that is due; whether there was anything. Raises Unavailable."""
        with self._records.read() as db:
            cursor = db.execute(
                select(chain_cursors).where(chain_cursors.c.network == self._network)
            ).one_or_none()
            if cursor is None or cursor.halted:
                return False
            assets = {asset.id: asset for asset in networks.all_of(db, self._network)}
            depth = Depth(db, self._network)
            due = [
                row
                for row in db.execute(_of(self._network).where(deposits.c.state == State.SEEN))
                if depth.is_enough(row) and self._is_due(row, assets[row.asset_network_id], cursor)
            ]
            gone = [
                row
                for row in db.execute(
                    _of(self._network).where(
                        deposits.c.block.is_(None),
                        deposits.c.state.in_([State.CREDITED, State.SUSPENSE]),
                        deposits.c.credited_at_ns.is_not(None),
                    )
                )
                if depth.is_enough(row)
            ]
        for row in due:
            self._credit(row, assets[row.asset_network_id])
        for row in gone:
            self._reverse(row, assets[row.asset_network_id])
        return bool(due or gone)

    def _is_due(self, row: Row[Any], asset: AssetNetwork, cursor: Row[Any]) -> bool:
        return (
            asset.is_deposit_open
            and not asset.halted
            and (not self._waits_for_final or row.height <= cursor.final_height)
        )

    def _credit(self, row: Row[Any], asset: AssetNetwork) -> None:
        """Raises Unavailable."""
        atoms = int(row.amount_atoms)
        is_enough = atoms >= asset.deposit_min_atoms
        if atoms == 0:
            self._set_aside(row, State.SUSPENSE, "less than the ledger can say")
            return
        credit = Credit(
            account=row.account if is_enough else SUSPENSE,
            market=asset.asset,
            counter_account=asset.mirror,
            amount_atoms=atoms,
            reference=reference(row),
        )
        self._send(row, "deposit.credit", Post(credit, CREDITED if is_enough else SUSPENDED, str(row.id)))

    def _reverse(self, row: Row[Any], asset: AssetNetwork) -> None:
        atoms = int(row.amount_atoms)
        reverse = Reverse(
            account=SUSPENSE if row.state == State.SUSPENSE else row.account,
            market=asset.asset,
            counter_account=asset.mirror,
            amount_atoms=atoms,
            reference=reference(row) + b":reverse",
            origin=reference(row),
        )
        self._send(row, "deposit.reverse", Post(reverse, REVERSED, str(row.id)))

    def _send(self, row: Row[Any], action: str, post: Post) -> None:
        def prepare(db: Connection) -> Post:
            now = db.execute(select(deposits).where(deposits.c.id == row.id)).one()
            if now != row:
                raise Overtaken(f"deposit {row.id} has changed meanwhile")
            return post

        details = {"deposit": row.id, "network": row.network, "txid": row.txid, "output": row.output}
        try:
            self._courier.send(Act(ACTOR, action, details, self._clock()), prepare)
        except Overtaken:
            pass
        except (ValueError, OverflowError, struct.error) as problem:
            self._set_aside(row, State.QUARANTINED, f"no command can carry it: {problem}")

    def _set_aside(self, row: Row[Any], state: State, reason: str) -> None:
        with self._records.write() as db:
            db.execute(update(deposits).where(deposits.c.id == row.id).values(state=state, reason=reason))


def effects(clock: Callable[[], int] = time.time_ns) -> Mapping[str, Effect]:
    """What follows from the engine's answers, for the courier."""
    return {
        CREDITED: lambda db, subject, answer: _credited(db, int(subject), answer, State.CREDITED, clock()),
        SUSPENDED: lambda db, subject, answer: _credited(db, int(subject), answer, State.SUSPENSE, clock()),
        REVERSED: lambda db, subject, answer: _reversed(db, int(subject), answer),
    }


def reference(row: Row[Any]) -> bytes:
    """Under which the engine keeps it for ever."""
    return f"{row.network}:{row.txid}:{row.output}".encode()


def _credited(db: Connection, number: int, answer: Answer, state: State, now_ns: int) -> None:
    row = db.execute(select(deposits).where(deposits.c.id == number)).one()
    if answer.status != Status.OK:
        _refused(db, row, answer)
        return
    asset = networks.by_id(db, row.asset_network_id)
    reason = "below the minimum" if state == State.SUSPENSE else ""
    _change(db, number, state=state, reason=reason, credited_at_ns=now_ns)
    networks.add_rest(db, asset.id, asset.rest_of(int(row.amount_units)))
    if row.block is None:  # it was lost while the answer was on its way
        networks.halt(db, asset, f"deposit {row.id} was credited and has left the chain: {row.txid}")
    elif row.user_id is not None and state == State.CREDITED:
        told = {
            "amount": format_atoms(int(row.amount_atoms), asset.scale),
            "asset": asset.asset_name,
            "network": row.network,
            "address": row.address,
            "txid": row.txid,
        }
        mail.put(db, row.user_id, mail.Kind.DEPOSIT_CREDITED, told, now_ns)


def _reversed(db: Connection, number: int, answer: Answer) -> None:
    """The engine has frozen the account; the asset was halted when the block was lost."""
    row = db.execute(select(deposits).where(deposits.c.id == number)).one()
    if answer.status != Status.OK:
        _refused(db, row, answer)
        return
    asset = networks.by_id(db, row.asset_network_id)
    _change(db, number, state=State.REVERSED, reason="credited, and the chain went on without it")
    networks.add_rest(db, asset.id, -asset.rest_of(int(row.amount_units)))


def _refused(db: Connection, row: Row[Any], answer: Answer) -> None:
    status = Status(answer.status).name if answer.status >= 0 else "not executed"
    _change(db, row.id, state=State.QUARANTINED, reason=f"the ledger refused it: {status}")
    networks.halt(db, networks.by_id(db, row.asset_network_id), f"deposit {row.id} was refused: {status}")


def _insert(
    db: Connection,
    network: str,
    block: Block,
    output: Output,
    watched: Watched,
    asset: AssetNetwork | None,
    now_ns: int,
) -> None:
    owner = watched.owner(output.address)
    atoms = 0 if asset is None else asset.ledger_atoms(output.amount_units)
    state, reason = State.SEEN, ""
    if asset is None:
        state, reason = State.SUSPENSE, "a token that is not listed"
    elif output.doubt:
        state, reason = State.QUARANTINED, output.doubt
    elif atoms > ATOMS_MAX:
        state, reason, atoms = State.QUARANTINED, "more than there can be", 0
    row = {
        "network": network,
        "txid": output.txid,
        "output": output.name,
        "contract": output.contract,
        "asset_network_id": None if asset is None else asset.id,
        "address": output.address,
        "user_id": owner.user_id,
        "account": owner.account,
        "amount_units": str(output.amount_units),
        "amount_atoms": str(atoms),
        "state": state,
        "reason": reason,
        "height": block.header.height,
        "block": block.header.hash,
        "seen_at_ns": now_ns,
    }
    db.execute(insert(deposits).values(row))


def _come_again(db: Connection, row: Row[Any], block: Block, output: Output) -> None:
    """In another block than before. What was credited or reversed stays so, if it is the same."""
    changes: dict[str, Any] = {"height": block.header.height, "block": block.header.hash}
    if (str(output.amount_units), output.address, output.contract) != (
        row.amount_units,
        row.address,
        row.contract,
    ):
        changes |= {"state": State.QUARANTINED, "reason": "it came again, and as something else"}
        if row.asset_network_id is not None:
            networks.halt(
                db, networks.by_id(db, row.asset_network_id), f"deposit {row.id} came again as something else"
            )
    elif row.state == State.ORPHANED:
        changes |= {"state": State.SEEN}
    elif row.state == State.REVERSED:
        # Its reference is spent: the coins are ours, and nobody has them until a person gives them away.
        changes |= {"reason": "it was reversed, and has come again"}
        networks.halt(
            db, networks.by_id(db, row.asset_network_id), f"deposit {row.id} was reversed and has come again"
        )
    _change(db, row.id, **changes)


def _of(network: str) -> Select[Any]:
    return select(deposits).where(deposits.c.network == network).order_by(deposits.c.id)


def _is(output: Output) -> tuple[Any, Any]:
    return deposits.c.txid == output.txid, deposits.c.output == output.name


def _change(db: Connection, number: int, **values: Any) -> None:
    db.execute(update(deposits).where(deposits.c.id == number).values(values))
