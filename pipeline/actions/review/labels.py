"""Labels from the field: decided cases and complaints as labelled texts, the next training data of the classifier.

Each case gives one text: its first member's, which the reviewer saw. Rejected texts are spam, released texts are ham.
Released advertising is `commercial`, and training omits it: it is lawful because of consent, not because of its
wording. A case that was not decided in time gives no text. A text of a registered port about which LEAST_COMPLAINTS
recipients complained is spam with half the weight, unless a verdict of a person on it is in effect. A complaint counts
here only if its message was found: otherwise anybody could teach with texts that nobody sent.

Labels can poison a model: a port sends what reviewers release and means something else, a reviewer errs or is bought.
So the weights of one port add up to PORT_MOST texts at most, and those of one reviewer to REVIEWER_MOST. The texts are
unmasked, so each export adds an audit row.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from msgspec.structs import replace
from sqlalchemy import ColumnElement, Select, and_, exists, func, select

from pipeline.actions.complaints.matching import Found
from pipeline.events import Kind, Verdict
from pipeline.models.evaluate import FIELD, Sample, SampleLabel
from pipeline.store import audit, schema
from pipeline.store.accounts.roles import Right, User, require
from pipeline.store.database import Database

REVIEWS, COMPLAINTS = FIELD
# Our own choices. The training has 86,000 texts, the smallest collection in it 99.
PORT_MOST = 20.0  # texts that one port counts for
REVIEWER_MOST = 500.0  # texts that one reviewer counts for, of all ports
LEAST_COMPLAINTS = 3  # recipients who complained about a text
_COMPLAINED = 0.5  # weight of a text that was complained about: people complain about what they have forgotten, too
_CLUSTER = func.coalesce(func.nullif(schema.cases.c.campaign, ""), schema.cases.c.fingerprint).label("cluster")


def labels(db: Database, user: User, since: int, now: int) -> list[Sample]:
    """The labelled texts of effective cases decided, and of complaints made, from `since` (epoch ms) on.

    Raises Forbidden without the right to administer, because the export shows many texts at once.
    """
    require(user, Right.ADMINISTER)
    cases, ports = schema.cases, schema.ports
    with db.write() as connection:
        rows = connection.execute(
            select(
                cases.c.id,
                cases.c.content,
                cases.c.verdict,
                cases.c.category,
                cases.c.port,
                cases.c.decided_by,
                _CLUSTER,
                ports.c.kind,
            )
            .outerjoin(ports, ports.c.code == cases.c.port)
            .where(
                _in_effect(now),
                cases.c.decided_at >= since,
            )
            .order_by(cases.c.decided_at, cases.c.id)
        ).all()
        complained = connection.execute(_complained(since, now)).all()
        told = {"texts": len(rows) + len(complained), "since": since}
        audit.record(connection, now, user.name, "labels", "cases", None, told)
    reviewed = [
        Sample(
            text=row.content,
            label=_label(row.verdict, row.kind),
            source=REVIEWS,
            category=row.category if row.verdict != Verdict.RELEASE else None,
            kind=row.kind if row.verdict == Verdict.RELEASE and row.kind in (Kind.NOTICE, Kind.ONE_TIME_CODE) else None,
            cluster_id=row.cluster,
        )
        for row in rows
    ]
    about = [Sample(text=row.content, label="spam", source=COMPLAINTS, weight=_COMPLAINED) for row in complained]
    whose = [(row.port, row.decided_by) for row in rows] + [(row.port, None) for row in complained]
    return shared_out([*reviewed, *about], whose)


def shared_out(samples: Sequence[Sample], whose: Sequence[tuple[str, str | None]]) -> list[Sample]:
    """The samples with less weight where their port, or the person who decided, would count for more than its most.

    `whose` is the port and the reviewer of each; None for no reviewer.
    """
    of_port: defaultdict[str, float] = defaultdict(float)
    of_reviewer: defaultdict[str | None, float] = defaultdict(float)
    for sample, (port, reviewer) in zip(samples, whose, strict=True):
        of_port[port] += sample.weight
        of_reviewer[reviewer] += sample.weight if reviewer else 0.0
    return [
        replace(
            sample,
            weight=sample.weight
            * min(1.0, PORT_MOST / of_port[port], REVIEWER_MOST / max(of_reviewer[reviewer], REVIEWER_MOST)),
        )
        for sample, (port, reviewer) in zip(samples, whose, strict=True)
    ]


def _in_effect(now: int) -> ColumnElement[bool]:
    """Whether a case has a verdict of a person that is in effect."""
    cases = schema.cases
    by_person = and_(cases.c.verdict.is_not(None), cases.c.decided_by != audit.PIPELINE)
    return and_(by_person, ~cases.c.overturned, cases.c.effective_at <= now)


def _complained(since: int, now: int) -> Select[tuple[str, str]]:
    """The texts of registered ports about which enough recipients complained, with the port.

    No advertising, and no text on which a verdict of a person is in effect, however old it is.
    """
    complaints, ports = schema.complaints, schema.ports
    return (
        select(complaints.c.content, complaints.c.port)
        .join(ports, ports.c.code == complaints.c.port)
        .where(
            complaints.c.content != "",
            complaints.c.found == Found.MATCHED.value,
            complaints.c.complained_at >= since,
            complaints.c.complained_at <= now,
            ports.c.kind != Kind.COMMERCIAL.value,
            ~exists().where(schema.cases.c.content == complaints.c.content, _in_effect(now)),
        )
        .group_by(complaints.c.content, complaints.c.port)
        .having(func.count(complaints.c.recipient.distinct()) >= LEAST_COMPLAINTS)
        .order_by(complaints.c.port, complaints.c.content)
    )


def _label(verdict: str, kind: str | None) -> SampleLabel:
    if verdict != Verdict.RELEASE:
        return "spam"
    return "commercial" if kind == Kind.COMMERCIAL else "ham"
