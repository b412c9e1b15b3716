"""Search: messages and their decisions from the lake, with the lake's masking.

A searched number is hashed with the lake's key before the comparison, and a searched text is masked like the stored
texts. So a search never shows more of a number or text than the user entered. Times are epoch milliseconds.
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
from pipeline.durations import DAY_MS, HOUR_MS, MINUTE_MS
from pipeline.errors import AntispamError
from pipeline.events import Verdict
from pipeline.lake.privacy import Privacy, mask_text
from pipeline.store import schema
from pipeline.store.accounts.roles import Forbidden, Right, User, ports_in_scope, require, require_port
from pipeline.store.database import Database
from pipeline.text.numbers import service_code

MAX_DAYS = 31  # longest time range of a search
MAX_ROWS = 10_000
MAX_STATES = 500  # messages of a submission whose states are read
MOST_GROUPS = 500
MOST_BARS = 120
STEPS = (MINUTE_MS, 5 * MINUTE_MS, 15 * MINUTE_MS, HOUR_MS, 3 * HOUR_MS, 12 * HOUR_MS)  # ms, widths of a bar
UNDECIDED = "undecided"
SUBMISSIONS, RECORDS = "submissions", "records"


@dataclass(frozen=True)
class Query:
    """The conditions of a search; None and "" match everything. `verdict` may be UNDECIDED.

    `codes` are registered ports. `alone`: of the reasons, `rule` is the only one.
    """

    since: int
    until: int
    kind: str = SUBMISSIONS
    port: str = ""  # beginning of the sender
    verdict: str | None = None
    rule: str = ""
    text: str = ""
    number: str = ""
    campaign: str = ""
    codes: tuple[str, ...] | None = None
    alone: bool = False
    limit: int = 100
    offset: int = 0


@dataclass(frozen=True)
class LogPosition:
    """The position of a submission or record in the Kafka log; also its key among the lake's full texts."""

    log_id: str
    topic: str
    partition: int
    offset: int
    date: dt.date


@dataclass(frozen=True)
class Found:
    """A submission or record with the verdict of its newest round; text masked, numbers hashed."""

    position: LogPosition
    id: str
    sender: str
    port: str | None
    recipients: Sequence[str]
    content: str
    length: int  # of the full text in code points; spans do not fit the masked text if its length differs
    at: int
    verdict: str | None
    round: int | None
    score: float | None
    category: str | None
    reasons: Sequence[dict[str, Any]]  # rule, verdict, message, values (JSON), spans
    exceptions: Sequence[dict[str, Any]]  # recipient, verdict, rule
    decided_at: int | None
    degraded: bool
    campaign: str | None
    policy: str | None  # version of the policy that decided
    model: str | None  # version of the model that computed the score
    suppressed: Sequence[dict[str, Any]]  # matches that did not count: rule, verdict, cause, scope (its kind), until


@dataclass(frozen=True)
class MessageState:
    """The state of one message at the carrier. A long message has the state of its worst part, as in the API."""

    n: int
    channel: str
    state: str
    status: str
    changed_at: int


@dataclass(frozen=True)
class Reviewed:
    """The case of a submission. `verdict` and the fields after it are None until the case is decided."""

    case: str
    verdict: str | None
    decided_by: str | None
    decided_at: int | None
    note: str


@dataclass(frozen=True)
class Group:
    """What was found of one value; empty: without one."""

    value: str
    events: int
    messages: int


@dataclass(frozen=True)
class Moment:
    """Messages of one verdict that were sent from `at` (epoch ms) on, for the width of a bar."""

    at: int
    verdict: str
    messages: int


# What events can be grouped by; the rule is the one that decided.
GROUPS = {
    "verdict": f"coalesce(newest.verdict, '{UNDECIDED}')",
    "rule": "newest.reasons[1].rule",
    "sender": "found.sender",
    "category": "newest.category",
    "campaign": "newest.campaign",
    "text": "found.content",
}

# kind -> (`source` of its decisions, SQL of its events). A later round is the same submission after a hold.
_EVENTS = {
    SUBMISSIONS: (
        "submission",
        """
        SELECT log_id, topic, partition, "offset", dt, id, port AS sender, recipients, content, length,
               accepted_at AS sent_at
        FROM submissions WHERE round = 0
        """,
    ),
    RECORDS: (
        "record",
        """
        SELECT log_id, topic, partition, "offset", dt, id, sender, [recipient] AS recipients, content, length,
               submitted_at AS sent_at
        FROM records
        """,
    ),
}

# If a round was decided twice (a replay on a broker without transactions), the first decision counts.
_MATCHING = """
    WITH found AS (
        SELECT * FROM ({events}) WHERE {event_conditions}
    ), newest AS (
        SELECT id, partition, accepted_at,
               arg_max(verdict, (round, -"offset")) AS verdict,
               arg_max(port, (round, -"offset")) AS port,
               arg_max(score, (round, -"offset")) AS score,
               arg_max(category, (round, -"offset")) AS category,
               arg_max(reasons, (round, -"offset")) AS reasons,
               arg_max(exceptions, (round, -"offset")) AS exceptions,
               arg_max(decided_at, (round, -"offset")) AS decided_at,
               arg_max(degraded, (round, -"offset")) AS degraded,
               arg_max(campaign, (round, -"offset")) AS campaign,
               arg_max(policy, (round, -"offset")) AS policy,
               arg_max(model, (round, -"offset")) AS model,
               arg_max(suppressed, (round, -"offset")) AS suppressed,
               max(decisions.round) AS round
        FROM decisions
        WHERE source = $source AND dt >= $first AND (id, partition) IN (SELECT id, partition FROM found)
        GROUP BY id, partition, accepted_at
    )
    SELECT {columns} FROM found LEFT JOIN newest
        ON newest.id = found.id AND newest.partition = found.partition AND newest.accepted_at = found.sent_at
    WHERE {decision_conditions}
"""
# The fields of LogPosition and Found, in order.
_ROW = """
    found.log_id, found.topic, found.partition, found."offset", found.dt,
    found.id, found.sender, newest.port, found.recipients, found.content, found.length, epoch_ms(found.sent_at),
    newest.verdict, newest.round, newest.score, newest.category,
    coalesce(newest.reasons, []), coalesce(newest.exceptions, []), epoch_ms(newest.decided_at),
    coalesce(newest.degraded, false), newest.campaign, newest.policy, newest.model, coalesce(newest.suppressed, [])
"""
_NEWEST_FIRST = 'ORDER BY found.sent_at DESC, found.partition, found."offset" DESC LIMIT $limit OFFSET $offset'
_TOTALS = "count(*), coalesce(sum(len(found.recipients)), 0)"

Condition = tuple[str, dict[str, Any]]  # SQL and its named parameters


def search(db: Database, lake: duckdb.DuckDBPyConnection, privacy: Privacy, user: User, query: Query) -> list[Found]:
    """The newest matching events after the first `query.offset`, at most `query.limit`.

    Raises AntispamError for a time range that is empty or longer than MAX_DAYS. Raises Forbidden if a user with a scope
    searches records, because records belong to no port.
    """
    sql, values = _matching(db, privacy, user, query, _ROW)
    values |= {"limit": max(1, min(query.limit, MAX_ROWS)), "offset": max(0, query.offset)}
    found = lake.execute(f"{sql} {_NEWEST_FIRST}", values).fetchall()
    return [Found(LogPosition(*row[:5]), *row[5:]) for row in found]


def totals(
    db: Database, lake: duckdb.DuckDBPyConnection, privacy: Privacy, user: User, query: Query
) -> tuple[int, int]:
    """The number of matching events and of their messages, whatever `query.limit` is. Raises as `search` does."""
    sql, values = _matching(db, privacy, user, query, _TOTALS)
    row = lake.execute(sql, values).fetchone() or (0, 0)
    return int(row[0]), int(row[1])


def grouped(
    db: Database, lake: duckdb.DuckDBPyConnection, privacy: Privacy, user: User, query: Query, by: str
) -> list[Group]:
    """The matching events by one of GROUPS, those with most messages first; at most MOST_GROUPS. Raises as `search`."""
    if by not in GROUPS:
        raise AntispamError("search: grouped by one of {known}", known=", ".join(GROUPS))
    sql, values = _matching(db, privacy, user, query, f"{GROUPS[by]} AS value, {_TOTALS}")
    rows = lake.execute(f"{sql} GROUP BY value ORDER BY 3 DESC, 2 DESC, 1 LIMIT {MOST_GROUPS}", values).fetchall()
    return [Group("" if value is None else str(value), events, messages) for value, events, messages in rows]


def over_time(
    db: Database, lake: duckdb.DuckDBPyConnection, privacy: Privacy, user: User, query: Query
) -> tuple[int, list[Moment]]:
    """Messages of the matching events by time and verdict, and the width of a bar in ms. Raises as `search`."""
    width = next((step for step in STEPS if (query.until - query.since) / step <= MOST_BARS), STEPS[-1])
    bar = f"epoch_ms(found.sent_at) // {width} * {width}"
    columns = f"{bar} AS bar, coalesce(newest.verdict, '{UNDECIDED}') AS verdict, {_TOTALS}"
    sql, values = _matching(db, privacy, user, query, columns)
    rows = lake.execute(f"{sql} GROUP BY bar, verdict ORDER BY bar, verdict", values).fetchall()
    return width, [Moment(int(at), verdict, messages) for at, verdict, _, messages in rows]


def _matching(db: Database, privacy: Privacy, user: User, query: Query, columns: str) -> Condition:
    require(user, Right.SEARCH)
    _check(query)
    source, events = _EVENTS[query.kind]
    of_event = _event_conditions(query, privacy)
    of_decision = _decision_conditions(query, _codes_in_scope(db, user, query.kind))
    sql = _MATCHING.format(
        events=events, columns=columns, event_conditions=_all(of_event), decision_conditions=_all(of_decision)
    )
    values: dict[str, Any] = {"source": source}
    for _, parameters in (*of_event, *of_decision):
        values |= parameters
    return sql, values


def _check(query: Query) -> None:
    if query.kind not in _EVENTS:
        raise AntispamError("search: {submissions} or {records} expected", submissions=SUBMISSIONS, records=RECORDS)
    if not 0 < query.until - query.since <= MAX_DAYS * DAY_MS:
        raise AntispamError("search: a time range of at most {most} days expected", most=MAX_DAYS)


def _codes_in_scope(db: Database, user: User, kind: str) -> list[str] | None:
    """The ports that the user may see; None for all ports. Raises Forbidden, see `search`."""
    within = ports_in_scope(user)
    if within is None:
        return None
    if kind == RECORDS:
        raise Forbidden("{person}: records belong to no port, beyond the scope of this account", person=user.name)
    with db.read() as connection:
        return list(connection.execute(within).scalars())


def _event_conditions(query: Query, privacy: Privacy) -> list[Condition]:
    since, until, day = _time(query.since), _time(query.until), dt.timedelta(days=1)
    conditions: list[Condition] = [
        ("sent_at >= $since AND sent_at < $until", {"since": since, "until": until}),
        ("dt BETWEEN $first AND $last", {"first": since.date() - day, "last": until.date() + day}),
    ]
    if query.port:
        conditions.append(("starts_with(sender, $port)", {"port": service_code(query.port) or query.port.strip()}))
    if query.text:
        conditions.append(("contains(lower(content), lower($text))", {"text": mask_text(query.text)}))
    if query.number:
        hashes = {"number": privacy.number(query.number), "party": privacy.party(query.number)}
        conditions.append(("(list_contains(recipients, $number) OR sender IN ($number, $party))", hashes))
    return conditions


def _decision_conditions(query: Query, codes: list[str] | None) -> list[Condition]:
    conditions: list[Condition] = []
    if query.verdict == UNDECIDED:
        conditions.append(("newest.verdict IS NULL", {}))
    elif query.verdict:
        conditions.append(("newest.verdict = $verdict", {"verdict": Verdict(query.verdict).value}))
    if query.rule:
        rules = "list_transform(newest.reasons, lambda r: r.rule)"
        conditions.append((f"list_contains({rules}, $rule)", {"rule": query.rule.strip()}))
    if query.alone:
        conditions.append(("len(newest.reasons) = 1", {}))
    if query.codes is not None:
        conditions.append(("list_contains($wanted, newest.port)", {"wanted": list(query.codes)}))
    if query.campaign:
        members = "SELECT port, id FROM campaign_members WHERE campaign = $campaign"
        conditions.append((f"(newest.port, found.id) IN ({members})", {"campaign": query.campaign.strip()}))
    if codes is not None:
        conditions.append(("list_contains($codes, newest.port)", {"codes": codes}))
    return conditions


def _all(conditions: list[Condition]) -> str:
    return " AND ".join(sql for sql, _ in conditions) or "true"


def parts_of_score(db: Database, user: User, text: str, model: str | None) -> tuple[ScorePart, ...]:
    """The parts of the score that are visible in the user's (perhaps masked) text.

    Empty if `model`, which computed the score, is not the model in force.
    """
    require(user, Right.SEARCH)
    in_force = model_in_force(db)
    return score_parts(in_force, text).words if in_force and in_force.version == model else ()


def message_states(db: Database, user: User, port: str, sender: str, submission: str) -> list[MessageState]:
    """The delivery states of a submission's messages. Raises Forbidden outside the user's scope."""
    require(user, Right.SEARCH)
    t = schema.deliveries
    with db.read() as connection:
        require_port(connection, user, port)
        rows = connection.execute(
            select(t.c.n, t.c.channel, t.c.state, t.c.status, t.c.changed_at)
            .where(t.c.port == sender, t.c.submission == submission)
            .order_by(t.c.n, t.c.part)
            .limit(MAX_STATES)
        ).all()
    states: dict[int, MessageState] = {}
    for row in rows:
        state = MessageState(*row)
        kept = states.get(state.n)
        if kept is None or PARTS.index(state.state) < PARTS.index(kept.state):
            states[state.n] = state
    return list(states.values())


def reviewed(db: Database, user: User, port: str, sender: str, submission: str) -> Reviewed | None:
    """The newest case of a submission; None without a review. Raises Forbidden outside the user's scope."""
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


def _time(ms: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(ms / 1000, dt.UTC)
