"""The last day of a port's probation."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"


def upgrade() -> None:
    """Empty at first: no port is on probation."""
    op.add_column("ports", sa.Column("probation_until", sa.String(10), nullable=False, server_default=""))
