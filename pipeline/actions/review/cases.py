"""Cases: submissions of one port and content that wait together for a reviewer's verdict (see `case_members.py`).

A case that waits too long is escalated once: only reviewers with REVIEW_SECOND get it from then on.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import Connection, select, update

from pipeline import metrics
from pipeline.actions.alerts.news import raise_alert
from pipeline.events import Alert, AlertLevel, Verdict
from pipeline.rules.built_in import BuiltInRule
from pipeline.rules.clock.timetable import Timetable
from pipeline.rules.messages import built_in
from pipeline.store import audit, schema
from pipeline.store.database import Database
from pipeline.store.registry import configurations

REVIEW_MINUTES = 60  # review time until a case is escalated, within review hours (DESIGN §9)
OVERDUE = BuiltInRule.CASE_OVERDUE  # also the kind of the timer
CLOSING = BuiltInRule.REVIEW_CLOSED  # likewise (closing.py)
CHUNK = 300  # keys in one statement
_cases = schema.cases


def escalate(db: Database, now: int, limit: int) -> int:
    """Handle due timers of cases. If a case is still open: mark it escalated, end its lease, raise one alert.

    A verdict that can still be undone keeps its timer until it is effective. Returns the number of due timers. Each
    case has its own transaction, which locks the outbox after the case's row: the same order as every change of a case.
    """
    due = due_timers(db, OVERDUE, now, limit)
    for subject in due:
        with db.write() as connection:
            _escalate(connection, now, subject)
    return len(due)


def due_timers(db: Database, kind: str, now: int, limit: int) -> Sequence[str]:
    """The cases whose timer of this kind is due, the longest due first."""
    timers = schema.timers
    query = select(timers.c.subject).where(timers.c.kind == kind, timers.c.due_at <= now)
    with db.read() as connection:
        return connection.scalars(query.order_by(timers.c.due_at).limit(limit)).all()


def timetables(connection: Connection, ports: Collection[str]) -> dict[str, Timetable]:
    """The review hours of each of these ports, in its zone."""
    t = schema.ports
    calendar = configurations.calendar(connection)
    zones = dict.fromkeys(ports, "")
    codes = list(zones)
    for i in range(0, len(codes), CHUNK):
        found = connection.execute(select(t.c.code, t.c.zone).where(t.c.code.in_(codes[i : i + CHUNK])))
        zones |= {row.code: row.zone for row in found}
    return {code: Timetable(calendar.in_zone(zone)) for code, zone in zones.items()}


def refuse(connection: Connection, now: int, case: str, rule: BuiltInRule) -> bool:
    """Reject an open case that no person decided; the releaser carries it out. False if the case is not open.

    The rule is kept as the note of the verdict.
    """
    refused = {
        "state": "decided",
        "verdict": Verdict.REJECT.value,
        "decided_by": audit.PIPELINE,
        "decided_at": now,
        "note": rule.value,
        "effective_at": now,
        "claimed_by": None,
        "lease_until": None,
    }
    if not connection.execute(
        update(_cases).where(_cases.c.id == case, _cases.c.state == "open").values(refused)
    ).rowcount:
        return False
    after = {"verdict": Verdict.REJECT.value}
    audit.record(connection, now, audit.PIPELINE, "case.decide", f"case/{case}", {"state": "open"}, after, rule.value)
    return True


def _escalate(connection: Connection, now: int, subject: str) -> None:
    timers = schema.timers
    found = connection.execute(
        select(_cases.c.state, _cases.c.port, _cases.c.effective_at, _cases.c.messages, _cases.c.escalated_at)
        .where(_cases.c.id == subject)
        .with_for_update()
    ).first()
    timer = (timers.c.kind == OVERDUE, timers.c.subject == subject)
    if found is not None and found.state == "decided":
        connection.execute(update(timers).where(*timer).values(due_at=max(now, found.effective_at) + 1000))
        return
    connection.execute(timers.delete().where(*timer))
    if found is None or found.state != "open" or found.escalated_at is not None:
        return
    # Its holder, or the person it is assigned to, may lack the right to decide an escalated case.
    freed = {"claimed_by": None, "lease_until": None, "assigned_to": None}
    connection.execute(update(_cases).where(_cases.c.id == subject).values(escalated_at=now, **freed))
    metrics.CASES_OVERDUE.inc()
    values = {"case": subject, "minutes": REVIEW_MINUTES, "messages": found.messages}
    alert = Alert(
        id=f"{OVERDUE}/{subject}",
        level=AlertLevel.SEVERE,
        rule=OVERDUE,
        subject=found.port,
        at=now,
        message=built_in(BuiltInRule.CASE_OVERDUE, values),
        values=values,
        key=f"{OVERDUE}/{found.port}",
    )
    raise_alert(connection, alert, now)
