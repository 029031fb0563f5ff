"""What the signer signs, and what it refuses.

It takes the caller for an enemy who has everything of the exchange but an approver's key. So it signs a
withdrawal only with the approvals that its own limits ask for, within its own caps and fees, and remembers
each: the same withdrawal asked for again gives the same bytes, or the same payment at a higher fee. A nonce
that has paid for one thing never pays for another. Sweeps and gas move coins among its own addresses only.
"""

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import structs
from sqlalchemy import Connection, Row, insert, select

from cambist.errors import Conflict, Refused
from cambist.signer import approvals, families, store
from cambist.signer.approvals import Page
from cambist.signer.calls import (
    AnyAnswer,
    AnyCall,
    Derive,
    Derived,
    Describe,
    Description,
    NetworkInfo,
    Recall,
    Recalled,
    Remembered,
    Signed,
    SignGas,
    SignSweep,
    SignWithdrawal,
    Terms,
)
from cambist.signer.family import AddressRefused, Family
from cambist.signer.keystore import Key, Keystore
from cambist.signer.payment import Payment
from cambist.signer.store import Network, Store

WITHDRAWAL, SWEEP, GAS = "withdrawal", "sweep", "gas"
EXCHANGE, RP_ID, ORIGINS = "exchange", "rp_id", "origins"
HOUR_NS = 3_600 * 1_000_000_000
DAY_NS = 24 * HOUR_NS
# What moves the coin itself may cost at most a half of what is moved, whatever the caps say.
FEE_DIVISOR = 2
GAS_HIGHEST = 500_000
_RECALLED_MAX = 500


class OverLimit(Refused):
    """More than the signer's own caps allow; nobody but its console can raise them."""

    code = "over_limit"


class SignedOtherwise(Conflict):
    """This withdrawal, or this nonce, has been signed with something else in it."""

    code = "signed_otherwise"


class WrongExchange(Refused):
    code = "wrong_exchange"


class Signer:
    """Not for several threads: one call at a time, so that no two of them meet under a cap."""

    def __init__(self, keystore: Keystore, own: Store, clock: Callable[[], int]) -> None:
        self._keys = keystore
        self._store = own
        self._clock = clock
        self._deposit_addresses: dict[int, str] = {}

    def answer(self, call: AnyCall) -> AnyAnswer:
        """Raises Refused or Conflict for what is not signed."""
        match call:
            case Describe():
                return self._describe()
            case Derive():
                return self._derive(call)
            case SignWithdrawal():
                return self._withdrawal(call)
            case SignSweep():
                return self._sweep(call)
            case SignGas():
                return self._gas(call)
            case Recall():
                return self._recall(call)

    def _describe(self) -> Description:
        with self._store.read() as db:
            info = {
                network.name: NetworkInfo(
                    chain_id=network.chain_id,
                    xpub=self._keys.deposits_xpub,
                    hot_address=families.of(network.name).address(self._keys.hot),
                )
                for network in store.all_networks(db)
            }
            return Description(exchange=store.value(db, EXCHANGE) or "", networks=info)

    def _derive(self, call: Derive) -> Derived:
        with self._store.read() as db:
            store.network(db, call.network)
        address = families.of(call.network).address
        return Derived(addresses=[address(self._keys.deposit(index)) for index in call.indexes])

    def _withdrawal(self, call: SignWithdrawal) -> Signed:
        payment, terms = call.payment, call.terms
        digest = payment.digest()
        with self._store.write() as db:
            network = self._network_of(db, payment)
            self._require_approved(db, call, digest)
            family = families.of(network.name)
            family.require_address(payment.address, payment.contract)
            if payment.address == family.address(self._keys.hot):
                raise AddressRefused("a withdrawal to the hot address pays nobody")
            sent = store.signed.c
            earlier = _signed(db, sent.kind == WITHDRAWAL, sent.subject == payment.withdrawal)
            for row in earlier:
                if (row.digest, row.network, row.nonce) != (digest, payment.network, terms.nonce):
                    raise SignedOtherwise(
                        f"withdrawal {payment.withdrawal} was signed with another content or nonce"
                    )
            if not earlier:
                self._require_under_caps(db, payment)
            return self._sign(
                db,
                network,
                self._keys.hot,
                kind=WITHDRAWAL,
                subject=payment.withdrawal,
                digest=digest,
                contract=payment.contract,
                to=payment.address,
                amount=payment.amount_units,
                terms=terms,
            )

    def _sweep(self, call: SignSweep) -> Signed:
        with self._store.write() as db:
            network = store.network(db, call.network)
            if call.contract:
                store.limits_of(db, call.network, call.contract)  # no token that nobody has entered
            return self._sign(
                db,
                network,
                self._keys.deposit(call.index),
                kind=SWEEP,
                subject=call.index,
                digest=b"",
                contract=call.contract,
                to=families.of(network.name).address(self._keys.hot),
                amount=call.amount_units,
                terms=call.terms,
            )

    def _gas(self, call: SignGas) -> Signed:
        with self._store.write() as db:
            network = store.network(db, call.network)
            if call.amount_units > network.gas_max:
                raise OverLimit(f"{call.amount_units} units of gas: at most {network.gas_max} at once")
            return self._sign(
                db,
                network,
                self._keys.hot,
                kind=GAS,
                subject=call.index,
                digest=b"",
                contract="",
                to=families.of(network.name).address(self._keys.deposit(call.index)),
                amount=call.amount_units,
                terms=call.terms,
            )

    def _recall(self, call: Recall) -> Recalled:
        sent, family = store.signed, families.of(call.network)
        with self._store.read() as db:
            rows = _signed(
                db,
                sent.c.network == call.network,
                sent.c.sender == family.address(self._keys.hot),
                sent.c.nonce >= call.from_nonce,
            )
        return Recalled(signed=[_remembered(row, family) for row in rows[:_RECALLED_MAX]])

    def _network_of(self, db: Connection, payment: Payment) -> Network:
        network = store.network(db, payment.network)
        if payment.exchange != store.value(db, EXCHANGE) or payment.chain_id != network.chain_id:
            raise WrongExchange("this payment is of another exchange or chain than the signer works for")
        return network

    def _require_approved(self, db: Connection, call: SignWithdrawal, digest: bytes) -> None:
        payment = call.payment
        limits = store.limits_of(db, payment.network, payment.contract)
        needed = 2 if payment.amount_units > limits.two_above else 1
        page = Page(store.value(db, RP_ID) or "", (store.value(db, ORIGINS) or "").split())
        approvals.require(digest, call.approvals, store.all_approvers(db), needed, page)

    def _require_under_caps(self, db: Connection, payment: Payment) -> None:
        limits = store.limits_of(db, payment.network, payment.contract)
        if payment.amount_units > limits.per_payment:
            raise OverLimit(f"{payment.amount_units} units in one payment: at most {limits.per_payment}")
        now_ns = self._clock()
        for name, since_ns, most in (
            ("hour", now_ns - HOUR_NS, limits.per_hour),
            ("day", now_ns - DAY_NS, limits.per_day),
        ):
            paid = _paid_since(db, payment.network, payment.contract, since_ns)
            if paid + payment.amount_units > most:
                raise OverLimit(f"{paid + payment.amount_units} units within one {name}: at most {most}")

    def _sign(
        self,
        db: Connection,
        network: Network,
        key: Key,
        *,
        kind: str,
        subject: int,
        digest: bytes,
        contract: str,
        to: str,
        amount: int,
        terms: Terms,
    ) -> Signed:
        sent, family = store.signed, families.of(network.name)
        sender = family.address(key)
        at_nonce = _signed(
            db, sent.c.network == network.name, sent.c.sender == sender, sent.c.nonce == terms.nonce
        )
        same = (kind, subject, digest, contract, str(amount), terms)
        for row in at_nonce:
            known = (row.kind, row.subject, row.digest, row.contract, row.amount, _terms(row, family))
            if known == same:
                return Signed(raw=row.raw, txid=row.txid)
            # Whatever is swept, one of both is mined, and both go to the same place.
            if kind != SWEEP and known[:-1] != same[:-1]:
                raise SignedOtherwise(f"nonce {terms.nonce} of {sender} has paid for something else")
            if not _excludes(known[-1], terms):
                raise SignedOtherwise(f"both this and what was signed at nonce {terms.nonce} could be paid")
        self._require_fee(db, network, contract, amount, terms, [] if kind == SWEEP else at_nonce)
        made = family.pay(key, network.chain_id, contract, to, amount, terms)
        values = {
            "network": network.name,
            "kind": kind,
            "subject": subject,
            "digest": digest,
            "sender": sender,
            "contract": contract,
            "amount": str(amount),
            "nonce": terms.nonce,
            "gas": terms.gas,
            "max_fee": terms.max_fee,
            "priority_fee": terms.priority_fee,
            "raw": made.raw,
            "txid": made.txid,
            "time_ns": self._clock(),
        }
        db.execute(insert(sent).values(values))
        return made

    def _require_fee(
        self,
        db: Connection,
        network: Network,
        contract: str,
        amount: int,
        terms: Terms,
        at_nonce: Sequence[Row[Any]],
    ) -> None:
        """Raises OverLimit; SignedOtherwise for a replacement that would not replace."""
        if terms.gas > GAS_HIGHEST or terms.priority_fee > terms.max_fee:
            raise OverLimit("this gas, or this tip, is not what a payment takes")
        if terms.fee_max_units > network.fee_max:
            raise OverLimit(f"a fee of {terms.fee_max_units} units: at most {network.fee_max}")
        if not contract and terms.fee_max_units * FEE_DIVISOR > amount:
            raise OverLimit(f"a fee of {terms.fee_max_units} units to move {amount}")
        for row in at_nonce:
            if terms.max_fee <= row.max_fee or terms.priority_fee < row.priority_fee:
                raise SignedOtherwise(f"nonce {terms.nonce} was signed at a higher fee already")
        spent = _fees_since(db, network.name, self._clock() - DAY_NS)
        if spent + terms.fee_max_units > network.fee_day_max:
            raise OverLimit(
                f"fees of {spent + terms.fee_max_units} units in a day: at most {network.fee_day_max}"
            )


def _signed(db: Connection, *where: Any) -> Sequence[Row[Any]]:
    return db.execute(
        select(store.signed).where(*where).order_by(store.signed.c.nonce, store.signed.c.id)
    ).all()


def _paid_since(db: Connection, network: str, contract: str, since_ns: int) -> int:
    """Each withdrawal once, however often its fee was raised."""
    sent = store.signed
    found = select(sent.c.subject, sent.c.amount).where(
        sent.c.kind == WITHDRAWAL,
        sent.c.network == network,
        sent.c.contract == contract,
        sent.c.time_ns > since_ns,
    )
    return sum(int(amount) for _, amount in db.execute(found.distinct()))


def _fees_since(db: Connection, network: str, since_ns: int) -> int:
    """At most what all transactions of this time can have cost: of those with one nonce the dearest."""
    sent = store.signed
    found = select(sent.c.sender, sent.c.nonce, sent.c.gas, sent.c.max_fee).where(
        sent.c.network == network, sent.c.time_ns > since_ns
    )
    dearest: dict[tuple[str, int], int] = {}
    for sender, nonce, gas, max_fee in db.execute(found):
        dearest[sender, nonce] = max(dearest.get((sender, nonce), 0), gas * max_fee)
    return sum(dearest.values())


def _terms(row: Row[Any], family: Family) -> Terms:
    return structs.replace(store.terms_of(row), inputs=family.inputs(row.raw))


def _excludes(one: Terms, other: Terms) -> bool:
    """Whether a chain takes only one of both, which have one nonce."""
    return not one.inputs or not set(one.inputs).isdisjoint(other.inputs)


def _remembered(row: Row[Any], family: Family) -> Remembered:
    return Remembered(
        kind=row.kind,
        subject=row.subject,
        sender=row.sender,
        contract=row.contract,
        amount_units=int(row.amount),
        terms=_terms(row, family),
        raw=row.raw,
        txid=row.txid,
    )
