"""Cases: submissions of one port and content that wait for one person's verdict together.

A case is open once per (port, fingerprint). A member that comes within JOIN_MS after the verdict joins
the decided case and follows it: the rest of a batch need not be asked about again. Members keep their
order of arrival (`seq`); the case's row is locked before a member gets its number, so within a case a
lower number is never committed after a higher one and the releaser's cursor passes nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, case, func, insert, or_, select, tuple_, update

from pipeline import metrics, topics
from pipeline.actions.decoding import decoded
from pipeline.events import Alert, AlertLevel, CaseMember, Priority, encode
from pipeline.rules.timetable import Timetable
from pipeline.store import schema
from pipeline.store.outbox import publish

REVIEW_MINUTES = 60  # of review hours until a case is escalated (DESIGN §9)
JOIN_MS = 24 * 3_600_000
OVERDUE = "case-overdue"  # kind of the timer, and rule of its alert
_CHUNK = 300  # keys in one statement
_cases, _members = schema.cases, schema.case_members


def project_members(
    connection: Connection, now: int, records: Sequence[bytes], timetable: Timetable = Timetable()  # noqa: B008 - frozen
) -> None:  # fmt: skip
    """Put members into their cases, opening what is needed; idempotent per (port, submission, round)."""
    groups: dict[tuple[str, str], dict[tuple[str, str, int], CaseMember]] = {}
    for member in decoded(topics.CASES, CaseMember, records):
        group = groups.setdefault((member.port, member.fingerprint), {})
        group.setdefault(_name(member), member)
    known = _known(connection, [name for group in groups.values() for name in group])
    for group in groups.values():
        fresh = [member for name, member in group.items() if name not in known]
        while fresh:
            case_id, open_until = _case_of(connection, fresh[0], timetable)
            fits = next((i for i, m in enumerate(fresh) if open_until and m.decided_at >= open_until), len(fresh))
            _join(connection, now, case_id, fresh[: max(1, fits)])
            fresh = fresh[max(1, fits) :]


def escalate(connection: Connection, now: int, limit: int) -> int:
    """Handle due timers of cases: one that is still open is marked and an alert raised, once.

    A verdict that can still be undone keeps its timer until it is effective. Returns how many were due.
    """
    timers = schema.timers
    due = connection.scalars(
        select(timers.c.subject)
        .where(timers.c.kind == OVERDUE, timers.c.due_at <= now)
        .order_by(timers.c.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    for subject in due:
        found = connection.execute(
            select(_cases.c.state, _cases.c.port, _cases.c.effective_at, _cases.c.messages).where(
                _cases.c.id == subject
            )
        ).first()
        timer = (timers.c.kind == OVERDUE, timers.c.subject == subject)
        if found is not None and found.state == "decided":
            connection.execute(update(timers).where(*timer).values(due_at=max(now, found.effective_at) + 1000))
            continue
        connection.execute(timers.delete().where(*timer))
        marked = connection.execute(
            update(_cases)
            .where(_cases.c.id == subject, _cases.c.state == "open", _cases.c.escalated_at.is_(None))
            .values(escalated_at=now, version=_cases.c.version + 1)
        )
        if found is not None and marked.rowcount:
            metrics.CASES_OVERDUE.inc()
            alert = Alert(
                id=f"{OVERDUE}/{subject}", level=AlertLevel.SEVERE, rule=OVERDUE, subject=found.port, at=now,
                message=f"待审任务 {subject} 超过 {REVIEW_MINUTES} 分钟未审，共 {found.messages} 条",
            )  # fmt: skip
            publish(connection, now, (topics.ALERTS, found.port, alert))
    return len(due)


def _case_of(connection: Connection, member: CaseMember, timetable: Timetable) -> tuple[str, int | None]:
    """The case a member belongs to, locked, and until when it takes members (None: it is open)."""
    found = connection.execute(
        select(_cases.c.id, _cases.c.decided_at)
        .where(
            _cases.c.port == member.port,
            _cases.c.fingerprint == member.fingerprint,
            or_(_cases.c.state == "open", _cases.c.decided_at > member.decided_at - JOIN_MS),
        )
        .order_by(case((_cases.c.state == "open", 0), else_=1), _cases.c.opened_at.desc())
        .limit(1)
        .with_for_update()
    ).first()
    if found is not None:
        return found.id, None if found.decided_at is None else found.decided_at + JOIN_MS
    ident = sha256("\0".join(map(str, _name(member))).encode()).hexdigest()[:16]
    due_at = timetable.after(member.decided_at, REVIEW_MINUTES)
    connection.execute(
        insert(_cases).values(
            id=ident, port=member.port, fingerprint=member.fingerprint, state="open", rule=member.rule,
            content=member.submission.content.replace("\0", "\ufffd"),  # PostgreSQL's text cannot hold it
            score=member.score, category=member.category, opened_at=member.decided_at, due_at=due_at,
        )
    )  # fmt: skip
    connection.execute(insert(schema.timers).values(kind=OVERDUE, subject=ident, due_at=due_at))
    return ident, None


def _join(connection: Connection, now: int, ident: str, members: Sequence[CaseMember]) -> None:
    rows = [_row(member, ident, now) for member in members]
    connection.execute(insert(_members), rows)
    express = any(member.submission.priority is Priority.EXPRESS for member in members)
    newest = select(func.max(_members.c.seq)).where(_members.c.case == ident).scalar_subquery()
    connection.execute(
        update(_cases)
        .where(_cases.c.id == ident)
        .values(
            submissions=_cases.c.submissions + len(rows),
            messages=_cases.c.messages + sum(row["messages"] for row in rows),
            priority=1 if express else _cases.c.priority,  # somebody may be waiting for it
            last_member=newest,
            version=_cases.c.version + 1,
        )
    )


def _row(member: CaseMember, ident: str, now: int) -> dict[str, Any]:
    recipients = member.submission.recipients if member.recipients is None else member.recipients
    port, submission, number = _name(member)
    return {
        "case": ident, "port": port, "submission": submission, "round": number, "messages": len(recipients),
        "body": encode(member.submission), "recipients": recipients, "channel": member.channel, "added_at": now,
    }  # fmt: skip


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
