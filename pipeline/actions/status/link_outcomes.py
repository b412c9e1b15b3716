"""Final outcomes of messages that ports submitted over links, and the reports that are made of them.

An outcome is stored in the transaction that makes it final: a decision, a verdict of a reviewer, an answer or a report
of the carrier. At that time the submission itself may not be in the database yet. So a later step, `make_reports`,
looks the submission up and makes a report for each part that asked for one. A message has the outcome of its worst
part, because its text is unreadable without it; and our parts need not be those of the port.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import Connection, and_, delete, insert, or_, select

from pipeline import metrics
from pipeline.actions.status.link_deliveries import Report, row_of
from pipeline.actions.status.submission_status import POLICY
from pipeline.durations import DAY_MS
from pipeline.events import Origin
from pipeline.rules.built_in import BuiltInRule
from pipeline.store import schema

_OF_LINKS = re.compile("[a-z2-7]{13}")  # ids that `ingest/links/message_ids.py` gives
DELIVERED, EXPIRED = "DELIVRD", "EXPIRED"
# Our own words, in CMPP's form of two letters and a number, for what no carrier has decided.
REFUSED, REFUSED_BY_REVIEWER, NOT_REVIEWED, PORT_STOPPED, NOT_TAKEN = (f"AS:{n:04d}" for n in range(1, 6))
_OF_RULES = {
    BuiltInRule.EXPIRED.value: EXPIRED,
    BuiltInRule.REVIEWED.value: REFUSED_BY_REVIEWER,
    BuiltInRule.UNREVIEWED.value: NOT_REVIEWED,
    BuiltInRule.REVIEW_CLOSED.value: NOT_REVIEWED,
    BuiltInRule.PORT_SUSPENDED.value: PORT_STOPPED,
    BuiltInRule.PORT_TERMINATED.value: PORT_STOPPED,
}
_WAIT_MS = 2 * DAY_MS  # for a submission that does not come
_BATCH = 500


class Outcome(NamedTuple):
    """`port` is the sender field as given; without `recipient`, of all recipients that have no outcome of their own."""

    port: str
    submission: str
    recipient: str | None
    status: str


def of_refusal(row: Mapping[str, Any]) -> list[Outcome]:
    """The outcomes of a row of `submissions` whose verdict is a refusal."""
    rules = [reason["rule"] for reason in row["reasons"] or ()]
    fallback = REFUSED if row["decided_by"] == POLICY else REFUSED_BY_REVIEWER
    status = next((_OF_RULES[rule] for rule in rules if rule in _OF_RULES), fallback)
    return [Outcome(row["port"], row["id"], None, status)]


def of_exceptions(port: str, submission: str, exceptions: Iterable[Mapping[str, Any]]) -> list[Outcome]:
    """The outcomes of the recipients that a release leaves out."""
    return [
        Outcome(port, submission, e["recipient"], _OF_RULES.get(e["rule"], REFUSED))
        for e in exceptions
        if e["verdict"] in ("reject", "blacklist")
    ]


def came_over_a_link(submission: str) -> bool:
    """Whether an id may be that of a submission over a link; a client of the API may choose such an id too."""
    return _OF_LINKS.fullmatch(submission) is not None


def put(connection: Connection, outcomes: Iterable[Outcome], now: int) -> None:
    """Store the outcomes of submissions that may have come over links. `now` is epoch ms."""
    rows = [
        {"port": one.port, "submission": one.submission, "recipient": one.recipient, "status": one.status, "at": now}
        for one in outcomes
        if came_over_a_link(one.submission)
    ]
    if rows:
        connection.execute(insert(schema.link_outcomes), rows)


def make_reports(connection: Connection, now: int, zone: str) -> int:
    """Make the reports of the next stored outcomes; returns how many outcomes were dealt with.

    An outcome whose submission came over no link, or asked for no report, makes none. One whose submission is not known
    yet stays, for two days.
    """
    outcomes, submissions = schema.link_outcomes, schema.submissions
    same = and_(submissions.c.port == outcomes.c.port, submissions.c.id == outcomes.c.submission)
    query = (
        select(outcomes, submissions.c.origin, submissions.c.recipients, submissions.c.accepted_at)
        .outerjoin(submissions, same)
        .where(or_(submissions.c.digest.is_not(None), outcomes.c.at < now - _WAIT_MS))
        .order_by(outcomes.c.id)
        .limit(_BATCH)
        .with_for_update(skip_locked=True, of=outcomes)
    )
    found = connection.execute(query).all()
    if not found:
        return 0
    rows = [made for row in found if row.origin is not None for made in _reports(row, now, ZoneInfo(zone))]
    if rows:
        connection.execute(insert(schema.link_deliveries), rows)
        metrics.LINK_REPORTS.labels("made").inc(len(rows))
    connection.execute(delete(outcomes).where(outcomes.c.id.in_([row.id for row in found])))
    return len(found)


def _reports(row: Any, now: int, zone: ZoneInfo) -> Iterable[dict[str, Any]]:
    origin = msgspec.convert(row.origin, Origin)
    if origin.failures_only and row.status == DELIVERED:
        return
    for n, recipient in enumerate(row.recipients):
        if row.recipient in (None, recipient):
            for ident in origin.ids:
                report = Report(
                    id=ident,
                    n=n,
                    sender=row.port,
                    recipient=recipient,
                    status=row.status,
                    submitted=_minute(row.accepted_at, zone),
                    done=_minute(row.at, zone),
                )
                yield row_of(report, now, account=origin.account, protocol=origin.protocol)


def _minute(at: int, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(at / 1000, zone).strftime("%y%m%d%H%M")
