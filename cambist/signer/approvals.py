"""Whether enough different people have signed a digest. Their keys stand in the signer's own store.

An Ed25519 key signs a prefix and the digest. A passkey signs what its authenticator and the browser say, in
which the digest is the challenge; both must name our own page, and the owner must have been verified
(W3C Web Authentication, section 7.2; the signature counter is left out: synchronised passkeys have none).
"""

import base64
import hashlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from cambist.errors import Refused
from cambist.signer.payment import APPROVAL_PREFIX, Approval
from cambist.signer.store import Approver

ED25519, WEBAUTHN = "ed25519", "webauthn"
ED25519_BYTES = 32
_USER_PRESENT_AND_VERIFIED = 0b101
_FLAGS_AT = 32


class NotApproved(Refused):
    """Not by enough people, or not this; the signer has not signed."""

    code = "not_approved"


class Page(NamedTuple):
    """Where passkeys are used: what authenticators and browsers call our console."""

    rp_id: str
    origins: Sequence[str]


class _ClientData(msgspec.Struct):
    type: str
    challenge: str
    origin: str


def require(
    digest: bytes, approvals: Iterable[Approval], approvers: Sequence[Approver], needed: int, page: Page
) -> list[str]:
    """The names of those who approved. Every approval given must be good: a bad one is never mere noise.

    Raises NotApproved.
    """
    names: set[str] = set()
    keys: set[bytes] = set()
    for approval in approvals:
        approver = _approver(approval, approvers)
        if not _is_good(digest, approval, approver, page):
            raise NotApproved(f"the approval of {approver.name} is not of this payment")
        names.add(approver.name)
        keys.add(approver.public_key)
    if min(len(names), len(keys)) < needed:
        raise NotApproved(f"{needed} different people have to approve this, {len(names)} have")
    return sorted(names)


def _approver(approval: Approval, approvers: Sequence[Approver]) -> Approver:
    for each in approvers:
        if (each.name, each.kind) == (approval.approver, approval.kind) and (
            each.kind == ED25519 or each.credential_id == approval.credential_id
        ):
            return each
    raise NotApproved(f"the signer has no {approval.kind[:16]} key of {approval.approver[:64]}")


def _is_good(digest: bytes, approval: Approval, approver: Approver, page: Page) -> bool:
    try:
        if approver.kind == ED25519:
            key = Ed25519PublicKey.from_public_bytes(approver.public_key)
            key.verify(approval.signature, APPROVAL_PREFIX + digest)
            return True
        return _is_good_passkey(digest, approval, approver.public_key, page)
    except InvalidSignature:
        return False


def _is_good_passkey(digest: bytes, approval: Approval, public_key: bytes, page: Page) -> bool:
    try:
        said = msgspec.json.decode(approval.client_data, type=_ClientData)
    except msgspec.DecodeError:
        return False
    challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    if (said.type, said.challenge) != ("webauthn.get", challenge) or said.origin not in page.origins:
        return False
    about = approval.authenticator_data
    if len(about) <= _FLAGS_AT or about[:_FLAGS_AT] != hashlib.sha256(page.rp_id.encode()).digest():
        return False
    if about[_FLAGS_AT] & _USER_PRESENT_AND_VERIFIED != _USER_PRESENT_AND_VERIFIED:
        return False
    message = about + hashlib.sha256(approval.client_data).digest()
    match load_der_public_key(public_key):
        case ec.EllipticCurvePublicKey() as elliptic:
            elliptic.verify(approval.signature, message, ec.ECDSA(SHA256()))
        case Ed25519PublicKey() as edwards:
            edwards.verify(approval.signature, message)
        case _:
            return False
    return True


def require_key(kind: str, public_key: bytes) -> None:
    """Raises NotApproved for what is not a public key of this kind."""
    try:
        if kind == ED25519 and len(public_key) == ED25519_BYTES:
            Ed25519PublicKey.from_public_bytes(public_key)
            return
        if kind == WEBAUTHN and isinstance(
            load_der_public_key(public_key), ec.EllipticCurvePublicKey | Ed25519PublicKey
        ):
            return
    except ValueError:
        pass
    raise NotApproved(f"this is no {kind[:16]} public key")
