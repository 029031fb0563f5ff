"""Signatures of the three kinds of keys: which are accepted, and what is no key."""

import base64
import hashlib
import hmac

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicNumbers
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as new_rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cambist.accounts.signatures import Check, Kind, PublicKeyInvalid, check_with, read_public_key

PAYLOAD = b"symbol=BTCUSDT&timestamp=1700000000000"


def pem(key: PublicKeyTypes) -> str:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.fixture(scope="module")
def ed25519() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


@pytest.fixture(scope="module")
def rsa() -> RSAPrivateKey:
    return new_rsa(65_537, 2_048)


@pytest.fixture(params=list(Kind))
def signer(
    request: pytest.FixtureRequest, ed25519: Ed25519PrivateKey, rsa: RSAPrivateKey
) -> tuple[Check, str]:
    """A key's check, and its signature of PAYLOAD."""
    match request.param:
        case Kind.HMAC:
            return check_with(Kind.HMAC, b"secret"), hmac.new(b"secret", PAYLOAD, hashlib.sha256).hexdigest()
        case Kind.ED25519:
            key, signature = pem(ed25519.public_key()), ed25519.sign(PAYLOAD)
        case _:
            key, signature = pem(rsa.public_key()), rsa.sign(PAYLOAD, PKCS1v15(), hashes.SHA256())
    check = check_with(request.param, read_public_key(request.param, key))
    return check, base64.b64encode(signature).decode()


def test_a_right_signature_is_accepted_again_and_again(signer):
    check, signature = signer
    assert check(signature, PAYLOAD)
    assert check(signature, PAYLOAD)


def test_a_signature_is_good_for_its_payload_alone(signer):
    check, signature = signer
    assert not check(signature, PAYLOAD + b"&")
    assert not check(signature, b"")


@pytest.mark.parametrize("other", ["", "0" * 64, "ab", "ß" * 64, "é", "=", "A" * 88, "A" * 344])
def test_whatever_is_no_signature_is_refused(signer, other):
    check, signature = signer
    assert not check(other, PAYLOAD)
    assert not check(signature[:-4] + other, PAYLOAD)


def test_the_documented_hmac_example_has_the_documented_signature():
    # The public documentation's, under "SIGNED Endpoint Examples for POST /api/v3/order".
    secret = b"NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
    payload = (
        b"symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1"
        b"&recvWindow=5000&timestamp=1499827319559"
    )
    signature = "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"
    assert check_with(Kind.HMAC, secret)(signature, payload)
    assert not check_with(Kind.HMAC, secret[:-1])(signature, payload)


def test_an_ed25519_signature_of_the_standard_is_accepted():
    # RFC 8032, section 7.1, TEST 2; the prefix makes a SubjectPublicKeyInfo of the 32 bytes (RFC 8410).
    public = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    signature = (
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )
    check = check_with(Kind.ED25519, bytes.fromhex("302a300506032b6570032100" + public))
    assert check(base64.b64encode(bytes.fromhex(signature)).decode(), b"\x72")


def test_a_plus_that_form_decoding_made_a_space_is_a_plus(ed25519):
    check = check_with(Kind.ED25519, read_public_key(Kind.ED25519, pem(ed25519.public_key())))
    payload, signature = next(
        (payload, signature)
        for payload in (b"%d" % n for n in range(1_000))
        if "+" in (signature := base64.b64encode(ed25519.sign(payload)).decode())
    )
    assert check(signature.replace("+", " "), payload)


def test_a_key_of_another_kind_is_refused(ed25519, rsa):
    elliptic = generate_private_key(SECP256R1()).public_key()
    for kind, key in (
        (Kind.RSA, ed25519.public_key()),
        (Kind.ED25519, rsa.public_key()),
        (Kind.RSA, elliptic),
        (Kind.ED25519, elliptic),
    ):
        with pytest.raises(PublicKeyInvalid, match=f"none for {kind}"):
            read_public_key(kind, pem(key))


@pytest.mark.parametrize("bits", [2_040, 4_104])
def test_rsa_keys_that_are_too_short_or_too_long_are_refused(bits):
    with pytest.raises(PublicKeyInvalid, match="2048 to 4096 bits"):
        read_public_key(Kind.RSA, pem(RSAPublicNumbers(65_537, (1 << bits) - 1).public_key()))


@pytest.mark.parametrize("text", ["", "x", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"])
def test_what_is_no_public_key_is_refused(text):
    with pytest.raises(PublicKeyInvalid, match="not a PEM file"):
        read_public_key(Kind.ED25519, text)


def test_a_private_key_is_refused(ed25519):
    """Whoever sends it should learn that nobody needs it."""
    private = ed25519.private_bytes_raw()
    text = base64.b64encode(bytes.fromhex("302e020100300506032b657004220420") + private).decode()
    with pytest.raises(PublicKeyInvalid, match="not a PEM file"):
        read_public_key(Kind.ED25519, f"-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")
