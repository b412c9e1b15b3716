"""Holds: submissions that wait for a time or a fact and are then screened again in the next round.

A hold is claimed by lease, its next round is produced, and only then it is deleted. If the process is killed in
between, the round is produced again with the partition key of the first try, and the processor drops the repetition.

Every hold ends. A timed hold ends at its time. A hold that waits for a fact ends at `valid_until` or a fixed number of
days after acceptance (or after the scheduled time), whichever is first. Then it is rejected
(`actions/holds/timers.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, or_, select, update

from pipeline import topics
from pipeline.durations import DAY_MS
from pipeline.events import Hold, Submission
from pipeline.kafka.decoding import decoded
from pipeline.rules.built_in import BuiltInRule
from pipeline.store import hold_rows, schema

LEASE_MS = 90_000  # more than the longest time to produce a batch
# A worker may not have read the new configuration yet and hold the submission again. Then it waits this long.
FACT_PAUSE_MS = 2_000

_holds = schema.holds
_decode = msgspec.json.Decoder(Submission).decode


@dataclass(frozen=True, slots=True)
class DueHold:
    """A claimed hold: `key` is the partition key of its next round; `ended` is true if it has waited too long."""

    submission: Submission
    key: str
    ended: bool = False


def project_holds(connection: Connection, now: int, records: Sequence[bytes], longest: int = 3 * DAY_MS) -> int:
    """Store holds; idempotent per (port, submission, round). `longest` limits the wait for a fact (ms)."""
    found = decoded(topics.HOLDS, Hold, records)
    hold_rows.put(connection, now, found, longest)
    return len(records) - len(found)


def claim_due(connection: Connection, now: int, owner: str, limit: int, key: Callable[[str], str]) -> list[DueHold]:
    """Lease at most `limit` due holds to `owner`, the longest due first.

    `key` gives the current partition key of a sender field. A hold keeps the key of its first claim.
    """
    free = or_(_holds.c.lease_until.is_(None), _holds.c.lease_until <= now)
    rows = connection.execute(
        select(_holds.c.port, _holds.c.submission, _holds.c.round, _holds.c.body, _holds.c.key, _holds.c.ends_at)
        .where(or_(_holds.c.due_at <= now, _holds.c.ends_at <= now), free)
        .order_by(_holds.c.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    due = [
        DueHold(_decode(row.body), row.key or key(row.port), row.ends_at is not None and row.ends_at <= now)
        for row in rows
    ]
    if due:
        connection.execute(
            update(_holds).where(_this_hold()).values(key=bindparam("k"), lease=owner, lease_until=now + LEASE_MS),
            [{**_name(hold), "k": hold.key} for hold in due],
        )
    return due


def end(connection: Connection, owner: str, ended: Sequence[DueHold]) -> list[DueHold]:
    """Delete holds after their next round, unless another owner has leased them since; returns the deleted holds."""
    return [
        hold
        for hold in ended
        if connection.execute(delete(_holds).where(_this_hold(), _holds.c.lease == owner), _name(hold)).rowcount
    ]


def meet_facts(connection: Connection, now: int, known: Callable[[str], bool], epoch: int) -> int:
    """Make holds due whose missing fact may have arrived; returns their number.

    A hold for an unknown port waits until `known` is true for its sender. Any other hold waits for a configuration
    newer than the one that held it, up to `epoch`, and becomes due once for each epoch.
    """
    waiting = and_(_holds.c.due_at.is_(None), _holds.c.held_at <= now - FACT_PAUSE_MS)
    senders = connection.scalars(
        select(_holds.c.port).where(_holds.c.due_at.is_(None), _holds.c.rule == BuiltInRule.PORT_UNKNOWN).distinct()
    ).all()
    registered = [sender for sender in senders if known(sender)]
    met = connection.execute(
        update(_holds)
        .where(waiting, _holds.c.rule != BuiltInRule.PORT_UNKNOWN, _holds.c.epoch < epoch)
        .values(due_at=now)
    ).rowcount
    for sender in registered:
        met += connection.execute(
            update(_holds)
            .where(waiting, _holds.c.rule == BuiltInRule.PORT_UNKNOWN, _holds.c.port == sender)
            .values(due_at=now)
        ).rowcount
    return met


def _this_hold() -> ColumnElement[bool]:
    return and_(
        _holds.c.port == bindparam("p"), _holds.c.submission == bindparam("s"), _holds.c.round == bindparam("r")
    )


def _name(hold: DueHold) -> dict[str, str | int]:
    return {"p": hold.submission.port, "s": hold.submission.id, "r": hold.submission.round}
