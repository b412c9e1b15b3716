"""Assigning: one person gets a case, by hand-over from whoever has it or by a senior reviewer.

A case that is assigned waits for this person alone; its limit stays, and an escalation ends the assignment.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, and_, or_, select, update

from pipeline.actions.review.claims import at_hand, not_yours
from pipeline.actions.review.places import in_access, of_level
from pipeline.errors import AntispamError
from pipeline.store import audit, schema
from pipeline.store.accounts.roles import RIGHTS, Right, Role, User, allowed, require
from pipeline.store.database import Database

MOST = 200  # cases assigned at once
_cases, _users = schema.cases, schema.users


def reviewers(db: Database, user: User) -> list[str]:
    """The active accounts that review."""
    require(user, Right.REVIEW)
    roles = [role.value for role in Role if Right.REVIEW in RIGHTS[role]]
    query = select(_users.c.name).where(_users.c.active, _users.c.role.in_(roles)).order_by(_users.c.name)
    with db.read() as connection:
        return list(connection.scalars(query))


def assign(db: Database, user: User, cases: Sequence[str], to: str | None, now: int) -> None:
    """Assign open cases to a reviewer, or to nobody (None): all of them or none.

    A reviewer hands over cases in hand or assigned to them; a senior reviewer assigns any that is in nobody else's
    hand. A lease ends unless it is that of the person. Raises AntispamError for a case that the user may not assign or
    the person may not review, and for more than MOST cases.
    """
    require(user, Right.REVIEW)
    if len(cases) > MOST:
        raise AntispamError("at most {most} cases at once, not {number}", most=MOST, number=len(cases))
    with db.write() as connection:
        person = None if to is None else _person(connection, to)
        locked = select(_cases).where(_cases.c.id.in_(cases)).order_by(_cases.c.id).with_for_update()
        rows = {row.id: row for row in connection.execute(locked)}
        mine = set(connection.scalars(select(_cases.c.id).where(_cases.c.id.in_(cases), _may_assign(user, now))))
        for case in sorted(set(cases)):
            if case not in mine:
                raise not_yours(connection, user, case)
        if person is not None:
            theirs = select(_cases.c.id).where(_cases.c.id.in_(cases), *in_access(person), *of_level(person))
            for case in sorted(mine - set(connection.scalars(theirs))):
                raise AntispamError("{person} may not review case {case}", person=person.name, case=case)
        connection.execute(update(_cases).where(_cases.c.id.in_(mine)).values(assigned_to=to))
        if to is not None:
            others = update(_cases).where(_cases.c.id.in_(mine), _cases.c.claimed_by != to)
            connection.execute(others.values(claimed_by=None, lease_until=None))
        for case in sorted(mine):
            before = {"assigned_to": rows[case].assigned_to}
            audit.record(connection, now, user.name, "case.assign", f"case/{case}", before, {"assigned_to": to})


def _may_assign(user: User, now: int) -> ColumnElement[bool]:
    own = and_(
        _cases.c.state == "open",
        or_(_cases.c.claimed_by == user.name, _cases.c.assigned_to == user.name),
        *in_access(user),
        *of_level(user),
    )
    any_free = _cases.c.assigned_to.is_not(None) & _cases.c.claimed_by.is_(None) & (_cases.c.state == "open")
    return or_(own, at_hand(user, now), and_(any_free, *in_access(user))) if allowed(user, Right.REVIEW_SECOND) else own


def _person(connection: Connection, name: str) -> User:
    row = connection.execute(select(_users).where(_users.c.name == name, _users.c.active)).first()
    if row is None or Right.REVIEW not in RIGHTS[Role(row.role)]:
        raise AntispamError("{name!r} is no active reviewer", name=name)
    return User(row.name, Role(row.role), row.scope, queues=tuple(row.queues))
