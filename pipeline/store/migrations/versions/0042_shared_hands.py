"""Whose hand a case was taken from, when another reviewer asked for a share."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0042"
down_revision = "0041"


def upgrade() -> None:
    """No case was shared before."""
    op.add_column("cases", sa.Column("shared_from", sa.String(64), nullable=True))
