"""What rules version 2 brings: stops, icebergs, order lists and prevented matches."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    row_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    for name in (
        "prevented_lots",
        "stop_price_ticks",
        "trailing_delta",
        "iceberg_lots",
        "list_id",
        "working_ns",
    ):
        op.add_column("orders", sa.Column(name, sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("orders", sa.Column("state", sa.BigInteger, nullable=False, server_default="1"))
    op.execute("UPDATE orders SET working_ns = accepted_ns")  # there was nothing else to do but work
    op.create_table(
        "order_lists",
        sa.Column("list_id", row_id, autoincrement=False, nullable=False),
        sa.Column("account", sa.BigInteger, nullable=False),
        sa.Column("market", sa.BigInteger, nullable=False),
        sa.Column("contingency", sa.SmallInteger, nullable=False),
        sa.Column("status", sa.SmallInteger, nullable=False),
        sa.Column("client_id", sa.String(64), nullable=False),
        sa.Column("order_ids", sa.String(255), nullable=False),
        sa.Column("placed_ns", sa.BigInteger, nullable=False),
        sa.Column("updated_ns", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("list_id", name="pk_order_lists"),
    )
    op.create_index("ix_order_lists_account_list_id", "order_lists", ["account", "list_id"])
    op.create_table(
        "prevented_matches",
        sa.Column("market", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("prevented_match_id", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("time_ns", sa.BigInteger, nullable=False),
        sa.Column("taker_side", sa.SmallInteger, nullable=False),
        sa.Column("price_ticks", sa.BigInteger, nullable=False),
        sa.Column("taker_order", sa.BigInteger, nullable=False),
        sa.Column("maker_order", sa.BigInteger, nullable=False),
        sa.Column("taker_account", sa.BigInteger, nullable=False),
        sa.Column("maker_account", sa.BigInteger, nullable=False),
        sa.Column("taker_prevented_lots", sa.BigInteger, nullable=False),
        sa.Column("maker_prevented_lots", sa.BigInteger, nullable=False),
        sa.Column("stp_group", sa.BigInteger, nullable=False),
        sa.Column("stp_mode", sa.SmallInteger, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("market", "prevented_match_id", name="pk_prevented_matches"),
        sqlite_with_rowid=False,
    )
    for side in ("maker", "taker"):
        op.create_index(
            f"ix_prevented_matches_{side}_account_market_prevented_match_id",
            "prevented_matches",
            [f"{side}_account", "market", "prevented_match_id"],
        )
