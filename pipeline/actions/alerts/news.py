"""News of alerts becomes alerts: all news of one thing is one alert while it is open."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, insert, or_, select, update

from pipeline import topics
from pipeline.actions.alerts import lifecycle
from pipeline.actions.alerts.alert_rows import change, columns, standing, tell
from pipeline.actions.alerts.lifecycle import AlertState
from pipeline.actions.alerts.recurring import LASTS_MS
from pipeline.events import Alert
from pipeline.kafka.decoding import decoded
from pipeline.store import audit, outbox, schema

MAX_KEY = 256  # characters
_alerts = schema.alerts


def project_alerts(connection: Connection, now: int, records: Sequence[bytes]) -> int:
    """Take in the news of the topic; idempotent by its id."""
    news = decoded(topics.ALERTS, Alert, records)
    for each in news:
        hear(connection, each, now)
    return len(records) - len(news)


def raise_alert(connection: Connection, news: Alert, now: int) -> None:
    """Take in news from this database, and publish it. Locks the outbox first, as every writer of both does."""
    outbox.publish(connection, now, (topics.ALERTS, news.subject, news))
    hear(connection, news, now)


def hear(connection: Connection, news: Alert, now: int) -> None:
    """Raise an alert, or change the open alert of the same thing.

    News that was heard already changes nothing, nor does news older than the end of the alert it was of.
    """
    key = news.key[:MAX_KEY]
    if not key:  # of an earlier version
        key, news = f"{news.rule}/{news.subject}"[:MAX_KEY], msgspec.structs.replace(news, lasts=LASTS_MS)
    known = or_(_alerts.c.id == news.id, _alerts.c.last_id == news.id, _alerts.c.closed_at >= news.at)
    if connection.execute(select(_alerts.c.id).where(_alerts.c.key == key, known).limit(1)).first() is not None:
        return
    told = {"message": news.message, "values": news.values, "last_id": news.id}
    row = connection.execute(
        select(_alerts).where(_alerts.c.key == key, _alerts.c.state != AlertState.CLOSED.value).with_for_update()
    ).first()
    after, what = lifecycle.hear(standing(row) if row else None, news.level, news.at, news.lasts)
    if row is None:
        fixed = {"id": news.id, "key": key, "rule": news.rule, "about": news.about.value, "subject": news.subject}
        connection.execute(insert(_alerts).values(**fixed, **told, **columns(after), at=news.at))
    else:
        connection.execute(update(_alerts).where(_alerts.c.id == row.id).values(**told, **columns(after)))
    if what is not None:
        tell(connection, row.id if row else news.id, what, audit.PIPELINE, now)


def end(connection: Connection, key: str, now: int) -> bool:
    """End the open alert of this key, because what was wrong is over; whether there was one."""
    row = connection.execute(
        select(_alerts).where(_alerts.c.key == key, _alerts.c.state != AlertState.CLOSED.value).with_for_update()
    ).first()
    ended = lifecycle.end(standing(row), now) if row else None
    if row is None or ended is None:
        return False
    change(connection, row.id, *ended, audit.PIPELINE, now)
    return True
