"""What senders tell of their channels, and what people have set for them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0045"
down_revision = "0044"


def upgrade() -> None:
    """No sender has told of its channels before."""
    op.create_table(
        "channel_states",
        sa.Column("channel", sa.String(32), nullable=False),
        sa.Column("sender", sa.String(128), nullable=False),
        sa.Column("body", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("channel", "sender", name=op.f("pk_channel_states")),
    )
    op.create_table(
        "channel_controls",
        sa.Column("channel", sa.String(32), nullable=False),
        sa.Column("off", sa.Boolean(), nullable=False),
        sa.Column("total_rate", sa.Float(), nullable=True),
        sa.Column("next", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("before", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("changed_by", sa.String(64), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("channel", name=op.f("pk_channel_controls")),
    )
