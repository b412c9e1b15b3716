"""What reviewers decided, as labelled texts: the classifier's next training data.

One text a case, the one the reviewer saw. What was refused is spam, what was released is ham; advertising
that was released is `commercial`, which training leaves out: consent made it lawful, not its wording. A case
that nobody decided in time says nothing. The texts are full: whoever takes them out leaves an audit row.
"""

from __future__ import annotations

from sqlalchemy import select

from pipeline.events import Kind, Verdict
from pipeline.models.evaluate import Sample, SampleLabel
from pipeline.store import audit, schema
from pipeline.store.accounts.roles import Right, User, require
from pipeline.store.database import Database

SOURCE = "reviews"  # as the card of a model names them


def labels(db: Database, user: User, since: int, now: int) -> list[Sample]:
    """The labelled texts of cases decided from `since` (epoch ms) on that can no longer be undone.

    Raises Forbidden for who may not administer: it is more than one text at a time.
    """
    require(user, Right.ADMINISTER)
    cases, ports = schema.cases, schema.ports
    with db.write() as connection:
        rows = connection.execute(
            select(cases.c.id, cases.c.content, cases.c.verdict, cases.c.category, cases.c.fingerprint, ports.c.kind)
            .outerjoin(ports, ports.c.code == cases.c.port)
            .where(
                cases.c.verdict.is_not(None),
                cases.c.decided_by != audit.PIPELINE,
                cases.c.decided_at >= since,
                cases.c.effective_at <= now,
            )
            .order_by(cases.c.decided_at, cases.c.id)
        ).all()
        audit.record(connection, now, user.name, "labels", "cases", None, {"texts": len(rows), "since": since})
    return [
        Sample(
            text=row.content,
            label=_label(row.verdict, row.kind),
            source=SOURCE,
            category=row.category if row.verdict != Verdict.RELEASE else None,
            kind=row.kind if row.verdict == Verdict.RELEASE and row.kind in (Kind.NOTICE, Kind.ONE_TIME_CODE) else None,
            cluster_id=row.fingerprint,
        )
        for row in rows
    ]


def _label(verdict: str, kind: str | None) -> SampleLabel:
    if verdict != Verdict.RELEASE:
        return "spam"
    return "commercial" if kind == Kind.COMMERCIAL else "ham"
