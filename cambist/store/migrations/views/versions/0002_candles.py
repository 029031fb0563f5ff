"""The bars of all markets and intervals."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "candles",
        sa.Column("market", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("interval", sa.String(3), nullable=False),
        sa.Column("open_ns", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("first_trade", sa.BigInteger, nullable=False),
        sa.Column("last_trade", sa.BigInteger, nullable=False),
        sa.Column("open_ticks", sa.BigInteger, nullable=False),
        sa.Column("high_ticks", sa.BigInteger, nullable=False),
        sa.Column("low_ticks", sa.BigInteger, nullable=False),
        sa.Column("close_ticks", sa.BigInteger, nullable=False),
        sa.Column("volume_lots", sa.Text, nullable=False),
        sa.Column("quote_atoms", sa.Text, nullable=False),
        sa.Column("taker_lots", sa.Text, nullable=False),
        sa.Column("taker_quote_atoms", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("market", "interval", "open_ns", name="pk_candles"),
        sqlite_with_rowid=False,
    )
