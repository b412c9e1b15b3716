"""News of one thing is one alert, however often and in whatever order it is heard. Both databases."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from pipeline.actions.alerts.news import end, project_alerts, raise_alert
from pipeline.actions.alerts.recurring import recurring_alert
from pipeline.durations import MINUTE_MS
from pipeline.events import Alert, AlertLevel, encode
from pipeline.store import outbox, schema
from pipeline.store.database import Database

NOW = 1_790_000_000_000
PORT = "10690001"


def news(level: AlertLevel, at: int, subject: str = PORT) -> Alert:
    return recurring_alert(level, "port-volume", subject, f"{at}", {"n": at}, at)


def heard(db: Database, *told: Alert) -> list[Any]:
    with db.write() as connection:
        assert project_alerts(connection, NOW, [encode(each) for each in told]) == 0
    return alerts(db)


def alerts(db: Database) -> list[Any]:
    with db.read() as connection:
        return list(connection.execute(select(schema.alerts).order_by(schema.alerts.c.at)).all())


def changes(db: Database) -> list[str]:
    with db.read() as connection:
        return list(connection.scalars(select(schema.alert_changes.c.change).order_by(schema.alert_changes.c.id)))


def test_a_storm_is_one_alert_that_shows_its_last_news(any_db: Database) -> None:
    storm = [news(AlertLevel.WARNING, NOW + n * 15 * MINUTE_MS) for n in range(40)]
    [alert] = heard(any_db, *storm, *storm[-1:])
    assert (alert.times, alert.at, alert.last_at, alert.message) == (40, NOW, storm[-1].at, storm[-1].message)
    assert changes(any_db) == ["raised"]
    [alert] = heard(any_db, news(AlertLevel.CRITICAL, storm[-1].at + 15 * MINUTE_MS))
    assert alert.level == "critical"
    assert changes(any_db) == ["raised", "worse"]
    assert len(heard(any_db, news(AlertLevel.WARNING, NOW, "10690002"))) == 2


def test_what_ended_comes_back_as_a_new_alert_but_not_by_a_replay(any_db: Database) -> None:
    first, later = news(AlertLevel.WARNING, NOW), news(AlertLevel.WARNING, NOW + 60 * MINUTE_MS)
    heard(any_db, first)
    with any_db.write() as connection:
        assert end(connection, first.key, NOW + MINUTE_MS)
        assert not end(connection, first.key, NOW + MINUTE_MS)
    assert [a.state for a in heard(any_db, first)] == ["closed"]
    assert [a.state for a in heard(any_db, later)] == ["closed", "waiting"]
    assert changes(any_db) == ["raised", "over", "raised"]


def test_news_from_the_database_is_heard_at_once_and_published_once(any_db: Database) -> None:
    told = Alert(id="x/1", level=AlertLevel.SEVERE, rule="case-overdue", subject=PORT, message="m", at=NOW, key="x")
    with any_db.write() as connection:
        raise_alert(connection, told, NOW)
        [(_, publication)] = outbox.unpublished(connection, 10)
    [alert] = heard(any_db, told)  # the topic brings it back
    assert (alert.times, alert.over_at) == (1, None)
    assert publication.messages[0].topic == "alerts"


def test_news_of_an_earlier_version_is_one_alert_that_ends(any_db: Database) -> None:
    old = [Alert(id=f"port-volume/{n}", level=AlertLevel.WARNING, rule="r", subject=PORT, message="m", at=NOW + n)
           for n in range(3)]  # fmt: skip
    [alert] = heard(any_db, *old)
    assert (alert.key, alert.times, alert.over_at) == (f"r/{PORT}", 3, NOW + 2 + 30 * MINUTE_MS)


def test_what_cannot_be_read_is_counted(any_db: Database) -> None:
    with any_db.write() as connection:
        assert project_alerts(connection, NOW, [b"{", encode(news(AlertLevel.WARNING, NOW))]) == 1
    assert len(alerts(any_db)) == 1
