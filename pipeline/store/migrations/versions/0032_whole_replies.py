"""Whole messages of subscribers, with their verdict."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"

_WAITING = sa.text("state = 'brought' AND taken_at IS NULL")
_STOPPED = sa.text("state = 'stopped'")


def upgrade() -> None:
    """A table for whole messages; what was joined before stays in `replies` only."""
    op.create_table(
        "whole_replies",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("port", sa.String(21), nullable=True),
        sa.Column("to", sa.String(21), nullable=False),
        sa.Column("subscriber", sa.String(32), nullable=False),
        sa.Column("content", sa.Text(), nullable=True),
        sa.Column("wish", sa.String(16), nullable=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("verdict", sa.String(16), nullable=True),
        sa.Column("rule", sa.String(128), nullable=True),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("settled_at", sa.BigInteger(), nullable=True),
        sa.Column("taken_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_whole_replies"),
    )
    op.create_index(
        "ix_whole_replies_waiting", "whole_replies", ["port", "id"], sqlite_where=_WAITING, postgresql_where=_WAITING
    )
    op.create_index(
        "ix_whole_replies_stopped", "whole_replies", ["id"], sqlite_where=_STOPPED, postgresql_where=_STOPPED
    )
    op.create_index("ix_whole_replies_received_at", "whole_replies", ["received_at"])
