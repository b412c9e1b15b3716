"""Cases have a queue and an urgency; a reviewer may be limited to queues."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    """Open cases get their queue and urgency from the role `timers`, within a minute."""
    op.add_column("cases", sa.Column("queue", sa.String(32), server_default="", nullable=False))
    op.add_column("cases", sa.Column("urgency", sa.Float(), server_default="0", nullable=False))
    op.drop_index("ix_cases_queue", "cases")
    op.create_index("ix_cases_queue", "cases", ["state", "urgency", "due_at"])
    op.add_column("users", sa.Column("queues", sa.JSON(), server_default="[]", nullable=False))
