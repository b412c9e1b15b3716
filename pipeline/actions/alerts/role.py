"""The role `alerts`: lets time pass for open alerts, judges the rules of alerts, and serves the feeds.

All it knows is in the database, so it may be killed at any moment, and any number of processes may run it.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from time import time
from typing import Any

import structlog
from sqlalchemy import Connection, Exists, Row, exists, select

from pipeline.actions.alerts import lifecycle
from pipeline.actions.alerts.alert_rows import FEEDS, change, standing
from pipeline.actions.alerts.feeds import POST_EVERY, Feed, configured, feed_step
from pipeline.actions.alerts.judging import Asked, OfLake, complete_period, judge
from pipeline.actions.alerts.lifecycle import Change, Standing
from pipeline.actions.alerts.measures import Figures
from pipeline.actions.alerts.rules import Granularity, alert_rules
from pipeline.durations import MINUTE_MS
from pipeline.errors import UnavailableError
from pipeline.kafka.steady import steadily
from pipeline.process.apart import apart
from pipeline.rules.built_in import BuiltInRule
from pipeline.settings import Settings
from pipeline.store import audit, schema
from pipeline.store.database import Database
from pipeline.store.migrate import open_database

STEP_SECONDS = 1.0
LOOK_EVERY = MINUTE_MS
LONGEST = 600.0  # seconds to read the lake
MEASURE = "pipeline.actions.alerts.lake_figures:lake_figures"
_alerts = schema.alerts
_log = structlog.get_logger()


def run_alerts(settings: Settings, stop: threading.Event) -> None:
    """Run the role until `stop`. Raises AntispamError if the database cannot be written."""
    db = open_database(settings)
    work = Alerting(db, settings, configured(settings))

    def lake(asked: Sequence[Asked]) -> list[Figures] | None:
        found: list[Figures] | None = apart(MEASURE, LONGEST, stop, settings.log_level, settings, asked)
        return found

    def step() -> bool:
        now = int(time() * 1000)
        work.step(now)
        work.judge(now, lake)
        return False

    try:
        steadily("alerts", step, stop, STEP_SECONDS)
    finally:
        db.close()


class Alerting:
    """The work of one process."""

    def __init__(self, db: Database, settings: Settings, feeds: Mapping[str, Feed]) -> None:
        self._db = db
        self._zone = settings.console_zone
        self._console = settings.console_url or f"http://{settings.console_host}:{settings.console_port}"
        self._feeds = feeds
        self._looked_at = 0
        self._told_at = 0
        self._judged: dict[Granularity, int] = {}  # end of the last period judged here

    def step(self, now: int) -> None:
        """Let time pass for alerts, each minute, and tell the feeds, each POST_EVERY.

        A feed that cannot be told delays no other. Raises UnavailableError after the last.
        """
        if now - self._looked_at >= LOOK_EVERY:
            self._looked_at = now
            pass_time(self._db, now)
        if now - self._told_at >= POST_EVERY:
            self._told_at = now
            fault: UnavailableError | None = None
            for name in FEEDS:
                try:
                    feed_step(self._db, name, self._feeds.get(name), self._console, self._zone, now)
                except UnavailableError as error:
                    fault = error
            if fault is not None:
                raise fault

    def judge(self, now: int, of_lake: OfLake) -> None:
        """Judge the rules whose period is complete, and was not judged by this process."""
        ready = {each: complete_period(each, now, self._zone)[1] for each in Granularity}
        due = {each for each, until in ready.items() if self._judged.get(each) != until}
        if not due:
            return
        with self._db.read() as connection:
            rules = [rule for rule in alert_rules(connection) if rule.active and rule.granularity in due]
        raised, ended = judge(self._db, rules, now, self._zone, of_lake) if rules else (0, 0)
        self._judged |= {each: ready[each] for each in due}
        if raised or ended:
            _log.info("alert_rules_judged", rules=len(rules), raised=raised, ended=ended)


def pass_time(db: Database, now: int) -> int:
    """End what is over, wake what was snoozed, escalate what waits too long; returns how many alerts changed."""
    with db.read() as connection:
        still = connection.execute(select(_alerts).where(_alerts.c.state != "closed")).all()
        due = [row.id for row in still if _moved(connection, row, now) is not None]
    for ident in due:  # one transaction each, so that no other writer waits for long
        with db.write() as connection:
            row = connection.execute(select(_alerts).where(_alerts.c.id == ident).with_for_update()).one()
            moved = _moved(connection, row, now)
            if moved is not None:
                change(connection, ident, *moved, audit.PIPELINE, now)
    return len(due)


def _moved(connection: Connection, row: Row[Any], now: int) -> tuple[Standing, Change] | None:
    """What time alone changes of this alert."""
    if row.rule == BuiltInRule.CASE_OVERDUE and not connection.scalar(select(_overdue(row.subject))):
        return lifecycle.end(standing(row), now)
    return lifecycle.pass_time(standing(row), now)


def _overdue(port: str) -> Exists:
    """Whether an escalated case of this port is open."""
    t = schema.cases
    return exists().where(t.c.port == port, t.c.state == "open", t.c.escalated_at.is_not(None))
