"""Rules of alerts: what is measured, over which time, and from which value on operators are told.

Shipped rules are in code; the operator's own, and changes of shipped ones, are in the table `alert_rules`.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from enum import StrEnum

from sqlalchemy import Connection, select

from pipeline.actions.alerts.measures import MEASURES
from pipeline.actions.alerts.news import end
from pipeline.durations import DAY_MS, HOUR_MS, MINUTE_MS
from pipeline.errors import AntispamError
from pipeline.events import AlertLevel
from pipeline.store import audit, outbox, schema
from pipeline.store.accounts.roles import Forbidden, Right, User, require
from pipeline.store.database import Database, upsert

_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_rules, _alerts = schema.alert_rules, schema.alerts


class Granularity(StrEnum):
    """The time that a rule measures, and how often (DESIGN §9: 15 minutes, hour, day)."""

    QUARTER = "quarter"
    HOUR = "hour"
    DAY = "day"

    @property
    def ms(self) -> int:
        """Its length."""
        return {"quarter": 15 * MINUTE_MS, "hour": HOUR_MS, "day": DAY_MS}[self.value]


@dataclass(frozen=True, slots=True)
class AlertRule:
    """Raise an alert of `level` when a measure is above (or below) the threshold; `changed_by` is None if shipped."""

    id: str
    measure: str
    above: bool
    threshold: float
    granularity: Granularity
    level: AlertLevel
    active: bool = True
    changed_by: str | None = None
    changed_at: int | None = None

    def breaks(self, value: float) -> bool:
        """Whether this value raises the alert."""
        return value > self.threshold if self.above else value < self.threshold


# Our own choice, to be changed by the operator; but for complaints, of which 15 in a month suspend a port (DESIGN §9).
SHIPPED = tuple(
    AlertRule(name, measure, above, threshold, granularity, level)
    for name, measure, above, threshold, granularity, level in (
        ("complaints-day", "much-complained", True, 5, Granularity.DAY, AlertLevel.WARNING),
        ("refused-hour", "much-refused", True, 50, Granularity.HOUR, AlertLevel.WARNING),
        ("over-strict-day", "over-strict", True, 1, Granularity.DAY, AlertLevel.WARNING),  # the card says 0.1 %
        ("degraded", "degraded", True, 1, Granularity.QUARTER, AlertLevel.SEVERE),
        ("dead-letters", "dead-letters", True, 0, Granularity.QUARTER, AlertLevel.SEVERE),
        ("undelivered-hour", "undelivered", True, 20, Granularity.HOUR, AlertLevel.SEVERE),
        ("cases-waiting", "cases-waiting", True, 500, Granularity.QUARTER, AlertLevel.WARNING),
        ("ports-suspended-hour", "ports-suspended", True, 10, Granularity.HOUR, AlertLevel.SEVERE),
        ("unpublished", "unpublished", True, 1000, Granularity.QUARTER, AlertLevel.CRITICAL),
        ("answers-due", "answers-due", True, 0, Granularity.HOUR, AlertLevel.WARNING),
        ("answers-overdue", "answers-overdue", True, 0, Granularity.HOUR, AlertLevel.SEVERE),
    )
)


def alert_rules(connection: Connection) -> list[AlertRule]:
    """All rules by id: the shipped ones unless changed, and the operator's own."""
    found = {rule.id: rule for rule in SHIPPED}
    for row in connection.execute(select(_rules).order_by(_rules.c.id)).mappings():
        values = dict(row) | {"granularity": Granularity(row["granularity"]), "level": AlertLevel(row["level"])}
        found[row["id"]] = AlertRule(**values)
    return [found[ident] for ident in sorted(found)]


def list_rules(db: Database, user: User) -> list[AlertRule]:
    """All rules of alerts."""
    require(user, Right.SEE_TRAFFIC)
    with db.read() as connection:
        return alert_rules(connection)


def save_rule(db: Database, user: User, rule: AlertRule, now: int) -> None:
    """Add a rule, or put it in the place of the one with its id; open alerts of the rule end.

    Raises AntispamError for an invalid rule, Forbidden also for a user with a scope: a rule is of all ports.
    """
    _require(user)
    if not _ID.fullmatch(rule.id):
        raise AntispamError("alert rule {id!r}: small letters, digits and hyphens, at most 64", id=rule.id)
    if rule.measure not in MEASURES:
        raise AntispamError(
            "alert rule {id}: no measure {measure!r}; one of {known}",
            id=rule.id,
            measure=rule.measure,
            known=", ".join(MEASURES),
        )
    if not 0 <= rule.threshold <= 1e12:
        raise AntispamError("alert rule {id}: a threshold of 0 or more expected", id=rule.id)
    with db.write() as connection:
        outbox.lock(connection)
        before = next((each for each in alert_rules(connection) if each.id == rule.id), None)
        values = _stored(rule) | {"changed_by": user.name, "changed_at": now}
        saved = upsert(connection, _rules).values(id=rule.id, **values)
        connection.execute(saved.on_conflict_do_update(index_elements=["id"], set_=values))
        _end_all(connection, rule.id, now)
        audit.record(
            connection,
            now,
            user.name,
            "save",
            f"alert-rule/{rule.id}",
            before and _stored(before),
            _stored(rule),
        )


def remove_rule(db: Database, user: User, ident: str, now: int) -> None:
    """Remove the operator's own rule, or the changes of a shipped one; its open alerts end. Raises AntispamError."""
    _require(user)
    with db.write() as connection:
        outbox.lock(connection)
        before = next((each for each in alert_rules(connection) if each.id == ident), None)
        if before is None or before.changed_by is None:
            raise AntispamError("alert rule {ident!r}: not changed, and not your own", ident=ident)
        connection.execute(_rules.delete().where(_rules.c.id == ident))
        _end_all(connection, ident, now)
        audit.record(connection, now, user.name, "remove", f"alert-rule/{ident}", _stored(before))


def _require(user: User) -> None:
    require(user, Right.ACKNOWLEDGE_ALERTS)
    if user.scope:
        raise Forbidden(
            "{person}: rules of alerts hold for all ports, beyond the scope of this account", person=user.name
        )


def _stored(rule: AlertRule) -> dict[str, object]:
    values = asdict(rule) | {"granularity": rule.granularity.value, "level": rule.level.value}
    return {name: value for name, value in values.items() if name not in ("id", "changed_by", "changed_at")}


def _end_all(connection: Connection, rule: str, now: int) -> None:
    """End the open alerts of a rule; it is judged again with its new numbers."""
    begins = _alerts.c.key.startswith(f"alert-rule/{rule}/", autoescape=True)
    keys = select(_alerts.c.key).where(begins, _alerts.c.state != "closed")
    for key in connection.scalars(keys).all():
        end(connection, key, now)
