"""Whether a withdrawal may go out: people's words on it, each once, each on exactly what was asked for.

A word is a signature over the payment's digest. The digest is computed anew for every word and by the signer
once more, so whoever changes a row afterwards has a withdrawal that nobody has approved.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, func, insert, select, update
from webauthn.helpers import base64url_to_bytes

from cambist.errors import Conflict, Refused
from cambist.signer.payment import Approval, Payment
from cambist.store.account_tables import addresses
from cambist.store.console_tables import staff
from cambist.store.tables import meta, users
from cambist.store.wallet_tables import approvals, withdrawals
from cambist.wallets import networks
from cambist.wallets.networks import AssetNetwork

HELD, APPROVED, REJECTED = "held", "approved", "rejected"
REASON_LONGEST = 255


class WithdrawalUnknown(Refused):
    code = "withdrawal_unknown"

    def __init__(self) -> None:
        super().__init__("there is no such withdrawal")


class NotHeld(Conflict):
    code = "withdrawal_not_held"

    def __init__(self, state: str) -> None:
        super().__init__(f"this withdrawal waits for no decision: it is {state}")


class SaidAlready(Refused):
    code = "said_already"

    def __init__(self) -> None:
        super().__init__("you have had your say on this one; the other word has to be somebody else's")


class OwnWithdrawal(Refused):
    code = "own_withdrawal"

    def __init__(self) -> None:
        super().__init__("this withdrawal is yours, or goes to an address of yours: somebody else decides")


class PaymentChanged(Refused):
    """Something has written to the withdrawal since it was asked for."""

    code = "payment_changed"

    def __init__(self) -> None:
        super().__init__(
            "this withdrawal is not the one that was asked for: something has changed it; reject it"
        )


class Word(NamedTuple):
    """Whose it is: a member of the staff, and the name that the signer knows the person by.

    `evidence` is what the signer checks: base64url texts, see `approvals_of`. Empty for a rejection.
    """

    staff_id: int
    approver: str
    kind: str
    evidence: Mapping[str, str]


def payment_of(db: Connection, withdrawal_id: int) -> Payment:
    """What is to be paid, as the rows say it now. Raises WithdrawalUnknown."""
    return _payment(db, _row(db, withdrawal_id))


def needed(asset: AssetNetwork, amount_atoms: int) -> int:
    """How many people have to approve."""
    return 2 if amount_atoms > asset.review_two_above_atoms else 1


def approve(db: Connection, withdrawal_id: int, word: Word, now_ns: int) -> str:
    """The state after it: `held` while another word is missing.

    Raises WithdrawalUnknown, NotHeld, SaidAlready, OwnWithdrawal, PaymentChanged. Whoever calls has verified
    the evidence.
    """
    row = _row(db, withdrawal_id)
    _require_open(db, row, word)
    if _is_own(db, row, word.staff_id):
        raise OwnWithdrawal
    if _payment(db, row).digest() != row.digest:
        raise PaymentChanged
    _say(db, row, word, now_ns, is_approval=True, reason="")
    asset = networks.by_id(db, row.asset_network_id)
    if len(approvals_of(db, row.id)) < needed(asset, int(row.amount_atoms)):
        return HELD
    _set(db, row, state=APPROVED, decided_at_ns=now_ns)
    return APPROVED


def reject(db: Connection, withdrawal_id: int, word: Word, reason: str, now_ns: int) -> str:
    """One word is enough; the amount goes back. Raises WithdrawalUnknown, NotHeld, SaidAlready."""
    row = _row(db, withdrawal_id)
    _require_open(db, row, word)
    reason = reason[:REASON_LONGEST]
    _say(db, row, word, now_ns, is_approval=False, reason=reason)
    _set(db, row, state=REJECTED, reason=reason, decided_at_ns=now_ns)
    return REJECTED


def approvals_of(db: Connection, withdrawal_id: int) -> list[Approval]:
    """As the signer takes them, oldest first."""
    wanted = (approvals.c.withdrawal_id == withdrawal_id) & approvals.c.is_approval
    rows = db.execute(select(approvals).where(wanted).order_by(approvals.c.id))
    return [
        Approval(
            approver=row.approver,
            kind=row.kind,
            **{name: base64url_to_bytes(text) for name, text in row.signature.items()},
        )
        for row in rows
    ]


def _row(db: Connection, withdrawal_id: int) -> Row[Any]:
    row = db.execute(select(withdrawals).where(withdrawals.c.id == withdrawal_id)).one_or_none()
    if row is None:
        raise WithdrawalUnknown
    return row


def _payment(db: Connection, row: Row[Any]) -> Payment:
    log_id = db.execute(select(meta.c.content).where(meta.c.name == "log")).scalar_one()
    asset = networks.by_id(db, row.asset_network_id)
    network = networks.network(db, asset.network)
    assert network is not None  # it was there when the asset was listed on it, and its row never changes
    return Payment(
        withdrawal=row.id,
        exchange=log_id.hex(),
        network=network.name,
        chain_id=network.chain_id,
        asset=asset.asset_name,
        contract=asset.contract,
        address=row.address,
        tag=row.tag,
        amount_units=int(row.amount_units),
        fee_atoms=int(row.fee_atoms),
    )


def _require_open(db: Connection, row: Row[Any], word: Word) -> None:
    said = (approvals.c.withdrawal_id == row.id) & (approvals.c.staff_id == word.staff_id)
    if db.scalar(select(approvals.c.id).where(said)) is not None:
        raise SaidAlready
    if row.state != HELD:
        raise NotHeld(row.state)


def _is_own(db: Connection, row: Row[Any], staff_id: int) -> bool:
    """Whether a user of the same mailbox has asked for it, or has its address in the address book."""
    mine = select(users.c.id).join(staff, staff.c.email_canonical == users.c.email_canonical)
    user_ids = db.scalars(mine.where(staff.c.id == staff_id)).all()
    in_book = select(addresses.c.id).where(
        addresses.c.user_id.in_(user_ids), func.lower(addresses.c.address) == row.address.lower()
    )
    return row.user_id in user_ids or db.scalar(in_book.limit(1)) is not None


def _say(db: Connection, row: Row[Any], word: Word, now_ns: int, *, is_approval: bool, reason: str) -> None:
    values = {
        "withdrawal_id": row.id,
        "staff_id": word.staff_id,
        "approver": word.approver,
        "kind": word.kind,
        "is_approval": is_approval,
        "reason": reason,
        "signature": dict(word.evidence),
        "time_ns": now_ns,
    }
    db.execute(insert(approvals).values(values))


def _set(db: Connection, row: Row[Any], **values: Any) -> None:
    db.execute(update(withdrawals).where(withdrawals.c.id == row.id).values(**values))
