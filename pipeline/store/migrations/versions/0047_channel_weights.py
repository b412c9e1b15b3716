"""Weights that share a channel's messages with others."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0047"
down_revision = "0046"


def upgrade() -> None:
    """Until now each channel sent all of its own."""
    op.add_column("channel_controls", sa.Column("weights", sa.JSON(none_as_null=True), nullable=True))
