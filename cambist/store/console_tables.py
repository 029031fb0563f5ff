"""The tables of the staff: who they are, what they prove it with, and what waits for a second one of them.

Codes and tokens are kept as SHA-256 hashes. Rows are never deleted: the audit trail names them.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
)

from cambist.store.wallet_tables import metadata

__all__ = ["metadata"]  # complete, once this module is imported

# `roles` holds names of cambist/staff/roles.py. `invite` is the code of the first-sign-in link, until then.
staff = Table(
    "staff",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(32), nullable=False, unique=True),
    Column("email", String(254), nullable=False),
    Column("email_canonical", String(254), nullable=False, unique=True),
    Column("roles", JSON, nullable=False),
    Column("created_at_ns", BigInteger, nullable=False),
    Column("created_by", String(64), nullable=False),
    Column("invite", String(64)),
    Column("invite_expires_at_ns", BigInteger),
    Column("disabled_at_ns", BigInteger),
)

# What a person signs in and approves with. `credential` names a passkey, or is an Ed25519 key's public part;
# nobody else can have the same one. `public_key` is COSE of a passkey, 32 bytes of Ed25519.
staff_keys = Table(
    "staff_keys",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("staff_id", Integer, ForeignKey("staff.id"), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("label", String(64), nullable=False),
    Column("credential", String(1_400), nullable=False, unique=True),
    Column("public_key", LargeBinary(2_048), nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    Column("created_at_ns", BigInteger, nullable=False),
    Column("used_at_ns", BigInteger),
    Column("removed_at_ns", BigInteger),
    Index(None, "staff_id"),
)

staff_sessions = Table(
    "staff_sessions",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("staff_id", Integer, ForeignKey("staff.id"), nullable=False),
    Column("key_id", Integer, ForeignKey("staff_keys.id"), nullable=False),
    Column("address", String(45), nullable=False),
    Column("agent", String(200), nullable=False),
    Column("created_at_ns", BigInteger, nullable=False),
    Column("seen_at_ns", BigInteger, nullable=False),
    Column("expires_at_ns", BigInteger, nullable=False),
    Column("revoked_at_ns", BigInteger),
    Index(None, "staff_id"),
)

# A dangerous change that one has proposed and another decides. `content` is JSON text, never changed. States:
# cambist/staff/proposals.py. `outcome` is what came of it.
proposals = Table(
    "proposals",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", String(64), nullable=False),
    Column("content", Text, nullable=False),
    Column("reason", String(1_000), nullable=False),
    Column("proposed_by", Integer, ForeignKey("staff.id"), nullable=False),
    Column("proposed_at_ns", BigInteger, nullable=False),
    Column("expires_at_ns", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("decided_by", Integer, ForeignKey("staff.id")),
    Column("decided_at_ns", BigInteger),
    Column("outcome", String(1_000), nullable=False),
    Index(None, "state"),
)
