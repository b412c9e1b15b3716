"""Search: messages and their decisions, from the lake, as masked as the lake is.

A number is hashed with the lake's key before it is compared, and a text is masked as the stored ones
are: whoever searches need not be trusted with more than they already hold. Times are epoch milliseconds.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
from sqlalchemy import select

from pipeline.actions.console.score_parts import ScorePart, model_in_force, score_parts
from pipeline.actions.status.submission_status import PARTS
from pipeline.errors import AntispamError
from pipeline.events import Verdict
from pipeline.lake.privacy import Privacy, mask_text
from pipeline.store import schema
from pipeline.store.accounts.roles import Forbidden, Right, User, ports_in_scope, require, require_port
from pipeline.store.database import Database
from pipeline.text.numbers import service_code

MAX_DAYS = 31  # of one search
MAX_ROWS = 500
UNDECIDED = "undecided"
SUBMISSIONS, RECORDS = "submissions", "records"


@dataclass(frozen=True)
class Query:
    """What is looked for; None and "" look for everything. `verdict` may be UNDECIDED."""

    since: int
    until: int
    kind: str = SUBMISSIONS
    port: str = ""  # beginning of the sender
    verdict: str | None = None
    rule: str = ""
    text: str = ""
    number: str = ""
    campaign: str = ""
    limit: int = 100


@dataclass(frozen=True)
class LogPosition:
    """Where the log holds a submission or record: names it in the lake's full texts too."""

    log_id: str
    topic: str
    partition: int
    offset: int
    date: dt.date


@dataclass(frozen=True)
class Found:
    """One submission or record with the verdict of its newest round; text masked, numbers hashed."""

    position: LogPosition
    id: str
    sender: str
    port: str | None
    recipients: Sequence[str]
    content: str
    length: int  # of the full text, code points: where masking changed it, spans point elsewhere
    at: int
    verdict: str | None
    round: int | None
    score: float | None
    category: str | None
    reasons: Sequence[dict[str, Any]]  # rule, verdict, message, spans
    exceptions: Sequence[dict[str, Any]]  # recipient, verdict, rule
    decided_at: int | None
    degraded: bool
    campaign: str | None
    model: str | None  # version of the model that scored it


@dataclass(frozen=True)
class MessageState:
    """How far one message has come at the carrier; a long message by its worst part, as the API says it."""

    n: int
    channel: str
    state: str
    status: str
    changed_at: int


@dataclass(frozen=True)
class Reviewed:
    """The case a submission is in: `verdict` and what follows it are None while nobody has decided."""

    case: str
    verdict: str | None
    decided_by: str | None
    decided_at: int | None
    note: str


# kind -> (columns, view, its time, `source` of its decisions)
_WHAT = {
    SUBMISSIONS: (
        "id, port AS sender, recipients, content, length, accepted_at AS at",
        "submissions",
        "accepted_at",
        "submission",
    ),
    RECORDS: (
        "id, sender, [recipient] AS recipients, content, length, submitted_at AS at",
        "records",
        "submitted_at",
        "record",
    ),
}


def search(db: Database, lake: duckdb.DuckDBPyConnection, privacy: Privacy, user: User, query: Query) -> list[Found]:
    """The newest that fit, at most `query.limit`.

    Raises AntispamError for a time range that is none or over MAX_DAYS, Forbidden when a user with a
    limited scope asks for records, which belong to no port.
    """
    require(user, Right.SEARCH)
    if query.kind not in _WHAT:
        raise AntispamError(f"search: {SUBMISSIONS} or {RECORDS} expected")
    if not 0 < query.until - query.since <= MAX_DAYS * 86_400_000:
        raise AntispamError(f"search: a time range of at most {MAX_DAYS} days expected")
    within = ports_in_scope(user)
    codes: list[str] | None = None
    if within is not None:
        if query.kind == RECORDS:
            raise Forbidden(f"{user.name}: records belong to no port, beyond the scope of this account")
        with db.read() as connection:
            codes = list(connection.execute(within).scalars())
    columns, view, time, source = _WHAT[query.kind]
    conditions = [f"{time} >= $since", f"{time} < $until", "dt BETWEEN $first AND $last"]
    values: dict[str, Any] = {
        "since": _time(query.since),
        "until": _time(query.until),
        "limit": max(1, min(query.limit, MAX_ROWS)),
        "first": _time(query.since).date() - dt.timedelta(days=1),
        "source": source,
        "last": _time(query.until).date() + dt.timedelta(days=1),
    }
    if query.kind == SUBMISSIONS:
        conditions.append("round = 0")  # a later round is the same submission, back from a hold
    if query.port:
        conditions.append("starts_with(sender, $port)")
        values["port"] = service_code(query.port) or query.port.strip()
    if query.text:
        conditions.append("contains(lower(content), lower($text))")
        values["text"] = mask_text(query.text)
    if query.number:
        conditions.append("(list_contains(recipients, $number) OR sender IN ($number, $party))")
        values |= {"number": privacy.number(query.number), "party": privacy.party(query.number)}
    decided = []
    if query.verdict == UNDECIDED:
        decided.append("d.verdict IS NULL")
    elif query.verdict:
        decided.append("d.verdict = $verdict")
        values["verdict"] = Verdict(query.verdict).value
    if query.rule:
        decided.append("list_contains(list_transform(d.reasons, lambda r: r.rule), $rule)")
        values["rule"] = query.rule.strip()
    if query.campaign:
        decided.append("(d.port, f.id) IN (SELECT port, id FROM campaign_members WHERE campaign = $campaign)")
        values["campaign"] = query.campaign.strip()
    if codes is not None:
        decided.append("list_contains($codes, d.port)")
        values["codes"] = codes
    # Of a round decided twice (a replay on a broker without transactions) the first counts.
    sql = f"""
        WITH found AS (
            SELECT log_id, topic, partition, "offset", dt, {columns} FROM {view}
            WHERE {" AND ".join(conditions)}
        ), d AS (
            SELECT id, partition, accepted_at, {
        _newest(
            "verdict",
            "port",
            "score",
            "category",
            "reasons",
            "exceptions",
            "decided_at",
            "degraded",
            "campaign",
            "model",
        )
    },
                   max(decisions.round) AS round
            FROM decisions
            WHERE source = $source AND dt >= $first AND (id, partition) IN (SELECT id, partition FROM found)
            GROUP BY id, partition, accepted_at
        )
        SELECT f.log_id, f.topic, f.partition, f."offset", f.dt, f.id, f.sender, d.port, f.recipients, f.content,
               f.length, epoch_ms(f.at), d.verdict, d.round, d.score, d.category, d.reasons, d.exceptions,
               epoch_ms(d.decided_at), d.degraded, d.campaign, d.model
        FROM found f LEFT JOIN d ON d.id = f.id AND d.partition = f.partition AND d.accepted_at = f.at
        {"WHERE " + " AND ".join(decided) if decided else ""}
        ORDER BY f.at DESC, f."offset" DESC LIMIT $limit
    """  # noqa: S608 - of our own words; what the user typed travels as parameters
    return [
        Found(
            position=LogPosition(*row[:5]),
            id=row[5],
            sender=row[6],
            port=row[7],
            recipients=row[8],
            content=row[9],
            length=row[10],
            at=row[11],
            verdict=row[12],
            round=row[13],
            score=row[14],
            category=row[15],
            reasons=row[16] or (),
            exceptions=row[17] or (),
            decided_at=row[18],
            degraded=bool(row[19]),
            campaign=row[20],
            model=row[21],
        )
        for row in lake.execute(sql, values).fetchall()
    ]


def parts_of_score(db: Database, user: User, text: str, model: str | None) -> tuple[ScorePart, ...]:
    """What carried a score, in the text that the user was given: of a masked one, what can still be read there.

    Empty when `model`, which scored it, is not the one in force.
    """
    require(user, Right.SEARCH)
    in_force = model_in_force(db)
    return score_parts(in_force, text).words if in_force and in_force.version == model else ()


def message_states(db: Database, user: User, port: str, sender: str, submission: str) -> list[MessageState]:
    """What the carriers say of a submission's messages, by message. Raises Forbidden outside the user's scope."""
    require(user, Right.SEARCH)
    t = schema.deliveries
    with db.read() as connection:
        require_port(connection, user, port)
        rows = connection.execute(
            select(t.c.n, t.c.channel, t.c.state, t.c.status, t.c.changed_at)
            .where(t.c.port == sender, t.c.submission == submission)
            .order_by(t.c.n, t.c.part)
            .limit(MAX_ROWS)
        ).all()
    states: dict[int, MessageState] = {}
    for row in rows:
        state = MessageState(*row)
        kept = states.get(state.n)
        if kept is None or PARTS.index(state.state) < PARTS.index(kept.state):
            states[state.n] = state
    return list(states.values())


def reviewed(db: Database, user: User, port: str, sender: str, submission: str) -> Reviewed | None:
    """The newest case of a submission; None if no person was asked. Raises Forbidden outside the user's scope."""
    require(user, Right.SEARCH)
    members, cases = schema.case_members, schema.cases
    with db.read() as connection:
        require_port(connection, user, port)
        row = connection.execute(
            select(cases.c.id, cases.c.verdict, cases.c.decided_by, cases.c.decided_at, cases.c.note)
            .join(members, members.c.case == cases.c.id)
            .where(members.c.port == sender, members.c.submission == submission)
            .order_by(members.c.round.desc())
            .limit(1)
        ).first()
    return Reviewed(*row) if row else None


def _newest(*names: str) -> str:
    return ", ".join(f'arg_max({name}, (round, -"offset")) AS {name}' for name in names)


def _time(ms: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(ms / 1000, dt.UTC)
