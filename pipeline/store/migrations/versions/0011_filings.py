"""Filings of signatures with carriers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """A table of filings: one for each port, signature and carrier."""
    op.create_table(
        "filings",
        sa.Column("port", sa.String(21), nullable=False),
        sa.Column("signature", sa.String(64), nullable=False),
        sa.Column("carrier", sa.String(32), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("applied", sa.String(10)),
        sa.Column("decided", sa.String(10)),
        sa.Column("until", sa.String(10)),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["port"], ["ports.code"], name=op.f("fk_filings_port_ports"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("port", "signature", "carrier", name=op.f("pk_filings")),
    )
