"""To whom a transaction goes that was found in a block and that the records have not made."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.add_column("chain_sends", sa.Column("receiver", sa.String(128), nullable=False, server_default=""))
