"""The extensions that a port is registered with."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """A list of beginnings for each port, empty at first: not registered."""
    op.add_column("ports", sa.Column("extensions", sa.JSON(none_as_null=True), nullable=False, server_default="[]"))
