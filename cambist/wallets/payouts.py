"""Signs withdrawals that are approved, in the order of their nonces, and raises the fees of those that wait.

Nothing is signed while payouts are stopped, and `step` is called only where the chain has been read to its
newest block. What the signer has signed is its memory's, not ours: what this process did not live to store is
recalled before a nonce is given. Where signer or chain know of a payment that the records do not, these are
an older copy, and payouts stop until a person has looked.
"""

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

from msgspec import structs
from sqlalchemy import Connection, Row, func, or_, select

from cambist.errors import Refused
from cambist.signer.calls import Remembered, Signed
from cambist.signer.calls import Terms as SignerTerms
from cambist.signer.payment import Approval, Payment
from cambist.store.records import Records
from cambist.store.wallet_tables import asset_networks, chain_sends, withdrawals
from cambist.wallets import networks, review, sends
from cambist.wallets.chain import Chain, Terms
from cambist.wallets.networks import Network
from cambist.wallets.sends import Kind, Send, SentElsewhere
from cambist.wallets.withdrawals import State, change, of_network

BUMP_AFTER_NS = 5 * 60 * 1_000_000_000
AGAIN_AFTER_NS = 60 * 1_000_000_000
AT_ONCE = 100

log = logging.getLogger(__name__)


class Payer(Protocol):
    """The signer, as far as the hot address goes. All raise Unavailable if it is away."""

    def sign_withdrawal(
        self, payment: Payment, approvals: Sequence[Approval], terms: SignerTerms
    ) -> Signed: ...

    def sign_gas(self, network: str, index: int, amount_units: int, terms: SignerTerms) -> Signed: ...

    def recall(self, network: str, from_nonce: int) -> list[Remembered]: ...


class _Ready(NamedTuple):
    row: Row[Any]
    payment: Payment
    approvals: list[Approval]


class Payouts:
    """Those of one network, on one thread."""

    def __init__(
        self, records: Records, chain: Chain, signer: Payer, clock: Callable[[], int] = time.time_ns
    ) -> None:
        self._records = records
        self._chain = chain
        self._signer = signer
        self._clock = clock
        self._is_recalled = False
        self._waits_until_ns: dict[int, int] = {}

    def step(self) -> bool:
        """Whether something was signed. Raises Unavailable."""
        with self._records.read() as db:
            network = networks.network(db, self._chain.network)
        if network is None:
            return False
        if not self._is_recalled:
            self._recall(network)
        if self._records.payouts_stopped() is not None:
            return False
        return self._pay(network) or self._bump(network)

    def _recall(self, network: Network) -> None:
        """Takes in what the signer has signed and the records do not know."""
        on_chain = self._chain.nonces_seen(network.hot_address)
        with self._records.read() as db:
            following = sends.following_nonce(db, network.name, network.hot_address)
        while remembered := self._signer.recall(network.name, following):
            with self._records.write() as db:
                for each in remembered:
                    sends.store(db, _send(network, each), self._clock())
                following = sends.following_nonce(db, network.name, network.hot_address)
        with self._records.write() as db:
            self._adopt(db, network)
        if on_chain > following:
            self._stop(
                f"{network.name}: the chain has {on_chain} transactions of {network.hot_address}, but the "
                f"records and the signer know of {following}"
            )
        self._is_recalled = True

    def _adopt(self, db: Connection, network: Network) -> None:
        """Withdrawals follow what was signed for them."""
        for send in db.execute(_unmatched(network)).all():
            if send.state == State.APPROVED:
                now_ns = self._clock()
                change(db, send.subject, state=State.SIGNED, reason="", txid=send.txid, signed_at_ns=now_ns)
                continue
            reason = f"withdrawal {send.subject} was signed and is {send.state} in these records"
            log.error("payouts are stopped: %s", reason)
            self._records.stop_payouts(db, f"the records are an older copy: {reason}")

    def _pay(self, network: Network) -> bool:
        ready = self._ready(network)
        if not ready:
            return False
        on_chain = self._chain.nonces_seen(network.hot_address)
        funds = _Funds(self._records, self._chain, network)
        signed = 0
        for each in ready:
            if self._records.payouts_stopped() is not None:
                break
            try:
                signed += self._pay_one(network, each, on_chain, funds)
            except SentElsewhere as problem:
                self._stop(str(problem))
                break
            except Refused as problem:
                self._wait(each, str(problem))
        return signed > 0

    def _pay_one(self, network: Network, each: _Ready, on_chain: int, funds: "_Funds") -> bool:
        payment = each.payment
        with self._records.read() as db:
            nonce = sends.next_nonce(db, network.name, network.hot_address, on_chain)
        if not funds.has(payment.contract, payment.amount_units):
            self._wait(each, "the hot wallet has too little of it")
            return False
        hot = network.hot_address
        waiting = partial(sends.waiting, self._records, network.name, hot, nonce)
        terms = self._chain.terms(
            hot, nonce, payment.contract, payment.address, payment.amount_units, waiting
        )
        if not funds.has("", terms.fee_max_units + (0 if payment.contract else payment.amount_units)):
            self._wait(each, "the hot wallet has too little of the network's coin")
            return False
        self._is_recalled = False  # until it is stored: the signer may have signed and the answer be lost
        signed = self._signer.sign_withdrawal(payment, each.approvals, SignerTerms(**terms._asdict()))
        now_ns = self._clock()
        with self._records.write() as db:
            sends.store(db, _of_payment(network, payment, nonce, signed), now_ns)
            change(db, each.row.id, state=State.SIGNED, reason="", txid=signed.txid, signed_at_ns=now_ns)
        self._is_recalled = True
        funds.take(payment.contract, payment.amount_units)
        funds.take("", terms.fee_max_units)
        return True

    def _ready(self, network: Network) -> list[_Ready]:
        now_ns = self._clock()
        self._waits_until_ns = {each: ns for each, ns in self._waits_until_ns.items() if ns > now_ns}
        wanted = (
            of_network(network.name)
            .where(
                withdrawals.c.state == State.APPROVED,
                withdrawals.c.id.not_in(self._waits_until_ns),
                asset_networks.c.is_withdrawal_open,
                asset_networks.c.halted == "",
            )
            .limit(AT_ONCE)
        )
        with self._records.read() as db:
            return [
                _Ready(row, review.payment_of(db, row.id), review.approvals_of(db, row.id))
                for row in db.execute(wanted)
            ]

    def _bump(self, network: Network) -> bool:
        """Raises the fee of the transaction for which all others of the hot address wait."""
        with self._records.read() as db:
            oldest = db.execute(_oldest_open(network)).first()
        if oldest is None or oldest.kind == Kind.SWEEP:
            return False
        now_ns = self._clock()
        newest_ns = self._newest_at(network, oldest.nonce)
        if now_ns - newest_ns < BUMP_AFTER_NS or self._waits_until_ns.get(-oldest.nonce - 1, 0) > now_ns:
            return False
        if self._chain.next_nonce(network.hot_address) > oldest.nonce:
            return False  # it is in a block that has not been read yet
        known = self._signer.recall(network.name, oldest.nonce)
        at_nonce = [each for each in known if each.terms.nonce == oldest.nonce]
        if not at_nonce:
            self._stop(f"{network.name}: the signer does not know nonce {oldest.nonce}, which waits")
            return False
        terms = self._chain.dearer(Terms(**structs.asdict(at_nonce[-1].terms)))
        try:
            signed = self._sign_again(network, oldest, SignerTerms(**terms._asdict()))
        except Refused as problem:
            log.error("nonce %d of %s stays as it is: %s", oldest.nonce, network.hot_address, problem)
            self._waits_until_ns[-oldest.nonce - 1] = now_ns + AGAIN_AFTER_NS
            return False
        with self._records.write() as db:
            for each in at_nonce:
                sends.store(db, _send(network, each), now_ns)
            row = oldest._asdict()
            sends.store(
                db,
                Send(
                    network.name,
                    Kind(oldest.kind),
                    oldest.subject,
                    network.hot_address,
                    oldest.nonce,
                    oldest.contract,
                    int(row["amount_units"]),
                    signed.raw,
                    signed.txid,
                ),
                now_ns,
            )
            if oldest.kind == Kind.WITHDRAWAL:
                change(db, oldest.subject, txid=signed.txid)
        return True

    def _sign_again(self, network: Network, oldest: Row[Any], terms: SignerTerms) -> Signed:
        if oldest.kind == Kind.GAS:
            return self._signer.sign_gas(network.name, oldest.subject, int(oldest.amount_units), terms)
        with self._records.read() as db:
            payment = review.payment_of(db, oldest.subject)
            approvals = review.approvals_of(db, oldest.subject)
        return self._signer.sign_withdrawal(payment, approvals, terms)

    def _newest_at(self, network: Network, nonce: int) -> int:
        with self._records.read() as db:
            found = db.scalar(
                select(func.max(chain_sends.c.signed_at_ns)).where(
                    chain_sends.c.network == network.name,
                    chain_sends.c.sender == network.hot_address,
                    chain_sends.c.nonce == nonce,
                )
            )
        return int(found or 0)

    def _wait(self, each: _Ready, reason: str) -> None:
        """The payment stays approved, and is tried again in a while: caps end, and coins arrive."""
        self._waits_until_ns[each.row.id] = self._clock() + AGAIN_AFTER_NS
        if each.row.reason != reason[:255]:
            log.warning("withdrawal %d waits: %s", each.row.id, reason)
            with self._records.write() as db:
                change(db, each.row.id, reason=reason[:255])

    def _stop(self, reason: str) -> None:
        log.error("payouts are stopped: %s", reason)
        with self._records.write() as db:
            self._records.stop_payouts(db, reason)


class _Funds:
    """What the hot address has beside what is signed and in no block yet, by contract."""

    def __init__(self, records: Records, chain: Chain, network: Network) -> None:
        self._records = records
        self._chain = chain
        self._network = network
        self._height = chain.tip().height
        self._left: dict[str, int] = {}

    def has(self, contract: str, amount_units: int) -> bool:
        if contract not in self._left:
            self._left[contract] = self._found(contract)
        return self._left[contract] >= amount_units

    def take(self, contract: str, amount_units: int) -> None:
        """Of what `has` was asked for."""
        self._left[contract] -= amount_units

    def _found(self, contract: str) -> int:
        with self._records.read() as db:
            open_sends = db.scalars(
                select(chain_sends.c.amount_units).where(
                    chain_sends.c.network == self._network.name,
                    chain_sends.c.sender == self._network.hot_address,
                    chain_sends.c.contract == contract,
                    chain_sends.c.state.in_(sends.OPEN),
                )
            ).all()
        has = self._chain.balance(contract, self._network.hot_address, self._height)
        return has - sum(map(int, open_sends))


def _unmatched(network: Network) -> Any:
    """Payments that were signed for a withdrawal of which the records do not say so."""
    known = (State.SIGNED, State.SENT, State.CONFIRMED, State.SETTLED, State.FAILED)
    return (
        select(chain_sends.c.subject, chain_sends.c.txid, withdrawals.c.state)
        .join(withdrawals, withdrawals.c.id == chain_sends.c.subject, isouter=True)
        .where(
            chain_sends.c.network == network.name,
            chain_sends.c.kind == Kind.WITHDRAWAL,
            or_(withdrawals.c.state.is_(None), withdrawals.c.state.not_in(known)),
        )
    )


def _oldest_open(network: Network) -> Any:
    return (
        select(chain_sends)
        .where(
            chain_sends.c.network == network.name,
            chain_sends.c.sender == network.hot_address,
            chain_sends.c.state == sends.State.SENT,
        )
        .order_by(chain_sends.c.nonce, chain_sends.c.id.desc())
        .limit(1)
    )


def _send(network: Network, each: Remembered) -> Send:
    return Send(
        network.name,
        Kind(each.kind),
        each.subject,
        each.sender,
        each.terms.nonce,
        each.contract,
        each.amount_units,
        each.raw,
        each.txid,
    )


def _of_payment(network: Network, payment: Payment, nonce: int, signed: Signed) -> Send:
    return Send(
        network.name,
        Kind.WITHDRAWAL,
        payment.withdrawal,
        network.hot_address,
        nonce,
        payment.contract,
        payment.amount_units,
        signed.raw,
        signed.txid,
    )
