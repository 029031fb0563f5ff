"""Builds and signs the only two transactions that there are: the coin itself, and a token's `transfer`.

Each is made here from what is to be paid, and read again from the signed bytes before these leave: a library
that has put something else into them (an empty recipient, other units) is found out by that.
"""

from eth_abi.abi import encode
from eth_account import Account
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from eth_utils.address import is_checksum_address
from eth_utils.crypto import keccak
from hexbytes import HexBytes

from cambist.errors import Broken
from cambist.signer.calls import UINT256_MAX, Signed, Terms
from cambist.signer.family import AddressRefused, AmountRefused
from cambist.signer.keystore import Key

TRANSFER = keccak(text="transfer(address,uint256)")[:4]
_DYNAMIC_FEE = 2  # EIP-1559
_ADDRESS_LENGTH = 42
# Precompiled contracts, and what may become one: nobody has their keys.
_RESERVED_BELOW = 1 << 16


def address(key: Key) -> str:
    return key.address


def normal_address(text: str) -> str:
    """In lower case. Mixed case must be right by its checksum (EIP-55). Raises AddressRefused."""
    lower = text.lower()
    if text not in (lower, "0x" + text[2:].upper()) and not is_checksum_address(text):
        raise AddressRefused("the address's capital letters do not fit: it was mistyped")
    require_address(lower)
    return lower


def require_address(address: str, contract: str = "") -> None:
    """Raises AddressRefused unless it is 0x and 40 lower-case hex digits, and a key may belong to it."""
    digits = address[2:]
    if (
        len(address) != _ADDRESS_LENGTH
        or not address.startswith("0x")
        or set(digits) - set("0123456789abcdef")
    ):
        raise AddressRefused(f"{address[:64]!r} is not an address in lower case")
    if int(digits, 16) < _RESERVED_BELOW:
        raise AddressRefused(f"nobody has a key to {address}")
    if address == contract:
        raise AddressRefused(f"{address} is the token's own contract")


def pay(key: Key, chain_id: int, contract: str, to: str, amount_units: int, terms: Terms) -> Signed:
    """Raises AddressRefused or AmountRefused."""
    require_address(to, contract)
    if not 0 < amount_units <= UINT256_MAX:
        raise AmountRefused(f"{amount_units} units cannot be sent")
    if contract:
        require_address(contract)
        target, value = contract, 0
        data = TRANSFER + encode(["address", "uint256"], [to, amount_units])
    else:
        target, value, data = to, amount_units, b""
    wanted = {
        "type": _DYNAMIC_FEE,
        "chainId": chain_id,
        "nonce": terms.nonce,
        "gas": terms.gas,
        "maxFeePerGas": terms.max_fee,
        "maxPriorityFeePerGas": terms.priority_fee,
        "to": bytes.fromhex(target[2:]),
        "value": value,
        "data": data,
        "accessList": [],
    }
    signed = Account.sign_transaction(wanted, key.private)
    raw = bytes(signed.raw_transaction)
    _require_same(raw, wanted, key)
    return Signed(raw=raw, txid="0x" + keccak(raw).hex())


def inputs(raw: bytes) -> tuple[str, ...]:
    """Addresses have balances here."""
    return ()


def _require_same(raw: bytes, wanted: dict[str, object], key: Key) -> None:
    said = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
    for name, value in wanted.items():
        found = said[name]
        if (list(found) if name == "accessList" else bytes(found) if isinstance(value, bytes) else found) != (
            value
        ):
            raise Broken(f"the signed transaction has another {name} than was wanted: nothing may be signed")
    if Account.recover_transaction(raw).lower() != key.address:
        raise Broken("the signed transaction is not of the key that signed it")
