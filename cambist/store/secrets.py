"""The master key, and what it encrypts: secrets of others that the exchange must be able to read again.

A value is sealed for one place (its row); copied to another row it does not open. The key file needs a backup
of its own, apart from the database's: without the key every sealed value is lost.
Known limit: one key, no rotation yet; the version byte in front of each sealed value leaves room for it.
"""

import os
import stat
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from cambist.errors import Refused

MASTER_KEY_FILE = "master.key"
_KEY_BYTES = 32
_NONCE_BYTES = 12  # random: safe for 2**32 values under one key
_VERSION = b"\x01"


class SecretsError(Refused):
    """The secrets directory cannot be used as it is; the text says what to do."""

    code = "secrets_unusable"


class SealBroken(Exception):
    """A sealed value was changed, moved to another row, or belongs to another master key."""


class Vault:
    """Seals and unseals small values with AES-256-GCM."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)
        self._key = key

    @classmethod
    def create(cls, directory: Path) -> Self:
        """Make the directory and a random key. A key that is there stays: what it sealed needs it."""
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _sync_directory(directory.parent)
        _require_private(directory)
        file = directory / MASTER_KEY_FILE
        if not file.exists():
            _write_once(file, os.urandom(_KEY_BYTES))
        return cls.open(directory)

    @classmethod
    def open(cls, directory: Path) -> Self:
        file = directory / MASTER_KEY_FILE
        try:
            _require_private(directory)
            _require_private(file)
            key = file.read_bytes()
        except FileNotFoundError as missing:
            raise SecretsError(f"{missing.filename} is missing; restore it from the backup") from None
        if len(key) != _KEY_BYTES:
            raise SecretsError(
                f"{file} holds {len(key)} bytes, a master key has {_KEY_BYTES}; restore the backup"
            )
        return cls(key)

    def seal(self, plain: bytes, *, place: str) -> bytes:
        """Version byte, nonce, ciphertext and tag. `place` names the row and is needed again to unseal."""
        nonce = os.urandom(_NONCE_BYTES)
        return _VERSION + nonce + self._cipher.encrypt(nonce, plain, place.encode())

    def derive(self, purpose: str) -> bytes:
        """A key of 32 bytes for one purpose: always the same, and it tells nothing of the master key."""
        return HKDFExpand(SHA256(), _KEY_BYTES, purpose.encode()).derive(self._key)

    def unseal(self, sealed: bytes, *, place: str) -> bytes:
        version, nonce, ciphertext = sealed[:1], sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        try:
            if version == _VERSION:
                return self._cipher.decrypt(nonce, ciphertext, place.encode())
        except (InvalidTag, ValueError):  # ValueError: too short to hold a nonce
            pass
        raise SealBroken(f"the sealed value of {place} was changed, moved, or sealed with another master key")


def _require_private(path: Path) -> None:
    """Raises SecretsError if anyone but the owner may do anything with `path`."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        wanted = "700" if path.is_dir() else "600"
        raise SecretsError(f"{path} is open to other users (mode {mode:03o}); run: chmod {wanted} {path}")


def _write_once(file: Path, content: bytes) -> None:
    """Durable and whole, or not there; raises FileExistsError rather than replace a file."""
    aside = file.with_suffix(".new")
    aside.unlink(missing_ok=True)
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(descriptor)
    try:
        os.link(aside, file)
    finally:
        aside.unlink()
    _sync_directory(file.parent)


def _sync_directory(directory: Path) -> None:
    """Makes the names in it durable."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
