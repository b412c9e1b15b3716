"""The status of each submission: projected from the topics and assembled for the port's owner.

A submission and its decision are on different topics; they may arrive in either order and more than once. So a
submission fills only a row without a submission. A decision fills only a row without a decision of the same or a later
round: the first decision of an (id, round) counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, and_, select, tuple_

from pipeline import topics
from pipeline.actions.status import link_outcomes
from pipeline.actions.status.callbacks import rejection
from pipeline.actions.status.submission_status import (
    PARTS,
    POLICY,
    RecipientStatus,
    Said,
    SubmissionStatus,
    told_decider,
)
from pipeline.events import Priority, Submission, Verdict
from pipeline.kafka.decoding import decoded
from pipeline.store import schema
from pipeline.store.callback_queue import enqueue_all
from pipeline.store.database import upsert
from pipeline.store.digest import digest

_CHUNK = 400  # keys in one statement; SQLite takes 32,766 parameters, older versions 999
_TERMINAL = (Verdict.REJECT, Verdict.BLACKLIST)


class _Decided(msgspec.Struct):
    """The stored fields of `events.Decision`: decoding the other fields would take most of the time."""

    id: str
    round: int
    verdict: Verdict
    exceptions: list[dict[str, Any]]
    reasons: list[Said]
    decided_at: int
    source: str
    port: str
    accepted_at: int
    sender: str = ""


Key = tuple[str, str]  # sender field as given, submission id


def project_submissions(connection: Connection, now: int, records: Sequence[bytes]) -> int:  # noqa: ARG001 - the signature of every projection
    """Store submissions; idempotent, because the first submission of an id counts. Returns the number not decoded."""
    rows = [
        {
            "port": event.port,
            "id": event.id,
            "digest": digest(event),
            "recipients": event.recipients,
            "priority": event.priority.value,
            "accepted_at": event.accepted_at,
            "origin": None if event.origin is None else msgspec.to_builtins(event.origin),
        }
        for event in decoded(topics.SUBMISSIONS_EXPRESS, Submission, records)
    ]
    if not rows:
        return len(records)
    table = schema.submissions
    statement = upsert(connection, table)
    given = {name: statement.excluded[name] for name in ("digest", "recipients", "priority", "accepted_at", "origin")}
    connection.execute(
        statement.on_conflict_do_update(index_elements=["port", "id"], set_=given, where=table.c.digest.is_(None)),
        rows,
    )
    return len(records) - len(rows)


def project_decisions(connection: Connection, now: int, records: Sequence[bytes]) -> int:
    """Store verdicts: a later round replaces an earlier round, a repeated round is ignored.

    Queues a callback to the port's owner for each new rejection (`callbacks.py`). Returns the number not decoded.
    """
    found = decoded(topics.DECISIONS, _Decided, records)
    decisions = [decision for decision in found if decision.source == "submission"]
    known = _rounds(connection, {(d.sender or d.port, d.id) for d in decisions})
    rows: dict[Key, dict[str, Any]] = {}
    told: list[tuple[str, dict[str, Any]]] = []
    outcomes: list[link_outcomes.Outcome] = []
    for decision in decisions:
        key = (decision.sender or decision.port, decision.id)
        if decision.round <= known.get(key, -1):
            continue
        known[key] = decision.round
        rows[key] = _row(key, decision)
        if decision.verdict in _TERMINAL:
            told.append((decision.port, rejection(rows[key])))
            outcomes += link_outcomes.of_refusal(rows[key])
        elif decision.verdict in (Verdict.RELEASE, Verdict.REVIEW):  # after a hold, all recipients are decided again
            outcomes += link_outcomes.of_exceptions(*key, decision.exceptions)
    if not rows:
        return len(records) - len(found)
    statement = upsert(connection, schema.submissions)
    fields = ("round", "verdict", "decided_by", "reasons", "exceptions", "decided_at")
    decided = {name: statement.excluded[name] for name in fields}
    connection.execute(
        statement.on_conflict_do_update(index_elements=["port", "id"], set_=decided), list(rows.values())
    )
    enqueue_all(connection, told, now)
    link_outcomes.put(connection, outcomes, now)
    return len(records) - len(found)


def _rounds(connection: Connection, keys: set[Key]) -> dict[Key, int]:
    """The last decided round of each decided key. Locks the rows if the database has row locks."""
    table = schema.submissions
    ordered = sorted(keys)
    found: dict[Key, int] = {}
    for i in range(0, len(ordered), _CHUNK):
        query = select(table.c.port, table.c.id, table.c.round).where(
            tuple_(table.c.port, table.c.id).in_(ordered[i : i + _CHUNK]), table.c.verdict.is_not(None)
        )
        found |= {(row.port, row.id): row.round for row in connection.execute(query.with_for_update())}
    return found


def _row(key: Key, decision: _Decided) -> dict[str, Any]:
    """A row for a decision. Its first five fields are provisional until the submission arrives."""
    return {
        "port": key[0],
        "id": key[1],
        "recipients": [],
        "priority": Priority.EXPRESS.value,
        "accepted_at": decision.accepted_at,
        "round": decision.round,
        "verdict": decision.verdict.value,
        "decided_by": POLICY,
        "decided_at": decision.decided_at,
        "exceptions": decision.exceptions,
        "reasons": [{"rule": r.rule, "message": r.message} for r in decision.reasons],
    }


def senders_of(connection: Connection, port: str, ident: str) -> list[str]:
    """The sender fields (`port` and its extensions) under which this id was submitted."""
    table = schema.submissions
    query = select(table.c.port).where(table.c.id == ident, table.c.port.startswith(port, autoescape=True))
    return list(connection.scalars(query))


def digests(connection: Connection, idents: Sequence[str]) -> dict[Key, str]:
    """The digest (`store.digest`) of every submission with one of these ids, over all ports."""
    table = schema.submissions
    found: dict[Key, str] = {}
    for i in range(0, len(idents), _CHUNK):
        query = select(table.c.port, table.c.id, table.c.digest).where(
            table.c.id.in_(idents[i : i + _CHUNK]), table.c.digest.is_not(None)
        )
        found |= {(row.port, row.id): row.digest for row in connection.execute(query)}
    return found


_BY_VERDICT = {
    None: "accepted",
    Verdict.RELEASE: "released",
    Verdict.HOLD: "held",
    Verdict.REVIEW: "in_review",
    Verdict.REJECT: "rejected",
    Verdict.BLACKLIST: "rejected",
}


def status_of(connection: Connection, port: str, ident: str) -> SubmissionStatus | None:
    """The status of a submission and its recipients; None for an unknown id. `port` is the sender field as given."""
    table = schema.submissions
    row = connection.execute(select(table).where(table.c.port == port, table.c.id == ident)).one_or_none()
    if row is None:
        return None
    verdict = None if row.verdict is None else Verdict(row.verdict)
    decided_by = row.decided_by
    held_until = None
    if verdict is Verdict.HOLD:
        held_until = _held_until(connection, port, ident, row.round)
    elif verdict is Verdict.REVIEW and (reviewed := _reviewed(connection, port, ident, row.round)):
        verdict, decided_by = reviewed
    state = _BY_VERDICT[verdict]
    excepted = {e["recipient"]: e for e in row.exceptions or ()}
    delivered = _delivered(connection, port, ident)
    recipients = []
    for n, recipient in enumerate(row.recipients, 1):
        if n in delivered:
            recipients.append(RecipientStatus(recipient, *delivered[n]))
        elif recipient in excepted:
            exception = excepted[recipient]
            recipients.append(
                RecipientStatus(recipient, _BY_VERDICT[Verdict(exception["verdict"])], rule=exception["rule"])
            )
        else:
            recipients.append(RecipientStatus(recipient, state))
    return SubmissionStatus(
        id=ident,
        port=port,
        state=state,
        accepted_at=row.accepted_at,
        round=row.round,
        decided_at=row.decided_at,
        decided_by=told_decider(decided_by),
        held_until=held_until,
        reasons=[Said(**r) for r in row.reasons or ()],
        recipients=recipients,
    )


def _held_until(connection: Connection, port: str, ident: str, number: int) -> int | None:
    holds = schema.holds
    due: int | None = connection.scalar(
        select(holds.c.due_at).where(holds.c.port == port, holds.c.submission == ident, holds.c.round == number)
    )
    return due


def _reviewed(connection: Connection, port: str, ident: str, number: int) -> tuple[Verdict, str | None] | None:
    """The verdict on the case of this round, or None until the releaser has carried it out for this member."""
    cases, members = schema.cases, schema.case_members
    row = connection.execute(
        select(cases.c.verdict, cases.c.decided_by)
        .join(members, members.c["case"] == cases.c.id)
        .where(
            and_(members.c.port == port, members.c.submission == ident, members.c.round == number),
            cases.c.verdict.is_not(None),
            cases.c.released >= members.c.number,
        )
    ).first()
    return (Verdict(row.verdict), row.decided_by) if row else None


def _delivered(connection: Connection, port: str, ident: str) -> dict[int, tuple[str, str]]:
    """(state, carrier's status code) of each recipient's worst part, by place of the recipient."""
    table = schema.deliveries
    query = select(table.c.n, table.c.state, table.c.status).where(table.c.port == port, table.c.submission == ident)
    worst: dict[int, tuple[str, str]] = {}
    for row in connection.execute(query):
        if row.n not in worst or PARTS.index(row.state) < PARTS.index(worst[row.n][0]):
            worst[row.n] = (row.state, row.status)
    return worst
