"""Whether a signature belongs to a key: HMAC-SHA256 with a secret, Ed25519 or RSA with a public key.

HMAC signatures are hex digits of either case, the others base64. RSA is PKCS #1 v1.5 with SHA-256, because
that is what clients of the Binance API send.
"""

import base64
import binascii
from collections.abc import Callable
from enum import StrEnum
from typing import TypeAlias

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_public_key,
)

from cambist._matching import HmacKey
from cambist.errors import Refused

RSA_BITS_MIN, RSA_BITS_MAX = 2_048, 4_096  # a larger one would cost every request too much

Check: TypeAlias = Callable[[str, bytes], bool]
"""Whether a signature (as text) is the key's for a payload; anything that is no signature is not."""


class Kind(StrEnum):
    """Stored: never rename."""

    HMAC = "hmac"
    ED25519 = "ed25519"
    RSA = "rsa"


class PublicKeyInvalid(Refused):
    """Not a public key of the kind that was named; the text says why."""

    code = "public_key_invalid"


def read_public_key(kind: Kind, pem: str) -> bytes:
    """A PEM public key as the bytes to store. Raises PublicKeyInvalid."""
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise PublicKeyInvalid("not a PEM file with one public key (-----BEGIN PUBLIC KEY-----)") from None
    if not isinstance(key, Ed25519PublicKey if kind is Kind.ED25519 else RSAPublicKey):
        raise PublicKeyInvalid(f"the file holds a public key, but none for {kind}")
    if isinstance(key, RSAPublicKey) and not RSA_BITS_MIN <= key.key_size <= RSA_BITS_MAX:
        raise PublicKeyInvalid(f"an RSA key here has {RSA_BITS_MIN} to {RSA_BITS_MAX} bits")
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def check_with(kind: Kind, key: bytes) -> Check:
    """`key` is the secret, or what `read_public_key` gave."""
    if kind is Kind.HMAC:
        return HmacKey(key)  # hex digits, compared in constant time
    public = load_der_public_key(key)
    return _ed25519(public) if isinstance(public, Ed25519PublicKey) else _rsa(public)


def _ed25519(key: Ed25519PublicKey) -> Check:
    def check(signature: str, payload: bytes) -> bool:
        try:
            key.verify(_from_base64(signature), payload)
        except InvalidSignature:
            return False
        return True

    return check


def _rsa(key: object) -> Check:
    if not isinstance(key, RSAPublicKey):
        raise TypeError(f"a stored public key is {type(key).__name__}")
    padding, digest = PKCS1v15(), hashes.SHA256()

    def check(signature: str, payload: bytes) -> bool:
        try:
            key.verify(_from_base64(signature), payload, padding, digest)
        except InvalidSignature:
            return False
        return True

    return check


def _from_base64(signature: str) -> bytes:
    """b"", which is nobody's signature, for what is not base64."""
    try:
        # Many clients send + as it is, and form decoding has made a space of it.
        return base64.b64decode(signature.replace(" ", "+"), validate=True)
    except (binascii.Error, ValueError):
        return b""
