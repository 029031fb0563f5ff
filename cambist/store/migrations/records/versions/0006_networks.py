"""What the signer says of each network, and what is held below an atom."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "networks",
        sa.Column("name", sa.String(16), nullable=False),
        sa.Column("chain_id", sa.BigInteger, nullable=False),
        sa.Column("xpub", sa.String(128), nullable=False),
        sa.Column("hot_address", sa.String(128), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_networks"),
    )
    op.add_column(
        "asset_networks", sa.Column("rest_units", sa.String(78), nullable=False, server_default="0")
    )
