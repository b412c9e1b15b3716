"""Reopening a verdict in effect: what is not carried out yet waits for a person again, and nothing follows it any more.

What left cannot be called back, and what was refused was answered: its sender has to send it again. The messages that
are not carried out yet move to a case of their own, which another person decides: the old verdict is the first opinion
there. A batch may be on its way to the broker at this moment, so the next batch still follows the old verdict. That way
no message gets two. Later submissions of this text or campaign no longer follow the verdict, and it teaches the
classifier nothing. A suspension that came with it stays until somebody resumes the port.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, and_, func, insert, select, update

from pipeline.actions.review.cases import OVERDUE, REVIEW_MINUTES, timetables
from pipeline.actions.review.merging import take_in
from pipeline.actions.review.places import in_access
from pipeline.actions.review.releaser import next_batch
from pipeline.actions.review.urgency import urgency
from pipeline.errors import AntispamError
from pipeline.store import audit, schema
from pipeline.store.accounts.roles import Right, User, allowed, require
from pipeline.store.database import Database

_cases, _members = schema.cases, schema.case_members


@dataclass(frozen=True, slots=True)
class Reopening:
    """What becomes of the messages of a case: `done` stay as they were decided, `waiting` wait for a person again.

    `case` is the one in which they wait; None before it is reopened, and if none wait.
    """

    verdict: str
    done: int
    waiting: int
    case: str | None = None


def reopening(db: Database, user: User, case: str) -> Reopening:
    """What reopening would do now. Raises AntispamError if the user may not reopen the case."""
    require(user, Right.REVIEW)
    with db.read() as connection:
        row = _reopenable(connection, select(_cases), user, case)
        waiting = _waiting(connection, case, _cut(connection, row))[1]
        return Reopening(row["verdict"], row["messages"] - waiting, waiting)


def reopen(db: Database, user: User, case: str, reason: str, now: int) -> Reopening:
    """Reopen a case whose verdict is in effect; audited with its reason.

    A reviewer may reopen what the reviewer decided, REVIEW_SECOND everything in the user's scope. Raises AntispamError.
    """
    require(user, Right.REVIEW)
    reason = audit.checked_reason(reason)
    with db.write() as connection:
        row = _reopenable(connection, select(_cases).with_for_update(), user, case)
        cut = _cut(connection, row)
        submissions, messages = _waiting(connection, case, cut)
        opened = _open(connection, row, cut, submissions, messages, now) if submissions else None
        done = row["messages"] - messages
        left = {"submissions": row["submissions"] - submissions, "messages": done, "last_member": cut}
        connection.execute(update(_cases).where(_cases.c.id == case).values(overturned=True, **left))
        before, after = {"verdict": row["verdict"]}, {"case": opened, "messages": messages, "done": done}
        audit.record(connection, now, user.name, "case.reopen", f"case/{case}", before, after, reason)
        return Reopening(row["verdict"], done, messages, opened)


def may_reopen(user: User, decided_by: str | None) -> bool:
    """Whether the user may reopen a case that this person decided."""
    return decided_by not in (None, audit.PIPELINE) and (decided_by == user.name or allowed(user, Right.REVIEW_SECOND))


def _reopenable(connection: Connection, cases: Select[Any], user: User, case: str) -> RowMapping:
    row = connection.execute(cases.where(_cases.c.id == case, *in_access(user))).mappings().first()
    if row is None:
        raise AntispamError("no case {case!r}", case=case)
    if row["state"] != "effective" or row["overturned"] or not may_reopen(user, row["decided_by"]):
        raise AntispamError("case {case}: no verdict in effect that you may reopen", case=case)
    return row


def _cut(connection: Connection, row: RowMapping) -> int:
    """The number of the last member that keeps the old verdict."""
    batch = next_batch(connection, row["id"], row["released"])
    return int(batch[-1].number if batch else row["last_member"])


def _waiting(connection: Connection, case: str, cut: int) -> tuple[int, int]:
    """Submissions and messages behind the cut."""
    figures = select(func.count(), func.coalesce(func.sum(_members.c.messages), 0)).where(*_behind(case, cut))
    submissions, messages = connection.execute(figures).one()
    return submissions, messages


def _behind(case: str, cut: int) -> tuple[ColumnElement[bool], ...]:
    return (_members.c.case == case, _members.c.number > cut)


def _open(connection: Connection, row: RowMapping, cut: int, submissions: int, messages: int, now: int) -> str:
    """Move the members behind the cut to an open case: one of their own, or the open one of this text or campaign."""
    ident = sha256(f"reopened\0{row['id']}\0{now}".encode()).hexdigest()[:16]
    due = timetables(connection, [row["port"]])[row["port"]].after(now, REVIEW_MINUTES)
    first = {"first_verdict": row["verdict"], "first_by": row["decided_by"], "first_at": row["decided_at"]}
    kept = {
        name: row[name]
        for name in ("port", "fingerprint", "campaign", "rule", "content", "score", "category", "priority", "queue")
    }
    figures = {"submissions": submissions, "messages": messages, "opened_at": now, "due_at": due}
    opened: dict[str, Any] = kept | figures | first | {"id": ident, "released": cut, "last_member": row["last_member"]}
    beside = _open_beside(connection, row)
    state = {"state": "merged" if beside else "open", "urgency": urgency({**row, **opened}, now)}
    connection.execute(insert(_cases).values(**opened, **state))
    connection.execute(update(_members).where(*_behind(row["id"], cut)).values(case=ident))
    if beside is not None:  # only one case of a text or campaign may be open
        new = connection.execute(select(_cases).where(_cases.c.id == ident)).mappings().one()
        take_in(connection, now, beside, [new])
        if beside["first_by"] is None:
            _ask_another(connection, beside["id"], first)
        return str(beside["id"])
    connection.execute(insert(schema.timers).values(kind=OVERDUE, subject=ident, due_at=due))
    return ident


def _ask_another(connection: Connection, case: str, first: dict[str, Any]) -> None:
    """Let the open case wait for another person than the one who gave the old verdict."""
    connection.execute(update(_cases).where(_cases.c.id == case).values(**first))
    person = first["first_by"]
    free = {"claimed_by": None, "lease_until": None, "shared_from": None}
    for of_person, values in ((_cases.c.claimed_by, free), (_cases.c.assigned_to, {"assigned_to": None})):
        connection.execute(update(_cases).where(_cases.c.id == case, of_person == person).values(**values))


def _open_beside(connection: Connection, row: RowMapping) -> RowMapping | None:
    same = _cases.c.campaign == row["campaign"]
    if not row["campaign"]:
        same = and_(same, _cases.c.fingerprint == row["fingerprint"])
    query = select(_cases).where(_cases.c.port == row["port"], same, _cases.c.state == "open").with_for_update()
    return connection.execute(query).mappings().first()
