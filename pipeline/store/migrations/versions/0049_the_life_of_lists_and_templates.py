"""List files and the templates of ports have a life from draft to archive too."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0049"
down_revision = "0048"


def upgrade() -> None:
    """Each version of `lists.csv` was in force once, put there by its author alone."""
    op.add_column("policies", sa.Column("name", sa.String(128), nullable=False, server_default=""))
    op.execute("UPDATE policies SET name = CASE kind WHEN 'dictionary' THEN 'dictionary.csv' ELSE kind || '.yaml' END")
    op.execute(
        """
        INSERT INTO policies (kind, version, name, state, author, drafted_at, approver, approved_at, changed_by,
            changed_at, epoch)
        SELECT c.kind, c.version, c.name, CASE WHEN f.version IS NULL THEN 'archived' ELSE 'in_force' END, c.author,
            c.created_at, c.author, c.created_at, c.author, COALESCE(f.since, c.created_at), f.since_epoch
        FROM configurations c
        LEFT JOIN in_force f ON f.kind = c.kind AND f.name = c.name AND f.version = c.version
        WHERE c.kind = 'list' AND c.name = 'lists.csv'
        """
    )
