"""What is on the chains, and what is paid out to them."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "asset_networks",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("asset", sa.Integer, nullable=False),
        sa.Column("asset_name", sa.String(16), nullable=False),
        sa.Column("scale", sa.SmallInteger, nullable=False),
        sa.Column("network", sa.String(16), nullable=False),
        sa.Column("contract", sa.String(128), nullable=False),
        sa.Column("decimals", sa.SmallInteger, nullable=False),
        sa.Column("mirror", sa.BigInteger, nullable=False),
        sa.Column("confirmations", sa.Integer, nullable=False),
        sa.Column("deposit_min_atoms", sa.String(39), nullable=False),
        sa.Column("withdrawal_fee_atoms", sa.String(39), nullable=False),
        sa.Column("withdrawal_min_atoms", sa.String(39), nullable=False),
        sa.Column("withdrawal_daily_max_atoms", sa.String(39), nullable=False),
        sa.Column("review_two_above_atoms", sa.String(39), nullable=False),
        sa.Column("hot_max_units", sa.String(78), nullable=False),
        sa.Column("is_deposit_open", sa.Boolean, nullable=False),
        sa.Column("is_withdrawal_open", sa.Boolean, nullable=False),
        sa.Column("halted", sa.String(255), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_asset_networks"),
        sa.UniqueConstraint("network", "asset", name="uq_asset_networks_asset"),
        sa.UniqueConstraint("network", "contract", name="uq_asset_networks_contract"),
    )
    op.create_table(
        "chain_balances",
        sa.Column("network", sa.String(16), nullable=False),
        sa.Column("contract", sa.String(128), nullable=False),
        sa.Column("address", sa.String(128), nullable=False),
        sa.Column("amount_units", sa.String(78), nullable=False),
        sa.Column("height", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("network", "contract", "address", name="pk_chain_balances"),
    )
    op.create_table(
        "chain_blocks",
        sa.Column("network", sa.String(16), nullable=False),
        sa.Column("height", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.String(80), nullable=False),
        sa.Column("parent", sa.String(80), nullable=False),
        sa.PrimaryKeyConstraint("network", "height", name="pk_chain_blocks"),
    )
    op.create_table(
        "chain_cursors",
        sa.Column("network", sa.String(16), nullable=False),
        sa.Column("height", sa.BigInteger, nullable=False),
        sa.Column("final_height", sa.BigInteger, nullable=False),
        sa.Column("halted", sa.String(255), nullable=False),
        sa.PrimaryKeyConstraint("network", name="pk_chain_cursors"),
    )
    op.create_table(
        "chain_sends",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("network", sa.String(16), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("subject", sa.BigInteger, nullable=False),
        sa.Column("sender", sa.String(128), nullable=False),
        sa.Column("nonce", sa.BigInteger, nullable=False),
        sa.Column("contract", sa.String(128), nullable=False),
        sa.Column("amount_units", sa.String(78), nullable=False),
        sa.Column("raw", sa.LargeBinary(8192), nullable=False),
        sa.Column("txid", sa.String(80), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("fee_units", sa.String(78), nullable=False),
        sa.Column("is_fee_booked", sa.Boolean, nullable=False),
        sa.Column("height", sa.BigInteger, nullable=True),
        sa.Column("signed_at_ns", sa.BigInteger, nullable=False),
        sa.Column("sent_at_ns", sa.BigInteger, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_chain_sends"),
        sa.UniqueConstraint("network", "txid", name="uq_chain_sends_network"),
    )
    op.create_index("ix_chain_sends_network", "chain_sends", ["network", "state"], unique=False)
    op.create_index("ix_chain_sends_nonce", "chain_sends", ["network", "sender", "nonce"], unique=False)
    op.create_table(
        "deposit_addresses",
        sa.Column("network", sa.String(16), nullable=False),
        sa.Column("index", sa.BigInteger, nullable=False),
        sa.Column("address", sa.String(128), nullable=False),
        sa.Column("user_id", sa.Integer, nullable=False),
        sa.Column("account", sa.BigInteger, nullable=False),
        sa.Column("given_at_ns", sa.BigInteger, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_deposit_addresses_user_id"),
        sa.PrimaryKeyConstraint("network", "index", name="pk_deposit_addresses"),
        sa.UniqueConstraint("network", "address", name="uq_deposit_addresses_address"),
        sa.UniqueConstraint("network", "user_id", name="uq_deposit_addresses_user_id"),
    )
    op.create_table(
        "deposits",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("network", sa.String(16), nullable=False),
        sa.Column("txid", sa.String(80), nullable=False),
        sa.Column("output", sa.String(32), nullable=False),
        sa.Column("contract", sa.String(128), nullable=False),
        sa.Column("asset_network_id", sa.Integer, nullable=True),
        sa.Column("address", sa.String(128), nullable=False),
        sa.Column("user_id", sa.Integer, nullable=True),
        sa.Column("account", sa.BigInteger, nullable=False),
        sa.Column("amount_units", sa.String(78), nullable=False),
        sa.Column("amount_atoms", sa.String(39), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(255), nullable=False),
        sa.Column("height", sa.BigInteger, nullable=False),
        sa.Column("block", sa.String(80), nullable=True),
        sa.Column("seen_at_ns", sa.BigInteger, nullable=False),
        sa.Column("credited_at_ns", sa.BigInteger, nullable=True),
        sa.ForeignKeyConstraint(
            ["asset_network_id"], ["asset_networks.id"], name="fk_deposits_asset_network_id"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_deposits_user_id"),
        sa.PrimaryKeyConstraint("id", name="pk_deposits"),
        sa.UniqueConstraint("network", "txid", "output", name="uq_deposits_network"),
    )
    op.create_index("ix_deposits_network", "deposits", ["network", "state"], unique=False)
    op.create_index("ix_deposits_user_id", "deposits", ["user_id"], unique=False)
    op.create_table(
        "reconciliations",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("asset_network_id", sa.Integer, nullable=False),
        sa.Column("height", sa.BigInteger, nullable=False),
        sa.Column("on_chain_units", sa.String(78), nullable=False),
        sa.Column("ledger_units", sa.String(78), nullable=False),
        sa.Column("under_way_units", sa.String(78), nullable=False),
        sa.Column("drift_units", sa.String(78), nullable=False),
        sa.Column("time_ns", sa.BigInteger, nullable=False),
        sa.ForeignKeyConstraint(
            ["asset_network_id"], ["asset_networks.id"], name="fk_reconciliations_asset_network_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_reconciliations"),
        sa.UniqueConstraint("asset_network_id", "height", name="uq_reconciliations_asset_network_id"),
    )
    op.create_table(
        "withdrawals",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("user_id", sa.Integer, nullable=False),
        sa.Column("account", sa.BigInteger, nullable=False),
        sa.Column("asset_network_id", sa.Integer, nullable=False),
        sa.Column("address", sa.String(128), nullable=False),
        sa.Column("tag", sa.String(64), nullable=False),
        sa.Column("amount_atoms", sa.String(39), nullable=False),
        sa.Column("fee_atoms", sa.String(39), nullable=False),
        sa.Column("amount_units", sa.String(78), nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(255), nullable=False),
        sa.Column("client_id", sa.String(64), nullable=True),
        sa.Column("via", sa.String(8), nullable=False),
        sa.Column("risk", sa.JSON, nullable=False),
        sa.Column("requested_at_ns", sa.BigInteger, nullable=False),
        sa.Column("held_at_ns", sa.BigInteger, nullable=True),
        sa.Column("decided_at_ns", sa.BigInteger, nullable=True),
        sa.Column("signed_at_ns", sa.BigInteger, nullable=True),
        sa.Column("sent_at_ns", sa.BigInteger, nullable=True),
        sa.Column("confirmed_at_ns", sa.BigInteger, nullable=True),
        sa.Column("ended_at_ns", sa.BigInteger, nullable=True),
        sa.Column("txid", sa.String(80), nullable=True),
        sa.Column("height", sa.BigInteger, nullable=True),
        sa.ForeignKeyConstraint(
            ["asset_network_id"], ["asset_networks.id"], name="fk_withdrawals_asset_network_id"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_withdrawals_user_id"),
        sa.PrimaryKeyConstraint("id", name="pk_withdrawals"),
        sa.UniqueConstraint("user_id", "client_id", name="uq_withdrawals_user_id"),
    )
    op.create_index("ix_withdrawals_state", "withdrawals", ["state"], unique=False)
    op.create_index("ix_withdrawals_user_id", "withdrawals", ["user_id"], unique=False)
    op.create_table(
        "approvals",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("withdrawal_id", sa.Integer, nullable=False),
        sa.Column("staff_id", sa.Integer, nullable=False),
        sa.Column("approver", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("is_approval", sa.Boolean, nullable=False),
        sa.Column("reason", sa.String(255), nullable=False),
        sa.Column("signature", sa.JSON, nullable=False),
        sa.Column("time_ns", sa.BigInteger, nullable=False),
        sa.ForeignKeyConstraint(["withdrawal_id"], ["withdrawals.id"], name="fk_approvals_withdrawal_id"),
        sa.PrimaryKeyConstraint("id", name="pk_approvals"),
        sa.UniqueConstraint("withdrawal_id", "staff_id", name="uq_approvals_withdrawal_id"),
    )
