"""Members are numbered within their case."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """Members of before keep the order in which they were stored, so the cursors of cases stay right."""
    op.add_column("case_members", sa.Column("number", sa.BigInteger(), server_default="0", nullable=False))
    op.execute("UPDATE case_members SET number = seq")
    for name in ("case", "asks", "exact"):
        op.drop_index(f"ix_case_members_{name}", "case_members")
    op.create_index("uq_case_members_number", "case_members", ["case", "number"], unique=True)
    for name in ("asks", "exact"):
        op.create_index(f"ix_case_members_{name}", "case_members", ["case", name, "number"])
