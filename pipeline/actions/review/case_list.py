"""The list of cases: filtered, sorted and paged, with masked texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import ColumnElement, RowMapping, and_, func, not_, select, true

from pipeline.actions.review.places import ANYWHERE, Place, held, in_access, of_level, within
from pipeline.errors import AntispamError
from pipeline.lake.privacy import mask_text
from pipeline.store import schema
from pipeline.store.accounts.roles import Right, User, require
from pipeline.store.database import Database

PAGE = 200  # cases of a page
_cases = schema.cases

STATES = ("open", "free", "mine", "held", "decided")
SORTS: Mapping[str, ColumnElement[object]] = {
    "urgency": _cases.c.urgency.desc(),
    "due": _cases.c.due_at.asc(),
    "oldest": _cases.c.opened_at.asc(),
    "newest": _cases.c.opened_at.desc(),
    "messages": _cases.c.messages.desc(),
    "score": func.coalesce(_cases.c.score, -1).desc(),
    "port": _cases.c.port.asc(),
}


@dataclass(frozen=True, slots=True)
class ListedCase:
    """A case in the list; times are epoch ms. `content` is masked. `claimed_by` is None for a lease that has run out.

    `last_member` says which messages a verdict by selection was given for.
    """

    id: str
    port: str
    state: str
    queue: str
    rule: str
    content: str
    campaign: str
    score: float | None
    category: str | None
    submissions: int
    messages: int
    opened_at: int
    due_at: int
    escalated_at: int | None
    claimed_by: str | None
    assigned_to: str | None
    merged_into: str | None
    verdict: str | None
    decided_by: str | None
    last_member: int


@dataclass(frozen=True, slots=True)
class Found:
    """A page of cases, and how many cases and messages the filter finds in all."""

    cases: tuple[ListedCase, ...]
    total: int
    messages: int


def list_cases(
    db: Database,
    user: User,
    now: int,
    place: Place = ANYWHERE,
    state: str = "open",
    sort: str = "urgency",
    page: int = 0,
) -> Found:
    """The cases at a place in one of STATES: free of holders, in the user's hand, in that of others, or decided.

    Raises AntispamError for an unknown kind of place, state or sort.
    """
    require(user, Right.REVIEW)
    if state not in STATES:
        raise AntispamError("no state {state!r}; one of {known}", state=state, known=", ".join(STATES))
    if sort not in SORTS:
        raise AntispamError("no order {sort!r}; one of {known}", sort=sort, known=", ".join(SORTS))
    where = (_in_state(user, now, state), within(place), *in_access(user), *of_level(user))
    rows = select(_cases).where(*where).order_by(SORTS[sort], _cases.c.id).limit(PAGE).offset(max(page, 0) * PAGE)
    totals = select(func.count(), func.coalesce(func.sum(_cases.c.messages), 0)).where(*where)
    with db.read() as connection:
        total, messages = connection.execute(totals).one()
        cases = tuple(_listed(row, now) for row in connection.execute(rows).mappings())
    return Found(cases, total, messages)


def find_case(db: Database, user: User, now: int, case: str) -> ListedCase:
    """One case, in whatever state. Raises AntispamError for an unknown case and outside the user's scope."""
    require(user, Right.REVIEW)
    with db.read() as connection:
        row = connection.execute(select(_cases).where(_cases.c.id == case, *in_access(user))).mappings().first()
    if row is None:
        raise AntispamError("no case {case!r}", case=case[:64])
    return _listed(row, now)


def _in_state(user: User, now: int, state: str) -> ColumnElement[bool]:
    if state == "decided":
        return _cases.c.state.in_(("decided", "effective"))
    mine = _cases.c.claimed_by == user.name
    held_now = {"open": true(), "free": not_(held(now)), "mine": held(now) & mine, "held": held(now) & not_(mine)}
    return and_(_cases.c.state == "open", held_now[state])


def _listed(row: RowMapping, now: int) -> ListedCase:
    fields = {name: row[name] for name in ListedCase.__dataclass_fields__}
    holder = row["claimed_by"] if (row["lease_until"] or 0) > now else None
    return ListedCase(**{**fields, "content": mask_text(row["content"]), "claimed_by": holder})
