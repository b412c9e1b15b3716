"""The messages that a doubtful complaint may be about, and who settled which it is."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0044"
down_revision = "0043"


def upgrade() -> None:
    """Complaints that are doubtful already have no candidates."""
    op.create_table(
        "complaint_candidates",
        sa.Column("complaint", sa.String(128), nullable=False),
        sa.Column("port", sa.String(21), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("message", sa.String(160), nullable=False),
        sa.Column("recipient", sa.String(21), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("likeness", sa.Float(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("sent", sa.Boolean(), nullable=False),
        sa.Column("campaign", sa.String(17), nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("complaint", "port", "number"),
    )
    op.add_column("complaints", sa.Column("settled_by", sa.String(64), nullable=True))
    op.add_column("complaints", sa.Column("settled_at", sa.BigInteger(), nullable=True))
