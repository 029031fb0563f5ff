"""Ethereum addresses from an extended public key: who gives one out needs no private key.

The address is of the last 20 bytes of the Keccak-256 of the uncompressed public key (Yellow Paper, appendix
F), written in lower case. Child keys follow BIP-32, not hardened.
"""

import wallycore
from eth_utils.crypto import keccak

from cambist.errors import Refused

INDEX_MAX = 2**31 - 1
_CHILD = wallycore.BIP32_FLAG_KEY_PUBLIC | wallycore.BIP32_FLAG_SKIP_HASH


class XpubInvalid(Refused):
    code = "xpub_invalid"


def address(xpub: str, index: int) -> str:
    """Of the child `index`, 0 to INDEX_MAX. Raises XpubInvalid."""
    try:
        parent = wallycore.bip32_key_from_base58(xpub)
        child = wallycore.bip32_key_from_parent(parent, index, _CHILD)
        public_key = wallycore.ec_public_key_decompress(wallycore.bip32_key_get_pub_key(child))
    except ValueError as problem:
        raise XpubInvalid(f"no extended public key, or no child {index} of it") from problem
    return "0x" + keccak(public_key[1:])[-20:].hex()
