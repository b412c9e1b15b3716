"""A reviewer's own verdicts, the newest first."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from pipeline.actions.opinions import Opinion
from pipeline.actions.quality.reopening import may_reopen
from pipeline.actions.review.places import UNDO_MS, in_access
from pipeline.lake.privacy import mask_text
from pipeline.store import schema
from pipeline.store.accounts.roles import Right, User, require
from pipeline.store.database import Database

MOST = 500  # verdicts listed


@dataclass(frozen=True, slots=True)
class OwnVerdict:
    """One verdict; `content` is masked. `undo` says whether it can be taken back now."""

    case: str
    port: str
    content: str
    messages: int
    verdict: str
    kind: str
    at: int
    state: str
    outcome: str | None  # what the case was decided as, perhaps by another reviewer
    undo: bool
    overturned: bool  # by an appeal, or reopened
    reopen: bool  # whether the user may reopen it now


def own_verdicts(db: Database, user: User, now: int, since: int) -> list[OwnVerdict]:
    """The user's verdicts from `since` (epoch ms) on, of cases in scope and queues, without checks; at most MOST."""
    require(user, Right.REVIEW)
    o, cases = schema.opinions, schema.cases
    kinds = (Opinion.VERDICT.value, Opinion.FIRST.value, Opinion.SECOND.value)
    query = (
        select(o.c.case, o.c.verdict.label("said"), o.c.kind, o.c.at, cases)
        .join(cases, cases.c.id == o.c.case)
        .where(o.c.reviewer == user.name, o.c.kind.in_(kinds), o.c.at >= since, *in_access(user))
        .order_by(o.c.at.desc(), o.c.id.desc())
        .limit(MOST)
    )
    with db.read() as connection:
        rows = connection.execute(query).all()
    return [
        OwnVerdict(
            row.case,
            row.port,
            mask_text(row.content),
            row.messages,
            row.said,
            row.kind,
            row.at,
            row.state,
            row.verdict,
            row.at > now - UNDO_MS and (row.state == "decided" or row.first_by == user.name),
            row.overturned,
            row.state == "effective" and not row.overturned and may_reopen(user, row.decided_by),
        )
        for row in rows
    ]
