"""Judging the rules of alerts: each complete period of a rule is measured, and alerts are raised or ended.

An alert lasts from the first period that breaks its rule to the first that does not. Its id names the period, so a
period may be judged twice. Periods are cut in UTC; a day begins at midnight of the console's zone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from pipeline.actions.alerts.measures import MEASURES, Figures
from pipeline.actions.alerts.news import end, raise_alert
from pipeline.actions.alerts.rules import AlertRule, Granularity
from pipeline.durations import MINUTE_MS
from pipeline.events import Alert
from pipeline.rules.messages import built_in
from pipeline.store import outbox, schema
from pipeline.store.database import Database

SETTLED_MS = MINUTE_MS  # after its end, when the lake has the rows of a period
MOST = 100  # subjects that one rule raises in a period: the worst
Asked = tuple[str, int, int]  # measure, since, until
OfLake = Callable[[Sequence[Asked]], list[Figures] | None]
_alerts = schema.alerts


def complete_period(granularity: Granularity, now: int, zone: str) -> tuple[int, int]:
    """The last period that is complete and in the lake: (since, until) in epoch ms."""
    settled = now - SETTLED_MS
    offset = 0
    if granularity is Granularity.DAY:
        shift = datetime.fromtimestamp(settled / 1000, ZoneInfo(zone)).utcoffset()
        offset = int(shift.total_seconds() * 1000) if shift else 0
    until = (settled + offset) // granularity.ms * granularity.ms - offset
    return until - granularity.ms, until


def judge(
    db: Database,
    rules: Sequence[AlertRule],
    now: int,
    zone: str,
    of_lake: OfLake,
) -> tuple[int, int]:
    """Judge the last complete period of these active rules; returns how many subjects broke one, and how many ended.

    `of_lake` reads the figures of the lake; if it returns None, because the process ends, nothing is judged.
    """
    periods = [complete_period(rule.granularity, now, zone) for rule in rules]
    asked = [(rule.measure, *period) for rule, period in zip(rules, periods, strict=True)]
    lake = [each for each in asked if MEASURES[each[0]].of_lake is not None]
    read_there = of_lake(lake) if lake else []
    if read_there is None:
        return 0, 0
    figures = dict(zip(lake, read_there, strict=True))
    with db.read() as connection:
        for measure, since, until in asked:
            read = MEASURES[measure].of_database
            if read is not None:
                figures[measure, since, until] = read(connection, since, until)
    raised = ended = 0
    for rule, each in zip(rules, asked, strict=True):
        broken, over = _judge(db, rule, each[2], figures[each], now)
        raised, ended = raised + broken, ended + over
    return raised, ended


def _judge(db: Database, rule: AlertRule, until: int, figures: Figures, now: int) -> tuple[int, int]:
    broken = {subject: value for subject, value in figures.items() if rule.breaks(value)}
    worst = sorted(broken, key=lambda subject: (broken[subject], subject), reverse=rule.above)[:MOST]
    with db.write() as connection:
        outbox.lock(connection)
        over = [key for key in _on(connection, rule) if key.rpartition("/")[2] not in broken]
        for subject in worst:
            raise_alert(connection, _news(rule, subject, broken[subject], until), now)
        for key in over:
            end(connection, key, now)
    return len(worst), len(over)


def _on(connection: Connection, rule: AlertRule) -> Sequence[str]:
    """The keys of the open alerts of a rule."""
    begins = _alerts.c.key.startswith(f"alert-rule/{rule.id}/", autoescape=True)
    return connection.scalars(select(_alerts.c.key).where(begins, _alerts.c.state != "closed")).all()


def _news(rule: AlertRule, subject: str, value: float, until: int) -> Alert:
    measure = MEASURES[rule.measure]
    values = {
        "value": _written(value),
        "limit": _written(rule.threshold),
        "minutes": rule.granularity.ms // MINUTE_MS,
        "alert_rule": rule.id,
    }
    key = f"alert-rule/{rule.id}/{subject[:64]}"
    return Alert(
        id=f"{key[:112]}/{until // MINUTE_MS}",
        level=rule.level,
        rule=measure.rule,
        subject=subject[:64],
        message=built_in(measure.rule, values),
        values=values,
        at=until,
        key=key,
        about=measure.about,
    )


def _written(value: float) -> str:
    """A figure with at most one decimal."""
    return f"{value:,.1f}".removesuffix(".0")
