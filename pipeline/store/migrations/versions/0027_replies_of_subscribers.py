"""Subscribers' messages to ports."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"

_OPEN = sa.text("routed_at IS NULL")


def upgrade() -> None:
    """A table for subscribers' messages, whole or in parts."""
    op.create_table(
        "replies",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False),
        sa.Column("channel", sa.String(32), nullable=False),
        sa.Column("carrier_id", sa.String(64), nullable=False),
        sa.Column("subscriber", sa.String(32), nullable=False),
        sa.Column("to", sa.String(21), nullable=False),
        sa.Column("alphabet", sa.String(16), nullable=False),
        sa.Column("octets", sa.LargeBinary(), nullable=False),
        sa.Column("shifts", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("reference", sa.Integer(), nullable=True),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("total", sa.Integer(), nullable=True),
        sa.Column("number", sa.Integer(), nullable=True),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("routed_at", sa.BigInteger(), nullable=True),
        sa.Column("port", sa.String(21), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_replies"),
    )
    op.create_index("ix_replies_carrier_id", "replies", ["channel", "carrier_id", "subscriber"], unique=True)
    op.create_index("ix_replies_open", "replies", ["received_at"], sqlite_where=_OPEN, postgresql_where=_OPEN)
    op.create_index("ix_replies_received_at", "replies", ["received_at"])
