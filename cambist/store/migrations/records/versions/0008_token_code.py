"""What a token's contract was when it was listed."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("asset_networks", sa.Column("token_code", sa.String(64), nullable=False, server_default=""))
