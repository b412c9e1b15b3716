"""The overview: traffic by verdict from the lake, and waiting and failed work from the operational database.

Every figure is limited to the user's scope. Times are epoch milliseconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import duckdb
from sqlalchemy import ColumnElement, Connection, Select, case, func, or_, select, true

from pipeline.durations import DAY_MS, HOUR_MS
from pipeline.events import Verdict
from pipeline.store import schema
from pipeline.store.accounts.roles import Right, User, ports_in_scope, require, sender_in_scope
from pipeline.store.database import Database


@dataclass(frozen=True)
class Traffic:
    """Messages decided between `since` and `until`.

    A held message counts again at its next decision. `series` is (start of an interval, verdict, messages). Latencies
    are from acceptance to decision of submissions, None without submissions.
    """

    since: int
    until: int
    step: int
    messages: Mapping[Verdict, int]
    series: Sequence[tuple[int, Verdict, int]]
    p50_ms: float | None
    p99_ms: float | None
    newest: int | None


@dataclass(frozen=True)
class Channel:
    """Parts handed to a carrier in the last 24 hours, by state."""

    name: str
    submitted: int  # answered by the carrier, without a report yet
    delivered: int
    failed: int  # failed, refused, expired
    open: int  # being submitted, or maybe sent


@dataclass(frozen=True)
class Standing:
    """Waiting work. `oldest_…` are times, or None if nothing waits.

    `undecided` counts submissions of the last hour without a verdict. The oldest of them shows the lag from the door to
    the decision.
    """

    at: int
    undecided: int
    oldest_undecided: int | None
    holds: int
    overdue_holds: int
    oldest_hold: int | None
    cases: int
    overdue_cases: int
    oldest_case: int | None
    next_due: int | None
    channels: Sequence[Channel]
    alerts: Mapping[str, int]  # alerts that nobody has taken on, by level
    outbox: int
    oldest_outbox: int | None


def standing(db: Database, user: User, now: int) -> Standing:
    """Waiting work in the user's scope."""
    require(user, Right.SEE_TRAFFIC)
    submissions, holds, cases, box = schema.submissions, schema.holds, schema.cases, schema.outbox
    within = ports_in_scope(user)
    mine = true() if within is None else cases.c.port.in_(within)
    with db.read() as connection:
        undecided = connection.execute(
            select(func.count(), func.min(submissions.c.accepted_at)).where(
                submissions.c.verdict.is_(None),
                submissions.c.accepted_at > now - HOUR_MS,
                sender_in_scope(user, submissions.c.port),
            )
        ).one()
        held = connection.execute(
            select(func.count(), func.min(holds.c.held_at), _count_if(holds.c.due_at < now)).where(
                sender_in_scope(user, holds.c.port)
            )
        ).one()
        opened = connection.execute(
            select(
                func.count(), func.min(cases.c.opened_at), func.min(cases.c.due_at), _count_if(cases.c.due_at < now)
            ).where(cases.c.state == "open", mine)
        ).one()
        waiting = connection.execute(
            select(func.count(), func.min(box.c.created_at)).where(box.c.published_at.is_(None))
        ).one()
        return Standing(
            at=now,
            undecided=undecided[0],
            oldest_undecided=undecided[1],
            holds=held[0],
            oldest_hold=held[1],
            overdue_holds=held[2] or 0,
            cases=opened[0],
            oldest_case=opened[1],
            next_due=opened[2],
            overdue_cases=opened[3] or 0,
            channels=_channels(connection, user, now),
            alerts=_alerts(connection, within, now),
            outbox=waiting[0],
            oldest_outbox=waiting[1],
        )


def traffic(db: Database, lake: duckdb.DuckDBPyConnection, user: User, since: int, until: int, step: int) -> Traffic:
    """Traffic between two times, in intervals of `step` ms; of repeated decisions the first counts."""
    require(user, Right.SEE_TRAFFIC)
    within = ports_in_scope(user)
    codes: list[str] | None = None
    if within is not None:
        with db.read() as connection:
            codes = list(connection.execute(within).scalars())
    times = [datetime.fromtimestamp(ms / 1000, UTC) for ms in (since, until)]
    lake.execute(
        """
        CREATE OR REPLACE TEMP TABLE window_of AS
        SELECT arg_min(verdict, "offset") AS verdict, arg_min(messages, "offset") AS messages,
               arg_min(exceptions, "offset") AS exceptions, epoch_ms(min(decided_at)) AS decided_at,
               any_value(epoch_ms(accepted_at)) AS accepted_at
        FROM decisions
        WHERE dt >= $since::TIMESTAMPTZ::DATE - 1 AND decided_at >= $since AND decided_at < $until
              AND source = 'submission' AND ($codes IS NULL OR list_contains($codes, port))
        GROUP BY log_id, partition, id, round, decisions.accepted_at
        """,
        {"since": times[0], "until": times[1], "codes": codes},
    )
    rows = lake.execute(
        """
        SELECT bucket, verdict, sum(messages)::BIGINT FROM (
            SELECT decided_at // $step * $step AS bucket, verdict, messages - len(exceptions) AS messages FROM window_of
            UNION ALL
            SELECT decided_at // $step * $step, unnest(exceptions).verdict, 1 FROM window_of
        ) GROUP BY ALL ORDER BY ALL
        """,
        {"step": step},
    ).fetchall()
    p50, p99, newest = lake.execute(
        """SELECT quantile_cont(decided_at - accepted_at, 0.5), quantile_cont(decided_at - accepted_at, 0.99),
                  max(decided_at) FROM window_of"""
    ).fetchone() or (None, None, None)
    series = [(start, Verdict(verdict), count) for start, verdict, count in rows]
    totals: Counter[Verdict] = Counter()
    for _, verdict, count in series:
        totals[verdict] += count
    return Traffic(since, until, step, totals, series, p50, p99, newest)


def _count_if(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))


def _channels(connection: Connection, user: User, now: int) -> list[Channel]:
    t = schema.deliveries
    rows = connection.execute(
        select(t.c.channel, t.c.state, func.count())
        .where(t.c.changed_at > now - DAY_MS, sender_in_scope(user, t.c.port))
        .group_by(t.c.channel, t.c.state)
    )
    counts: dict[str, Counter[str]] = {}
    for channel, state, count in rows:
        counts.setdefault(channel, Counter())[state] = count
    return [
        Channel(
            name,
            states["submitted"],
            states["delivered"],
            states["failed"] + states["refused"] + states["expired"],
            states["submitting"] + states["maybe_sent"],
        )
        for name, states in sorted(counts.items())
    ]


def _alerts(connection: Connection, within: Select[str] | None, now: int) -> dict[str, int]:
    t = schema.alerts
    statement = (
        select(t.c.level, func.count())
        .where(t.c.state == "waiting", or_(t.c.snoozed_until.is_(None), t.c.snoozed_until <= now))
        .group_by(t.c.level)
    )
    if within is not None:
        statement = statement.where(t.c.subject.in_(within))
    return {row[0]: row[1] for row in connection.execute(statement)}
