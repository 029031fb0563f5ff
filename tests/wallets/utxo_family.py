"""A family of chains of the tests' own, where outputs are spent: its addresses and transactions.

A transaction spends outputs of one address, pays another one, and gives the rest back to the first. It is
known by what it says and not by its signature. A payment of less than DUST is not taken by the chain.
"""

import hashlib
from collections.abc import Sequence
from typing import Annotated

import msgspec
import wallycore
from eth_keys.datatypes import PublicKey, Signature
from msgspec import Meta, Struct

from cambist.signer.calls import Signed, Terms
from cambist.signer.family import AddressRefused, AmountRefused
from cambist.signer.keystore import Key

DUST = 500
_PREFIX = "u1"
_HEX = 40
_CHILD = wallycore.BIP32_FLAG_KEY_PUBLIC | wallycore.BIP32_FLAG_SKIP_HASH


class Coin(Struct, frozen=True, order=True):
    """An output that can be spent: number `place` of the transaction, and what it holds."""

    txid: str
    place: int
    units: Annotated[int, Meta(ge=0)]

    @classmethod
    def read(cls, text: str) -> "Coin":
        txid, place, units = text.split(":")
        return cls(txid, int(place), int(units))

    def __str__(self) -> str:
        return f"{self.txid}:{self.place}:{self.units}"


class Paid(Struct, frozen=True):
    address: str
    units: Annotated[int, Meta(gt=0)]


class Transaction(Struct, frozen=True):
    """`note` makes those different that bring coins from outside and spend none."""

    chain_id: int
    coins: tuple[Coin, ...]
    paid: tuple[Paid, ...]
    public_key: bytes = b""
    signature: bytes = b""
    note: int = 0

    @property
    def said(self) -> bytes:
        """What is signed."""
        return hashlib.sha256(msgspec.json.encode(msgspec.structs.replace(self, signature=b""))).digest()

    @property
    def txid(self) -> str:
        return self.said.hex()

    @property
    def sender(self) -> str:
        return _address_of(self.public_key) if self.public_key else ""

    @property
    def fee_units(self) -> int:
        return sum(coin.units for coin in self.coins) - sum(paid.units for paid in self.paid)

    @property
    def size(self) -> int:
        return size(len(self.coins), len(self.paid))

    def is_signed(self) -> bool:
        key = PublicKey.from_compressed_bytes(self.public_key)
        return bool(Signature(self.signature).recover_public_key_from_msg_hash(self.said) == key)

    def made(self, address: str) -> list[Coin]:
        """The outputs that it gives to an address."""
        return [
            Coin(self.txid, place, paid.units)
            for place, paid in enumerate(self.paid)
            if paid.address == address
        ]


def size(coins: int, paid: int) -> int:
    """Bytes, as far as fees go."""
    return 10 + 148 * coins + 34 * paid


def read(raw: bytes) -> Transaction:
    return msgspec.json.decode(raw, type=Transaction)


def derive(xpub: str, index: int) -> str:
    child = wallycore.bip32_key_from_parent(wallycore.bip32_key_from_base58(xpub), index, _CHILD)
    return _address_of(bytes(wallycore.bip32_key_get_pub_key(child)))


def is_address(text: str) -> bool:
    digits = text.removeprefix(_PREFIX)
    return digits != text and len(digits) == _HEX and not set(digits) - set("0123456789abcdef")


# What the signer asks of a family: cambist/signer/family.py.


def address(key: Key) -> str:
    return _address_of(key.private.public_key.to_compressed_bytes())


def normal_address(text: str) -> str:
    require_address(text)
    return text


def require_address(address: str, contract: str = "") -> None:
    if contract:
        raise AddressRefused("there are no tokens on this chain")
    if not is_address(address):
        raise AddressRefused(f"{address[:64]!r} is no address here")


def pay(key: Key, chain_id: int, contract: str, to: str, amount_units: int, terms: Terms) -> Signed:
    require_address(to, contract)
    coins = [Coin.read(text) for text in terms.inputs]
    change = sum(coin.units for coin in coins) - amount_units - terms.fee_max_units
    if amount_units < DUST or change < 0:
        raise AmountRefused(f"{amount_units} units cannot be sent of these outputs")
    return sign(key, chain_id, coins, to, amount_units, change)


def sign(key: Key, chain_id: int, coins: Sequence[Coin], to: str, amount_units: int, change: int) -> Signed:
    """Change that nobody could send is left to who makes the block."""
    paid = [Paid(to, amount_units)] + ([Paid(address(key), change)] if change >= DUST else [])
    public_key = key.private.public_key.to_compressed_bytes()
    unsigned = Transaction(chain_id, tuple(coins), tuple(paid), public_key)
    signature = key.private.sign_msg_hash(unsigned.said).to_bytes()
    signed = msgspec.structs.replace(unsigned, signature=signature)
    return Signed(raw=msgspec.json.encode(signed), txid=signed.txid)


def inputs(raw: bytes) -> tuple[str, ...]:
    return tuple(str(coin) for coin in read(raw).coins)


def _address_of(public_key: bytes) -> str:
    return _PREFIX + hashlib.sha256(public_key).hexdigest()[:_HEX]
