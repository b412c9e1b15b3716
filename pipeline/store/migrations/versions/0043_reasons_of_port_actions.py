"""Why something was done to a port."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0043"
down_revision = "0042"


def upgrade() -> None:
    """Earlier actions have their rule and evidence only."""
    op.add_column("actions", sa.Column("reason", sa.Text(), nullable=False, server_default=""))
    op.add_column("actions", sa.Column("values", sa.JSON(none_as_null=True), nullable=False, server_default="{}"))
