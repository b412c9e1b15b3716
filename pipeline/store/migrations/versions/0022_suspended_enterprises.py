"""An enterprise knows that it is suspended, so that its new ports do not begin open."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    """Enterprises of before count as open: which of them were suspended, only their ports say."""
    op.add_column("enterprises", sa.Column("suspended_at", sa.BigInteger(), nullable=True))
