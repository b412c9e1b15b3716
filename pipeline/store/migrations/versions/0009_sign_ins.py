"""Attempts to sign in are counted by name and address: a lock on the name alone shut people out."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """The table of attempts; the counts of names go, and with them every lock."""
    op.create_table(
        "sign_ins",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("address", sa.String(64), primary_key=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=False),
        sa.Column("tried_at", sa.BigInteger(), nullable=False),
        sa.Column("signed_in_at", sa.BigInteger(), nullable=True),
    )
    op.drop_column("users", "failures")
    op.drop_column("users", "locked_until")
