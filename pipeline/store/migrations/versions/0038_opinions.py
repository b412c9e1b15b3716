"""Second opinions, what reviewers said, golden cases, and why a reviewer refused."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0037"
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Cases of before have no first opinion; verdicts of before are in no figures."""
    op.add_column("cases", sa.Column("first_verdict", sa.String(16), nullable=True))
    op.add_column("cases", sa.Column("first_by", sa.String(64), nullable=True))
    op.add_column("cases", sa.Column("first_at", sa.BigInteger(), nullable=True))
    op.add_column("cases", sa.Column("refusal", sa.String(32), server_default="", nullable=False))
    op.create_table(
        "opinions",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("case", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("reviewer", sa.String(64), nullable=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("expected", sa.String(16), nullable=True),
        sa.Column("expected_by", sa.String(64), nullable=True),
        sa.Column("took_ms", sa.Integer(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_opinions"),
    )
    op.create_index("ix_opinions_at", "opinions", ["at"])
    op.create_index("ix_opinions_case", "opinions", ["case"])
    op.create_index("ix_opinions_reviewer", "opinions", ["reviewer", "at"])
    op.create_table(
        "golden_cases",
        sa.Column("case", sa.String(64), nullable=False),
        sa.Column("port", sa.String(21), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("rule", sa.String(128), nullable=False),
        sa.Column("score", sa.Float(), nullable=True),
        sa.Column("category", sa.String(32), nullable=True),
        sa.Column("submissions", sa.Integer(), nullable=False),
        sa.Column("messages", sa.Integer(), nullable=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("made_by", sa.String(64), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("case", name="pk_golden_cases"),
    )
