"""Refusals that an appeal has overturned."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0041"
down_revision = "0040"


def upgrade() -> None:
    """None was overturned before."""
    op.add_column("cases", sa.Column("overturned", sa.Boolean(), nullable=False, server_default=sa.text("false")))
