"""Amendments of orders."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "amendments",
        sa.Column("order_id", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("sequence", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("account", sa.BigInteger, nullable=False),
        sa.Column("market", sa.BigInteger, nullable=False),
        sa.Column("old_client_id", sa.String(64), nullable=False),
        sa.Column("client_id", sa.String(64), nullable=False),
        sa.Column("old_quantity_lots", sa.BigInteger, nullable=False),
        sa.Column("quantity_lots", sa.BigInteger, nullable=False),
        sa.Column("time_ns", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("order_id", "sequence", name="pk_amendments"),
        sqlite_with_rowid=False,
    )
