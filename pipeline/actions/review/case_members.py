"""Members of cases: each submission that waits for a person joins the case of its port and campaign or content.

There is at most one open case per port and campaign, and per port and fingerprint of what is of no known campaign,
whatever rule asked. A member that arrives within JOIN_MS after a person's verdict joins the decided case and follows
its verdict, so the rest of a batch needs no second review. All members of the campaign or fingerprint follow a
rejection. Only members with exactly the same text and rule follow a release (variants.py), so no unseen text is
released.

Members are numbered within their case in order of joining. The case's row is locked before a member gets its number, so
a lower number is never committed after a higher one, and the releaser's cursor skips no member.

A batch takes a fixed number of statements for each CHUNK of members, however many cases they belong to.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, bindparam, insert, or_, select, tuple_, update

from pipeline import topics
from pipeline.actions.review.cases import CHUNK, CLOSING, OVERDUE, REVIEW_MINUTES, timetables
from pipeline.actions.review.merging import merge
from pipeline.actions.review.urgency import queue_of, urgency
from pipeline.actions.review.variants import Variant, variants
from pipeline.campaigns.known import FindsCampaigns
from pipeline.durations import DAY_MS
from pipeline.events import CaseMember, Priority, Verdict, encode
from pipeline.kafka.decoding import decoded
from pipeline.rules.policies.queues import Queues
from pipeline.store import audit, schema
from pipeline.store.registry import configurations

JOIN_MS = DAY_MS
_cases, _members = schema.cases, schema.case_members
_Joining = tuple[CaseMember, Variant]


@dataclass(eq=False, slots=True)
class _Case:
    """A case as locked, or one to be opened by its `first` member, with the members that join it."""

    id: str
    campaign: str
    submissions: int = 0
    messages: int = 0
    priority: int = 0
    last_member: int = 0
    verdict: str | None = None
    decided_at: int | None = None
    decided_by: str | None = None
    score: float | None = None
    opened_at: int = 0
    due_at: int = 0
    fingerprint: str = ""
    apart: bool = False
    overturned: bool = False
    first: CaseMember | None = None
    joining: list[_Joining] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        """Whether no verdict is on it."""
        return self.decided_at is None

    def figures(self) -> dict[str, int]:
        """The columns that change when the members join."""
        express = any(member.submission.priority is Priority.EXPRESS for member, _ in self.joining)
        return {
            "submissions": self.submissions + len(self.joining),
            "messages": self.messages + sum(len(_recipients(member)) for member, _ in self.joining),
            "priority": 1 if express else self.priority,  # a user may be waiting for an express message
            "last_member": self.last_member + len(self.joining),
        }

    def grown(self, now: int) -> dict[str, Any]:
        """The columns of a case that was open before, when the members join."""
        figures = self.figures()
        known = {"score": self.score, "opened_at": self.opened_at, "due_at": self.due_at}
        return figures | {"urgency": urgency(known | figures, now)}


_COLUMNS = [name for name in _Case.__dataclass_fields__ if name in _cases.c]


def project_members(
    connection: Connection, now: int, records: Sequence[bytes], campaigns: FindsCampaigns | None = None
) -> int:
    """Add members to their cases and open missing cases; idempotent per (port, submission, round).

    A member whose decision knew no campaign is of the one that `campaigns` finds.
    """
    members = decoded(topics.CASES, CaseMember, records)
    named: dict[tuple[str, str, int], CaseMember] = {}
    for member in members:
        named.setdefault(_name(member), member)
    known = _known(connection, list(named))
    fresh = [member for name, member in named.items() if name not in known]
    if fresh:
        pairs = list(zip(fresh, variants(fresh, campaigns), strict=True))
        _store(connection, now, _placed(connection, now, pairs))
    return len(records) - len(members)


def _placed(connection: Connection, now: int, fresh: Sequence[_Joining]) -> list[_Case]:
    """The cases that the members join, locked, and those to be opened."""
    fresh = _together(fresh)
    found = _locked(connection, fresh)
    if _merged(connection, now, fresh, found):
        found = _locked(connection, fresh)
    released = sorted({case.id for cases in found.values() for case in cases if case.verdict == Verdict.RELEASE})
    passed = _exacts(connection, released, sorted({variant.exact for _, variant in fresh}))
    placed: dict[str, _Case] = {}
    for member, variant in fresh:
        keys = _keys(member, variant)
        case = _joined((case for key in keys for case in found.get(key, ())), member, variant, passed)
        if case is None:
            case = _Case(sha256("\0".join(map(str, _name(member))).encode()).hexdigest()[:16], variant.campaign)
            case.first = member
            for key in keys:
                found.setdefault(key, []).append(case)
        case.joining.append((member, variant))
        placed[case.id] = case
    return list(placed.values())


def _together(fresh: Sequence[_Joining]) -> list[_Joining]:
    """The members; those of no known campaign are of the one that another member of their content is of."""
    told = {(member.port, member.fingerprint): variant.campaign for member, variant in fresh if variant.campaign}
    return [
        (member, replace(variant, campaign=variant.campaign or told.get((member.port, member.fingerprint), "")))
        for member, variant in fresh
    ]


def _merged(
    connection: Connection, now: int, fresh: Sequence[_Joining], found: Mapping[tuple[str, str], Sequence[_Case]]
) -> bool:
    """Merge the open cases of contents that these members show to be of a campaign; True if there were any."""
    alike: dict[tuple[str, str], set[str]] = {}
    for member, variant in fresh:
        if variant.campaign:
            ids = {
                c.id
                for c in found.get((member.port, member.fingerprint), ())
                if c.is_open and not (c.campaign or c.apart)
            }
            if ids:
                alike.setdefault((member.port, variant.campaign), set()).update(ids)
    for (port, campaign), ids in sorted(alike.items()):
        merge(connection, now, port, campaign, sorted(ids))
    return bool(alike)


def _keys(member: CaseMember, variant: Variant) -> list[tuple[str, str]]:
    """The port with the campaign, if known, and with the fingerprint. No fingerprint looks like a campaign's id."""
    return [(member.port, key) for key in (variant.campaign, member.fingerprint) if key]


def _joined(
    cases: Iterable[_Case], member: CaseMember, variant: Variant, passed: Collection[tuple[str, str]]
) -> _Case | None:
    """The case that a member joins: a release that lets it pass, else a refusal, each the newest, else the open one.

    Before all of them comes the open case of its text that a person has set apart from the campaign.
    """
    oldest = member.decided_at - JOIN_MS
    passes = denies = opened = None
    for case in sorted(cases, key=lambda case: (case.decided_at or 0, case.id)):  # the last of each sort counts
        if case.is_open and case.apart and case.fingerprint == member.fingerprint:
            return case
        if case.is_open:
            opened = case if variant.campaign in ("", case.campaign) else opened
        elif case.decided_at is None or case.decided_at <= oldest:
            continue
        elif case.verdict != Verdict.RELEASE:
            # Nobody has seen a case closed in time, and an appeal or a reopening may have overturned a verdict.
            denies = denies if case.decided_by == audit.PIPELINE or case.overturned else case
        elif not case.overturned and (case.id, variant.exact) in passed:
            passes = case
    return passes or denies or opened


def _locked(connection: Connection, fresh: Sequence[_Joining]) -> dict[tuple[str, str], list[_Case]]:
    """The open cases, and the lately decided ones, by the keys of these members; locks them in the order of ids."""
    since = min(member.decided_at for member, _ in fresh) - JOIN_MS
    counts = or_(_cases.c.state == "open", _cases.c.decided_at > since)
    wanted = {
        _cases.c.campaign: sorted({(member.port, variant.campaign) for member, variant in fresh if variant.campaign}),
        _cases.c.fingerprint: sorted({(member.port, member.fingerprint) for member, _ in fresh}),
    }
    ids: set[str] = set()
    for column, keys in wanted.items():
        for i in range(0, len(keys), CHUNK):
            alike = tuple_(_cases.c.port, column).in_(keys[i : i + CHUNK])
            ids.update(connection.scalars(select(_cases.c.id).where(alike, counts)))
    found: dict[tuple[str, str], list[_Case]] = {}
    for i in range(0, len(ids), CHUNK):
        query = select(_cases).where(_cases.c.id.in_(sorted(ids)[i : i + CHUNK]), counts).order_by(_cases.c.id)
        for row in connection.execute(query.with_for_update()).mappings():
            case = _Case(**{name: row[name] for name in _COLUMNS})
            for key in {row["campaign"], row["fingerprint"]} - {""}:
                found.setdefault((row["port"], key), []).append(case)
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
        queues = configurations.queues(connection)
        rows = [
            _stamped(
                _opened(case, first, hours[first.port].after(first.decided_at, REVIEW_MINUTES)) | case.figures(),
                now,
                queues,
            )
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
    grown = [case.grown(now) | {"joined": case.id} for case in cases if case.first is None]
    if grown:
        connection.execute(update(_cases).where(_cases.c.id == bindparam("joined")), grown)


def _opened(case: _Case, first: CaseMember, due_at: int) -> dict[str, Any]:
    return {
        "id": case.id,
        "campaign": case.campaign,
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


def _stamped(row: dict[str, Any], now: int, queues: Queues) -> dict[str, Any]:
    return row | {"urgency": urgency(row, now), "queue": queue_of(queues, row)}


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
