"""Signing: the secret stays in this process, and the exchange sees only what it can check."""

import base64
import hashlib
import hmac
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key


class Key(Protocol):
    api_key: str

    def sign(self, payload: bytes) -> str:
        """The signature of the bytes as they travel."""


class HmacKey:
    """A secret that the exchange knows too."""

    def __init__(self, api_key: str, secret: str) -> None:
        self.api_key = api_key
        self._secret = secret.encode()

    def sign(self, payload: bytes) -> str:
        return hmac.new(self._secret, payload, hashlib.sha256).hexdigest()


class Ed25519Key:
    """A private key of which the exchange knows only the public half."""

    def __init__(self, api_key: str, private_key: Ed25519PrivateKey) -> None:
        self.api_key = api_key
        self._private_key = private_key

    @classmethod
    def load(cls, api_key: str, pem_file: Path, password: bytes | None = None) -> "Ed25519Key":
        """Raises TypeError if the file holds another kind of key."""
        private_key = load_pem_private_key(pem_file.read_bytes(), password)
        if not isinstance(private_key, Ed25519PrivateKey):
            raise TypeError(f"{pem_file} holds no Ed25519 private key")
        return cls(api_key, private_key)

    def sign(self, payload: bytes) -> str:
        return base64.b64encode(self._private_key.sign(payload)).decode()
