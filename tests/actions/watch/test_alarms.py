"""Each alarm begins once and ends once, however often and by however many processes the rules are watched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from pipeline import topics
from pipeline.actions.watch.alarms import watch
from pipeline.durations import DAY_MS, HOUR_MS
from pipeline.events import Alert
from pipeline.lake.views import connect
from pipeline.settings import Settings
from pipeline.store import outbox, schema
from pipeline.store.accounts.roles import Role, User
from pipeline.store.database import Database
from pipeline.store.registry import registry
from tests.harness.lake.rule_hits import decided, hours, put

pytestmark = pytest.mark.long

HOUR = 489_000
POLICY = "rules:\n  - {id: loud, event: submission, description: loud, when: messages > 9, verdict: review}\n"
OTHER = POLICY.replace("id: loud", "id: other")
EARLIER = {HOUR + after - 24 * day: (2, 120) for day in range(1, 9) for after in (0, 1, 2, 3, 4)}
LOUD, CALM, FEW = (60, 120), (2, 120), (1, 3)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path)


@pytest.fixture
def db(any_db: Database) -> Database:
    publish(any_db, POLICY, HOUR * HOUR_MS - 30 * DAY_MS)
    return any_db


def publish(db: Database, text: str, at: int) -> None:
    registry.publish_configuration(db, User("admin", Role.ADMINISTRATOR), "policy", "policy.yaml", text, at)


def alerts(db: Database) -> list[Alert]:
    with db.read() as connection:
        sent = [m for _, p in outbox.unpublished(connection, 1000) for m in p.messages]
    return [msgspec.json.decode(m.value or b"", type=Alert) for m in sent if m.topic == topics.ALERTS.name]


def told(db: Database) -> list[Any]:
    with db.read() as connection:
        return list(connection.execute(select(schema.alerts)).all())


def after(db: Database, settings: Settings, *told: tuple[int, int]) -> list[tuple[int, int]]:
    """What watching twice after each of these hours does, the first time."""
    done = []
    for n, hour in enumerate(told):
        put(settings, hours("loud", {HOUR + n: hour}))
        end = (HOUR + n + 1) * HOUR_MS
        put(settings, [decided(end + 1)])
        lake = connect(settings).cursor()
        done.append(watch(db, lake, end + 60_000))
        assert watch(db, lake, end + 120_000) == (0, 0)
    return done


def test_it_begins_and_ends_once(db: Database, settings: Settings) -> None:
    put(settings, hours("loud", EARLIER))
    assert after(db, settings, CALM, LOUD, LOUD, FEW, CALM) == [(0, 0), (1, 0), (0, 0), (0, 0), (0, 1)]
    [begun] = alerts(db)
    assert (begun.rule, begun.subject, begun.values) == (
        "rule-rate", "loud", {"rule": "loud", "rate": "49.59 %", "usual": "1.67 %"},
    )  # fmt: skip
    assert begun.id == f"rule-rate/loud/{HOUR + 1}"
    assert [(alert.id, alert.state) for alert in told(db)] == [(begun.id, "closed")]
    with db.read() as connection:
        [row] = connection.execute(select(schema.rule_alarms)).all()
    assert (row.rule, row.since) == ("loud", (HOUR + 1) * HOUR_MS)
    assert row.ended_at is not None


def test_the_alarm_of_a_rule_that_left_the_policy_ends(db: Database, settings: Settings) -> None:
    put(settings, hours("loud", EARLIER))
    assert after(db, settings, LOUD) == [(1, 0)]
    publish(db, OTHER, (HOUR + 1) * HOUR_MS)
    assert watch(db, connect(settings).cursor(), (HOUR + 1) * HOUR_MS + 180_000) == (0, 1)
    assert [alert.state for alert in told(db)] == ["closed"]


def test_without_policy_or_lake_nothing_happens(any_db: Database, settings: Settings) -> None:
    lake = connect(settings).cursor()
    assert watch(any_db, lake, HOUR * HOUR_MS) == (0, 0)
    publish(any_db, POLICY, 1)
    assert watch(any_db, lake, HOUR * HOUR_MS) == (0, 0)
