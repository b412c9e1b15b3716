"""Ports whose signature we insert."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"


def upgrade() -> None:
    """No port at first: all sign their texts themselves."""
    op.add_column("ports", sa.Column("carrier_signs", sa.Boolean(), nullable=False, server_default=sa.text("false")))
