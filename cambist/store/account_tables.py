"""The tables of what a person does with an account: sessions, devices, codes, address book and mails.

Passwords, tokens and codes are kept as hashes, what must be read again is sealed. Times are UNIX nanoseconds.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    UniqueConstraint,
)

from cambist.store.tables import metadata

__all__ = ["metadata"]  # complete, once this module is imported

# A browser that an owner has signed in from. `token` is the SHA-256 of what the browser keeps.
devices = Table(
    "devices",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("user_id", Integer, ForeignKey("users.id"), nullable=False),
    Column("token", String(64), nullable=False),
    Column("agent", String(200), nullable=False),
    Column("created_at_ns", BigInteger, nullable=False),
    Column("seen_at_ns", BigInteger, nullable=False),
    Column("removed_at_ns", BigInteger),
    UniqueConstraint("user_id", "token"),
)

# `id` is the SHA-256 of the token in the cookie. `proven_at_ns`: when its owner last gave password and second
# factor, at the sign-in or later.
web_sessions = Table(
    "web_sessions",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("user_id", Integer, ForeignKey("users.id"), nullable=False),
    Column("device_id", Integer, ForeignKey("devices.id"), nullable=False),
    Column("address", String(45), nullable=False),
    Column("agent", String(200), nullable=False),
    Column("created_at_ns", BigInteger, nullable=False),
    Column("seen_at_ns", BigInteger, nullable=False),
    Column("proven_at_ns", BigInteger, nullable=False),
    Column("expires_at_ns", BigInteger, nullable=False),
    Column("revoked_at_ns", BigInteger),
    Index(None, "user_id"),
)

# Every try to sign in, those that failed too; `user_id` is null where there is no such user.
sign_ins = Table(
    "sign_ins",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("user_id", Integer, ForeignKey("users.id")),
    Column("time_ns", BigInteger, nullable=False),
    Column("outcome", String(24), nullable=False),
    Column("address", String(45), nullable=False),
    Column("agent", String(200), nullable=False),
    Column("is_known_device", Boolean, nullable=False),
    Index(None, "user_id"),
)

# A code that went out by mail. `id` is the SHA-256 of the name that its asker got, so a code is of no use to
# anybody else. `password_hash` is what a sign-up becomes an account with. A `user_id` of null: nobody's.
mail_codes = Table(
    "mail_codes",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("purpose", String(24), nullable=False),
    Column("email", String(254), nullable=False),
    Column("user_id", Integer, ForeignKey("users.id")),
    Column("code", String(64), nullable=False),
    Column("password_hash", String(255)),
    Column("language", String(8), nullable=False),
    Column("guesses", Integer, nullable=False),
    Column("created_at_ns", BigInteger, nullable=False),
    Column("expires_at_ns", BigInteger, nullable=False),
    Column("used_at_ns", BigInteger),
    Index(None, "expires_at_ns"),
)

recovery_codes = Table(
    "recovery_codes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("user_id", Integer, ForeignKey("users.id"), nullable=False),
    Column("code", String(64), nullable=False),
    Column("created_at_ns", BigInteger, nullable=False),
    Column("used_at_ns", BigInteger),
    Index(None, "user_id"),
)

# How often something was tried in a window of time; see cambist/accounts/throttle.py.
attempts = Table(
    "attempts",
    metadata,
    Column("name", String(160), primary_key=True),
    Column("ends_at_ns", BigInteger, nullable=False),
    Column("tried", Integer, nullable=False),
    Index(None, "ends_at_ns"),
)

# The withdrawal address book. Rows stay: a withdrawal names the one it went to.
addresses = Table(
    "addresses",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("user_id", Integer, ForeignKey("users.id"), nullable=False),
    Column("network", String(32), nullable=False),
    Column("address", String(128), nullable=False),
    Column("tag", String(128), nullable=False),
    Column("label", String(64), nullable=False),
    Column("created_at_ns", BigInteger, nullable=False),
    Column("usable_from_ns", BigInteger, nullable=False),
    Column("removed_at_ns", BigInteger),
    Index(None, "user_id"),
)

# Mails to send, written in the transaction of what they tell of. A code in `content` is good for minutes.
messages = Table(
    "messages",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("user_id", Integer, ForeignKey("users.id")),
    Column("to", String(254), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("language", String(8), nullable=False),
    Column("content", JSON, nullable=False),
    Column("created_at_ns", BigInteger, nullable=False),
    Column("sent_at_ns", BigInteger),
    Index(None, "sent_at_ns"),
)
