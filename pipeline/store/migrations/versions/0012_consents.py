"""Consents to commercial messages, with their proof."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """The history of consents; a shard is published as a whole."""
    op.create_table(
        "consents",
        sa.Column("scope", sa.String(96), primary_key=True),
        sa.Column("number", sa.String(21), primary_key=True),
        sa.Column("given_at", sa.BigInteger(), primary_key=True),
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=True),
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("recorded_by", sa.String(64), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_consents_shard", "consents", ["shard"])
