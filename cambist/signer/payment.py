"""What is paid out, and what an approver's signature stands for: one digest over all of it.

The console shows a payment, an approver signs its digest, and the signer computes the digest anew from what
it is asked to sign. A byte that was changed on the way is another digest (docs/formats/signer.md).
"""

import hashlib

import msgspec

VERSION = 1
# What an Ed25519 key signs is this and the digest, so nothing else that it ever signs can be taken for it.
APPROVAL_PREFIX = b"cambist withdrawal approval 1\n"


class Payment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`exchange` is the log's id in hex. `amount_units` arrives at `address`, in the chain's smallest unit;
    `fee_atoms` is what the exchange takes for it, in the asset's ledger scale. `contract` is empty for the
    network's own coin.
    """

    withdrawal: int
    exchange: str
    network: str
    chain_id: int
    asset: str
    contract: str
    address: str
    tag: str
    amount_units: int
    fee_atoms: int

    def digest(self) -> bytes:
        """SHA-256 of the canonical form: JSON, keys in order, no spaces, amounts as decimal text."""
        said = {
            "version": VERSION,
            "withdrawal": self.withdrawal,
            "exchange": self.exchange,
            "network": self.network,
            "chain_id": self.chain_id,
            "asset": self.asset,
            "contract": self.contract,
            "address": self.address,
            "tag": self.tag,
            "amount": str(self.amount_units),
            "fee_atoms": str(self.fee_atoms),
        }
        return hashlib.sha256(msgspec.json.encode(said, order="sorted")).digest()


class Approval(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One person's signature over a digest. `approver` is the name that the signer knows the key by.

    Kind `ed25519`: only `signature`. Kind `webauthn`: also what the authenticator and the browser have said.
    """

    approver: str
    kind: str
    signature: bytes
    authenticator_data: bytes = b""
    client_data: bytes = b""
    credential_id: bytes = b""
