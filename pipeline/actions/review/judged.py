"""Submissions that people judged: the truth that a backtest is measured by."""

from __future__ import annotations

from sqlalchemy import select

from pipeline.events import Verdict
from pipeline.lake.backtest.period import JudgedMember
from pipeline.store import audit, schema
from pipeline.store.database import Database


def judged_members(db: Database, since: int, until: int, now: int) -> list[JudgedMember]:
    """The members, added from `since` to `until` (epoch ms), of cases that people decided.

    Verdicts that can still be undone at `now`, those by the closing time and overturned ones are left out.
    """
    cases, members = schema.cases, schema.case_members
    with db.read() as connection:
        rows = connection.execute(
            select(cases.c.id, cases.c.verdict, members.c.port, members.c.submission)
            .join(members, members.c.case == cases.c.id)
            .where(
                members.c.added_at >= since,
                members.c.added_at < until,
                cases.c.verdict.is_not(None),
                cases.c.decided_by != audit.PIPELINE,
                ~cases.c.overturned,
                cases.c.effective_at <= now,
            )
        ).all()
    return [
        JudgedMember(
            case=row.id, port=row.port, submission=row.submission, refused=row.verdict != Verdict.RELEASE.value
        )
        for row in rows
    ]
