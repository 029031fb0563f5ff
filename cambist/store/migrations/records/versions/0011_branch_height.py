"""How far a branch had been read that is given up: how deep a reorganization goes."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column(
        "chain_cursors", sa.Column("branch_height", sa.BigInteger, nullable=False, server_default="0")
    )
    op.execute("UPDATE chain_cursors SET branch_height = height")
