"""Cases know their campaign, and the case into which they were merged."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    """Cases of rules on campaigns had the campaign's id, `c` and 16 hex digits, in place of the fingerprint (16)."""
    op.add_column("cases", sa.Column("campaign", sa.String(17), server_default="", nullable=False))
    op.add_column("cases", sa.Column("merged_into", sa.String(64), nullable=True))
    op.execute("UPDATE cases SET campaign = fingerprint WHERE length(fingerprint) = 17 AND fingerprint LIKE 'c%'")
    op.drop_index("uq_cases_open", "cases")
    for name, key, condition in (
        ("uq_cases_open", "fingerprint", "state = 'open' AND campaign = ''"),
        ("uq_cases_open_campaign", "campaign", "state = 'open' AND campaign <> ''"),
    ):
        where = sa.text(condition)
        op.create_index(name, "cases", ["port", key], unique=True, sqlite_where=where, postgresql_where=where)
    op.create_index("ix_cases_campaign", "cases", ["port", "campaign", "opened_at"])
