"""Urgency: the order in which cases are reviewed, as risk × messages × age, and the queue that a case is in.

Both are stamped when a case is opened, the urgency also when it grows. Age moves on by itself and a new policy sorts
otherwise, so the role `timers` stamps the open cases again every minute. It writes only what has changed, some cases at
a time, and leaves a case in its queue while a reviewer holds it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import RowMapping, bindparam, select, update

from pipeline.durations import MINUTE_MS
from pipeline.rules.policies.queues import CaseFacts, Queues
from pipeline.store import schema
from pipeline.store.database import Database

EXPRESS = 10  # times as urgent: a user may be waiting for the message
DUE_SOON_MS = 10 * MINUTE_MS
DUE_SOON = 1000  # times as urgent, so that no case is escalated because larger ones keep coming
UNKNOWN_RISK = 0.5  # without a score
LEAST_RISK = 0.05  # a rule asked for review, so no score makes the risk 0
RESTAMP_EVERY = MINUTE_MS
_AT_ONCE = 50  # cases in one transaction: a claim passes over rows that are locked
_SAME = 0.05  # share by which an urgency may be out of date
_cases = schema.cases
_READ = [
    "id",
    "score",
    "category",
    "rule",
    "port",
    "campaign",
    "messages",
    "priority",
    "opened_at",
    "due_at",
    "claimed_by",
    "lease_until",
    "queue",
    "urgency",
]
_Row = Mapping[str, Any] | RowMapping


def urgency(case: _Row, now: int) -> float:
    """Risk × messages × minutes since the case was opened; times EXPRESS, and times DUE_SOON near its limit.

    `case` is a row of `cases`.
    """
    risk = UNKNOWN_RISK if case["score"] is None else max(case["score"], LEAST_RISK)
    age = 1 + max(0, now - case["opened_at"]) / MINUTE_MS
    factor = (EXPRESS if case["priority"] else 1) * (DUE_SOON if case["due_at"] - now <= DUE_SOON_MS else 1)
    return float(risk * case["messages"] * age * factor)


def queue_of(queues: Queues, case: _Row) -> str:
    """The queue of a case under these queues. `case` is a row of `cases`."""
    return queues.queue_of(
        CaseFacts(
            rule=case["rule"],
            category=case["category"] or "",
            score=-1.0 if case["score"] is None else case["score"],
            port=case["port"],
            messages=case["messages"],
            express=bool(case["priority"]),
            of_campaign=bool(case["campaign"]),
        )
    )


def restamp(db: Database, now: int, queues: Queues) -> int:
    """Stamp all open cases again; returns how many have changed."""
    columns = [_cases.c[name] for name in _READ]
    with db.read() as connection:
        rows = connection.execute(select(*columns).where(_cases.c.state == "open")).mappings()
        stale = sorted(row["id"] for row in rows if _stamp(row, now, queues))
    changed = 0
    for i in range(0, len(stale), _AT_ONCE):
        with db.write() as connection:
            locked = select(*columns).where(_cases.c.id.in_(stale[i : i + _AT_ONCE]), _cases.c.state == "open")
            rows = connection.execute(locked.order_by(_cases.c.id).with_for_update()).mappings()
            stamps = [stamp for stamp in (_stamp(row, now, queues) for row in rows) if stamp]
            if stamps:
                connection.execute(update(_cases).where(_cases.c.id == bindparam("stamped")), stamps)
                changed += len(stamps)
    return changed


def _stamp(case: _Row, now: int, queues: Queues) -> dict[str, Any]:
    """The new stamps of a case; empty if those it has are right."""
    held = case["claimed_by"] is not None and case["lease_until"] > now
    queue = case["queue"] if held else queue_of(queues, case)
    figure = urgency(case, now)
    if queue == case["queue"] and abs(figure - case["urgency"]) <= _SAME * figure:
        return {}
    return {"stamped": case["id"], "queue": queue, "urgency": figure}
