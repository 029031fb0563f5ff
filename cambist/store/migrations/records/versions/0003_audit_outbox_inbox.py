"""Who did what, which commands that asks of the engine, and what the engine answered."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("time_ns", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.String(64), nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("details", sa.Text, nullable=False),
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
    )
    op.create_table(
        "senders",
        sa.Column("name", sa.String(22), nullable=False),
        sa.Column("session", sa.BigInteger, nullable=False),
        sa.Column("answered", sa.BigInteger, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_senders"),
    )
    op.create_table(
        "outbox",
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("sender", sa.String(22), nullable=False),
        sa.Column("audit_id", sa.Integer, nullable=False),
        sa.Column("purpose", sa.String(32), nullable=False),
        sa.Column("subject", sa.String(64), nullable=False),
        sa.Column("command", sa.LargeBinary(4_096), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_outbox"),
        sa.ForeignKeyConstraint(["sender"], ["senders.name"], name="fk_outbox_sender"),
        sa.ForeignKeyConstraint(["audit_id"], ["audit.id"], name="fk_outbox_audit_id"),
    )
    op.create_index("ix_outbox_sender", "outbox", ["sender", "number"])
    op.create_table(
        "inbox",
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("status", sa.SmallInteger, nullable=False),
        sa.Column("value", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_inbox"),
        sa.ForeignKeyConstraint(["number"], ["outbox.number"], name="fk_inbox_number"),
    )
