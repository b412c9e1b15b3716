"""What a complaint says, the message it is about, its answer; messages by port and month."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"

_WAITING = sa.text("found = 'waiting'")
_UNANSWERED = sa.text("answered_at IS NULL")


def upgrade() -> None:
    """Complaints of before wait for their message; none of them is due."""
    for column in (
        sa.Column("sender", sa.String(21), nullable=False, server_default=""),
        sa.Column("reference", sa.String(128), nullable=False, server_default=""),
        sa.Column("content", sa.Text(), nullable=False, server_default=""),
        sa.Column("received_at", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("found", sa.String(16), nullable=False, server_default="waiting"),
        sa.Column("doubt", sa.String(32), nullable=False, server_default=""),
        sa.Column("message", sa.String(160), nullable=False, server_default=""),
        sa.Column("campaign", sa.String(17), nullable=False, server_default=""),
        sa.Column("blocked_at", sa.BigInteger(), nullable=True),
        sa.Column("answered_at", sa.BigInteger(), nullable=True),
    ):
        op.add_column("complaints", column)
    op.create_index("ix_complaints_received_at", "complaints", ["received_at"])
    op.create_index(
        "ix_complaints_waiting", "complaints", ["received_at"], sqlite_where=_WAITING, postgresql_where=_WAITING
    )
    op.create_index(
        "ix_complaints_unanswered", "complaints", ["due_at"], sqlite_where=_UNANSWERED, postgresql_where=_UNANSWERED
    )
    op.create_table(
        "port_months",
        sa.Column("port", sa.String(21), nullable=False),
        sa.Column("month", sa.String(7), nullable=False),
        sa.Column("messages", sa.BigInteger(), nullable=False),
        sa.Column("counted_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("port", "month", name="pk_port_months"),
    )
