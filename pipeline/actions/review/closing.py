"""Closing time: what becomes of the cases that are still open when review hours end.

The policy in force at that time says whether they are refused (`outside_review_hours: refuse`, DESIGN §9). A case with
a submission of the express lane waits on. A case that waits on is asked again at the next closing time.

A case that is older than closing times has a timer that is due at 0, which a migration gave it. It is not closing time
then: the timer gets the next one.
"""

from __future__ import annotations

from sqlalchemy import Connection, delete, select, update

from pipeline import metrics
from pipeline.actions.review.cases import CLOSING, due_timers, refuse, timetables
from pipeline.store import schema
from pipeline.store.database import Database

_cases = schema.cases


def close_cases(db: Database, now: int, limit: int, *, refuses: bool) -> int:
    """Handle due closing times, each case in its own transaction; returns the number of due timers.

    A verdict that can still be undone keeps its timer until it is effective.
    """
    due = due_timers(db, CLOSING, now, limit)
    for case in due:
        with db.write() as connection:
            _close(connection, now, case, refuses=refuses)
    return len(due)


def _close(connection: Connection, now: int, case: str, *, refuses: bool) -> None:
    timers = schema.timers
    timer = (timers.c.kind == CLOSING, timers.c.subject == case)
    found = connection.execute(
        select(_cases.c.state, _cases.c.port, _cases.c.effective_at, _cases.c.priority)
        .where(_cases.c.id == case)
        .with_for_update()
    ).first()
    unset = connection.scalar(select(timers.c.due_at).where(*timer)) == 0
    again = None
    if found is not None and unset:
        again = timetables(connection, [found.port])[found.port].closing(now)
    elif found is not None and found.state == "decided":
        again = max(now, found.effective_at) + 1000
    elif found is not None and found.state == "open":
        if refuses and not found.priority:
            refuse(connection, now, case, CLOSING)
            metrics.CASES_CLOSED.inc()
        else:
            again = timetables(connection, [found.port])[found.port].closing(now)
    if again is None:
        connection.execute(delete(timers).where(*timer))
    else:
        connection.execute(update(timers).where(*timer).values(due_at=again))
