"""The queue of withdrawals: what a reviewer sees of each, and the reviewer's word on it.

Whoever approves signs the payment's digest with a key of his own; the page computes the same digest from what
it shows. Nothing here can make a payment: the signer checks the signatures against keys of its own.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta
from sqlalchemy import Connection, Row, select
from webauthn.helpers import bytes_to_base64url

from cambist.account_api.bodies import Body, Shown
from cambist.account_api.shown import milliseconds
from cambist.accounts import people as users_people
from cambist.accounts import sign_in
from cambist.console.call import Call
from cambist.console.proofs import ProofBody, proof_of
from cambist.console.shown import ROWS_MAX, ms_or_none, number_of
from cambist.money import format_atoms
from cambist.staff import keys
from cambist.staff.keys import ProofWrong, Purpose
from cambist.store.account_tables import addresses
from cambist.store.tables import users
from cambist.store.wallet_tables import approvals, deposits, withdrawals
from cambist.wallets import networks, review
from cambist.wallets.review import WithdrawalUnknown, Word

HISTORY = 20


class Wanted(Body):
    """The newest, of one state or one user."""

    state: Annotated[str, Meta(max_length=16)] = ""
    user: int | None = None


class Withdrawal(Shown):
    id: int
    user: int
    email: str
    asset: str
    network: str
    amount: str
    fee: str
    address: str
    tag: str
    state: str
    reason: str
    via: str
    risk: Any
    needed: int
    approved: int
    requested_at: int
    decided_at: int | None
    ended_at: int | None
    txid: str | None


class WordShown(Shown):
    by: str
    kind: str
    is_approval: bool
    reason: str
    time: int


class Check(Shown):
    """Something that is known of the owner. `is_fine`: nothing to worry about."""

    name: Literal[
        "email_verified",
        "second_factor",
        "not_cooling",
        "not_self_frozen",
        "address_in_book",
        "address_waited",
    ]
    is_fine: bool
    since: int | None = None


class SignInShown(Shown):
    time: int
    outcome: str
    address: str
    agent: str
    is_known_device: bool


class DepositShown(Shown):
    asset: str
    network: str
    amount: str
    state: str
    time: int
    txid: str


class PaymentShown(Shown):
    """What the digest is over, in its own words."""

    withdrawal: int
    exchange: str
    network: str
    chain_id: int
    asset: str
    contract: str
    address: str
    tag: str
    amount: str
    fee_atoms: str


class Detail(Shown):
    """`digest` (base64url) is what approving signs; `is_unchanged`: the row is still what was asked for."""

    withdrawal: Withdrawal
    payment: PaymentShown
    digest: str
    is_unchanged: bool
    words: list[WordShown]
    checks: list[Check]
    sign_ins: list[SignInShown]
    earlier: list[Withdrawal]
    deposits: list[DepositShown]


class Approve(Body):
    proof: ProofBody


class Reject(Body):
    reason: Annotated[str, Meta(min_length=3, max_length=review.REASON_LONGEST)]


class Decided(Shown):
    state: str


def list_withdrawals(call: Call, wanted: Wanted) -> list[Withdrawal]:
    found = select(withdrawals).order_by(withdrawals.c.id.desc()).limit(ROWS_MAX)
    if wanted.state:
        found = found.where(withdrawals.c.state == wanted.state)
    if wanted.user is not None:
        found = found.where(withdrawals.c.user_id == wanted.user)
    with call.console.records.read() as db:
        return [_shown(db, row) for row in db.execute(found).all()]


def show(call: Call) -> Detail:
    number = number_of(call.subject)
    with call.console.records.read() as db:
        row = db.execute(select(withdrawals).where(withdrawals.c.id == number)).one_or_none()
        if row is None:
            raise WithdrawalUnknown
        payment = review.payment_of(db, number)
        return Detail(
            withdrawal=_shown(db, row),
            payment=PaymentShown(
                withdrawal=payment.withdrawal,
                exchange=payment.exchange,
                network=payment.network,
                chain_id=payment.chain_id,
                asset=payment.asset,
                contract=payment.contract,
                address=payment.address,
                tag=payment.tag,
                amount=str(payment.amount_units),
                fee_atoms=str(payment.fee_atoms),
            ),
            digest=bytes_to_base64url(payment.digest()),
            is_unchanged=payment.digest() == row.digest,
            words=_words(db, number),
            checks=_checks(db, row, call.now_ns),
            sign_ins=[
                SignInShown(
                    milliseconds(each.time_ns), each.outcome, each.address, each.agent, each.is_known_device
                )
                for each in sign_in.history(db, row.user_id, HISTORY)
            ],
            earlier=_earlier(db, row),
            deposits=_deposits(db, row.user_id),
        )


def approve(call: Call, sent: Approve) -> Decided:
    number, me, proof = number_of(call.subject), call.me(), proof_of(sent.proof)
    with call.write("withdrawal.approve", withdrawal=number) as db:
        digest = review.payment_of(db, number).digest()
        key = keys.verify(db, proof, Purpose.APPROVE, digest, site=call.console.site, now_ns=call.now_ns)
        if key.staff_id != me.id:
            raise ProofWrong
        word = Word(me.id, me.name, key.kind, keys.evidence(proof))
        return Decided(review.approve(db, number, word, call.now_ns))


def reject(call: Call, sent: Reject) -> Decided:
    number, me = number_of(call.subject), call.me()
    with call.write("withdrawal.reject", withdrawal=number, reason=sent.reason) as db:
        word = Word(me.id, me.name, "session", {})
        return Decided(review.reject(db, number, word, sent.reason, call.now_ns))


def _shown(db: Connection, row: Row[Any]) -> Withdrawal:
    asset = networks.by_id(db, row.asset_network_id)
    return Withdrawal(
        id=row.id,
        user=row.user_id,
        email=db.execute(select(users.c.email).where(users.c.id == row.user_id)).scalar_one(),
        asset=asset.asset_name,
        network=asset.network,
        amount=format_atoms(int(row.amount_atoms), asset.scale),
        fee=format_atoms(int(row.fee_atoms), asset.scale),
        address=row.address,
        tag=row.tag,
        state=row.state,
        reason=row.reason,
        via=row.via,
        risk=row.risk,
        needed=review.needed(asset, int(row.amount_atoms)),
        approved=len(review.approvals_of(db, row.id)),
        requested_at=milliseconds(row.requested_at_ns),
        decided_at=ms_or_none(row.decided_at_ns),
        ended_at=ms_or_none(row.ended_at_ns),
        txid=row.txid,
    )


def _words(db: Connection, number: int) -> list[WordShown]:
    rows = db.execute(select(approvals).where(approvals.c.withdrawal_id == number).order_by(approvals.c.id))
    return [
        WordShown(row.approver, row.kind, row.is_approval, row.reason, milliseconds(row.time_ns))
        for row in rows
    ]


def _checks(db: Connection, row: Row[Any], now_ns: int) -> list[Check]:
    person = users_people.get(db, row.user_id)
    verified_ns = db.scalar(select(users.c.email_verified_at_ns).where(users.c.id == row.user_id))
    asset = networks.by_id(db, row.asset_network_id)
    in_book = db.execute(
        select(addresses).where(
            addresses.c.user_id == row.user_id,
            addresses.c.network == asset.network,
            addresses.c.address == row.address,
            addresses.c.removed_at_ns.is_(None),
        )
    ).first()
    noted_ns, usable_ns = (in_book.created_at_ns, in_book.usable_from_ns) if in_book else (None, None)
    return [
        Check("email_verified", verified_ns is not None, ms_or_none(verified_ns)),
        Check("second_factor", person.has_second_factor),
        Check(
            "not_cooling",
            now_ns >= person.withdrawals_held_until_ns,
            milliseconds(person.withdrawals_held_until_ns) or None,
        ),
        Check("not_self_frozen", person.self_frozen_at_ns is None, ms_or_none(person.self_frozen_at_ns)),
        Check("address_in_book", noted_ns is not None, ms_or_none(noted_ns)),
        Check(
            "address_waited",
            usable_ns is not None and row.requested_at_ns >= usable_ns,
            ms_or_none(usable_ns),
        ),
    ]


def _has_waited(usable_from_ns: int | None, requested_at_ns: int) -> bool:
    return usable_from_ns is not None and requested_at_ns >= usable_from_ns


def _earlier(db: Connection, row: Row[Any]) -> list[Withdrawal]:
    wanted = (withdrawals.c.user_id == row.user_id) & (withdrawals.c.id < row.id)
    found = select(withdrawals).where(wanted).order_by(withdrawals.c.id.desc()).limit(HISTORY)
    return [_shown(db, each) for each in db.execute(found).all()]


def _deposits(db: Connection, user_id: int) -> list[DepositShown]:
    wanted = (deposits.c.user_id == user_id) & deposits.c.asset_network_id.is_not(None)
    found = select(deposits).where(wanted).order_by(deposits.c.id.desc()).limit(HISTORY)
    shown = []
    for each in db.execute(found).all():
        asset = networks.by_id(db, each.asset_network_id)
        shown.append(
            DepositShown(
                asset.asset_name,
                asset.network,
                format_atoms(int(each.amount_atoms), asset.scale),
                each.state,
                milliseconds(each.seen_at_ns),
                each.txid,
            )
        )
    return shown
