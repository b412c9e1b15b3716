"""The last verdicts of a port."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0048"
down_revision = "0047"


def upgrade() -> None:
    """They are shown beside each case of the port."""
    op.create_index(
        "ix_cases_port_decided",
        "cases",
        ["port", "decided_at"],
        sqlite_where=sa.text("decided_at IS NOT NULL"),
        postgresql_where=sa.text("decided_at IS NOT NULL"),
    )
