"""The tables of the records schema that say what is on the chains and what is paid out to them.

Amounts are decimal text, because no database keeps 256 bits: `*_atoms` in the asset's ledger scale,
`*_units` in the smallest unit of the chain. Addresses, transaction ids and hashes are as the network writes
them, one way only (EVM: lower case with 0x).
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    UniqueConstraint,
)

from cambist.store.account_tables import metadata

__all__ = ["metadata"]  # complete, once this module is imported

_ATOMS = String(39)
_UNITS = String(78)
_NETWORK = String(16)
_ADDRESS = String(128)
_HASH = String(80)

# As the signer says it; a row never changes. `xpub`: child `index` of it is the deposit address `index`.
networks = Table(
    "networks",
    metadata,
    Column("name", _NETWORK, primary_key=True),
    Column("chain_id", BigInteger, nullable=False),
    Column("xpub", String(128), nullable=False),
    Column("hot_address", _ADDRESS, nullable=False),
)

# An asset on a network. `contract` is empty for the network's own coin; `mirror` is the engine's account that
# stands for everything held there. `halted` says why nothing is credited or paid, empty if nothing stops it.
# `rest_units` is what is held there below an atom, which the ledger cannot say. `token_code` stands for what
# the contract was when it was listed. Deposits above `large_above_atoms` need `large_confirmations`; if it is
# 0, none does.
asset_networks = Table(
    "asset_networks",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("asset", Integer, nullable=False),
    Column("asset_name", String(16), nullable=False),
    Column("scale", SmallInteger, nullable=False),
    Column("network", _NETWORK, nullable=False),
    Column("contract", _ADDRESS, nullable=False),
    Column("decimals", SmallInteger, nullable=False),
    Column("mirror", BigInteger, nullable=False),
    Column("confirmations", Integer, nullable=False),
    Column("deposit_min_atoms", _ATOMS, nullable=False),
    Column("withdrawal_fee_atoms", _ATOMS, nullable=False),
    Column("withdrawal_min_atoms", _ATOMS, nullable=False),
    Column("withdrawal_daily_max_atoms", _ATOMS, nullable=False),
    Column("review_two_above_atoms", _ATOMS, nullable=False),
    Column("hot_max_units", _UNITS, nullable=False),
    Column("is_deposit_open", Boolean, nullable=False),
    Column("is_withdrawal_open", Boolean, nullable=False),
    Column("halted", String(255), nullable=False),
    Column("rest_units", _UNITS, nullable=False, server_default="0"),
    Column("token_code", String(64), nullable=False, server_default=""),
    Column("large_above_atoms", _ATOMS, nullable=False, server_default="0"),
    Column("large_confirmations", Integer, nullable=False, server_default="0"),
    UniqueConstraint("network", "contract", name="uq_asset_networks_contract"),
    UniqueConstraint("network", "asset", name="uq_asset_networks_asset"),
)

# Of users, by index of the network's extended public key. Rows are never changed and never deleted.
deposit_addresses = Table(
    "deposit_addresses",
    metadata,
    Column("network", _NETWORK, primary_key=True),
    Column("index", BigInteger, primary_key=True),
    Column("address", _ADDRESS, nullable=False),
    Column("user_id", Integer, ForeignKey("users.id"), nullable=False),
    Column("account", BigInteger, nullable=False),
    Column("given_at_ns", BigInteger, nullable=False),
    UniqueConstraint("network", "address", name="uq_deposit_addresses_address"),
    UniqueConstraint("network", "user_id", name="uq_deposit_addresses_user_id"),
)

# How far a network has been read, and up to where its blocks are final. `halted` says why it is not read on.
# `branch_height`: how far the branch had been read that is given up; the same as `height` if none is.
chain_cursors = Table(
    "chain_cursors",
    metadata,
    Column("network", _NETWORK, primary_key=True),
    Column("height", BigInteger, nullable=False),
    Column("final_height", BigInteger, nullable=False),
    Column("halted", String(255), nullable=False),
    Column("branch_height", BigInteger, nullable=False, server_default="0"),
)

# The newest blocks that were read whole, to tell where another branch leaves ours.
chain_blocks = Table(
    "chain_blocks",
    metadata,
    Column("network", _NETWORK, primary_key=True),
    Column("height", BigInteger, primary_key=True),
    Column("hash", _HASH, nullable=False),
    Column("parent", _HASH, nullable=False),
)

# One output that came to an address of ours. `output` tells it from others of its transaction, wherever that
# is mined. `block` is null while no block of our branch holds it. States: cambist/wallets/deposits.py.
deposits = Table(
    "deposits",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("network", _NETWORK, nullable=False),
    Column("txid", _HASH, nullable=False),
    Column("output", String(32), nullable=False),
    Column("contract", _ADDRESS, nullable=False),
    Column("asset_network_id", Integer, ForeignKey("asset_networks.id")),
    Column("address", _ADDRESS, nullable=False),
    Column("user_id", Integer, ForeignKey("users.id")),
    Column("account", BigInteger, nullable=False),
    Column("amount_units", _UNITS, nullable=False),
    Column("amount_atoms", _ATOMS, nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", String(255), nullable=False),
    Column("height", BigInteger, nullable=False),
    Column("block", _HASH),
    Column("seen_at_ns", BigInteger, nullable=False),
    Column("credited_at_ns", BigInteger),
    UniqueConstraint("network", "txid", "output"),
    Index(None, "network", "state"),
    Index("ix_deposits_height", "network", "height"),
    Index(None, "user_id"),
)

# What an address of ours holds at the cursor's height.
chain_balances = Table(
    "chain_balances",
    metadata,
    Column("network", _NETWORK, primary_key=True),
    Column("contract", _ADDRESS, primary_key=True),
    Column("address", _ADDRESS, primary_key=True),
    Column("amount_units", _UNITS, nullable=False),
    Column("height", BigInteger, nullable=False),
)

# Every transaction of ours, stored before it is sent. `subject` is the withdrawal's id, or the index of the
# deposit address that is swept or funded. States: signed, sent, mined, final, replaced, failed. One that was
# found in a block and that these records have not made has no `raw`, and says who its `receiver` is.
chain_sends = Table(
    "chain_sends",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("network", _NETWORK, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("subject", BigInteger, nullable=False),
    Column("sender", _ADDRESS, nullable=False),
    Column("nonce", BigInteger, nullable=False),
    Column("contract", _ADDRESS, nullable=False),
    Column("amount_units", _UNITS, nullable=False),
    Column("raw", LargeBinary(8_192), nullable=False),
    Column("receiver", _ADDRESS, nullable=False, server_default=""),
    Column("txid", _HASH, nullable=False),
    Column("state", String(16), nullable=False),
    Column("fee_units", _UNITS, nullable=False),
    Column("is_fee_booked", Boolean, nullable=False),
    Column("height", BigInteger),
    Column("signed_at_ns", BigInteger, nullable=False),
    Column("sent_at_ns", BigInteger),
    UniqueConstraint("network", "txid"),
    Index(None, "network", "state"),
    Index("ix_chain_sends_nonce", "network", "sender", "nonce"),
)

# Owed and held of an asset on a network when a block had been dealt with; all in units of the chain.
reconciliations = Table(
    "reconciliations",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("asset_network_id", Integer, ForeignKey("asset_networks.id"), nullable=False),
    Column("height", BigInteger, nullable=False),
    Column("on_chain_units", _UNITS, nullable=False),
    Column("ledger_units", _UNITS, nullable=False),
    Column("under_way_units", _UNITS, nullable=False),
    Column("drift_units", _UNITS, nullable=False),
    Column("time_ns", BigInteger, nullable=False),
    UniqueConstraint("asset_network_id", "height"),
)

# States: cambist/wallets/withdrawals.py. `digest` is what approvers sign. `risk` lists findings as JSON.
withdrawals = Table(
    "withdrawals",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("user_id", Integer, ForeignKey("users.id"), nullable=False),
    Column("account", BigInteger, nullable=False),
    Column("asset_network_id", Integer, ForeignKey("asset_networks.id"), nullable=False),
    Column("address", _ADDRESS, nullable=False),
    Column("tag", String(64), nullable=False),
    Column("amount_atoms", _ATOMS, nullable=False),
    Column("fee_atoms", _ATOMS, nullable=False),
    Column("amount_units", _UNITS, nullable=False),
    Column("digest", LargeBinary(32), nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", String(255), nullable=False),
    Column("client_id", String(64)),
    Column("via", String(8), nullable=False),
    Column("risk", JSON, nullable=False),
    Column("requested_at_ns", BigInteger, nullable=False),
    Column("held_at_ns", BigInteger),
    Column("decided_at_ns", BigInteger),
    Column("signed_at_ns", BigInteger),
    Column("sent_at_ns", BigInteger),
    Column("confirmed_at_ns", BigInteger),
    Column("ended_at_ns", BigInteger),
    Column("txid", _HASH),
    Column("height", BigInteger),
    UniqueConstraint("user_id", "client_id"),
    Index(None, "state"),
    Index(None, "user_id"),
)

# One person's word on one withdrawal. `approver` is his name in the signer's store.
approvals = Table(
    "approvals",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("withdrawal_id", Integer, ForeignKey("withdrawals.id"), nullable=False),
    Column("staff_id", Integer, nullable=False),
    Column("approver", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("is_approval", Boolean, nullable=False),
    Column("reason", String(255), nullable=False),
    Column("signature", JSON, nullable=False),
    Column("time_ns", BigInteger, nullable=False),
    UniqueConstraint("withdrawal_id", "staff_id"),
)
