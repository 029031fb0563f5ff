"""From which amount on a deposit needs more confirmations, and how many."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    for column in (
        sa.Column("large_above_atoms", sa.String(39), nullable=False, server_default="0"),
        sa.Column("large_confirmations", sa.Integer, nullable=False, server_default="0"),
    ):
        op.add_column("asset_networks", column)
    op.create_index("ix_deposits_height", "deposits", ["network", "height"], unique=False)
