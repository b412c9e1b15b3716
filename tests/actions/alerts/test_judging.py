"""Rules of alerts: their figures, when they raise and end an alert, who may change them. Both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import insert, select

from pipeline.actions.alerts.evidence import evidence
from pipeline.actions.alerts.judging import complete_period, judge
from pipeline.actions.alerts.lake_figures import lake_figures
from pipeline.actions.alerts.measures import MEASURES, Figures
from pipeline.actions.alerts.rules import SHIPPED, AlertRule, Granularity, list_rules, remove_rule, save_rule
from pipeline.durations import DAY_MS, HOUR_MS, MINUTE_MS
from pipeline.errors import AntispamError
from pipeline.events import AlertLevel
from pipeline.rules.messages import BUILT_IN, slots
from pipeline.settings import Settings
from pipeline.store import outbox, schema
from pipeline.store.accounts.roles import Forbidden, Role, User
from pipeline.store.database import Database
from tests.harness.console_data import fill_lake

ZONE = "Asia/Shanghai"
NOW = int(datetime(2026, 3, 2, 10, 16, tzinfo=ZoneInfo(ZONE)).timestamp() * 1000)
OPERATOR = User("ops", Role.OPERATOR)
PORT = "10690001"
VOLUME = AlertRule("busy", "volume", True, 100, Granularity.HOUR, AlertLevel.SEVERE)


def alerts(db: Database) -> list[Any]:
    with db.read() as connection:
        return list(connection.execute(select(schema.alerts).order_by(schema.alerts.c.id)).all())


def judged(db: Database, rule: AlertRule, now: int, figures: Figures) -> tuple[int, int]:
    return judge(db, [rule], now, ZONE, lambda asked: [figures for _ in asked])


@pytest.mark.parametrize(
    ("granularity", "since", "until"),
    [
        (Granularity.QUARTER, "10:00", "10:15"),
        (Granularity.HOUR, "09:00", "10:00"),
        (Granularity.DAY, "00:00", "00:00"),
    ],
)
def test_periods_are_whole_in_the_operators_zone(granularity: Granularity, since: str, until: str) -> None:
    period = complete_period(granularity, NOW, ZONE)
    assert [datetime.fromtimestamp(ms / 1000, ZoneInfo(ZONE)).strftime("%H:%M") for ms in period] == [since, until]
    assert period[1] - period[0] == granularity.ms
    assert complete_period(granularity, period[1] + MINUTE_MS - 1, ZONE)[1] < period[1] + MINUTE_MS - 1


def test_an_alert_lasts_from_the_first_period_that_breaks_to_the_first_that_does_not(any_db: Database) -> None:
    assert judged(any_db, VOLUME, NOW, {PORT: 100, "10690002": 500}) == (1, 0)
    assert judged(any_db, VOLUME, NOW, {PORT: 100, "10690002": 500}) == (1, 0)  # by a second process
    [alert] = alerts(any_db)
    assert (alert.subject, alert.level, alert.times, alert.over_at) == ("10690002", "severe", 1, None)
    assert alert.message == "端口 60 分钟内提交 500 条短信，界限 100"
    assert judged(any_db, VOLUME, NOW + HOUR_MS, {PORT: 101, "10690002": 900}) == (2, 0)
    assert sorted((a.subject, a.times) for a in alerts(any_db)) == [(PORT, 1), ("10690002", 2)]
    assert judged(any_db, VOLUME, NOW + 2 * HOUR_MS, {PORT: 101}) == (1, 1)
    assert {a.subject: a.state for a in alerts(any_db)} == {PORT: "waiting", "10690002": "closed"}


def test_below_means_below(any_db: Database) -> None:
    silent = AlertRule("silent", "traffic", False, 1, Granularity.QUARTER, AlertLevel.CRITICAL)
    assert judged(any_db, silent, NOW, {"all": 1}) == (0, 0)
    assert judged(any_db, silent, NOW + HOUR_MS, {"all": 0}) == (1, 0)


def test_when_the_lake_tells_nothing_because_the_process_ends_nothing_is_over(any_db: Database) -> None:
    judged(any_db, VOLUME, NOW, {PORT: 101})
    assert judge(any_db, [VOLUME], NOW + HOUR_MS, ZONE, lambda asked: None) == (0, 0)
    assert [a.state for a in alerts(any_db)] == ["waiting"]


def test_of_a_thousand_subjects_the_worst_hundred_are_told(any_db: Database) -> None:
    judged(any_db, VOLUME, NOW, {f"1069{n:04d}": 101 + n for n in range(1000)})
    assert sorted(a.subject for a in alerts(any_db)) == [f"1069{n:04d}" for n in range(900, 1000)]


def test_figures_of_the_database(any_db: Database) -> None:
    since, until = NOW - HOUR_MS, NOW
    with any_db.write() as connection:
        for n in range(150):
            row = {"submission": "s", "recipient": "1", "channel": f"c{n % 2}", "part": 1, "port": PORT}
            state = "failed" if n % 10 == 1 else "delivered"
            connection.execute(insert(schema.deliveries).values(**row, n=n, state=state, changed_at=until - 1))
        row = {"submission": "t", "n": 1, "part": 1, "port": PORT, "recipient": "1", "channel": "c0"}
        for n in range(60):
            connection.execute(
                insert(schema.deliveries).values(**row | {"n": n + 1}, state="delivered", changed_at=since)
            )
        for n, at in enumerate((since - 1, since, until - 1, until)):
            subject = {"kind": "suspend", "subject": f"p{n}", "actor": "x", "at": at}
            connection.execute(insert(schema.actions).values(subject))
        read = {name: m.of_database(connection, since, until) for name, m in MEASURES.items() if m.of_database}
    assert read["undelivered"] == {"c0": 0.0}  # c1 had 75 parts, too few for a share
    assert read["ports-suspended"] == {"all": 2.0}
    assert (read["cases-waiting"], read["unpublished"], read["much-complained"]) == ({"all": 0.0}, {"all": 0.0}, {})


def test_who_answers_complaints_is_reminded_before_and_after_they_are_due(any_db: Database) -> None:
    hour = HOUR_MS
    with any_db.write() as connection:
        row = {"port": PORT, "sender": PORT, "recipient": "1", "reference": "", "content": "", "complained_at": 0}
        for n, (source, due_in, answered) in enumerate(
            (("hotline", -hour, None), ("hotline", hour, None), ("hotline", 3 * DAY_MS, None), ("", hour, None),
             ("12321", -hour, NOW))
        ):  # fmt: skip
            values = row | {"id": f"c{n}", "source": source, "due_at": NOW + due_in, "answered_at": answered}
            connection.execute(insert(schema.complaints).values(received_at=0, **values))
        read = {name: MEASURES[name].of_database for name in ("answers-due", "answers-overdue")}
        figures = {name: each(connection, NOW - hour, NOW) for name, each in read.items() if each}
    assert figures == {"answers-due": {"hotline": 1.0, "all": 1.0}, "answers-overdue": {"hotline": 1.0}}
    shipped = [rule for rule in SHIPPED if rule.measure.startswith("answers")]
    judge(any_db, shipped, NOW + 2 * MINUTE_MS, "UTC", lambda _: [])
    raised = {row.key: (row.level, row.about) for row in alerts(any_db)}
    assert raised["alert-rule/answers-overdue/hotline"] == ("severe", "complaints")
    assert (
        evidence("answers-overdue", "complaints", "hotline", 0, 0, "UTC") == "/complaints?source=hotline&answer=overdue"
    )
    with any_db.write() as connection:
        connection.execute(schema.complaints.update().values(answered_at=NOW))
    judge(any_db, shipped, NOW + 2 * HOUR_MS, "UTC", lambda _: [])
    assert {row.state for row in alerts(any_db)} == {"closed"}


def test_figures_of_the_lake(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, _env_file=None)
    names = [name for name, measure in MEASURES.items() if measure.of_lake]
    empty = lake_figures(settings, [(name, NOW - DAY_MS, NOW) for name in names])
    assert dict(zip(names, empty, strict=True)) == {
        "much-refused": {}, "over-strict": {}, "volume": {}, "traffic": {"all": 0.0}, "degraded": {},
        "dead-letters": {},
    }  # fmt: skip
    fill_lake(settings, NOW)
    volume, traffic = lake_figures(settings, [("volume", NOW - DAY_MS, NOW + 1), ("traffic", NOW - DAY_MS, NOW + 1)])
    assert sum(volume.values()) == traffic["all"] > 0
    assert lake_figures(settings, [("volume", NOW - 9 * DAY_MS, NOW - 8 * DAY_MS)]) == [{}]


def test_every_measure_has_its_sentence_and_every_shipped_rule_its_measure() -> None:
    for name, measure in MEASURES.items():
        assert (measure.of_database is None) != (measure.of_lake is None), name
        for template in BUILT_IN[measure.rule].values():
            assert set(slots(template)) <= {"value", "limit", "minutes"}
    assert {rule.measure for rule in SHIPPED} <= set(MEASURES)


def test_an_operator_changes_a_shipped_rule_and_takes_it_back(any_db: Database) -> None:
    shipped = SHIPPED[0]
    judged(any_db, replace(shipped, measure="volume"), NOW, {PORT: 1000})
    save_rule(any_db, OPERATOR, replace(shipped, threshold=9, active=False), NOW)
    assert [a.state for a in alerts(any_db)] == ["closed"]  # its numbers are not those any more
    changed = {rule.id: rule for rule in list_rules(any_db, OPERATOR)}[shipped.id]
    assert (changed.threshold, changed.active, changed.changed_by) == (9, False, "ops")
    remove_rule(any_db, OPERATOR, shipped.id, NOW)
    assert shipped in list_rules(any_db, OPERATOR)
    with pytest.raises(AntispamError, match="not your own"):
        remove_rule(any_db, OPERATOR, shipped.id, NOW)
    save_rule(any_db, OPERATOR, VOLUME, NOW)
    assert "busy" in [rule.id for rule in list_rules(any_db, OPERATOR)]
    with any_db.read() as connection:
        trail = connection.execute(select(schema.audit.c.subject, schema.audit.c.action)).all()
        assert outbox.pending(connection) > 0
    assert [tuple(row) for row in trail][-1] == ("alert-rule/busy", "save")


@pytest.mark.parametrize("wrong", [{"id": "Big"}, {"id": ""}, {"measure": "x"}, {"threshold": -1}, {"threshold": 1e13}])
def test_what_makes_no_sense_is_refused(any_db: Database, wrong: dict[str, Any]) -> None:
    with pytest.raises(AntispamError):
        save_rule(any_db, OPERATOR, replace(VOLUME, **wrong), NOW)
    for user in (User("v", Role.VIEWER), User("s", Role.OPERATOR, {"city": "x"})):
        with pytest.raises(Forbidden):
            save_rule(any_db, user, VOLUME, NOW)
