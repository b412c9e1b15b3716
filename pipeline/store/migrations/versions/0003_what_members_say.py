"""Members know what they ask a reader to do and what exactly they say; cases lose a number nobody compared."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Apply it."""
    for name in ("asks", "exact"):
        op.add_column("case_members", sa.Column(name, sa.String(length=16), server_default="", nullable=False))
        op.create_index(f"ix_case_members_{name}", "case_members", ["case", name])
    op.execute("ALTER TABLE cases DROP COLUMN version")  # in place: SQLite's copy of a table would empty its children
