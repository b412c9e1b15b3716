"""The words that recipients of a port may answer to unsubscribe."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """A list of words for each port, empty at first: not registered."""
    op.add_column("ports", sa.Column("unsubscribe", sa.JSON(none_as_null=True), nullable=False, server_default="[]"))
