"""A hold that waits for a fact ends when it has waited too long."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Apply it."""
    op.add_column("holds", sa.Column("ends_at", sa.BigInteger(), nullable=True))
    op.create_index("ix_holds_ends_at", "holds", ["ends_at"])
    # Three days, the setting's default.
    op.execute("UPDATE holds SET ends_at = held_at + 259200000 WHERE due_at IS NULL")
