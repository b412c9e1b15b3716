"""Cases: submissions of one port and content that wait together for a reviewer's verdict.

There is at most one open case per (port, fingerprint). A member that arrives within JOIN_MS after the verdict joins the
decided case and follows its verdict, so the rest of a batch needs no second review. All members of the fingerprint
follow a rejection. Only members with exactly the same text and rule follow a release (variants.py), so no unseen text
is released.

Members keep their order of arrival (`seq`). The case's row is locked before a member gets its number, so within a case
a lower number is never committed after a higher one, and the releaser's cursor skips no member.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256
from itertools import chain
from typing import Any

from sqlalchemy import Connection, func, insert, or_, select, tuple_, update

from pipeline import metrics, topics
from pipeline.actions.review.variants import Variant, variants
from pipeline.durations import DAY_MS
from pipeline.events import Alert, AlertLevel, CaseMember, Priority, Verdict, encode
from pipeline.kafka.decoding import decoded
from pipeline.rules.built_in import BuiltInRule
from pipeline.rules.clock.timetable import Timetable
from pipeline.rules.messages import built_in
from pipeline.store import audit, schema
from pipeline.store.database import Database
from pipeline.store.outbox import publish
from pipeline.store.registry import configurations

REVIEW_MINUTES = 60  # review time until a case is escalated, within review hours (DESIGN §9)
JOIN_MS = DAY_MS
OVERDUE = BuiltInRule.CASE_OVERDUE  # also the kind of the timer
CLOSING = BuiltInRule.REVIEW_CLOSED  # likewise (closing.py)
_CHUNK = 300  # keys in one statement
_cases, _members = schema.cases, schema.case_members


def project_members(connection: Connection, now: int, records: Sequence[bytes]) -> int:
    """Add members to their cases and open missing cases; idempotent per (port, submission, round)."""
    groups: dict[tuple[str, str], dict[tuple[str, str, int], CaseMember]] = {}
    members = decoded(topics.CASES, CaseMember, records)
    for member in members:
        group = groups.setdefault((member.port, member.fingerprint), {})
        group.setdefault(_name(member), member)
    known = _known(connection, [name for group in groups.values() for name in group])
    for group in groups.values():
        fresh = [member for name, member in group.items() if name not in known]
        placed: dict[str, list[tuple[CaseMember, Variant]]] = {}
        for case_id, pair in _placed(connection, list(zip(fresh, variants(fresh), strict=True))):
            placed.setdefault(case_id, []).append(pair)
        for case_id, pairs in placed.items():
            _join(connection, now, case_id, pairs)
    return len(records) - len(members)


def escalate(db: Database, now: int, limit: int) -> int:
    """Handle due timers of cases. If a case is still open: mark it escalated, end its lease, raise one alert.

    A verdict that can still be undone keeps its timer until it is effective. Returns the number of due timers. Each
    case has its own transaction, which locks the outbox after the case's row: the same order as every change of a case.
    """
    due = due_timers(db, OVERDUE, now, limit)
    for subject in due:
        with db.write() as connection:
            _escalate(connection, now, subject)
    return len(due)


def due_timers(db: Database, kind: str, now: int, limit: int) -> Sequence[str]:
    """The cases whose timer of this kind is due, the longest due first."""
    timers = schema.timers
    query = select(timers.c.subject).where(timers.c.kind == kind, timers.c.due_at <= now)
    with db.read() as connection:
        return connection.scalars(query.order_by(timers.c.due_at).limit(limit)).all()


def timetable(connection: Connection, port: str) -> Timetable:
    """The review hours of a port, in its zone."""
    zone = connection.scalar(select(schema.ports.c.zone).where(schema.ports.c.code == port))
    return Timetable(configurations.calendar(connection).in_zone(zone or ""))


def refuse(connection: Connection, now: int, case: str, rule: BuiltInRule) -> bool:
    """Reject an open case that no person decided; the releaser carries it out. False if the case is not open.

    The rule is kept as the note of the verdict.
    """
    refused = {
        "state": "decided",
        "verdict": Verdict.REJECT.value,
        "decided_by": audit.PIPELINE,
        "decided_at": now,
        "note": rule.value,
        "effective_at": now,
        "claimed_by": None,
        "lease_until": None,
    }
    if not connection.execute(
        update(_cases).where(_cases.c.id == case, _cases.c.state == "open").values(refused)
    ).rowcount:
        return False
    after = {"verdict": Verdict.REJECT.value}
    audit.record(connection, now, audit.PIPELINE, "case.decide", f"case/{case}", {"state": "open"}, after, rule.value)
    return True


def _escalate(connection: Connection, now: int, subject: str) -> None:
    timers = schema.timers
    found = connection.execute(
        select(_cases.c.state, _cases.c.port, _cases.c.effective_at, _cases.c.messages, _cases.c.escalated_at)
        .where(_cases.c.id == subject)
        .with_for_update()
    ).first()
    timer = (timers.c.kind == OVERDUE, timers.c.subject == subject)
    if found is not None and found.state == "decided":
        connection.execute(update(timers).where(*timer).values(due_at=max(now, found.effective_at) + 1000))
        return
    connection.execute(timers.delete().where(*timer))
    if found is None or found.state != "open" or found.escalated_at is not None:
        return
    freed = {"claimed_by": None, "lease_until": None}  # the holder may lack the right to decide escalated cases
    connection.execute(update(_cases).where(_cases.c.id == subject).values(escalated_at=now, **freed))
    metrics.CASES_OVERDUE.inc()
    values = {"case": subject, "minutes": REVIEW_MINUTES, "messages": found.messages}
    alert = Alert(
        id=f"{OVERDUE}/{subject}",
        level=AlertLevel.SEVERE,
        rule=OVERDUE,
        subject=found.port,
        at=now,
        message=built_in(BuiltInRule.CASE_OVERDUE, values),
        values=values,
    )
    publish(connection, now, (topics.ALERTS, found.port, alert))


def _placed(
    connection: Connection, fresh: Sequence[tuple[CaseMember, Variant]]
) -> Iterator[tuple[str, tuple[CaseMember, Variant]]]:
    """(case id, member) for members of one port and fingerprint. Locks each case and opens a missing case."""
    if not fresh:
        return
    first = fresh[0][0]
    since = min(member.decided_at for member, _ in fresh) - JOIN_MS
    found = connection.execute(
        select(_cases.c.id, _cases.c.verdict, _cases.c.decided_at, _cases.c.decided_by)
        .where(
            _cases.c.port == first.port,
            _cases.c.fingerprint == first.fingerprint,
            or_(_cases.c.state == "open", _cases.c.decided_at > since),
        )
        .order_by(_cases.c.decided_at.desc().nulls_last(), _cases.c.id)  # follow the newest verdict
        .with_for_update()
    ).all()
    opened = next((row.id for row in found if row.decided_at is None), None)
    released = [row for row in found if row.verdict == Verdict.RELEASE]
    refused = [row for row in found if row.decided_at is not None and row.verdict != Verdict.RELEASE]
    refused = [row for row in refused if row.decided_by != audit.PIPELINE]  # nobody has seen these
    passed = _exacts(connection, [row.id for row in released], sorted({variant.exact for _, variant in fresh}))
    for member, variant in fresh:
        oldest = member.decided_at - JOIN_MS
        followed = (row.id for row in released if row.decided_at > oldest and (row.id, variant.exact) in passed)
        denied = (row.id for row in refused if row.decided_at > oldest)
        place = next(chain(followed, denied), opened)
        if place is None:
            place = opened = _open(connection, member)
        yield place, (member, variant)


def _exacts(connection: Connection, cases: Sequence[str], exacts: Sequence[str]) -> set[tuple[str, str]]:
    """The (case, `exact`) pairs for which the case has a member with this `exact`."""
    found: set[tuple[str, str]] = set()
    for i in range(0, len(exacts) if cases else 0, _CHUNK):
        query = select(_members.c.case, _members.c.exact).distinct()
        query = query.where(_members.c.case.in_(cases), _members.c.exact.in_(exacts[i : i + _CHUNK]))
        found |= {(row.case, row.exact) for row in connection.execute(query)}
    return found


def _open(connection: Connection, member: CaseMember) -> str:
    ident = sha256("\0".join(map(str, _name(member))).encode()).hexdigest()[:16]
    hours = timetable(connection, member.port)
    due_at = hours.after(member.decided_at, REVIEW_MINUTES)
    connection.execute(
        insert(_cases).values(
            id=ident,
            port=member.port,
            fingerprint=member.fingerprint,
            state="open",
            rule=member.rule,
            content=member.submission.content.replace("\0", "\ufffd"),  # PostgreSQL's text type cannot store NUL
            score=member.score,
            category=member.category,
            opened_at=member.decided_at,
            due_at=due_at,
        )
    )
    due = {OVERDUE: due_at, CLOSING: hours.closing(member.decided_at)}
    connection.execute(
        insert(schema.timers), [{"kind": kind, "subject": ident, "due_at": at} for kind, at in due.items()]
    )
    return ident


def _join(connection: Connection, now: int, ident: str, members: Sequence[tuple[CaseMember, Variant]]) -> None:
    rows = [_row(member, variant, ident, now) for member, variant in members]
    connection.execute(insert(_members), rows)
    express = any(member.submission.priority is Priority.EXPRESS for member, _ in members)
    newest = select(func.max(_members.c.seq)).where(_members.c.case == ident).scalar_subquery()
    connection.execute(
        update(_cases)
        .where(_cases.c.id == ident)
        .values(
            submissions=_cases.c.submissions + len(rows),
            messages=_cases.c.messages + sum(row["messages"] for row in rows),
            priority=1 if express else _cases.c.priority,  # a user may be waiting for an express message
            last_member=newest,
        )
    )


def _row(member: CaseMember, variant: Variant, ident: str, now: int) -> dict[str, Any]:
    recipients = member.submission.recipients if member.recipients is None else member.recipients
    port, submission, number = _name(member)
    return {
        "case": ident,
        "port": port,
        "submission": submission,
        "round": number,
        "messages": len(recipients),
        "body": encode(member.submission),
        "recipients": recipients,
        "channel": member.channel,
        "added_at": now,
        "asks": variant.asks,
        "exact": variant.exact,
    }


def _name(member: CaseMember) -> tuple[str, str, int]:
    return member.submission.port, member.submission.id, member.submission.round


def _known(connection: Connection, names: list[tuple[str, str, int]]) -> set[tuple[str, str, int]]:
    key = tuple_(_members.c.port, _members.c.submission, _members.c.round)
    found: set[tuple[str, str, int]] = set()
    for i in range(0, len(names), _CHUNK):
        rows = connection.execute(
            select(_members.c.port, _members.c.submission, _members.c.round).where(key.in_(names[i : i + _CHUNK]))
        )
        found |= {(row.port, row.submission, row.round) for row in rows}
    return found
