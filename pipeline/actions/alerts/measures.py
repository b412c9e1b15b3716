"""What rules of alerts can measure: a figure of a period for each subject.

A share counts only where there are enough of what it is a share of, so that one refused message of two is no alert.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import duckdb
from sqlalchemy import Connection, case, func, select

from pipeline.durations import DAY_MS
from pipeline.events import AlertAbout
from pipeline.rules.built_in import BuiltInRule
from pipeline.store import outbox, schema
from pipeline.store.registry.counted_complaints import COUNTED

ENOUGH = 100  # messages or parts of which a share is computed
ALL = "all"  # the subject of a figure of the whole
REMIND_MS = 2 * DAY_MS  # before an answer is due
FINAL = ("delivered", "failed", "expired")
Figures = dict[str, float]  # by subject


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure of [since, until) in epoch ms, read from the database or from the lake; `unit` is "%" or nothing."""

    rule: BuiltInRule  # gives the sentence
    about: AlertAbout
    unit: str = ""
    of_database: Callable[[Connection, int, int], Figures] | None = None
    of_lake: Callable[[duckdb.DuckDBPyConnection, int, int], Figures] | None = None


def _complaints(connection: Connection, since: int, until: int) -> Figures:
    t = schema.complaints
    when = (t.c.complained_at >= since, t.c.complained_at < until, COUNTED)
    return _figures(connection.execute(select(t.c.port, func.count()).where(*when).group_by(t.c.port)).all())


def _undelivered(connection: Connection, since: int, until: int) -> Figures:
    t = schema.deliveries
    when = (t.c.changed_at >= since, t.c.changed_at < until, t.c.state.in_(FINAL))
    lost = func.sum(case((t.c.state == "delivered", 0), else_=1))
    counted = select(t.c.channel, 100.0 * lost / func.count()).where(*when).group_by(t.c.channel)
    return _figures(connection.execute(counted.having(func.count() >= ENOUGH)).all())


def _cases(connection: Connection, since: int, until: int) -> Figures:  # noqa: ARG001 - of this moment
    t = schema.cases
    return {ALL: float(connection.scalar(select(func.count()).where(t.c.state == "open")) or 0)}


def _suspended(connection: Connection, since: int, until: int) -> Figures:
    t = schema.actions
    when = (t.c.kind == "suspend", t.c.at >= since, t.c.at < until)
    return {ALL: float(connection.scalar(select(func.count(t.c.subject.distinct())).where(*when)) or 0)}


def _unpublished(connection: Connection, since: int, until: int) -> Figures:  # noqa: ARG001 - of this moment
    return {ALL: float(outbox.pending(connection))}


def _unanswered(connection: Connection, since: int, until: int) -> Figures:
    """Complaints whose answer is due in this time, by channel; ALL for those that name none."""
    t = schema.complaints
    channel = func.coalesce(func.nullif(t.c.source, ""), ALL)
    open_ = (t.c.answered_at.is_(None), t.c.due_at >= since, t.c.due_at < until)
    return _figures(connection.execute(select(channel, func.count()).where(*open_).group_by(channel)).all())


def _answers_due(connection: Connection, since: int, until: int) -> Figures:  # noqa: ARG001 - of this moment
    return _unanswered(connection, until, until + REMIND_MS)


def _answers_overdue(connection: Connection, since: int, until: int) -> Figures:  # noqa: ARG001 - of this moment
    return _unanswered(connection, 0, until)


# A later round is the same submission after a hold. Whole days of the lake's folders bound what is read.
_DECIDED = """
    FROM decisions WHERE dt BETWEEN $first AND $last AND decided_at >= $since AND decided_at < $until
"""


def _lake(sql: str) -> Callable[[duckdb.DuckDBPyConnection, int, int], Figures]:
    def read(lake: duckdb.DuckDBPyConnection, since: int, until: int) -> Figures:
        first, last = (dt.datetime.fromtimestamp(ms / 1000, dt.UTC) for ms in (since, until))
        day = dt.timedelta(days=1)
        values = {"since": first, "until": last, "first": first.date() - day, "last": last.date() + day}
        return _figures(
            lake.execute(sql, {name: each for name, each in values.items() if f"${name}" in sql}).fetchall()
        )

    return read


def _figures(rows: object) -> Figures:
    return {str(subject): float(value) for subject, value in rows if subject and value is not None}  # type: ignore[attr-defined]


_REFUSED = f"""
    SELECT port, 100.0 * sum(CASE WHEN verdict IN ('reject', 'blacklist') THEN messages ELSE 0 END) / sum(messages)
    {_DECIDED} AND source <> 'record' AND verdict <> 'hold' GROUP BY port HAVING sum(messages) >= {ENOUGH}
"""
# Almost all codes and notices are honest, so their share over strict is that of the honest texts on the model's card,
# or the traffic has become another one. Spam in commercial or personal messages would hide it.
_OVER_STRICT = f"""
    SELECT kind, 100.0 * avg((score >= reject_score)::INTEGER) {_DECIDED} AND source <> 'record' AND round = 0
        AND kind IN ('one_time_code', 'notice') AND reject_score IS NOT NULL GROUP BY kind HAVING count(*) >= {ENOUGH}
"""
_VOLUME = f"SELECT port, sum(messages) {_DECIDED} AND source <> 'record' AND round = 0 GROUP BY port"
_TRAFFIC = f"SELECT '{ALL}', coalesce(sum(messages), 0) {_DECIDED} AND source <> 'record' AND round = 0"
_DEGRADED = f"""
    SELECT '{ALL}', 100.0 * sum(degraded::INTEGER) / count(*) {_DECIDED} HAVING count(*) >= {ENOUGH}
"""
_DEAD = """
    SELECT origin_topic, count(*) FROM dead_letters WHERE dt BETWEEN $first AND $last AND "at" >= $since
        AND "at" < $until GROUP BY origin_topic
"""

MEASURES: Mapping[str, Measure] = {
    measure.rule.value: measure
    for measure in (
        Measure(BuiltInRule.MUCH_COMPLAINED, AlertAbout.PORT, of_database=_complaints),
        Measure(BuiltInRule.MUCH_REFUSED, AlertAbout.PORT, "%", of_lake=_lake(_REFUSED)),
        Measure(BuiltInRule.OVER_STRICT, AlertAbout.TRAFFIC, "%", of_lake=_lake(_OVER_STRICT)),
        Measure(BuiltInRule.VOLUME, AlertAbout.PORT, of_lake=_lake(_VOLUME)),
        Measure(BuiltInRule.TRAFFIC, AlertAbout.TRAFFIC, of_lake=_lake(_TRAFFIC)),
        Measure(BuiltInRule.DEGRADED, AlertAbout.TRAFFIC, "%", of_lake=_lake(_DEGRADED)),
        Measure(BuiltInRule.DEAD_LETTERS, AlertAbout.TOPIC, of_lake=_lake(_DEAD)),
        Measure(BuiltInRule.UNDELIVERED, AlertAbout.CHANNEL, "%", of_database=_undelivered),
        Measure(BuiltInRule.CASES_WAITING, AlertAbout.REVIEW, of_database=_cases),
        Measure(BuiltInRule.PORTS_SUSPENDED, AlertAbout.TRAFFIC, of_database=_suspended),
        Measure(BuiltInRule.UNPUBLISHED, AlertAbout.TRAFFIC, of_database=_unpublished),
        Measure(BuiltInRule.ANSWERS_DUE, AlertAbout.COMPLAINTS, of_database=_answers_due),
        Measure(BuiltInRule.ANSWERS_OVERDUE, AlertAbout.COMPLAINTS, of_database=_answers_overdue),
    )
}
