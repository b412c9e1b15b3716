"""The reseller of an enterprise."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """The code of the reseller, empty at first: none."""
    op.add_column("enterprises", sa.Column("parent", sa.String(64), nullable=False, server_default=""))
