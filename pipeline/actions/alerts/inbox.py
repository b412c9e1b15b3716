"""The operators' inbox of alerts. The subject of an alert is a port or the keyed hash of a number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, update

from pipeline.errors import AntispamError
from pipeline.store import audit, schema
from pipeline.store.accounts.roles import Forbidden, Right, User, ports_in_scope, require
from pipeline.store.database import Database


@dataclass(frozen=True)
class AlertRow:
    """One alert; times are epoch ms. `values` are those in its message."""

    id: str
    level: str
    rule: str
    subject: str
    message: str
    values: dict[str, Any]
    at: int
    acknowledged_by: str | None
    acknowledged_at: int | None


def list_alerts(db: Database, user: User, *, waiting: bool = True, limit: int = 200) -> list[AlertRow]:
    """Alerts in the user's scope, newest first; with `waiting`, only unacknowledged alerts."""
    require(user, Right.SEE_TRAFFIC)
    t = schema.alerts
    statement = select(t).order_by(t.c.at.desc(), t.c.id).limit(limit)
    if waiting:
        statement = statement.where(t.c.acknowledged_at.is_(None))
    within = ports_in_scope(user)
    if within is not None:
        statement = statement.where(t.c.subject.in_(within))
    with db.read() as connection:
        return [AlertRow(**row) for row in connection.execute(statement).mappings()]


def acknowledge(db: Database, user: User, ids: Sequence[str], now: int) -> int:
    """Acknowledge these alerts for the user; returns how many were unacknowledged.

    Raises Forbidden for an alert outside the user's scope and AntispamError for an unknown alert.
    """
    require(user, Right.ACKNOWLEDGE_ALERTS)
    t = schema.alerts
    within = ports_in_scope(user)
    with db.write() as connection:
        known = connection.execute(select(t.c.id).where(t.c.id.in_(ids))).scalars().all()
        if missing := set(ids) - set(known):
            raise AntispamError(f"no alert {min(missing)!r}")
        if within is not None:
            mine = connection.execute(select(t.c.id).where(t.c.id.in_(ids), t.c.subject.in_(within))).scalars().all()
            if set(ids) - set(mine):
                raise Forbidden(f"{user.name}: an alert is outside the scope of this account")
        done = (
            connection.execute(
                update(t)
                .where(t.c.id.in_(ids), t.c.acknowledged_at.is_(None))
                .values(acknowledged_by=user.name, acknowledged_at=now)
                .returning(t.c.id)
            )
            .scalars()
            .all()
        )
        for ident in done:
            audit.record(connection, now, user.name, "acknowledge", f"alert/{ident}")
        return len(done)
