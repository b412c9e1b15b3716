"""Undertakings of ports, proposals of tiers, appeals."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0038"


def upgrade() -> None:
    """Nothing was undertaken, proposed or appealed before."""
    op.add_column("ports", sa.Column("undertaken_at", sa.BigInteger(), nullable=True))
    op.create_table(
        "tier_proposals",
        sa.Column("port", sa.String(21), nullable=False),
        sa.Column("month", sa.String(7), nullable=False),
        sa.Column("before", sa.String(16), nullable=False),
        sa.Column("after", sa.String(16), nullable=False),
        sa.Column("evidence", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("proposed_at", sa.BigInteger(), nullable=False),
        sa.Column("decided_by", sa.String(64), nullable=True),
        sa.Column("decided_at", sa.BigInteger(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("port", "month", name="pk_tier_proposals"),
    )
    op.create_index("ix_tier_proposals_state", "tier_proposals", ["state", "proposed_at"])
    op.create_table(
        "appeals",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False),
        sa.Column("port", sa.String(21), nullable=False),
        sa.Column("about", sa.String(160), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("against", sa.String(64), nullable=False),
        sa.Column("filed_at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("decided_by", sa.String(64), nullable=True),
        sa.Column("decided_at", sa.BigInteger(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("id", name="pk_appeals"),
    )
    op.create_index("uq_appeals_about", "appeals", ["port", "about"], unique=True)
    op.create_index("ix_appeals_state", "appeals", ["state", "filed_at"])
