"""What a member of the staff proves itself with: a passkey, or an Ed25519 key that never leaves its owner.

A proof is a signature over one challenge for one purpose. Of a passkey the challenge is all that is signed,
so it must be random, or a digest that nothing else has; an Ed25519 key signs the purpose's words before it.
Every proof of a passkey needs its owner's PIN, finger or face.
"""

import hashlib
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import webauthn
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Connection, Row, insert, select, update
from webauthn.helpers import bytes_to_base64url
from webauthn.helpers.exceptions import WebAuthnException

from cambist.errors import Refused
from cambist.staff.people import Member
from cambist.store.console_tables import staff_keys

PASSKEY, ED25519 = "webauthn", "ed25519"
KEYS_MAX = 5  # of one person
LABEL_LONGEST = 64


class Purpose(Enum):
    """The words in front of what an Ed25519 key signs. The one of approvals is the signer's own."""

    ENROL = b"cambist console key 1\n"
    SIGN_IN = b"cambist console sign-in 1\n"
    DECIDE = b"cambist proposal decision 1\n"
    APPROVE = b"cambist withdrawal approval 1\n"


class ProofWrong(Refused):
    """One answer for every reason; the audit trail has more."""

    code = "proof_wrong"

    def __init__(self) -> None:
        super().__init__("this is not signed with a key that is enrolled here")


class KeyInvalid(Refused):
    code = "key_invalid"


class Site(NamedTuple):
    """Where the console is in a browser. A passkey works there and nowhere else."""

    origin: str

    @property
    def rp_id(self) -> str:
        return urlsplit(self.origin).hostname or ""

    @property
    def host(self) -> str:
        return urlsplit(self.origin).netloc

    @property
    def is_secure(self) -> bool:
        return self.origin.startswith("https:")


@dataclass(frozen=True, slots=True)
class PasskeyProof:
    """What the browser gave, as the WebAuthn standard writes it in JSON."""

    credential: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ed25519Proof:
    public_key: bytes
    signature: bytes


Proof = PasskeyProof | Ed25519Proof


@dataclass(frozen=True, slots=True)
class StaffKey:
    id: int
    staff_id: int
    kind: str
    label: str
    credential: str
    public_key: bytes
    sign_count: int
    created_at_ns: int
    used_at_ns: int | None


def enrol(
    db: Connection, member: Member, proof: Proof, challenge: bytes, *, label: str, site: Site, now_ns: int
) -> StaffKey:
    """A new key, which has signed the challenge. Raises ProofWrong or KeyInvalid."""
    if not label.isprintable() or not 0 < len(label) <= LABEL_LONGEST:
        raise KeyInvalid(f"a key's name has 1 to {LABEL_LONGEST} printable characters")
    if len(list_of(db, member)) >= KEYS_MAX:
        raise KeyInvalid(f"nobody has more than {KEYS_MAX} keys; remove one first")
    if isinstance(proof, PasskeyProof):
        kind, credential, public_key, count = PASSKEY, *_new_passkey(proof, challenge, site)
    else:
        _require_signed(proof, Purpose.ENROL, challenge)
        kind, credential, public_key, count = ED25519, _name_of(proof.public_key), proof.public_key, 0
    if db.scalar(select(staff_keys.c.id).where(staff_keys.c.credential == credential)) is not None:
        raise KeyInvalid("this key is, or was, enrolled already")
    row = {
        "staff_id": member.id,
        "kind": kind,
        "label": label,
        "credential": credential,
        "public_key": public_key,
        "sign_count": count,
        "created_at_ns": now_ns,
    }
    number = db.execute(insert(staff_keys).values(row).returning(staff_keys.c.id)).scalar_one()
    return _key(db.execute(select(staff_keys).where(staff_keys.c.id == number)).one())


def verify(
    db: Connection, proof: Proof, purpose: Purpose, challenge: bytes, *, site: Site, now_ns: int
) -> StaffKey:
    """The enrolled key that made this proof. Raises ProofWrong, of a passkey that was copied too."""
    credential = (
        str(proof.credential.get("id")) if isinstance(proof, PasskeyProof) else _name_of(proof.public_key)
    )
    wanted = (staff_keys.c.credential == credential) & staff_keys.c.removed_at_ns.is_(None)
    row = db.execute(select(staff_keys).where(wanted)).one_or_none()
    if row is None:
        raise ProofWrong
    count = row.sign_count
    if isinstance(proof, PasskeyProof):
        count = _passkey_count(proof, challenge, row, site)
    else:
        _require_signed(proof, purpose, challenge)
    db.execute(
        update(staff_keys).where(staff_keys.c.id == row.id).values(sign_count=count, used_at_ns=now_ns)
    )
    return _key(row)


def list_of(db: Connection, member: Member) -> list[StaffKey]:
    wanted = (staff_keys.c.staff_id == member.id) & staff_keys.c.removed_at_ns.is_(None)
    return [_key(row) for row in db.execute(select(staff_keys).where(wanted).order_by(staff_keys.c.id))]


def remove(db: Connection, member: Member, key_id: int, now_ns: int) -> None:
    """Raises KeyInvalid for the last one, and for one of somebody else."""
    mine = [key.id for key in list_of(db, member)]
    if key_id not in mine:
        raise KeyInvalid("you have no such key")
    if len(mine) == 1:
        raise KeyInvalid("this is your last key; enrol another one first")
    db.execute(update(staff_keys).where(staff_keys.c.id == key_id).values(removed_at_ns=now_ns))


def evidence(proof: Proof) -> dict[str, str]:
    """What a signer needs to see the proof for itself: base64url texts."""
    if isinstance(proof, Ed25519Proof):
        return {"signature": bytes_to_base64url(proof.signature)}
    response = proof.credential["response"]
    return {
        "signature": response["signature"],
        "authenticator_data": response["authenticatorData"],
        "client_data": response["clientDataJSON"],
        "credential_id": proof.credential["id"],
    }


def _new_passkey(proof: PasskeyProof, challenge: bytes, site: Site) -> tuple[str, bytes, int]:
    try:
        made = webauthn.verify_registration_response(
            credential=proof.credential,
            expected_challenge=challenge,
            expected_rp_id=site.rp_id,
            expected_origin=site.origin,
            require_user_verification=True,
        )
    except WebAuthnException:
        raise ProofWrong from None
    return bytes_to_base64url(made.credential_id), made.credential_public_key, made.sign_count


def _passkey_count(proof: PasskeyProof, challenge: bytes, row: Row[Any], site: Site) -> int:
    try:
        seen = webauthn.verify_authentication_response(
            credential=proof.credential,
            expected_challenge=challenge,
            expected_rp_id=site.rp_id,
            expected_origin=site.origin,
            credential_public_key=row.public_key,
            credential_current_sign_count=row.sign_count,
            require_user_verification=True,
        )
    except WebAuthnException:
        raise ProofWrong from None
    return seen.new_sign_count


def _require_signed(proof: Ed25519Proof, purpose: Purpose, challenge: bytes) -> None:
    try:
        key = Ed25519PublicKey.from_public_bytes(proof.public_key)
        key.verify(proof.signature, purpose.value + challenge)
    except (InvalidSignature, ValueError):  # ValueError: not 32 bytes
        raise ProofWrong from None


def _name_of(public_key: bytes) -> str:
    return "ed25519:" + hashlib.sha256(public_key).hexdigest()


def _key(row: Row[Any]) -> StaffKey:
    return StaffKey(
        id=row.id,
        staff_id=row.staff_id,
        kind=row.kind,
        label=row.label,
        credential=row.credential,
        public_key=row.public_key,
        sign_count=row.sign_count,
        created_at_ns=row.created_at_ns,
        used_at_ns=row.used_at_ns,
    )
