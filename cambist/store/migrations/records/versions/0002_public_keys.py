"""API keys hold a secret or a public key; an RSA key takes more room than a secret."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    with op.batch_alter_table("api_keys") as table:
        table.alter_column(
            "sealed_secret",
            new_column_name="sealed_key",
            existing_type=sa.LargeBinary(255),
            type_=sa.LargeBinary(1_024),
            existing_nullable=False,
        )
