"""What Explore looks at: a period, a source, and values of columns.

Periods are whole hours. Times are epoch milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select

from pipeline.durations import DAY_MS, HOUR_MS
from pipeline.errors import AntispamError
from pipeline.store import schema
from pipeline.store.accounts.roles import Forbidden, Right, User, ports_in_scope, require
from pipeline.store.database import Database

MAX_DAYS = 366  # longest period where the roll-up answers
MAX_ROW_DAYS = 31  # longest period where rows are read

KEYS = ("port", "kind", "category", "rule", "campaign", "policy")  # columns of the roll-up
PLACES = ("carrier", "region")  # columns of a recipient
ROW_KEYS = ("content", "sender", "link", *PLACES)  # only rows have them
COLUMNS = ("port", "enterprise", *KEYS[1:], *ROW_KEYS)
SOURCES = ("submission", "record")

ACCEPTED = "coalesce(accepted_at, decided_at)"  # as the roll-up
# Columns of sums that decisions have under another name. Old decisions have no sender.
OF_DECISION = {
    "rule": "reasons[1].rule",
    "sender": "coalesce(nullif(sender, ''), port)",
    "content": "fingerprint",
    "enterprise": "port",
}

Values = dict[str, Any]


@dataclass(frozen=True)
class Filters:
    """What is looked at. "" matches everything. `content` is a fingerprint, `number` the lake's hash of a number."""

    since: int
    until: int
    source: str = "submission"
    port: str = ""
    enterprise: str = ""
    kind: str = ""
    category: str = ""
    rule: str = ""
    campaign: str = ""
    policy: str = ""
    content: str = ""
    sender: str = ""
    link: str = ""
    number: str = ""
    carrier: str = ""
    region: str = ""

    @property
    def hours(self) -> tuple[int, int]:
        """The period as whole hours."""
        return self.since // HOUR_MS * HOUR_MS, -(-self.until // HOUR_MS) * HOUR_MS

    @property
    def places(self) -> tuple[str, ...]:
        """The columns of recipients that are asked for."""
        return tuple(name for name in PLACES if getattr(self, name))

    @property
    def by_rows(self) -> bool:
        """Whether a filter asks for what only rows have."""
        return bool(self.content or self.sender or self.link or self.number or self.places)


def check(user: User, filters: Filters, by: str = "", rows: bool = False) -> None:
    """Raise AntispamError for what cannot be asked, and Forbidden for what this user may not ask."""
    require(user, Right.SEARCH)
    if filters.source not in SOURCES:
        raise AntispamError("explore: unknown source {source!r}", source=filters.source)
    if user.scope and filters.source == "record":
        raise Forbidden(
            "{person}: records belong to no port, and this account sees a part of the ports", person=user.name
        )
    if filters.source == "record" and (by in PLACES or filters.places):
        raise AntispamError("explore: carrier and region are of recipients of submissions; records have neither")
    since, until = filters.hours
    if since >= until:
        raise AntispamError("explore: the period is empty")
    longest = MAX_ROW_DAYS if rows or by in ROW_KEYS or filters.by_rows else MAX_DAYS
    if until - since > longest * DAY_MS + HOUR_MS:
        raise AntispamError("explore: at most {longest} days of this at a time", longest=longest)


def conditions(db: Database, user: User, filters: Filters, rows: bool) -> tuple[str, Values]:
    """The condition on rows of decisions or of the roll-up, and its parameters."""
    names = [name for name in (*KEYS, "sender") if getattr(filters, name)]
    found = [f"{OF_DECISION.get(name, name) if rows else name} = ${name}" for name in names]
    values: Values = {name: getattr(filters, name) for name in names} | {"source": filters.source}
    if filters.content:
        found.append("fingerprint = $content")
        values["content"] = filters.content
    codes = _codes(db, user, filters.enterprise)
    if codes is not None:
        found.append("list_contains($codes, port)")
        values["codes"] = codes
    return " AND ".join(found) or "true", values


def _codes(db: Database, user: User, enterprise: str) -> list[str] | None:
    """The ports in the user's scope that are of this enterprise, if one is asked for; None for all ports."""
    within, t = ports_in_scope(user), schema.ports
    if within is None and not enterprise:
        return None
    statement = select(t.c.code)
    if within is not None:
        statement = statement.where(t.c.code.in_(within))
    if enterprise:
        statement = statement.where(t.c.enterprise == enterprise)
    with db.read() as connection:
        return list(connection.execute(statement).scalars())


def period(since: int, until: int) -> Values:
    """The parameters `day`, `since` and `until` of a period."""
    return {"day": moment(since).date(), "since": moment(since), "until": moment(until)}


def moment(ms: int) -> datetime:
    """A time in UTC, as the lake has it."""
    return datetime.fromtimestamp(ms / 1000, UTC)
