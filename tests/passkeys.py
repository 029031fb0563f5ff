"""An authenticator as the WebAuthn standard has it, for tests without a browser: ES256, with a PIN."""

import hashlib
import json
import secrets
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from webauthn.helpers import bytes_to_base64url

_PRESENT, _VERIFIED, _WITH_KEY = 0x01, 0x04, 0x40


class Passkey:
    """`rp_id` is where it works. What a test changes of it, it then says."""

    def __init__(self, rp_id: str, origin: str) -> None:
        self.rp_id = rp_id
        self.origin = origin
        self.is_verified = True
        self.count = 0
        self.id = secrets.token_bytes(32)
        self._private = ec.generate_private_key(ec.SECP256R1())

    def create(self, challenge: str) -> dict[str, Any]:
        """What `navigator.credentials.create` gives, in JSON."""
        numbers = self._private.public_key().public_numbers()
        key = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
        named = bytes(16) + len(self.id).to_bytes(2, "big") + self.id + cbor2.dumps(key)
        said = {"fmt": "none", "attStmt": {}, "authData": self._data(_WITH_KEY) + named}
        return self._credential(
            {
                "clientDataJSON": bytes_to_base64url(self._client_data("webauthn.create", challenge)),
                "attestationObject": bytes_to_base64url(cbor2.dumps(said)),
            }
        )

    def get(self, challenge: str) -> dict[str, Any]:
        """What `navigator.credentials.get` gives, in JSON."""
        self.count += 1
        client_data, data = self._client_data("webauthn.get", challenge), self._data(0)
        signature = self._private.sign(data + hashlib.sha256(client_data).digest(), ec.ECDSA(SHA256()))
        return self._credential(
            {
                "clientDataJSON": bytes_to_base64url(client_data),
                "authenticatorData": bytes_to_base64url(data),
                "signature": bytes_to_base64url(signature),
            }
        )

    def _data(self, flags: int) -> bytes:
        flags |= _PRESENT | (_VERIFIED if self.is_verified else 0)
        return hashlib.sha256(self.rp_id.encode()).digest() + bytes([flags]) + self.count.to_bytes(4, "big")

    def _client_data(self, kind: str, challenge: str) -> bytes:
        said = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}
        return json.dumps(said).encode()

    def _credential(self, response: dict[str, str]) -> dict[str, Any]:
        name = bytes_to_base64url(self.id)
        return {
            "id": name,
            "rawId": name,
            "type": "public-key",
            "response": response,
            "clientExtensionResults": {},
        }
