"""Saved queries belong to a page: Explore or Search."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0039"


def upgrade() -> None:
    """Queries of before are of Explore."""
    op.add_column("saved_queries", sa.Column("page", sa.String(16), server_default="explore", nullable=False))
    op.drop_index("ix_saved_queries_owner", "saved_queries")
    op.create_index("ix_saved_queries_owner", "saved_queries", ["owner", "page", "name"], unique=True)
