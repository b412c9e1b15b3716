"""The audit trail for those who administer: who did what to what, when and why. Numbers in it are masked already."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, select

from pipeline.errors import AntispamError
from pipeline.store import schema
from pipeline.store.accounts.roles import Right, User, require
from pipeline.store.database import Database

PAGE = 200  # rows on a page
MOST = 10_000  # rows of a file
_t = schema.audit


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One row of the trail; `at` is epoch ms, `before` and `after` are JSON values."""

    id: int
    at: int
    actor: str
    action: str
    subject: str
    before: Any
    after: Any
    reason: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows; empty fields match all. `action` and `subject` are beginnings, as in `case.` and `port/1069`.

    `below` is the id that the page ends before; None: the newest rows.
    """

    since: int
    until: int
    actor: str = ""
    action: str = ""
    subject: str = ""
    below: int | None = None


def audit_rows(db: Database, user: User, wanted: Wanted, limit: int = PAGE) -> tuple[list[AuditRow], bool]:
    """The newest matching rows, and whether there are older ones. Raises AntispamError for an empty period."""
    require(user, Right.ADMINISTER)
    if wanted.until <= wanted.since:
        raise AntispamError("audit: a period that ends after it begins expected")
    most = max(1, min(limit, MOST))
    where: list[ColumnElement[bool]] = [_t.c.at >= wanted.since, _t.c.at < wanted.until]
    if wanted.actor:
        where.append(_t.c.actor == wanted.actor)
    for column, begins in ((_t.c.action, wanted.action), (_t.c.subject, wanted.subject)):
        if begins:
            where.append(column.startswith(begins, autoescape=True))
    if wanted.below is not None:
        where.append(_t.c.id < wanted.below)
    columns = (_t.c[name] for name in AuditRow.__dataclass_fields__)
    query = select(*columns).where(*where).order_by(_t.c.id.desc()).limit(most + 1)
    with db.read() as connection:
        rows = [AuditRow(*row) for row in connection.execute(query)]
    return rows[:most], len(rows) > most
