"""A lost link does not count as the carrier's silence."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Apply it."""
    op.add_column("deliveries", sa.Column("silences", sa.Integer(), nullable=False, server_default="0"))
