"""The tables of the records schema. A change here needs a migration beside it; a test compares the two.

Portable types only: the schema runs on SQLite and, later, on a database server. Times are UNIX nanoseconds.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
)

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)

# Facts about the database itself: which log it belongs to, which master key sealed it.
meta = Table(
    "meta",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("content", LargeBinary(255), nullable=False),
)

# `account` is the engine's and null until ACCOUNT_CREATE with `reference` has been answered.
# `password_hash` is null for a user whom an operator made, until a password is set. `sealed_totp` is the
# authenticator's secret, `sealed_totp_new` one that is being set up; `totp_step` is the newest step used.
# `withdrawals_held_until_ns`: no withdrawal before, because what proves who the owner is was changed.
users = Table(
    "users",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("email", String(254), nullable=False),
    Column("email_canonical", String(254), nullable=False, unique=True),
    Column("reference", String(36), nullable=False, unique=True),
    Column("account", BigInteger, unique=True),
    Column("created_at_ns", BigInteger, nullable=False),
    Column("created_by", String(64), nullable=False),
    Column("email_verified_at_ns", BigInteger),
    Column("password_hash", String(255)),
    Column("sealed_totp", LargeBinary(255)),
    Column("sealed_totp_new", LargeBinary(255)),
    Column("totp_step", BigInteger, nullable=False, server_default="0"),
    Column("withdrawals_held_until_ns", BigInteger, nullable=False, server_default="0"),
    Column("self_frozen_at_ns", BigInteger),
    Column("language", String(8), nullable=False, server_default="en"),
    Column("phrase", String(32), nullable=False, server_default=""),
)

# `sealed_key` is an HMAC key's secret, another kind's public key, sealed for this row.
# `scopes` are the bits of accounts.api_keys.Scope, `ip_allow` a list of networks (empty: any address).
api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("user_id", Integer, ForeignKey("users.id"), nullable=False),
    Column("account", BigInteger, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("label", String(64), nullable=False),
    Column("sealed_key", LargeBinary(1_024), nullable=False),
    Column("scopes", SmallInteger, nullable=False),
    Column("ip_allow", JSON, nullable=False),
    Column("created_at_ns", BigInteger, nullable=False),
    Column("created_by", String(64), nullable=False),
    Column("expires_at_ns", BigInteger),
    Column("revoked_at_ns", BigInteger),
    Column("revoked_by", String(64)),
    Index(None, "user_id"),
)

# Chained by `hash`: cambist/store/audit.py. `details` is JSON text, hashed as it stands.
audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("time_ns", BigInteger, nullable=False),
    Column("actor", String(64), nullable=False),
    Column("action", String(64), nullable=False),
    Column("details", Text, nullable=False),
    Column("hash", LargeBinary(32), nullable=False),
)

# Who sends commands from the outbox: its session in the engine, and how far it has the answers.
senders = Table(
    "senders",
    metadata,
    Column("name", String(22), primary_key=True),
    Column("session", BigInteger, nullable=False),
    Column("answered", BigInteger, nullable=False),
    Column("sequence", BigInteger, nullable=False),
)

# Rows are never deleted, so a number is never used again.
outbox = Table(
    "outbox",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("sender", String(22), ForeignKey("senders.name"), nullable=False),
    Column("audit_id", Integer, ForeignKey("audit.id"), nullable=False),
    Column("purpose", String(32), nullable=False),
    Column("subject", String(64), nullable=False),
    Column("command", LargeBinary(4_096), nullable=False),
    Index(None, "sender", "number"),
)

# The answer to the outbox's command of the same number.
inbox = Table(
    "inbox",
    metadata,
    Column("number", Integer, ForeignKey("outbox.number"), primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("value", BigInteger, nullable=False),
)
