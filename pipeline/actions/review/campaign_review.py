"""A campaign across ports: a senior reviewer decides the open cases of all its ports with one key.

Each port's case gets a verdict of its own, with its audit row and its time for undo, as if it had been decided by
itself. Left open are the cases that another reviewer holds, those outside the user's scope and, for a release, those
with a rule, link or contact that the case on screen does not have.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import and_, select

from pipeline.actions.review.claims import Said, at_hand, decide, settle
from pipeline.actions.review.places import in_access
from pipeline.errors import AntispamError
from pipeline.store import schema
from pipeline.store.accounts.roles import Right, User, require
from pipeline.store.database import Database

MOST_CASES = 1000  # decided with one key
_cases = schema.cases


@dataclass(frozen=True, slots=True)
class PortCase:
    """The open case of one port."""

    id: str
    port: str
    messages: int


def covered(db: Database, user: User, campaigns: Collection[str], now: int) -> dict[str, list[PortCase]]:
    """The open cases of each campaign that the user may decide now, the largest first; at most MOST_CASES in all."""
    require(user, Right.REVIEW_SECOND)
    query = select(_cases.c.campaign, _cases.c.id, _cases.c.port, _cases.c.messages).where(
        _cases.c.campaign.in_([campaign for campaign in campaigns if campaign]), at_hand(user, now)
    )
    found: dict[str, list[PortCase]] = {}
    with db.read() as connection:
        for row in connection.execute(query.order_by(_cases.c.messages.desc(), _cases.c.id).limit(MOST_CASES)):
            found.setdefault(row.campaign, []).append(PortCase(row.id, row.port, row.messages))
    return found


def decide_campaign(
    db: Database,
    user: User,
    case: str,
    verdict: str,
    note: str,
    now: int,
    seen: int,
    others: Sequence[str],
    *,
    refusal: str = "",
    took: int | None = None,
) -> list[str]:
    """Decide a claimed case like `claims.decide`, then these others of its campaign; returns the decided cases.

    Raises AntispamError like `claims.decide` for the claimed case, and then decides none. Each case has a transaction
    of its own, so that other writers do not wait for all of them.
    """
    require(user, Right.REVIEW_SECOND)
    decide(db, user, case, verdict, note, now, seen, refusal=refusal, took=took)
    decided = [case]
    campaign = select(_cases.c.campaign).where(_cases.c.id == case, _cases.c.campaign != "").scalar_subquery()
    for other in sorted(set(others) - {case})[:MOST_CASES]:
        try:
            with db.write() as connection:
                settle(
                    connection,
                    user,
                    other,
                    at_hand(user, now) & (_cases.c.campaign == campaign),
                    Said(verdict, note, refusal),
                    now,
                    (case, seen),
                )
        except AntispamError:
            continue  # it stays open for somebody to look at
        decided.append(other)
    return decided


def decided_with(db: Database, user: User, case: str) -> list[str]:
    """The other cases of the campaign that the user's verdict on all ports decided together with this case.

    They have the verdict's time and were not on screen, so no time was taken for them.
    """
    require(user, Right.REVIEW_SECOND)
    given = schema.opinions
    of_case, first = given.alias(), _cases.alias()
    mine = and_(of_case.c.case == case, of_case.c.reviewer == user.name)
    at = select(of_case.c.at).where(mine).order_by(of_case.c.at.desc(), of_case.c.id.desc()).limit(1).scalar_subquery()
    campaign = select(first.c.campaign).where(first.c.id == case, first.c.campaign != "").scalar_subquery()
    query = (
        select(given.c.case)
        .join(_cases, _cases.c.id == given.c.case)
        .where(given.c.reviewer == user.name, given.c.at == at, given.c.took_ms.is_(None), given.c.case != case)
        .where(_cases.c.campaign == campaign, *in_access(user))
        .order_by(given.c.case)
    )
    with db.read() as connection:
        return list(connection.scalars(query))
