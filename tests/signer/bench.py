"""A signer in this process with two approvers, and payments for it: what tests of it start from."""

import base64
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cambist.signer import approvals, console, service, store
from cambist.signer.calls import Signed, SignWithdrawal, Terms
from cambist.signer.keystore import Keystore
from cambist.signer.payment import APPROVAL_PREFIX, Approval, Payment
from cambist.signer.service import Signer
from cambist.signer.store import Limits, Network, Store

EXCHANGE = "ab" * 16
CHAIN_ID = 31_337
ETHER = 10**18
GWEI = 10**9
TOKEN = "0x" + "70" * 20
SOMEBODY = "0x" + "5b" * 20
TERMS = Terms(nonce=0, gas=21_000, max_fee=100 * GWEI, priority_fee=GWEI)
RP_ID, ORIGIN = "console.example", "https://console.example"


class Person:
    """Somebody with an Ed25519 key and a passkey."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.key = Ed25519PrivateKey.generate()
        self.passkey = ec.generate_private_key(ec.SECP256R1())
        self.credential_id = name.encode() * 4

    @property
    def public_key(self) -> bytes:
        return self.key.public_key().public_bytes_raw()

    @property
    def passkey_public(self) -> bytes:
        return self.passkey.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def approves(self, payment: Payment) -> Approval:
        signature = self.key.sign(APPROVAL_PREFIX + payment.digest())
        return Approval(approver=self.name, kind=approvals.ED25519, signature=signature)

    def approves_by_passkey(
        self, payment: Payment, *, origin: str = ORIGIN, rp_id: str = RP_ID, flags: int = 0b101
    ) -> Approval:
        challenge = base64.urlsafe_b64encode(payment.digest()).rstrip(b"=").decode()
        client_data = msgspec.json.encode(
            {"type": "webauthn.get", "challenge": challenge, "origin": origin, "crossOrigin": False}
        )
        about = hashlib.sha256(rp_id.encode()).digest() + bytes([flags]) + bytes(4)
        message = about + hashlib.sha256(client_data).digest()
        return Approval(
            approver=self.name,
            kind=approvals.WEBAUTHN,
            signature=self.passkey.sign(message, ec.ECDSA(SHA256())),
            authenticator_data=about,
            client_data=client_data,
            credential_id=self.credential_id,
        )


class Clock:
    def __init__(self) -> None:
        self.now_ns = 1_800_000_000_000_000_000

    def __call__(self) -> int:
        return self.now_ns

    def advance(self, ns: int) -> None:
        self.now_ns += ns


@dataclass
class Bench:
    signer: Signer
    keys: Keystore
    own: Store
    clock: Clock
    ann: Person
    bob: Person

    def sign(self, payment: Payment, *approved_by: Person, terms: Terms = TERMS) -> Signed:
        given = [person.approves(payment) for person in approved_by]
        answer = self.signer.answer(SignWithdrawal(payment=payment, approvals=given, terms=terms))
        assert isinstance(answer, Signed)
        return answer

    def set_limits(self, **changed: int) -> None:
        with self.own.write() as db:
            limits = store.limits_of(db, "ETH", "")
            console.set_limits(db, Limits(**(limits._asdict() | changed)))


def payment(**changed: object) -> Payment:
    """One ether to somebody."""
    plain = Payment(
        withdrawal=1,
        exchange=EXCHANGE,
        network="ETH",
        chain_id=CHAIN_ID,
        asset="ETH",
        contract="",
        address=SOMEBODY,
        tag="",
        amount_units=ETHER,
        fee_atoms=100_000,
    )
    return msgspec.structs.replace(plain, **changed)


def make_bench(directory: Path) -> Bench:
    """One approval up to two ether, two above; ten at once, twenty an hour, forty a day."""
    keys = Keystore(os.urandom(32))
    own = Store(directory)
    ann, bob = Person("ann"), Person("bob")
    with own.write() as db:
        store.set_value(db, service.EXCHANGE, EXCHANGE)
        console.set_page(db, RP_ID, [ORIGIN])
        console.set_network(db, Network("ETH", CHAIN_ID, ETHER // 10, ETHER, ETHER // 100))
        for contract in ("", TOKEN):
            console.set_limits(
                db, Limits("ETH", contract, 10 * ETHER, 20 * ETHER, 40 * ETHER, two_above=2 * ETHER)
            )
        for person in (ann, bob):
            console.add_approver(db, person.name, approvals.ED25519, person.public_key)
            console.add_approver(
                db, person.name, approvals.WEBAUTHN, person.passkey_public, person.credential_id
            )
    clock = Clock()
    return Bench(Signer(keys, own, clock), keys, own, clock, ann, bob)
