"""A withdrawal from what a user asked for to coins that have left, step by step, each stored before the next.

    requested -> held -> approved -> signed -> sent -> confirmed -> settled
              -> refused            the engine has not held the amount: too little, frozen, or suspended
                 held -> cancelled  by its owner, before the last approval
                      -> rejected   by somebody of the staff
                                    sent -> failed    the chain took it and moved nothing, or has something
                                                      else in its place for good

Cancelled, rejected and failed ones end (`ended_at_ns`) when the engine has released the hold. What was signed
ends in no other way than the chain says: nothing is given back while it can still be paid. Whatever ends this
process between two steps, the next one finds where it was: the engine knows its references, the signer knows
what it signed, and what is sent again is the same bytes.

Here is the ledger's side and what the chain says; cambist/wallets/payouts.py signs.
"""

import time
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, select, update

from cambist.accounts import mail
from cambist.engine.commands import Hold, Release, Settle
from cambist.engine.events import Status
from cambist.engine.system_accounts import WITHDRAWAL_FEES
from cambist.errors import Refused
from cambist.match.courier import Courier, Effect, Post
from cambist.money import format_atoms
from cambist.store.audit import Act
from cambist.store.outbox import Answer
from cambist.store.records import Records
from cambist.store.wallet_tables import asset_networks, chain_cursors, chain_sends, withdrawals
from cambist.wallets import networks, sends
from cambist.wallets.sends import Kind

ACTOR = "wallets"
# Purposes in the outbox: stored, never rename.
HELD = "withdrawal.held"
RELEASED = "withdrawal.released"
SETTLED = "withdrawal.settled"
MANY = 200
_MINED = (sends.State.MINED, sends.State.FAILED, sends.State.FINAL)

_WHY = {
    Status.INSUFFICIENT_BALANCE: "insufficient balance",
    Status.ACCOUNT_FROZEN: "the account is frozen",
    Status.ACCOUNT_MAY_NOT: "the account may not withdraw",
    Status.ASSET_SUSPENDED: "the asset is suspended",
}


class State(StrEnum):
    """Stored: never rename."""

    REQUESTED = "requested"
    HELD = "held"
    APPROVED = "approved"
    SIGNED = "signed"
    SENT = "sent"
    CONFIRMED = "confirmed"
    SETTLED = "settled"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    FAILED = "failed"


# The amount is the user's again, or never left.
GIVEN_BACK = (State.REFUSED, State.CANCELLED, State.REJECTED, State.FAILED)


class Overtaken(Refused):
    """It has changed since it was looked at; it is looked at again."""

    code = "overtaken"


class Withdrawals:
    """Those of one network."""

    def __init__(
        self, records: Records, courier: Courier, network: str, clock: Callable[[], int] = time.time_ns
    ) -> None:
        self._records = records
        self._courier = courier
        self._network = network
        self._clock = clock

    def step(self) -> bool:
        """Whether there was something to do. Raises Unavailable; then the same is done again."""
        did = self._follow()
        did |= self._each((State.REQUESTED,), withdrawals.c.reason == "", self._hold)
        if self._records.payouts_stopped() is None:  # while it is not known what was paid nothing goes back
            did |= self._give_back()
        return self._each((State.CONFIRMED,), withdrawals.c.reason == "", self._settle) or did

    def _give_back(self) -> bool:
        unreleased = and_(withdrawals.c.ended_at_ns.is_(None), withdrawals.c.held_at_ns.is_not(None))
        return self._each((State.CANCELLED, State.REJECTED, State.FAILED), unreleased, self._release)

    def _each(self, states: tuple[State, ...], wanted: Any, act: Callable[[Row[Any]], None]) -> bool:
        with self._records.read() as db:
            rows = db.execute(of_network(self._network).where(withdrawals.c.state.in_(states), wanted)).all()
        for row in rows:
            try:
                act(row)
            except Overtaken:
                continue
        return bool(rows)

    def _hold(self, row: Row[Any]) -> None:
        whole_atoms = int(row.amount_atoms) + int(row.fee_atoms)

        def prepare(db: Connection) -> Post:
            _require_state(db, row)
            hold = Hold(
                account=row.account,
                market=networks.by_id(db, row.asset_network_id).asset,
                amount_atoms=whole_atoms,
                reference=reference(row.id),
            )
            return Post(hold, HELD, str(row.id))

        self._courier.send(self._act("withdrawal.hold", row), prepare)

    def _release(self, row: Row[Any]) -> None:
        def prepare(db: Connection) -> Post:
            _require_state(db, row)
            release = Release(
                account=row.account,
                market=networks.by_id(db, row.asset_network_id).asset,
                reference=reference(row.id) + b":release",
                origin=reference(row.id),
            )
            return Post(release, RELEASED, str(row.id))

        self._courier.send(self._act("withdrawal.release", row), prepare)

    def _settle(self, row: Row[Any]) -> None:
        fee_atoms = int(row.fee_atoms)

        def prepare(db: Connection) -> Post:
            _require_state(db, row)
            asset = networks.by_id(db, row.asset_network_id)
            settle = Settle(
                account=row.account,
                market=asset.asset,
                counter_account=asset.mirror,
                fee_account=WITHDRAWAL_FEES if fee_atoms else 0,
                amount_atoms=int(row.amount_atoms),
                fee_atoms=fee_atoms,
                reference=reference(row.id) + b":settle",
                origin=reference(row.id),
            )
            return Post(settle, SETTLED, str(row.id))

        self._courier.send(self._act("withdrawal.settle", row), prepare)

    def _follow(self) -> bool:
        """What the chain has done with those that are signed; whether one of them has gone on."""
        with self._records.read() as db:
            sent = db.execute(_of_sends(self._network, (State.SIGNED,), _has_gone_out)).all()
            ended = db.execute(_of_sends(self._network, (State.SIGNED, State.SENT), _is_deep)).all()
            overtaken = db.scalars(_overtaken(self._network)).all()
        if not sent and not ended and not overtaken:
            return False
        with self._records.write() as db:
            for row in sent:
                self._tell_sent(db, row)
            for row in ended:
                # A failed one is in the chain for good: its nonce is used, so it cannot pay any more.
                is_paid = row.sent_state != sends.State.FAILED
                change(
                    db,
                    row.id,
                    state=State.CONFIRMED if is_paid else State.FAILED,
                    reason="" if is_paid else "the chain took the transaction and moved nothing",
                    txid=row.sent_txid,
                    height=row.sent_height,
                    confirmed_at_ns=self._clock(),
                )
            for number in overtaken:
                reason = "another transaction has taken its place in the chain"
                change(db, number, state=State.FAILED, reason=reason)
        return True

    def _tell_sent(self, db: Connection, row: Row[Any]) -> None:
        now_ns = self._clock()
        changed = db.execute(
            update(withdrawals)
            .where(withdrawals.c.id == row.id, withdrawals.c.state == State.SIGNED)
            .values(state=State.SENT, txid=row.sent_txid, sent_at_ns=now_ns)
        )
        if not changed.rowcount:  # a raised fee makes two rows of one withdrawal
            return
        asset = networks.by_id(db, row.asset_network_id)
        said = {
            "asset": asset.asset_name,
            "network": asset.network,
            "amount": format_atoms(int(row.amount_atoms), asset.scale),
            "address": row.address,
            "txid": row.sent_txid,
        }
        mail.put(db, row.user_id, mail.Kind.WITHDRAWAL_SENT, said, now_ns)

    def _act(self, action: str, row: Row[Any]) -> Act:
        return Act(ACTOR, action, {"withdrawal": row.id}, self._clock())


def effects(records: Records, clock: Callable[[], int] = time.time_ns) -> Mapping[str, Effect]:
    """What follows from the engine's answers, for the courier."""

    def held(db: Connection, subject: str, answer: Answer) -> None:
        if answer.status == Status.OK:
            change(db, int(subject), state=State.HELD, held_at_ns=clock())
        else:
            status = Status(answer.status)
            why = _WHY.get(status, f"refused by the ledger ({status.name})")
            change(db, int(subject), state=State.REFUSED, reason=why, ended_at_ns=clock())

    def released(db: Connection, subject: str, answer: Answer) -> None:
        change(db, int(subject), ended_at_ns=clock())
        _require_ok(db, subject, answer)

    def settled(db: Connection, subject: str, answer: Answer) -> None:
        if _require_ok(db, subject, answer):
            change(db, int(subject), state=State.SETTLED, ended_at_ns=clock())

    def _require_ok(db: Connection, subject: str, answer: Answer) -> bool:
        """The hold was there, so nothing can be in the way but a ledger that is not ours."""
        if answer.status == Status.OK:
            return True
        reason = f"withdrawal {subject}: the ledger answered {Status(answer.status).name} to its end"
        change(db, int(subject), reason=reason)
        records.stop_payouts(db, reason)
        return False

    return {HELD: held, RELEASED: released, SETTLED: settled}


def reference(withdrawal_id: int) -> bytes:
    return f"withdrawal:{withdrawal_id}".encode()


def of_network(network: str) -> Any:
    """The oldest of a network's withdrawals; whoever asks adds which."""
    return (
        select(withdrawals)
        .join(asset_networks, asset_networks.c.id == withdrawals.c.asset_network_id)
        .where(asset_networks.c.network == network)
        .order_by(withdrawals.c.id)
        .limit(MANY)
    )


def change(db: Connection, withdrawal_id: int, **values: Any) -> None:
    db.execute(update(withdrawals).where(withdrawals.c.id == withdrawal_id).values(**values))


_has_gone_out = chain_sends.c.state != sends.State.SIGNED
_is_deep = and_(
    chain_sends.c.state.in_(_MINED),
    chain_sends.c.height + asset_networks.c.confirmations - 1 <= chain_cursors.c.height,
)


def _of_sends(network: str, states: tuple[State, ...], wanted: ColumnElement[bool]) -> Any:
    """Withdrawals in these states with a transaction of theirs that is so."""
    return (
        select(
            withdrawals,
            chain_sends.c.state.label("sent_state"),
            chain_sends.c.txid.label("sent_txid"),
            chain_sends.c.height.label("sent_height"),
        )
        .join(asset_networks, asset_networks.c.id == withdrawals.c.asset_network_id)
        .join(chain_cursors, chain_cursors.c.network == asset_networks.c.network)
        .join(chain_sends, chain_sends.c.subject == withdrawals.c.id)
        .where(
            asset_networks.c.network == network,
            withdrawals.c.state.in_(states),
            chain_sends.c.network == network,
            chain_sends.c.kind == Kind.WITHDRAWAL,
            wanted,
        )
        .order_by(withdrawals.c.id, chain_sends.c.id)
        .limit(MANY)
    )


def _overtaken(network: str) -> Select[int]:
    """Withdrawals that can be paid no more: for good, a block holds something else at their nonce."""
    own, taker, other = chain_sends.alias(), chain_sends.alias(), chain_sends.alias()
    paid = (
        select(other.c.id)
        .where(other.c.network == network, other.c.kind == Kind.WITHDRAWAL)
        .where(other.c.subject == own.c.subject, other.c.state != sends.State.REPLACED)
    )
    at_its_nonce = and_(
        taker.c.network == own.c.network, taker.c.sender == own.c.sender, taker.c.nonce == own.c.nonce
    )
    return (
        select(withdrawals.c.id)
        .distinct()
        .join(own, own.c.subject == withdrawals.c.id)
        .join(taker, at_its_nonce)
        .join(chain_cursors, chain_cursors.c.network == own.c.network)
        .where(own.c.network == network, own.c.kind == Kind.WITHDRAWAL)
        .where(withdrawals.c.state.in_((State.SIGNED, State.SENT)), ~paid.exists())
        .where(taker.c.state.in_(_MINED), taker.c.height <= chain_cursors.c.final_height)
    )


def _require_state(db: Connection, row: Row[Any]) -> None:
    """Raises Overtaken if it is not what it was."""
    if db.scalar(select(withdrawals.c.state).where(withdrawals.c.id == row.id)) != row.state:
        raise Overtaken(f"withdrawal {row.id} is {row.state} no more")
