"""The shift: how fast cases are decided, when what waits will be done, and who is on."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import case, func, select

from pipeline.actions.opinions import Opinion
from pipeline.actions.review.places import in_access, of_level
from pipeline.durations import HOUR_MS, MINUTE_MS
from pipeline.store import schema
from pipeline.store.accounts.roles import Right, User, require
from pipeline.store.database import Database

ON_MS = 15 * MINUTE_MS  # who gave a verdict within this time is on
CHECKS = (Opinion.SAMPLE.value, Opinion.GOLDEN.value)


@dataclass(frozen=True, slots=True)
class Shift:
    """Figures of the last hour; `done_in`: how long (ms) what waits takes at this pace, None if it does not shrink."""

    mine: int
    all: int
    came: int
    waiting: int
    on: tuple[str, ...]
    done_in: int | None


def shift(db: Database, user: User, now: int) -> Shift:
    """The shift as this reviewer sees it: cases in scope and queues; verdicts of all reviewers."""
    require(user, Right.REVIEW)
    o, cases = schema.opinions, schema.cases
    own = case((o.c.reviewer == user.name, 1), else_=0)
    recent = (o.c.at > now - HOUR_MS, o.c.kind.not_in(CHECKS))
    reach = (*in_access(user), *of_level(user))
    with db.read() as connection:
        mine, all_ = connection.execute(select(func.coalesce(func.sum(own), 0), func.count()).where(*recent)).one()
        on = connection.scalars(
            select(o.c.reviewer).where(o.c.at > now - ON_MS).distinct().order_by(o.c.reviewer)
        ).all()
        waiting = connection.scalar(select(func.count()).where(cases.c.state == "open", *reach)) or 0
        came = connection.scalar(select(func.count()).where(cases.c.opened_at > now - HOUR_MS, *reach)) or 0
    return Shift(mine, all_, came, waiting, tuple(on), burn_down(waiting, came, all_))


def burn_down(waiting: int, came: int, decided: int) -> int | None:
    """How long (ms) until nothing waits, if cases come and are decided as in the last hour."""
    if not waiting:
        return 0
    return int(waiting * HOUR_MS / (decided - came)) if decided > came else None
