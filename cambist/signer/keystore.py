"""The keys: one seed on disk, encrypted, and what is derived from it in memory.

    m/44'/60'/0'/0/0      hot address: withdrawals leave from it, sweeps arrive at it
    m/44'/60'/1'/0        its extended public key goes to the wallets; deposit addresses are its children

The keystore and the file with its key are useless without each other and belong into different backups. The
seed comes of 24 words (BIP-39), so that coins can be reached with any other wallet as well, should ours fail.
"""

import os
from pathlib import Path
from typing import NamedTuple, Self

import msgspec
import wallycore as wally
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from eth_keys.datatypes import PrivateKey

from cambist.errors import Refused

KEYSTORE_FILE = "keystore.json"
KEY_FILE = "keystore.key"
_VERSION = 1
_ENTROPY_BYTES = 32
_SCRYPT_N, _SCRYPT_R, _SCRYPT_P = 1 << 15, 8, 1
_HOT_PATH = "m/44'/60'/0'/0/0"
_DEPOSITS_PATH = "m/44'/60'/1'/0"


class KeystoreUnusable(Refused):
    """Missing, there already, or sealed with another key; the text says which."""

    code = "keystore_unusable"


class _Sealed(msgspec.Struct, frozen=True, kw_only=True):
    version: int
    kdf: str
    n: int
    r: int
    p: int
    salt: bytes
    nonce: bytes
    sealed: bytes


class Key(NamedTuple):
    """Never shown: `repr` of a key does not tell it."""

    private: PrivateKey
    address: str

    def __repr__(self) -> str:
        return f"Key({self.address})"


class Keystore:
    """The keys of one exchange, derived on demand."""

    def __init__(self, entropy: bytes) -> None:
        words = wally.bip39_mnemonic_from_bytes(None, entropy)
        seed = wally.bip39_mnemonic_to_seed512(words, "")
        master = wally.bip32_key_from_seed(seed, wally.BIP32_VER_MAIN_PRIVATE, 0)
        self._deposits = _descend(master, _DEPOSITS_PATH)
        self.hot = _key(_descend(master, _HOT_PATH))
        self.deposits_xpub: str = wally.bip32_key_to_base58(self._deposits, wally.BIP32_FLAG_KEY_PUBLIC)

    @classmethod
    def create(cls, directory: Path, key_file: Path) -> Self:
        """New keys, on disk when this returns. Raises KeystoreUnusable if there are some."""
        file = directory / KEYSTORE_FILE
        if file.exists():
            raise KeystoreUnusable(f"{file} exists already; keys are never overwritten")
        if not key_file.exists():
            _write_once(key_file, os.urandom(32).hex().encode() + b"\n")
        entropy = os.urandom(_ENTROPY_BYTES)
        _write_once(file, msgspec.json.encode(_seal(entropy, _passphrase(key_file))))
        return cls(entropy)

    @classmethod
    def open(cls, directory: Path, key_file: Path) -> Self:
        """Raises KeystoreUnusable."""
        return cls(_entropy(directory, key_file))

    def deposit(self, index: int) -> Key:
        return _key(wally.bip32_key_from_parent(self._deposits, index, wally.BIP32_FLAG_KEY_PRIVATE))


def words(directory: Path, key_file: Path) -> str:
    """For paper in a safe: who has them has everything. Raises KeystoreUnusable."""
    found: str = wally.bip39_mnemonic_from_bytes(None, _entropy(directory, key_file))
    return found


def _entropy(directory: Path, key_file: Path) -> bytes:
    file = directory / KEYSTORE_FILE
    try:
        sealed = msgspec.json.decode(file.read_bytes(), type=_Sealed)
        passphrase = _passphrase(key_file)
    except FileNotFoundError as missing:
        raise KeystoreUnusable(f"{missing.filename} is missing; restore it from its backup") from None
    except msgspec.DecodeError as problem:
        raise KeystoreUnusable(f"{file} is damaged: {problem}") from None
    try:
        return AESGCM(_stretched(passphrase, sealed)).decrypt(sealed.nonce, sealed.sealed, _place(sealed))
    except InvalidTag:
        raise KeystoreUnusable(f"{file} was sealed with another key than {key_file}") from None


def _seal(entropy: bytes, passphrase: bytes) -> _Sealed:
    empty = _Sealed(
        version=_VERSION,
        kdf="scrypt",
        n=_SCRYPT_N,
        r=_SCRYPT_R,
        p=_SCRYPT_P,
        salt=os.urandom(16),
        nonce=os.urandom(12),
        sealed=b"",
    )
    sealed = AESGCM(_stretched(passphrase, empty)).encrypt(empty.nonce, entropy, _place(empty))
    return msgspec.structs.replace(empty, sealed=sealed)


def _stretched(passphrase: bytes, sealed: _Sealed) -> bytes:
    return Scrypt(salt=sealed.salt, length=32, n=sealed.n, r=sealed.r, p=sealed.p).derive(passphrase)


def _place(sealed: _Sealed) -> bytes:
    return b"cambist keystore %d" % sealed.version


def _passphrase(key_file: Path) -> bytes:
    """A file of our own making has 64 hex digits, but whatever an operator puts there will do."""
    passphrase = key_file.read_bytes().strip()
    if not passphrase:
        raise KeystoreUnusable(f"{key_file} is empty")
    return passphrase


def _write_once(file: Path, content: bytes) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(descriptor)
    directory = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _descend(master: object, path: str) -> object:
    return wally.bip32_key_from_parent_path_str(master, path, 0, wally.BIP32_FLAG_KEY_PRIVATE)


def _key(node: object) -> Key:
    private = PrivateKey(bytes(wally.bip32_key_get_priv_key(node)))
    return Key(private, private.public_key.to_address())
