"""Rows of held submissions; `actions/holds` ends the holds."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from pipeline.durations import DAY_MS
from pipeline.events import Hold, Submission, encode
from pipeline.store import schema
from pipeline.store.database import upsert


def put(connection: Connection, now: int, held: Sequence[Hold], longest: int = 3 * DAY_MS) -> None:
    """Store holds, each once for its port, submission and round. `longest` limits the wait for a fact (ms)."""
    rows = [
        {
            "port": hold.submission.port,
            "submission": hold.submission.id,
            "round": hold.submission.round,
            "rule": hold.rule,
            "body": encode(hold.submission),
            "held_at": now,
            "due_at": hold.due_at,
            "epoch": hold.epoch,
            "ends_at": None if hold.due_at is not None else _end(hold.submission, longest),
        }
        for hold in held
    ]
    if rows:
        connection.execute(upsert(connection, schema.holds).on_conflict_do_nothing(), rows)


def _end(submission: Submission, longest: int) -> int:
    latest = max(submission.accepted_at, submission.scheduled_at or 0) + longest
    return latest if submission.valid_until is None else min(latest, submission.valid_until)
