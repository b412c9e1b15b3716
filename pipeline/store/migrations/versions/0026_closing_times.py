"""Cases that were opened before cases had a closing time get one."""

from __future__ import annotations

from alembic import op

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    """The role `timers` sets the time: it knows the calendar and the zone of the port. 0 says that it must."""
    op.execute(
        "INSERT INTO timers (kind, subject, due_at) SELECT 'review-closed', id, 0 FROM cases"
        " WHERE state IN ('open', 'decided')"
        " AND id NOT IN (SELECT subject FROM timers WHERE kind = 'review-closed')"
    )
