"""Orders about numbers, their files and answers, and reconciliations."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"

_OUTSTANDING = sa.text("state IN ('open', 'sent')")
_SERIAL = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Four new tables."""
    op.create_table(
        "number_orders",
        sa.Column("id", _SERIAL, nullable=False),
        sa.Column("number", sa.String(21), nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("party", sa.String(32), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("rule", sa.String(128), server_default="", nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("values", sa.JSON(none_as_null=True), server_default="{}", nullable=False),
        sa.Column("sample", sa.Text(), server_default="", nullable=False),
        sa.Column("evidence", sa.String(256), server_default="", nullable=False),
        sa.Column("asked_by", sa.String(64), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("watch_days", sa.Integer(), nullable=True),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("file", sa.BigInteger(), nullable=True),
        sa.Column("answer", sa.String(16), nullable=True),
        sa.Column("answer_reason", sa.Text(), server_default="", nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_number_orders"),
    )
    op.create_index("ix_number_orders_file", "number_orders", ["file"])
    op.create_index(
        "uq_number_orders_outstanding",
        "number_orders",
        ["number", "kind"],
        unique=True,
        sqlite_where=_OUTSTANDING,
        postgresql_where=_OUTSTANDING,
    )
    op.create_index("ix_number_orders_due", "number_orders", ["party", "state", "due_at"])
    op.create_index("ix_number_orders_number", "number_orders", ["number", "id"])
    op.create_index("ix_number_orders_changed_at", "number_orders", ["changed_at"])
    op.create_table(
        "order_files",
        sa.Column("id", _SERIAL, nullable=False),
        sa.Column("party", sa.String(32), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("orders", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("put_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_order_files"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_order_files_state", "order_files", ["party", "state"])
    op.create_index("ix_order_files_created_at", "order_files", ["created_at"])
    op.create_table(
        "answer_files",
        sa.Column("party", sa.String(32), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("lines", sa.Integer(), server_default="0", nullable=False),
        sa.Column("accepted", sa.Integer(), server_default="0", nullable=False),
        sa.Column("rejected", sa.Integer(), server_default="0", nullable=False),
        sa.Column("read_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("party", "digest", name="pk_answer_files"),
    )
    op.create_index("ix_answer_files_read_at", "answer_files", ["read_at"])
    op.create_table(
        "reconciliations",
        sa.Column("party", sa.String(32), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("ours", sa.Integer(), nullable=False),
        sa.Column("theirs", sa.Integer(), nullable=False),
        sa.Column("missing", sa.Integer(), nullable=False),
        sa.Column("extra", sa.Integer(), nullable=False),
        sa.Column("extra_numbers", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("party", "digest", name="pk_reconciliations"),
    )
    op.create_index("ix_reconciliations_at", "reconciliations", ["at"])
