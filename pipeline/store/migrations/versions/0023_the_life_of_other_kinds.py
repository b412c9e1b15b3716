"""Dictionary, calendar and brands have a life from draft to archive too."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    """Each version of before was in force once, put there by its author alone.

    SQLite cannot change a primary key, so the table is written anew.
    """
    op.execute("CREATE TABLE policies_before AS SELECT * FROM policies")
    op.drop_table("policies")
    op.create_table(
        "policies",
        sa.Column("kind", sa.String(16), primary_key=True, server_default="policy"),
        sa.Column("version", sa.String(64), primary_key=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("share", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("author", sa.String(64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False, server_default=""),
        sa.Column("drafted_at", sa.BigInteger(), nullable=False),
        sa.Column("approver", sa.String(64), nullable=True),
        sa.Column("approved_at", sa.BigInteger(), nullable=True),
        sa.Column("changed_by", sa.String(64), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=True),
    )
    op.execute(
        """
        INSERT INTO policies (kind, version, state, share, author, reason, drafted_at, approver, approved_at,
            changed_by, changed_at, epoch)
        SELECT 'policy', version, state, share, author, reason, drafted_at, approver, approved_at,
            changed_by, changed_at, epoch
        FROM policies_before
        """
    )
    op.drop_table("policies_before")
    op.execute(
        """
        INSERT INTO policies (kind, version, state, author, drafted_at, approver, approved_at, changed_by, changed_at,
            epoch)
        SELECT c.kind, c.version, CASE WHEN f.version IS NULL THEN 'archived' ELSE 'in_force' END, c.author,
            c.created_at, c.author, c.created_at, c.author, COALESCE(f.since, c.created_at), f.since_epoch
        FROM configurations c
        LEFT JOIN in_force f ON f.kind = c.kind AND f.name = c.name AND f.version = c.version
        WHERE (c.kind = 'dictionary' AND c.name = 'dictionary.csv')
            OR (c.kind = 'calendar' AND c.name = 'calendar.yaml')
            OR (c.kind = 'brands' AND c.name = 'brands.yaml')
        """
    )
