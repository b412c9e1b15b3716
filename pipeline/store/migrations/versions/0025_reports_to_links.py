"""Reports and replies for the links of ports."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"

_SERIAL = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Submissions know the link they came over; outcomes and what waits for a link have tables."""
    op.add_column("submissions", sa.Column("origin", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("deliveries", sa.Column("parts", sa.Integer(), server_default="0", nullable=False))
    op.create_table(
        "link_outcomes",
        sa.Column("id", _SERIAL, nullable=False),
        sa.Column("port", sa.String(21), nullable=False),
        sa.Column("submission", sa.String(128), nullable=False),
        sa.Column("recipient", sa.String(21), nullable=True),
        sa.Column("status", sa.String(7), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_link_outcomes"),
    )
    op.create_table(
        "link_deliveries",
        sa.Column("id", _SERIAL, nullable=False),
        sa.Column("port", sa.String(21), nullable=False),
        sa.Column("account", sa.String(16), nullable=False),
        sa.Column("protocol", sa.String(8), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("lease", sa.String(64), nullable=True),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_link_deliveries"),
    )
    op.create_index("ix_link_deliveries_account", "link_deliveries", ["account", "protocol", "id"])
    op.create_index("ix_link_deliveries_created_at", "link_deliveries", ["created_at"])
