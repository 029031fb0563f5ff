"""What rules version 2 says of an order."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
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
