"""Figures of reviewers, for leads: verdicts, time, and how often they agree."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import and_, case, func, select

from pipeline.actions.opinions import Opinion
from pipeline.events import Verdict
from pipeline.shares import Share, share
from pipeline.store import schema
from pipeline.store.accounts.roles import Forbidden, Right, User, require
from pipeline.store.database import Database

_o = schema.opinions
CHECKS = {
    "second": (Opinion.SECOND.value,),  # the reviewer gave the second opinion
    "sample": (Opinion.SAMPLE.value,),
    "golden": (Opinion.GOLDEN.value,),
}


@dataclass(frozen=True, slots=True)
class Reviewer:
    """One reviewer in a period. Times are ms on screen; `agreed` maps second, sample and golden to its share.

    `confirmed` is the share of the reviewer's own verdicts that others, asked for another opinion, agreed with.
    """

    name: str
    verdicts: int
    refused: int
    median_ms: int | None
    slow_ms: int | None  # nine of ten are faster
    agreed: dict[str, Share]
    confirmed: Share


def reviewers(db: Database, user: User, since: int, until: int) -> list[Reviewer]:
    """The reviewers with verdicts from `since` to `until` (epoch ms), those with most first.

    Raises Forbidden for a user with a scope: the figures are of all ports.
    """
    require(user, Right.REVIEW_SECOND)
    if user.scope:
        raise Forbidden(
            "{person}: figures of reviewers are of all ports, beyond the scope of this account", person=user.name
        )
    when = and_(_o.c.at >= since, _o.c.at < until)
    own = _o.c.kind.in_([each.value for each in (Opinion.VERDICT, Opinion.FIRST, Opinion.SECOND)])
    agrees = case((_o.c.verdict == _o.c.expected, 1), else_=0)
    with db.read() as connection:
        refused = func.sum(case((_o.c.verdict != Verdict.RELEASE.value, 1), else_=0))
        rows = connection.execute(
            select(_o.c.reviewer, func.count(), refused).where(when, own).group_by(_o.c.reviewer)
        ).all()
        checked = connection.execute(
            select(_o.c.reviewer, _o.c.kind, func.count(), func.sum(agrees))
            .where(when, _o.c.expected.is_not(None))
            .group_by(_o.c.reviewer, _o.c.kind)
        ).all()
        others = connection.execute(
            select(_o.c.expected_by, func.count(), func.sum(agrees))
            .where(when, _o.c.kind.in_((Opinion.SECOND.value, Opinion.SAMPLE.value)))
            .group_by(_o.c.expected_by)
        ).all()
        times: dict[str, list[int]] = {}
        for name, took in connection.execute(
            select(_o.c.reviewer, _o.c.took_ms).where(when, _o.c.took_ms.is_not(None))
        ):
            times.setdefault(name, []).append(took)
    agreed = {(name, kind): share(yes, of) for name, kind, of, yes in checked}
    confirmed = {name: share(yes, of) for name, of, yes in others}
    return [
        Reviewer(
            name,
            verdicts,
            no,
            _quantile(times.get(name), 0.5),
            _quantile(times.get(name), 0.9),
            {label: agreed.get((name, kinds[0]), share(0, 0)) for label, kinds in CHECKS.items()},
            confirmed.get(name, share(0, 0)),
        )
        for name, verdicts, no in sorted(rows, key=lambda row: (-row[1], row[0]))
    ]


def _quantile(times: list[int] | None, part: float) -> int | None:
    if not times:
        return None
    return sorted(times)[min(int(len(times) * part), len(times) - 1)]
