"""Cases that were merged can part again: where their members went, and which stay apart."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    """Cases that were merged before have no place of their members, so they stay merged."""
    op.add_column("cases", sa.Column("merged_after", sa.BigInteger(), nullable=True))
    op.add_column("cases", sa.Column("apart", sa.Boolean(), server_default=sa.text("false"), nullable=False))
