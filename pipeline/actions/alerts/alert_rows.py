"""Alerts in the database: each change of an alert is written with its history and what its feeds must tell."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, insert, update

from pipeline.actions.alerts.lifecycle import AlertState, Change, Standing
from pipeline.events import AlertLevel
from pipeline.store import schema

FEEDS = ("file", "webhook")
UNTOLD = {Change.NOTED}  # a note may quote a text or a number, so it stays in the console
_alerts = schema.alerts


def standing(row: Row[Any]) -> Standing:
    """Where the alert of this row stands."""
    return Standing(
        AlertState(row.state),
        AlertLevel(row.level),
        row.last_at,
        row.times,
        row.waits_since,
        row.over_at,
        row.assigned_to,
        row.snoozed_until,
        row.escalated_at,
        row.closed_at,
    )


def columns(stands: Standing) -> dict[str, Any]:
    """The columns of an alert that its life changes."""
    return {
        "state": stands.state.value,
        "level": stands.level.value,
        "last_at": stands.last_at,
        "times": stands.times,
        "waits_since": stands.waits_since,
        "over_at": stands.over_at,
        "assigned_to": stands.assigned_to,
        "snoozed_until": stands.snoozed_until,
        "escalated_at": stands.escalated_at,
        "closed_at": stands.closed_at,
    }


def change(
    connection: Connection, alert: str, stands: Standing, what: Change, actor: str, now: int, note: str = ""
) -> None:
    """Write what happened to an alert, and where it stands now."""
    connection.execute(update(_alerts).where(_alerts.c.id == alert).values(columns(stands)))
    tell(connection, alert, what, actor, now, note)


def tell(connection: Connection, alert: str, what: Change, actor: str, now: int, note: str = "") -> None:
    """Add to the history of an alert, and to what its feeds must tell."""
    row = {"alert": alert, "change": what.value, "actor": actor, "note": note, "at": now}
    changes = schema.alert_changes
    ident = connection.execute(insert(changes).values(row).returning(changes.c.id)).scalar_one()
    if what not in UNTOLD:
        posts = [{"feed": feed, "change": ident, "due_at": now, "tries": 0} for feed in FEEDS]
        connection.execute(insert(schema.alert_posts), posts)
