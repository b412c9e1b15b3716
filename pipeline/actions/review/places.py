"""Places: where a reviewer works. A place narrows the open cases by queue, risk, category, lane, level, port, campaign,
person or case.

Each kind of place is one SQL expression over a case, so that a filter, a count and a claim mean the same by it. What a
user may see at all (ports of the scope, queues of the account) is the widest place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from sqlalchemy import ColumnElement, Connection, and_, case, distinct, exists, func, or_, select, true

from pipeline.durations import MINUTE_MS
from pipeline.errors import AntispamError
from pipeline.rules.messages import Templates
from pipeline.store import schema
from pipeline.store.accounts.roles import RIGHTS, Right, Role, User, ports_in_scope, require
from pipeline.store.database import Database
from pipeline.store.registry import configurations

UNDO_MS = 10_000  # how long a verdict can be taken back
SKIP_MS = 30 * MINUTE_MS  # how long a skipped case is not offered again to the same reviewer
HIGH_RISK, MIDDLE_RISK = 0.9, 0.6  # scores from which a case is of that risk
MOST_ROWS = 200  # places of one kind that are listed
NONE = ""  # the value of a case without a queue, category or campaign
_cases = schema.cases

Place = Mapping[str, str]  # the value wanted of each kind
ANYWHERE: Place = MappingProxyType({})
KINDS: Mapping[str, ColumnElement[str]] = {
    "queue": _cases.c.queue,
    "risk": case(
        (_cases.c.score.is_(None), "unknown"),
        (_cases.c.score >= HIGH_RISK, "high"),
        (_cases.c.score >= MIDDLE_RISK, "middle"),
        else_="low",
    ),
    "category": func.coalesce(_cases.c.category, NONE),
    "lane": case((_cases.c.priority > 0, "express"), else_="bulk"),
    "level": case(
        (_cases.c.escalated_at.is_not(None), "escalated"), (_cases.c.first_by.is_not(None), "second"), else_="usual"
    ),
    "port": _cases.c.port,
    "campaign": _cases.c.campaign,
    "person": func.coalesce(_cases.c.assigned_to, NONE),
    "case": _cases.c.id,
}


@dataclass(frozen=True, slots=True)
class Waiting:
    """The open cases at one place; times are epoch ms. `workers` are the reviewers who hold some, with how many.

    `titles` are those of a queue in the policy in force. `free` counts the cases that nobody holds.
    """

    value: str
    cases: int = 0
    free: int = 0
    messages: int = 0
    oldest: int | None = None
    next_due: int | None = None
    workers: tuple[tuple[str, int], ...] = ()
    titles: Templates | None = None


@dataclass(frozen=True, slots=True)
class Here:
    """How many open cases the user may review at a place, and elsewhere.

    Of those at the place, `others` are with others: in the hands of `reviewers` of them, or assigned to one. The user
    skipped `skipped` of the rest.
    """

    cases: int
    others: int
    skipped: int
    elsewhere: int
    reviewers: int


def within(place: Place) -> ColumnElement[bool]:
    """Whether a case is at the place. Raises AntispamError for an unknown kind of place."""
    for kind in place:
        if kind not in KINDS:
            raise _unknown(kind)
    return and_(true(), *(KINDS[kind] == value for kind, value in place.items()))


def in_access(user: User) -> list[ColumnElement[bool]]:
    """Whether a case is of a port in the user's scope and in a queue of the user's account."""
    ports = ports_in_scope(user)
    found: list[ColumnElement[bool]] = [] if ports is None else [_cases.c.port.in_(ports)]
    return [*found, _cases.c.queue.in_(user.queues)] if user.queues else found


def of_level(user: User) -> list[ColumnElement[bool]]:
    """Excludes escalated cases unless the user has REVIEW_SECOND."""
    return [] if Right.REVIEW_SECOND in RIGHTS[user.role] else [_cases.c.escalated_at.is_(None)]


def skipped_by(user: User, now: int) -> ColumnElement[bool]:
    """Whether the user skipped the case within SKIP_MS."""
    skips = schema.case_skips
    return exists().where(
        skips.c.case == _cases.c.id, skips.c.reviewer == user.name, skips.c.skipped_at > now - SKIP_MS
    )


def unassigned_or_to(user: User) -> ColumnElement[bool]:
    """Whether no other person has to do the case."""
    return or_(_cases.c.assigned_to.is_(None), _cases.c.assigned_to == user.name)


def not_judged_by(user: User, now: int) -> ColumnElement[bool]:
    """Whether the case waits for no second opinion, or for one that this user may give.

    Who gave the first gives none, unless nobody else reviews. In its first UNDO_MS, the first can be taken back, so
    nobody gets the case.
    """
    t = schema.users

    def another(right: Right) -> ColumnElement[bool]:
        roles = [role.value for role in RIGHTS if right in RIGHTS[role]]
        return exists().where(t.c.active, t.c.name != user.name, t.c.role.in_(roles))

    nobody = or_(~another(Right.REVIEW), and_(_cases.c.escalated_at.is_not(None), ~another(Right.REVIEW_SECOND)))
    waited = and_(_cases.c.first_at <= now - UNDO_MS, or_(_cases.c.first_by != user.name, nobody))
    return or_(_cases.c.first_by.is_(None), waited)


def others_who_review(connection: Connection, user: User, case: str) -> bool:
    """Whether another active account may review this case."""
    t = schema.users
    roles = [role.value for role in RIGHTS if Right.REVIEW in RIGHTS[role]]
    accounts = connection.execute(select(t).where(t.c.active, t.c.name != user.name, t.c.role.in_(roles))).all()
    people = [User(row.name, Role(row.role), row.scope, queues=tuple(row.queues)) for row in accounts]
    return any(
        connection.scalar(select(_cases.c.id).where(_cases.c.id == case, *in_access(one), *of_level(one)))
        for one in people
    )


def held(now: int) -> ColumnElement[bool]:
    """Whether somebody has the case in hand."""
    return and_(_cases.c.claimed_by.is_not(None), _cases.c.lease_until > now)


def waiting(db: Database, user: User, now: int, kind: str, place: Place = ANYWHERE) -> list[Waiting]:
    """What waits by the values of one kind, the most urgent first, among the cases at `place`; at most MOST_ROWS.

    `place` is taken without that kind. Of the kind `queue` all queues of the user are listed, also those in which
    nothing waits. Raises AntispamError for an unknown kind.
    """
    require(user, Right.REVIEW)
    if kind not in KINDS:
        raise _unknown(kind)
    where = [*_reviewable(user), within({other: value for other, value in place.items() if other != kind})]
    value = KINDS[kind].label("value")
    counts = (
        select(
            value,
            func.count(),
            func.sum(case((held(now), 0), else_=1)),
            func.sum(_cases.c.messages),
            func.min(_cases.c.opened_at),
            func.min(_cases.c.due_at),
        )
        .where(*where)
        .group_by(value)
        .order_by(func.max(_cases.c.urgency).desc(), value)
        .limit(MOST_ROWS)
    )
    holders = select(value, _cases.c.claimed_by, func.count()).where(*where, held(now))
    with db.read() as connection:
        found = {row[0]: Waiting(*row) for row in connection.execute(counts)}
        workers: dict[str, list[tuple[str, int]]] = {}
        for name, holder, number in connection.execute(
            holders.group_by(value, _cases.c.claimed_by).order_by("claimed_by")
        ):
            workers.setdefault(name, []).append((holder, number))
        titles = _titles(connection, user) if kind == "queue" else {}
    for name in titles:
        found.setdefault(name, Waiting(name))
    return [replace(row, workers=tuple(workers.get(name, ())), titles=titles.get(name)) for name, row in found.items()]


def here(db: Database, user: User, now: int, place: Place) -> Here:
    """What waits at the place, and what of it the user cannot get now."""
    require(user, Right.REVIEW)
    at = within(place)
    others = or_(and_(held(now), _cases.c.claimed_by != user.name), ~unassigned_or_to(user))
    skipped = and_(~others, skipped_by(user, now), or_(_cases.c.claimed_by.is_(None), _cases.c.claimed_by != user.name))
    query = select(
        _count(at),
        _count(at & others),
        _count(at & skipped),
        _count(~at),
        func.count(distinct(case((at & others, _cases.c.claimed_by)))),
    ).where(*_reviewable(user))
    with db.read() as connection:
        return Here(*(figure or 0 for figure in connection.execute(query).one()))


def _reviewable(user: User) -> list[ColumnElement[bool]]:
    return [_cases.c.state == "open", *in_access(user), *of_level(user)]


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))


def _titles(connection: Connection, user: User) -> dict[str, Templates]:
    """The titles of the queues in the policy in force in which the user may work."""
    queues = configurations.queues(connection).queues
    return {queue.name: queue.descriptions for queue in queues if not user.queues or queue.name in user.queues}


def _unknown(kind: str) -> AntispamError:
    return AntispamError("no kind of place {kind!r}; one of {known}", kind=kind, known=", ".join(KINDS))
