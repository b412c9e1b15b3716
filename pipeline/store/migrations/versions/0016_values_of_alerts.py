"""The values in an alert's message, so that a reader gets it in their language."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Alerts of before have no values: their stored message is shown."""
    op.add_column("alerts", sa.Column("values", sa.JSON(none_as_null=True), nullable=False, server_default="{}"))
