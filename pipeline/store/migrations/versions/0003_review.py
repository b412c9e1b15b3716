"""What review, holds and the releaser need of cases and holds."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_UNFINISHED = "state = 'effective' AND released < last_member"


def upgrade() -> None:
    """Apply it."""
    op.add_column("holds", sa.Column("epoch", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("holds", sa.Column("key", sa.String(length=21), nullable=True))
    op.add_column("cases", sa.Column("last_member", sa.BigInteger(), server_default="0", nullable=False))
    _index("ix_holds_waiting", "holds", ["port"], "due_at IS NULL")
    op.create_index("ix_cases_fingerprint", "cases", ["port", "fingerprint", "opened_at"])
    _index("ix_cases_decided", "cases", ["effective_at"], "state = 'decided'")
    _index("ix_cases_unfinished", "cases", ["decided_at"], _UNFINISHED)
    op.create_table(
        "case_skips",
        sa.Column("case", sa.String(length=64), nullable=False),
        sa.Column("reviewer", sa.String(length=64), nullable=False),
        sa.Column("skipped_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["case"], ["cases.id"], name=op.f("fk_case_skips_case_cases"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("case", "reviewer", name=op.f("pk_case_skips")),
    )


def _index(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
