"""Messages that are sent over another channel if their report does not come."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"


def upgrade() -> None:
    """A new table."""
    op.create_table(
        "resends",
        sa.Column("port", sa.String(21), nullable=False),
        sa.Column("submission", sa.String(128), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("channel", sa.String(32), nullable=False),
        sa.Column("code", sa.String(21), nullable=False),
        sa.Column("record", sa.LargeBinary(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("port", "submission", "n", name="pk_resends"),
    )
    op.create_index("ix_resends_due_at", "resends", ["channel", "due_at"])
