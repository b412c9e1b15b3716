"""Frames of channels, ports and numbers, noted for a limited time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0046"
down_revision = "0045"
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """No frame was kept before."""
    op.create_table(
        "traces",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("subject", sa.String(16), nullable=False),
        sa.Column("value", sa.String(32), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("started_by", sa.String(64), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_traces")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "trace_frames",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("trace", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("channel", sa.String(32), nullable=False),
        sa.Column("link", sa.Integer(), nullable=False),
        sa.Column("outgoing", sa.Boolean(), nullable=False),
        sa.Column("command", sa.String(32), nullable=False),
        sa.Column("body", sa.JSON(none_as_null=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trace_frames")),
    )
    op.create_index("ix_trace_frames_trace", "trace_frames", ["trace"])
