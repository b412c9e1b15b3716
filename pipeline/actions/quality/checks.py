"""Checks: cards that look like cases and decide nothing, to see how well reviewers agree.

A *sample* is a case that another reviewer decided within a day: every SAMPLE_EVERY-th verdict gets a second opinion so,
without delay for anybody. A *golden* case has a verdict that a senior reviewer vouches for. After CHECK_EVERY verdicts
a reviewer gets one check, of cases in scope and queues, a golden case at most once in GOLDEN_AGAIN_MS. The queue of a
golden case is that of the case it was made of: when that is deleted, an account limited to queues gets it no more.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, exists, func, insert, select

from pipeline.actions import opinions
from pipeline.actions.opinions import Opinion
from pipeline.actions.review.case_contents import Contents
from pipeline.actions.review.claims import LEASE_MS, CaseView, valid_verdict
from pipeline.actions.review.places import UNDO_MS, in_access, of_level
from pipeline.durations import DAY_MS, MINUTE_MS
from pipeline.errors import AntispamError
from pipeline.store import audit, schema
from pipeline.store.accounts.roles import Right, User, ports_in_scope, require
from pipeline.store.database import Database

CHECK_EVERY = 20  # verdicts of a reviewer between two checks: 5 % of the work
SAMPLE_EVERY = 50  # verdicts of all, of which one is looked at again: 2 %
GOLDEN_AGAIN_MS = 30 * DAY_MS
LIMIT_MS = 40 * MINUTE_MS  # the limit that a check shows
MOST_GOLDEN = 500
PREFIX = "check-"
_KINDS = (Opinion.SAMPLE.value, Opinion.GOLDEN.value)
_cases, _opinions, _golden = schema.cases, schema.opinions, schema.golden_cases


@dataclass(frozen=True, slots=True)
class Check:
    """A card for one reviewer, and the verdict that it is compared with."""

    view: CaseView
    kind: Opinion
    case: str
    expected: str
    expected_by: str


@dataclass(frozen=True, slots=True)
class Golden:
    """A golden case in the list of the leads."""

    case: str
    port: str
    verdict: str
    made_by: str
    made_at: int
    answers: int
    agreed: int


def next_check(db: Database, user: User, now: int) -> Check | None:
    """The check that this reviewer is due for; None if it is not time, or there is none."""
    require(user, Right.REVIEW)
    with db.read() as connection:
        if _since_last_check(connection, user) < CHECK_EVERY:
            return None
        return _sample(connection, user, now) or _golden_case(connection, user, now)


def answer(db: Database, user: User, check: Check, verdict: str, took: int | None, now: int) -> None:
    """Record what the reviewer says of a check; nothing is decided. Raises AntispamError for an invalid verdict."""
    require(user, Right.REVIEW)
    valid_verdict(verdict, "")
    with db.write() as connection:
        expected = (check.expected, check.expected_by)
        opinions.record(connection, check.case, check.kind, user.name, verdict, now, took, expected)


def take_back(db: Database, user: User, check: Check, now: int) -> None:
    """Remove the reviewer's answer to a check, within the time for undo. Raises AntispamError."""
    require(user, Right.REVIEW)
    t = _opinions
    mine = (t.c.case == check.case, t.c.reviewer == user.name, t.c.kind == check.kind.value, t.c.at > now - UNDO_MS)
    with db.write() as connection:
        if not connection.execute(delete(t).where(*mine)).rowcount:
            raise AntispamError("too late to undo")


def make_golden(db: Database, user: User, case: str, now: int) -> None:
    """Make a decided case golden; its verdict is what others are compared with.

    Raises AntispamError for a case without the verdict of a person, and for more than MOST_GOLDEN cases.
    """
    require(user, Right.REVIEW_SECOND)
    with db.write() as connection:
        decided = (_cases.c.state.in_(("decided", "effective")), _cases.c.decided_by != audit.PIPELINE)
        row = connection.execute(select(_cases).where(_cases.c.id == case, *decided, *in_access(user))).first()
        if row is None:
            raise AntispamError("no case {case!r} that a person decided", case=case[:64])
        if (connection.scalar(select(func.count()).select_from(_golden)) or 0) >= MOST_GOLDEN:
            raise AntispamError("there are {most} golden cases already", most=MOST_GOLDEN)
        if connection.scalar(select(_golden.c.case).where(_golden.c.case == case)):
            raise AntispamError("case {case} is golden already", case=case)
        same = ("port", "content", "rule", "score", "category", "submissions", "messages", "verdict")
        values = {name: getattr(row, name) for name in same}
        connection.execute(insert(_golden).values(case=case, **values, made_by=user.name, made_at=now))
        audit.record(connection, now, user.name, "golden.make", f"case/{case}", after={"verdict": row.verdict})


def drop_golden(db: Database, user: User, case: str, now: int) -> None:
    """Use a golden case no more; the answers to it stay in the figures.

    Raises AntispamError for one that is unknown or outside the user's scope and queues.
    """
    require(user, Right.REVIEW_SECOND)
    with db.write() as connection:
        if connection.scalar(select(_golden.c.case).where(_golden.c.case == case, *_golden_in_access(user))) is None:
            raise AntispamError("case {case!r} is not golden", case=case[:64])
        connection.execute(delete(_golden).where(_golden.c.case == case))
        audit.record(connection, now, user.name, "golden.drop", f"case/{case}")


def golden_cases(db: Database, user: User) -> list[Golden]:
    """The golden cases in the user's scope and queues with how many answers agree, the newest first."""
    require(user, Right.REVIEW_SECOND)
    o = _opinions
    mine = and_(o.c.case == _golden.c.case, o.c.kind == Opinion.GOLDEN.value)
    answers = select(func.count()).where(mine).scalar_subquery()
    agreed = select(func.count()).where(mine, o.c.verdict == o.c.expected).scalar_subquery()
    wanted = (_golden.c.case, _golden.c.port, _golden.c.verdict, _golden.c.made_by, _golden.c.made_at)
    query = (
        select(*wanted, answers, agreed)
        .where(*_golden_in_access(user))
        .order_by(_golden.c.made_at.desc(), _golden.c.case)
    )
    with db.read() as connection:
        return [Golden(*row) for row in connection.execute(query)]


def _since_last_check(connection: Connection, user: User) -> int:
    o = _opinions
    last = select(func.coalesce(func.max(o.c.id), 0)).where(o.c.reviewer == user.name, o.c.kind.in_(_KINDS))
    mine = (o.c.reviewer == user.name, o.c.kind.not_in(_KINDS), o.c.id > last.scalar_subquery())
    return connection.scalar(select(func.count()).where(*mine)) or 0


def _sample(connection: Connection, user: User, now: int) -> Check | None:
    o, again = _opinions, _opinions.alias()
    looked_at = exists().where(again.c.case == o.c.case, again.c.kind == Opinion.SAMPLE.value)
    query = (
        select(_cases, o.c.verdict.label("said"), o.c.reviewer.label("said_by"))
        .join(o, o.c.case == _cases.c.id)
        .where(
            o.c.id % SAMPLE_EVERY == 0,
            o.c.kind == Opinion.VERDICT.value,
            o.c.reviewer != user.name,
            o.c.at > now - DAY_MS,
            _cases.c.state == "effective",
            ~looked_at,
            *in_access(user),
            *of_level(user),
        )
        .order_by(o.c.id)
        .limit(1)
    )
    row = connection.execute(query).first()
    return None if row is None else Check(_view(row, row.id, now), Opinion.SAMPLE, row.id, row.said, row.said_by)


def _golden_case(connection: Connection, user: User, now: int) -> Check | None:
    o = _opinions
    recent = and_(o.c.reviewer == user.name, o.c.kind == Opinion.GOLDEN.value, o.c.at > now - GOLDEN_AGAIN_MS)
    seen = exists().where(o.c.case == _golden.c.case, recent)
    others = (~seen, _golden.c.made_by != user.name, *_golden_in_access(user))
    row = connection.execute(
        select(_golden).where(*others).order_by(_golden.c.made_at, _golden.c.case).limit(1)
    ).first()
    return None if row is None else Check(_view(row, row.case, now), Opinion.GOLDEN, row.case, row.verdict, row.made_by)


def _golden_in_access(user: User) -> list[ColumnElement[bool]]:
    """Whether a golden case is of a port in the user's scope and was in a queue of the user's account."""
    within = ports_in_scope(user)
    found: list[ColumnElement[bool]] = [] if within is None else [_golden.c.port.in_(within)]
    if user.queues:
        found.append(exists().where(_cases.c.id == _golden.c.case, _cases.c.queue.in_(user.queues)))
    return found


def _view(row: Row[tuple[object, ...]], case: str, now: int) -> CaseView:
    """The card: nothing on it says that it is a check."""
    return CaseView(
        id=PREFIX + case,
        port=row.port,
        state="open",
        content=row.content,
        fingerprint="",
        campaign="",
        rule=row.rule,
        score=row.score,
        category=row.category,
        submissions=row.submissions,
        messages=row.messages,
        opened_at=now - MINUTE_MS,
        due_at=now + LIMIT_MS,
        claimed_by=None,
        lease_until=now + LEASE_MS,
        verdict=None,
        decided_by=None,
        effective_at=None,
        last_member=0,
        first_verdict=None,
        contents=Contents(),
    )
