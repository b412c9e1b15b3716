"""Reports are stored before anything depends on the broker, and wait by recipient.

What was parked before names no recipient, so no rule may use it: it is left behind.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

UNCLAIMED = sa.text("(state IN ('submitting', 'maybe_sent') OR tries > 1)")


def upgrade() -> None:
    """Apply it."""
    op.drop_index("ix_deliveries_open", "deliveries")
    op.create_index(
        "ix_deliveries_unclaimed",
        "deliveries",
        ["channel", "recipient"],
        sqlite_where=UNCLAIMED,
        postgresql_where=UNCLAIMED,
    )
    op.drop_table("parked_reports")
    op.create_table(
        "parked_reports",
        sa.Column("channel", sa.String(32), nullable=False),
        sa.Column("recipient", sa.String(32), nullable=False),
        sa.Column("carrier_id", sa.String(64), nullable=False),
        sa.Column("sender", sa.String(21), nullable=False),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("reported_at", sa.BigInteger(), nullable=False),
        sa.Column("parked_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("channel", "recipient", "carrier_id", name=op.f("pk_parked_reports")),
    )
    op.create_index("ix_parked_reports_parked_at", "parked_reports", ["channel", "parked_at"])
    op.create_table(
        "report_outbox",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("key", sa.String(160), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report_outbox")),
        sqlite_autoincrement=True,
    )
