"""The time zone of a port's recipients and reviewers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Empty at first: the zone of the calendar."""
    op.add_column("ports", sa.Column("zone", sa.String(64), nullable=False, server_default=""))
