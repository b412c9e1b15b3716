"""Decided cases as labelled texts: the next training data of the classifier.

Each case gives one text: its first member's, which the reviewer saw. Rejected texts are spam, released texts are ham.
Released advertising is `commercial`, and training omits it: it is lawful because of consent, not because of its
wording. A case that was not decided in time gives no text. The texts are unmasked, so each export adds an audit row.
"""

from __future__ import annotations

from sqlalchemy import func, select

from pipeline.events import Kind, Verdict
from pipeline.models.evaluate import Sample, SampleLabel
from pipeline.store import audit, schema
from pipeline.store.accounts.roles import Right, User, require
from pipeline.store.database import Database

SOURCE = "reviews"  # the name of this source in a model card
_CLUSTER = func.coalesce(func.nullif(schema.cases.c.campaign, ""), schema.cases.c.fingerprint).label("cluster")


def labels(db: Database, user: User, since: int, now: int) -> list[Sample]:
    """The labelled texts of effective cases decided from `since` (epoch ms) on.

    Raises Forbidden without the right to administer, because the export shows many texts at once.
    """
    require(user, Right.ADMINISTER)
    cases, ports = schema.cases, schema.ports
    with db.write() as connection:
        rows = connection.execute(
            select(cases.c.id, cases.c.content, cases.c.verdict, cases.c.category, _CLUSTER, ports.c.kind)
            .outerjoin(ports, ports.c.code == cases.c.port)
            .where(
                cases.c.verdict.is_not(None),
                cases.c.decided_by != audit.PIPELINE,
                ~cases.c.overturned,
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
            cluster_id=row.cluster,
        )
        for row in rows
    ]


def _label(verdict: str, kind: str | None) -> SampleLabel:
    if verdict != Verdict.RELEASE:
        return "spam"
    return "commercial" if kind == Kind.COMMERCIAL else "ham"
