"""Holds: submissions that wait for a time or a fact, and are then screened again as the next round.

A hold is claimed by lease, its next round produced, and only then deleted: killed in between, the round
is produced again, with the key of the first try, and the processor drops the second.

None waits without an end: for a time until that, for a fact until `valid_until`, and at the latest so many
days after it was accepted or was to be sent. What has then not come is refused (`actions/holds/timers.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, or_, select, update

from pipeline import topics
from pipeline.durations import DAY_MS
from pipeline.events import Hold, Submission, encode
from pipeline.kafka.decoding import decoded
from pipeline.rules.built_in import BuiltInRule
from pipeline.store import schema
from pipeline.store.database import upsert

LEASE_MS = 90_000  # longer than producing a batch may take
# A worker may not have met the configuration yet that a fact came with: held again, it waits this long.
FACT_PAUSE_MS = 2_000

_holds = schema.holds
_decode = msgspec.json.Decoder(Submission).decode


@dataclass(frozen=True, slots=True)
class DueHold:
    """A claimed hold: `key` is the partition key its next round goes by, `ended` that it has waited too long."""

    submission: Submission
    key: str
    ended: bool = False


def project_holds(connection: Connection, now: int, records: Sequence[bytes], longest: int = 3 * DAY_MS) -> int:
    """Remember what is held; idempotent per (port, submission, round). `longest`: ms that one waits for a fact."""
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
        for hold in decoded(topics.HOLDS, Hold, records)
    ]
    if rows:
        connection.execute(upsert(connection, _holds).on_conflict_do_nothing(), rows)
    return len(records) - len(rows)


def claim_due(connection: Connection, now: int, owner: str, limit: int, key: Callable[[str], str]) -> list[DueHold]:
    """Lease at most `limit` holds whose time has come to `owner`, the longest due first.

    `key` gives the partition key of a sender field as of now; a hold keeps the one it was claimed with first.
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
    """Delete holds that have been carried out; returns those deleted, not what another has leased since."""
    return [
        hold
        for hold in ended
        if connection.execute(delete(_holds).where(_this_hold(), _holds.c.lease == owner), _name(hold)).rowcount
    ]


def meet_facts(connection: Connection, now: int, known: Callable[[str], bool], epoch: int) -> int:
    """Make holds due that wait for a fact that has come; returns how many.

    A hold for its unknown port waits until `known` says the sender has one; any other until the
    configuration has moved on to `epoch` since it was held: once for each epoch.
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


def _end(submission: Submission, longest: int) -> int:
    latest = max(submission.accepted_at, submission.scheduled_at or 0) + longest
    return latest if submission.valid_until is None else min(latest, submission.valid_until)


def _this_hold() -> ColumnElement[bool]:
    return and_(
        _holds.c.port == bindparam("p"), _holds.c.submission == bindparam("s"), _holds.c.round == bindparam("r")
    )


def _name(hold: DueHold) -> dict[str, str | int]:
    return {"p": hold.submission.port, "s": hold.submission.id, "r": hold.submission.round}
