"""Silences: times in which the feeds say nothing about some alerts, for maintenance that everybody knows of.

The console shows the alerts all the same. What is still wrong at the end of a silence is told then; what is over by
then is never told. A daily silence repeats every 24 hours, for a zone without summer time at the same time of day.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select

from pipeline.durations import DAY_MS
from pipeline.errors import AntispamError
from pipeline.store import audit, schema
from pipeline.store.accounts.roles import Forbidden, Right, User, require
from pipeline.store.database import Database

LONGEST_MS = 30 * DAY_MS
MAX_REASON = 200  # characters
_silences = schema.alert_silences


@dataclass(frozen=True, slots=True)
class Silence:
    """A time without news from the feeds; an empty rule or subject means all. Times are epoch ms."""

    rule: str
    subject: str
    begins_at: int
    ends_at: int
    daily: bool
    reason: str
    id: int = 0
    made_by: str = ""
    made_at: int = 0

    def covers(self, rule: str, subject: str, now: int) -> bool:
        """Whether the feeds are silent about this alert now."""
        if self.rule not in ("", rule) or self.subject not in ("", subject) or now < self.begins_at:
            return False
        since = (now - self.begins_at) % DAY_MS if self.daily else now - self.begins_at
        return since < self.ends_at - self.begins_at


def known_silences(connection: Connection) -> list[Silence]:
    """All silences, the newest first."""
    return [Silence(**row) for row in connection.execute(select(_silences).order_by(_silences.c.id.desc())).mappings()]


def silenced(silences: Sequence[Silence], rule: str, subject: str, now: int) -> bool:
    """Whether one of these silences covers the alert now."""
    return any(each.covers(rule, subject, now) for each in silences)


def list_silences(db: Database, user: User, now: int) -> list[Silence]:
    """The silences that are on or will be."""
    require(user, Right.SEE_TRAFFIC)
    with db.read() as connection:
        return [each for each in known_silences(connection) if each.daily or each.ends_at > now]


def add_silence(db: Database, user: User, silence: Silence, now: int) -> int:
    """Add a silence; returns its id. Raises AntispamError, Forbidden also for a user with a scope."""
    _require(user)
    length = silence.ends_at - silence.begins_at
    if not 0 < length <= (DAY_MS if silence.daily else LONGEST_MS):
        raise AntispamError("a silence ends after it begins, within 30 days; a daily one within 24 hours")
    if not silence.daily and silence.ends_at <= now:
        raise AntispamError("this silence is over already")
    if not 0 < len(silence.reason.strip()) <= MAX_REASON or "\0" in silence.reason:
        raise AntispamError("a silence has a reason of at most {most} characters", most=MAX_REASON)
    values = {
        "rule": silence.rule[:128],
        "subject": silence.subject[:64],
        "begins_at": silence.begins_at,
        "ends_at": silence.ends_at,
        "daily": silence.daily,
    }
    with db.write() as connection:
        own = {"reason": silence.reason.strip(), "made_by": user.name, "made_at": now}
        ident = connection.execute(insert(_silences).values(**values, **own).returning(_silences.c.id)).scalar_one()
        audit.record(
            connection, now, user.name, "add", f"alert-silence/{ident}", after=values, reason=silence.reason.strip()
        )
    return int(ident)


def remove_silence(db: Database, user: User, ident: int, now: int) -> None:
    """End a silence. Raises AntispamError for an unknown one, Forbidden."""
    _require(user)
    with db.write() as connection:
        if not connection.execute(delete(_silences).where(_silences.c.id == ident)).rowcount:
            raise AntispamError("no silence {ident}", ident=ident)
        audit.record(connection, now, user.name, "remove", f"alert-silence/{ident}")


def _require(user: User) -> None:
    require(user, Right.ACKNOWLEDGE_ALERTS)
    if user.scope:
        raise Forbidden("{person}: a silence holds for all ports, beyond the scope of this account", person=user.name)
