"""What the event journal says: assets, markets, accounts, balances, postings, orders, trades and books."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    row_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "accounts",
        sa.Column("account", row_id, autoincrement=False, nullable=False),
        sa.Column("account_class", sa.SmallInteger, nullable=False),
        sa.Column("tier", sa.SmallInteger, nullable=False),
        sa.Column("permissions", sa.SmallInteger, nullable=False),
        sa.Column("frozen", sa.SmallInteger, nullable=False),
        sa.Column("stp_group", sa.BigInteger, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("account", name="pk_accounts"),
    )
    op.create_table(
        "assets",
        sa.Column("asset", row_id, autoincrement=False, nullable=False),
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("scale", sa.SmallInteger, nullable=False),
        sa.Column("state", sa.SmallInteger, nullable=False),
        sa.PrimaryKeyConstraint("asset", name="pk_assets"),
    )
    op.create_table(
        "balances",
        sa.Column("account", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("asset", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("available_atoms", sa.Text, nullable=False),
        sa.Column("held_atoms", sa.Text, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("account", "asset", name="pk_balances"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "books",
        sa.Column("market", row_id, autoincrement=False, nullable=False),
        sa.Column("update_id", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("market", name="pk_books"),
    )
    op.create_table(
        "levels",
        sa.Column("market", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("side", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("price_ticks", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("quantity_lots", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("market", "side", "price_ticks", name="pk_levels"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "markets",
        sa.Column("market", row_id, autoincrement=False, nullable=False),
        sa.Column("symbol", sa.String(32), nullable=False),
        sa.Column("base", sa.BigInteger, nullable=False),
        sa.Column("quote", sa.BigInteger, nullable=False),
        sa.Column("tick_atoms", sa.Text, nullable=False),
        sa.Column("lot_atoms", sa.Text, nullable=False),
        sa.Column("state", sa.SmallInteger, nullable=False),
        sa.PrimaryKeyConstraint("market", name="pk_markets"),
    )
    op.create_table(
        "orders",
        sa.Column("order_id", row_id, autoincrement=False, nullable=False),
        sa.Column("account", sa.BigInteger, nullable=False),
        sa.Column("market", sa.BigInteger, nullable=False),
        sa.Column("side", sa.SmallInteger, nullable=False),
        sa.Column("order_type", sa.SmallInteger, nullable=False),
        sa.Column("time_in_force", sa.SmallInteger, nullable=False),
        sa.Column("stp_mode", sa.SmallInteger, nullable=False),
        sa.Column("price_ticks", sa.BigInteger, nullable=False),
        sa.Column("quantity_lots", sa.BigInteger, nullable=False),
        sa.Column("quote_budget_atoms", sa.Text, nullable=False),
        sa.Column("executed_lots", sa.BigInteger, nullable=False),
        sa.Column("executed_quote_atoms", sa.Text, nullable=False),
        sa.Column("accepted_ns", sa.BigInteger, nullable=False),
        sa.Column("updated_ns", sa.BigInteger, nullable=False),
        sa.Column("client_id", sa.String(64), nullable=False),
        sa.Column("reason", sa.SmallInteger, nullable=False),
        sa.Column("by_quote", sa.SmallInteger, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("order_id", name="pk_orders"),
    )
    op.create_index("ix_orders_account_client_id", "orders", ["account", "client_id"], unique=False)
    op.create_index(
        "ix_orders_account_market_order_id", "orders", ["account", "market", "order_id"], unique=False
    )
    op.create_table(
        "positions",
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("log_id", sa.String(32), nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("event_hash", sa.String(16), nullable=False),
        sa.Column("time_ns", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_positions"),
    )
    op.create_table(
        "postings",
        sa.Column("sequence", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("account", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("asset", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("posting_atoms", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("sequence", "account", "asset", name="pk_postings"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "trades",
        sa.Column("market", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("trade_id", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("aggregate_id", sa.BigInteger, nullable=False),
        sa.Column("time_ns", sa.BigInteger, nullable=False),
        sa.Column("taker_side", sa.SmallInteger, nullable=False),
        sa.Column("price_ticks", sa.BigInteger, nullable=False),
        sa.Column("quantity_lots", sa.BigInteger, nullable=False),
        sa.Column("quote_atoms", sa.Text, nullable=False),
        sa.Column("maker_order", sa.BigInteger, nullable=False),
        sa.Column("taker_order", sa.BigInteger, nullable=False),
        sa.Column("maker_account", sa.BigInteger, nullable=False),
        sa.Column("taker_account", sa.BigInteger, nullable=False),
        sa.Column("maker_fee_atoms", sa.Text, nullable=False),
        sa.Column("taker_fee_atoms", sa.Text, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("market", "trade_id", name="pk_trades"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_trades_maker_account_market_trade_id",
        "trades",
        ["maker_account", "market", "trade_id"],
        unique=False,
    )
    op.create_index("ix_trades_maker_order", "trades", ["maker_order"], unique=False)
    op.create_index(
        "ix_trades_taker_account_market_trade_id",
        "trades",
        ["taker_account", "market", "trade_id"],
        unique=False,
    )
    op.create_index("ix_trades_taker_order", "trades", ["taker_order"], unique=False)
