"""An alert lasts from its first news until it is over; it has a history, feeds, rules and silences."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
HALF_AN_HOUR = 1_800_000  # ms


def upgrade() -> None:
    """Each alert of before becomes one of its own, over after half an hour; who acknowledged it has taken it on."""
    alerts = sa.table(
        "alerts",
        *(
            sa.column(name)
            for name in (
                "id",
                "key",
                "state",
                "at",
                "last_at",
                "last_id",
                "waits_since",
                "over_at",
                "assigned_to",
                "acknowledged_by",
            )
        ),
    )
    op.add_column("alerts", sa.Column("key", sa.String(256), server_default="", nullable=False))
    op.add_column("alerts", sa.Column("state", sa.String(16), server_default="waiting", nullable=False))
    op.add_column("alerts", sa.Column("about", sa.String(16), server_default="port", nullable=False))
    op.add_column("alerts", sa.Column("last_at", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("alerts", sa.Column("last_id", sa.String(128), server_default="", nullable=False))
    op.add_column("alerts", sa.Column("times", sa.Integer(), server_default="1", nullable=False))
    op.add_column("alerts", sa.Column("waits_since", sa.BigInteger(), server_default="0", nullable=False))
    for name in ("over_at", "snoozed_until", "escalated_at", "closed_at"):
        op.add_column("alerts", sa.Column(name, sa.BigInteger(), nullable=True))
    op.add_column("alerts", sa.Column("assigned_to", sa.String(64), nullable=True))
    op.execute(
        sa.update(alerts).values(
            key=alerts.c.id,
            last_at=alerts.c.at,
            last_id=alerts.c.id,
            waits_since=alerts.c.at,
            over_at=alerts.c.at + HALF_AN_HOUR,
            assigned_to=alerts.c.acknowledged_by,
            state=sa.case((alerts.c.acknowledged_by.is_(None), "waiting"), else_="taken"),
        )
    )
    with op.batch_alter_table("alerts") as batch:
        for name in ("key", "state", "about", "last_at", "last_id", "waits_since"):
            batch.alter_column(name, server_default=None)
        batch.drop_column("acknowledged_by")
        batch.drop_column("acknowledged_at")
    op.create_index("ix_alerts_closed_at", "alerts", ["closed_at"])
    still = sa.text("state <> 'closed'")
    op.create_index("uq_alerts_open", "alerts", ["key"], unique=True, sqlite_where=still, postgresql_where=still)
    op.create_table(
        "alert_changes",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("alert", sa.String(128), nullable=False),
        sa.Column("change", sa.String(16), nullable=False),
        sa.Column("actor", sa.String(64), nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["alert"], ["alerts.id"], name="fk_alert_changes_alert_alerts", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_alert_changes"),
    )
    op.create_index("ix_alert_changes_alert", "alert_changes", ["alert"])
    op.create_table(
        "alert_posts",
        sa.Column("feed", sa.String(16), nullable=False),
        sa.Column("change", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("silenced", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.ForeignKeyConstraint(
            ["change"], ["alert_changes.id"], name="fk_alert_posts_change_alert_changes", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("feed", "change", name="pk_alert_posts"),
    )
    op.create_index("ix_alert_posts_due_at", "alert_posts", ["feed", "due_at"])
    op.create_table(
        "alert_rules",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("measure", sa.String(32), nullable=False),
        sa.Column("above", sa.Boolean(), nullable=False),
        sa.Column("threshold", sa.Float(), nullable=False),
        sa.Column("granularity", sa.String(16), nullable=False),
        sa.Column("level", sa.String(16), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("changed_by", sa.String(64), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_alert_rules"),
    )
    op.create_table(
        "alert_silences",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("rule", sa.String(128), server_default="", nullable=False),
        sa.Column("subject", sa.String(64), server_default="", nullable=False),
        sa.Column("begins_at", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.Column("daily", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("made_by", sa.String(64), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_alert_silences"),
    )
