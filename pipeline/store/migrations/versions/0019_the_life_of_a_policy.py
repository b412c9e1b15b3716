"""The life of each version of the policy: states, author and approver."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Each version of before was in force once, put there by its author alone."""
    op.create_table(
        "policies",
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
        INSERT INTO policies (version, state, author, drafted_at, approver, approved_at, changed_by, changed_at, epoch)
        SELECT c.version, CASE WHEN f.version IS NULL THEN 'archived' ELSE 'in_force' END, c.author, c.created_at,
            c.author, c.created_at, c.author, COALESCE(f.since, c.created_at), f.since_epoch
        FROM configurations c
        LEFT JOIN in_force f ON f.kind = c.kind AND f.name = c.name AND f.version = c.version
        WHERE c.kind = 'policy' AND c.name = 'policy.yaml'
        """
    )
