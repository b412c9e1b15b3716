"""The list of complaints for people: filtered, newest first, numbers and texts masked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select

from pipeline.actions.complaints.matching import Found
from pipeline.lake.privacy import mask_text
from pipeline.store import schema
from pipeline.store.accounts.roles import Right, User, ports_in_scope, require
from pipeline.store.database import Database
from pipeline.text.numbers import masked

_table = schema.complaints


@dataclass(frozen=True, slots=True)
class Filters:
    """What a list shows; an empty field filters nothing. Times are epoch ms; `port` is the beginning of a code.

    `answer` is "open" for what is not answered, "overdue" for what should have been at `now`, "given" for the rest.
    """

    source: str = ""
    found: str = ""
    port: str = ""
    answer: str = ""
    since: int | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """A complaint as people see it: the number without its middle, the text masked. Times are epoch ms."""

    id: str
    port: str
    sender: str
    number: str
    source: str
    reference: str
    content: str
    complained_at: int
    received_at: int
    due_at: int | None
    answered_at: int | None
    found: str
    doubt: str
    message: str
    campaign: str
    blocked: bool
    settled_by: str | None
    settled_at: int | None


def complaints(db: Database, user: User, filters: Filters, now: int, limit: int = 100, offset: int = 0) -> list[Shown]:
    """Complaints in the user's scope, the newest first."""
    require(user, Right.SEARCH)
    order = (_table.c.received_at.desc(), _table.c.complained_at.desc(), _table.c.id)
    statement = _within(user, select(_table).where(*_conditions(filters, now)).order_by(*order))
    with db.read() as connection:
        rows = connection.execute(statement.limit(limit).offset(offset)).all()
    return [_shown(row) for row in rows]


def counts(db: Database, user: User, filters: Filters, now: int) -> dict[str, int]:
    """How many complaints fit, by what was found; 0 for none."""
    require(user, Right.SEARCH)
    statement = select(_table.c.found, func.count()).where(*_conditions(filters, now)).group_by(_table.c.found)
    with db.read() as connection:
        found = {row[0]: row[1] for row in connection.execute(_within(user, statement))}
    return {state.value: found.get(state.value, 0) for state in Found}


def _within(user: User, statement: Select[Any]) -> Select[Any]:
    within = ports_in_scope(user)
    return statement if within is None else statement.where(_table.c.port.in_(within))


def _conditions(filters: Filters, now: int) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if filters.source:
        found.append(_table.c.source == filters.source)
    if filters.found:
        found.append(_table.c.found == filters.found)
    if filters.port:
        found.append(_table.c.port.startswith(filters.port, autoescape=True))
    if filters.answer == "given":
        found.append(_table.c.answered_at.is_not(None))
    elif filters.answer:
        found.append(_table.c.answered_at.is_(None))
        found.append(_table.c.due_at < now if filters.answer == "overdue" else _table.c.due_at.is_not(None))
    if filters.since is not None:
        found.append(_table.c.complained_at >= filters.since)
    if filters.until is not None:
        found.append(_table.c.complained_at < filters.until)
    return found


def _shown(row: Any) -> Shown:
    return Shown(
        id=row.id,
        port=masked(row.port),
        sender=masked(row.sender or row.port),
        number=masked(row.recipient),
        source=row.source,
        reference=row.reference,
        content=mask_text(row.content),
        complained_at=row.complained_at,
        received_at=row.received_at,
        due_at=row.due_at,
        answered_at=row.answered_at,
        found=row.found,
        doubt=row.doubt,
        message=row.message,
        campaign=row.campaign,
        blocked=row.blocked_at is not None,
        settled_by=row.settled_by,
        settled_at=row.settled_at,
    )
