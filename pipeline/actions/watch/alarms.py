"""Alarms about hit rates: an alert is raised when a rule's rate becomes unusual, and over when it is usual again.

A row of `rule_alarms` says which alarms are on. It is written in the transaction that raises or ends the alert. So any
number of processes may watch, and each alarm begins and ends once. An hour without enough data changes nothing.
"""

from __future__ import annotations

import duckdb
from sqlalchemy import insert, select, update

from pipeline.actions.alerts.news import end, raise_alert
from pipeline.actions.watch.hits import history
from pipeline.actions.watch.rates import Course, Judged
from pipeline.actions.watch.report import alarms_on, is_unusual, judge_rule, known_since, policy_in_force
from pipeline.durations import HOUR_MS
from pipeline.events import Alert, AlertAbout, AlertLevel
from pipeline.rules.built_in import BuiltInRule
from pipeline.rules.messages import built_in
from pipeline.store import outbox, schema
from pipeline.store.database import Database

_alarms = schema.rule_alarms


def watch(db: Database, lake: duckdb.DuckDBPyConnection, now: int) -> tuple[int, int]:
    """Judge the last complete hour of every rule; returns how many alarms began and ended. `now` is epoch ms."""
    with db.read() as connection:
        policy = policy_in_force(connection)
        since, on = known_since(connection), alarms_on(connection)
    if policy is None:
        return 0, 0
    told = history(lake, now)
    rules = {rule.id: rule for rule in policy.rules if rule.mode != "off"}
    judged = {rule.id: judge_rule(told, rule, since.get(rule.id, 0), alarmed=rule.id in on) for rule in rules.values()}
    begin = [rule for rule, each in judged.items() if rule not in on and is_unusual(each)]
    gone = [rule for rule in on if rule not in rules]  # no longer in the policy
    usual = [rule for rule, each in judged.items() if rule in on and each.course is Course.USUAL]
    began = sum(_begin(db, rule, judged[rule], told.until, now) for rule in begin)
    ended = sum(_end(db, rule, now) for rule in usual + gone)
    return began, ended


def _begin(db: Database, rule: str, judged: Judged, until: int, now: int) -> bool:
    """Begin an alarm, unless another process has or this hour's alarm has been; returns whether it began."""
    with db.write() as connection:
        outbox.lock(connection)
        hour = until - HOUR_MS
        seen = select(_alarms.c.rule).where(
            _alarms.c.rule == rule, (_alarms.c.ended_at.is_(None)) | (_alarms.c.since >= hour)
        )
        if connection.execute(seen).first() is not None:
            return False
        connection.execute(insert(_alarms).values(rule=rule, since=hour, ended_at=None))
        values = {"rule": rule, "rate": _percent(judged.rate), "usual": _percent(judged.usual)}
        told = Alert(
            id=f"{_key(rule)}/{hour // HOUR_MS}",
            level=AlertLevel.WARNING,
            rule=BuiltInRule.RULE_RATE,
            subject=rule[:64],
            message=built_in(BuiltInRule.RULE_RATE, values),
            values=values,
            at=now,
            key=_key(rule),
            about=AlertAbout.RULE,
        )
        raise_alert(connection, told, now)
        return True


def _end(db: Database, rule: str, now: int) -> bool:
    with db.write() as connection:
        outbox.lock(connection)
        on = (_alarms.c.rule == rule, _alarms.c.ended_at.is_(None))
        since = connection.scalar(select(_alarms.c.since).where(*on))
        if since is None:
            return False
        connection.execute(update(_alarms).where(*on).values(ended_at=now))
        end(connection, _key(rule), now)
        return True


def _key(rule: str) -> str:
    """What all news of the rule's alarms has in common."""
    return f"{BuiltInRule.RULE_RATE}/{rule}"[:100]


def _percent(rate: float | None) -> str:
    return "" if rate is None else f"{100 * rate:.2f} %"
