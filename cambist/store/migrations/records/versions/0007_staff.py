"""The staff: their keys and sessions, and changes that wait for a second person."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "staff",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("email_canonical", sa.String(254), nullable=False),
        sa.Column("roles", sa.JSON, nullable=False),
        sa.Column("created_at_ns", sa.BigInteger, nullable=False),
        sa.Column("created_by", sa.String(64), nullable=False),
        sa.Column("invite", sa.String(64), nullable=True),
        sa.Column("invite_expires_at_ns", sa.BigInteger, nullable=True),
        sa.Column("disabled_at_ns", sa.BigInteger, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_staff"),
        sa.UniqueConstraint("name", name="uq_staff_name"),
        sa.UniqueConstraint("email_canonical", name="uq_staff_email_canonical"),
    )
    op.create_table(
        "staff_keys",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("staff_id", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("label", sa.String(64), nullable=False),
        sa.Column("credential", sa.String(1_400), nullable=False),
        sa.Column("public_key", sa.LargeBinary(2_048), nullable=False),
        sa.Column("sign_count", sa.BigInteger, nullable=False),
        sa.Column("created_at_ns", sa.BigInteger, nullable=False),
        sa.Column("used_at_ns", sa.BigInteger, nullable=True),
        sa.Column("removed_at_ns", sa.BigInteger, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_staff_keys"),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name="fk_staff_keys_staff_id"),
        sa.UniqueConstraint("credential", name="uq_staff_keys_credential"),
    )
    op.create_index("ix_staff_keys_staff_id", "staff_keys", ["staff_id"])
    op.create_table(
        "staff_sessions",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("staff_id", sa.Integer, nullable=False),
        sa.Column("key_id", sa.Integer, nullable=False),
        sa.Column("address", sa.String(45), nullable=False),
        sa.Column("agent", sa.String(200), nullable=False),
        sa.Column("created_at_ns", sa.BigInteger, nullable=False),
        sa.Column("seen_at_ns", sa.BigInteger, nullable=False),
        sa.Column("expires_at_ns", sa.BigInteger, nullable=False),
        sa.Column("revoked_at_ns", sa.BigInteger, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_staff_sessions"),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name="fk_staff_sessions_staff_id"),
        sa.ForeignKeyConstraint(["key_id"], ["staff_keys.id"], name="fk_staff_sessions_key_id"),
    )
    op.create_index("ix_staff_sessions_staff_id", "staff_sessions", ["staff_id"])
    op.create_table(
        "proposals",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("reason", sa.String(1_000), nullable=False),
        sa.Column("proposed_by", sa.Integer, nullable=False),
        sa.Column("proposed_at_ns", sa.BigInteger, nullable=False),
        sa.Column("expires_at_ns", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("decided_by", sa.Integer, nullable=True),
        sa.Column("decided_at_ns", sa.BigInteger, nullable=True),
        sa.Column("outcome", sa.String(1_000), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_proposals"),
        sa.ForeignKeyConstraint(["proposed_by"], ["staff.id"], name="fk_proposals_proposed_by"),
        sa.ForeignKeyConstraint(["decided_by"], ["staff.id"], name="fk_proposals_decided_by"),
    )
    op.create_index("ix_proposals_state", "proposals", ["state"])
