"""Alarms about hit rates of rules: which are on, and which were."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """An alarm without an end is on."""
    op.create_table(
        "rule_alarms",
        sa.Column("rule", sa.String(128), primary_key=True),
        sa.Column("since", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
    )
