"""Members of cases: each submission that waits for a person joins the case of its port and content.

There is at most one open case per (port, fingerprint). A member that arrives within JOIN_MS after the verdict joins the
decided case and follows its verdict, so the rest of a batch needs no second review. All members of the fingerprint
follow a rejection. Only members with exactly the same text and rule follow a release (variants.py), so no unseen text
is released.

Members are numbered within their case in order of joining. The case's row is locked before a member gets its number, so
a lower number is never committed after a higher one, and the releaser's cursor skips no member.

A batch takes a fixed number of statements for each CHUNK of members, however many cases they belong to.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, bindparam, insert, or_, select, tuple_, update

from pipeline import topics
from pipeline.actions.review.cases import CHUNK, CLOSING, OVERDUE, REVIEW_MINUTES, timetables
from pipeline.actions.review.variants import Variant, variants
from pipeline.durations import DAY_MS
from pipeline.events import CaseMember, Priority, Verdict, encode
from pipeline.kafka.decoding import decoded
from pipeline.store import audit, schema

JOIN_MS = DAY_MS
_cases, _members = schema.cases, schema.case_members
_Joining = tuple[CaseMember, Variant]


@dataclass(eq=False, slots=True)
class _Case:
    """A case as locked, or one to be opened by its `first` member, with the members that join it."""

    id: str
    submissions: int = 0
    messages: int = 0
    priority: int = 0
    last_member: int = 0
    verdict: str | None = None
    decided_at: int | None = None
    decided_by: str | None = None
    first: CaseMember | None = None
    joining: list[_Joining] = field(default_factory=list)

    def figures(self) -> dict[str, int]:
        """The columns that change when the members join."""
        express = any(member.submission.priority is Priority.EXPRESS for member, _ in self.joining)
        return {
            "submissions": self.submissions + len(self.joining),
            "messages": self.messages + sum(len(_recipients(member)) for member, _ in self.joining),
            "priority": 1 if express else self.priority,  # a user may be waiting for an express message
            "last_member": self.last_member + len(self.joining),
        }


def project_members(connection: Connection, now: int, records: Sequence[bytes]) -> int:
    """Add members to their cases and open missing cases; idempotent per (port, submission, round)."""
    members = decoded(topics.CASES, CaseMember, records)
    named: dict[tuple[str, str, int], CaseMember] = {}
    for member in members:
        named.setdefault(_name(member), member)
    known = _known(connection, list(named))
    fresh = [member for name, member in named.items() if name not in known]
    if fresh:
        _store(connection, now, _placed(connection, list(zip(fresh, variants(fresh), strict=True))))
    return len(records) - len(members)


def _placed(connection: Connection, fresh: Sequence[_Joining]) -> list[_Case]:
    """The cases that the members join, locked, and those to be opened."""
    found = _locked(connection, [member for member, _ in fresh])
    released = [case.id for cases in found.values() for case in cases if case.verdict == Verdict.RELEASE]
    passed = _exacts(connection, released, sorted({variant.exact for _, variant in fresh}))
    placed: dict[str, _Case] = {}
    for member, variant in fresh:
        cases = found.setdefault((member.port, member.fingerprint), [])
        case = _joined(cases, member, variant, passed)
        if case is None:
            case = _Case(sha256("\0".join(map(str, _name(member))).encode()).hexdigest()[:16], first=member)
            cases.append(case)
        case.joining.append((member, variant))
        placed[case.id] = case
    return list(placed.values())


def _joined(
    cases: Iterable[_Case], member: CaseMember, variant: Variant, passed: Collection[tuple[str, str]]
) -> _Case | None:
    """The case that a member joins: a release that lets it pass, else a refusal, each the newest, else the open one."""
    oldest = member.decided_at - JOIN_MS
    passes = denies = opened = None
    for case in sorted(cases, key=lambda case: (case.decided_at or 0, case.id)):  # the last of each sort counts
        if case.decided_at is None:
            opened = case
        elif case.decided_at <= oldest:
            continue
        elif case.verdict != Verdict.RELEASE:
            denies = case if case.decided_by != audit.PIPELINE else denies  # nobody has seen a case closed in time
        elif (case.id, variant.exact) in passed:
            passes = case
    return passes or denies or opened


def _locked(connection: Connection, fresh: Sequence[CaseMember]) -> dict[tuple[str, str], list[_Case]]:
    """The open cases, and the lately decided ones, by port and fingerprint of these members; locks them."""
    keys = sorted({(member.port, member.fingerprint) for member in fresh})
    since = min(member.decided_at for member in fresh) - JOIN_MS
    found: dict[tuple[str, str], list[_Case]] = {}
    for i in range(0, len(keys), CHUNK):
        rows = connection.execute(
            select(_cases)
            .where(
                tuple_(_cases.c.port, _cases.c.fingerprint).in_(keys[i : i + CHUNK]),
                or_(_cases.c.state == "open", _cases.c.decided_at > since),
            )
            .order_by(_cases.c.id)
            .with_for_update()
        )
        for row in rows:
            case = _Case(
                row.id,
                row.submissions,
                row.messages,
                row.priority,
                row.last_member,
                row.verdict,
                row.decided_at,
                row.decided_by,
            )
            found.setdefault((row.port, row.fingerprint), []).append(case)
    return found


def _exacts(connection: Connection, cases: Sequence[str], exacts: Sequence[str]) -> set[tuple[str, str]]:
    """The (case, `exact`) pairs for which the case has a member with this `exact`."""
    found: set[tuple[str, str]] = set()
    for i in range(0, len(cases), CHUNK):
        for j in range(0, len(exacts), CHUNK):
            query = select(_members.c.case, _members.c.exact).distinct()
            query = query.where(_members.c.case.in_(cases[i : i + CHUNK]), _members.c.exact.in_(exacts[j : j + CHUNK]))
            found |= {(row.case, row.exact) for row in connection.execute(query)}
    return found


def _store(connection: Connection, now: int, cases: Sequence[_Case]) -> None:
    opened = [(case, case.first) for case in cases if case.first is not None]
    if opened:
        hours = timetables(connection, {first.port for _, first in opened})
        rows = [
            {"id": case.id} | _opened(first, hours[first.port].after(first.decided_at, REVIEW_MINUTES)) | case.figures()
            for case, first in opened
        ]
        connection.execute(insert(_cases), rows)
        due = [{"kind": OVERDUE, "subject": row["id"], "due_at": row["due_at"]} for row in rows]
        due += [
            {"kind": CLOSING, "subject": case.id, "due_at": hours[first.port].closing(first.decided_at)}
            for case, first in opened
        ]
        connection.execute(insert(schema.timers), due)
    connection.execute(
        insert(_members),
        [
            _row(member, variant, case, number, now)
            for case in cases
            for number, (member, variant) in enumerate(case.joining, case.last_member + 1)
        ],
    )
    grown = [case.figures() | {"joined": case.id} for case in cases if case.first is None]
    if grown:
        connection.execute(update(_cases).where(_cases.c.id == bindparam("joined")), grown)


def _opened(first: CaseMember, due_at: int) -> dict[str, Any]:
    return {
        "port": first.port,
        "fingerprint": first.fingerprint,
        "state": "open",
        "rule": first.rule,
        "content": first.submission.content.replace("\0", "\ufffd"),  # PostgreSQL's text type cannot store NUL
        "score": first.score,
        "category": first.category,
        "opened_at": first.decided_at,
        "due_at": due_at,
    }


def _row(member: CaseMember, variant: Variant, case: _Case, number: int, now: int) -> dict[str, Any]:
    recipients = _recipients(member)
    port, submission, round_ = _name(member)
    return {
        "case": case.id,
        "number": number,
        "port": port,
        "submission": submission,
        "round": round_,
        "messages": len(recipients),
        "body": encode(member.submission),
        "recipients": recipients,
        "channel": member.channel,
        "added_at": now,
        "asks": variant.asks,
        "exact": variant.exact,
    }


def _recipients(member: CaseMember) -> tuple[str, ...]:
    return member.submission.recipients if member.recipients is None else member.recipients


def _name(member: CaseMember) -> tuple[str, str, int]:
    return member.submission.port, member.submission.id, member.submission.round


def _known(connection: Connection, names: list[tuple[str, str, int]]) -> set[tuple[str, str, int]]:
    key = tuple_(_members.c.port, _members.c.submission, _members.c.round)
    found: set[tuple[str, str, int]] = set()
    for i in range(0, len(names), CHUNK):
        rows = connection.execute(
            select(_members.c.port, _members.c.submission, _members.c.round).where(key.in_(names[i : i + CHUNK]))
        )
        found |= {(row.port, row.submission, row.round) for row in rows}
    return found
