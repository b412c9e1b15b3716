"""Explore: messages over time and by any column, beside the period before, and the messages themselves.

Sums come from the roll-up `traffic_hourly` where it has the columns that are asked for. Contents, senders and links,
and the filters by link and number, need the rows: then the same sums are made from the decisions of the period.

Periods are whole hours. Times are epoch milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import duckdb
from sqlalchemy import select

from pipeline.durations import DAY_MS, HOUR_MS
from pipeline.errors import AntispamError
from pipeline.lake.views import BY_VERDICT
from pipeline.store import schema
from pipeline.store.accounts.roles import Forbidden, Right, User, ports_in_scope, require
from pipeline.store.database import Database

MAX_DAYS = 366  # longest period where the roll-up answers
MAX_ROW_DAYS = 31  # longest period where rows are read
MAX_TOP = 100
MAX_MESSAGES = 500
FINE_HOURS = 96  # longest period that is drawn by hours

KEYS = ("port", "kind", "category", "rule", "campaign", "policy")  # columns of the roll-up
ROW_KEYS = ("content", "sender", "link")  # only rows have them
COLUMNS = ("port", "enterprise", *KEYS[1:], *ROW_KEYS)
MEASURES = ("messages", "released", "held", "reviewed", "rejected", "blacklisted")
ORDERS = ("most", "rise")
SOURCES = ("submission", "record")

# The host of a link in a masked text, as the lake keeps it (lake/privacy.py).
_HOST = r"((?:[a-z0-9][a-z0-9-]{0,62}\.){1,6}[a-z]{2,18})(?:[^a-z0-9.@-]|$)"
_AT = "coalesce(accepted_at, decided_at)"  # as the roll-up
# Columns of `facts` that decisions have under another name. Old decisions have no sender.
_OF_DECISION = {
    "rule": "reasons[1].rule",
    "sender": "coalesce(nullif(sender, ''), port)",
    "content": "fingerprint",
    "enterprise": "port",
}
_SUMS = ", ".join(f"coalesce(sum({name}), 0)::BIGINT" for name in MEASURES)

Values = dict[str, Any]


@dataclass(frozen=True)
class Filters:
    """What is looked at. "" matches everything. `content` is a fingerprint, `number` the lake's hash of a number."""

    since: int
    until: int
    source: str = "submission"
    port: str = ""
    enterprise: str = ""
    kind: str = ""
    category: str = ""
    rule: str = ""
    campaign: str = ""
    policy: str = ""
    content: str = ""
    sender: str = ""
    link: str = ""
    number: str = ""

    @property
    def hours(self) -> tuple[int, int]:
        """The period as whole hours."""
        return self.since // HOUR_MS * HOUR_MS, -(-self.until // HOUR_MS) * HOUR_MS


@dataclass(frozen=True)
class Sums:
    """Messages in a period. `held` are those put on hold, which are decided later."""

    messages: int = 0
    released: int = 0
    held: int = 0
    reviewed: int = 0
    rejected: int = 0
    blacklisted: int = 0


@dataclass(frozen=True)
class Top:
    """A value of a column, with its sums now and in the period before. `example` is a masked text of a content."""

    value: str
    now: Sums
    before: Sums
    example: str = ""


@dataclass(frozen=True)
class Explored:
    """The sums of the period and of the one before, the course (start of an hour or day), the top of a column."""

    since: int
    until: int
    by_day: bool
    now: Sums
    before: Sums
    course: Sequence[tuple[int, Sums]]
    top: Sequence[Top]
    values: int  # different values of the column, in both periods


@dataclass(frozen=True)
class Message:
    """A submission or record with its newest decision; text masked, numbers hashed."""

    at: int
    id: str
    sender: str
    port: str
    verdict: str
    rule: str | None
    score: float | None
    category: str | None
    campaign: str | None
    messages: int
    content: str


@dataclass(frozen=True)
class ToldCampaign:
    """A campaign as last published."""

    messages: int
    ports: int
    senders: int
    most_in_5m: int
    first_seen: int
    last_seen: int


def explore(
    db: Database,
    lake: duckdb.DuckDBPyConnection,
    user: User,
    filters: Filters,
    by: str = "port",
    measure: str = "messages",
    order: str = "most",
    first: int = 20,
    zone: str = "UTC",
) -> Explored:
    """Sums of the messages that fit, and the first values of the column `by`: those with most of `measure`.

    With `order` "rise", those whose measure rose most against the period before. Raises AntispamError for a period that
    is empty or too long. Raises Forbidden if a user with a scope asks for records.
    """
    require(user, Right.SEARCH)
    if by not in COLUMNS or measure not in MEASURES or order not in ORDERS:
        raise AntispamError("explore: unknown column, measure or order")
    _check(user, filters, by in ROW_KEYS)
    since, until = filters.hours
    facts, values = _facts(db, user, filters, by)
    lake.execute(f"CREATE OR REPLACE TEMP TABLE facts AS {facts}", values)
    totals = {
        now: Sums(*sums)
        for now, *sums in lake.execute(f"SELECT now, {_SUMS} FROM facts GROUP BY now").fetchall()  # noqa: S608 - of our own words
    }
    by_day = until - since > FINE_HOURS * HOUR_MS
    start = "date_trunc('day', hour AT TIME ZONE $zone) AT TIME ZONE $zone" if by_day else "hour"
    course = lake.execute(
        f"SELECT epoch_ms({start}), {_SUMS} FROM facts WHERE now GROUP BY ALL ORDER BY 1",  # noqa: S608 - as above
        {"zone": zone} if by_day else {},
    ).fetchall()
    [count] = lake.execute("SELECT count(DISTINCT value) FROM facts").fetchone() or (0,)
    top = _top(lake, measure, order, min(first, MAX_TOP))
    return Explored(
        since=since,
        until=until,
        by_day=by_day,
        now=totals.get(True, Sums()),
        before=totals.get(False, Sums()),
        course=[(int(start), Sums(*sums)) for start, *sums in course],
        top=_with_examples(lake, top, since, until) if by == "content" else top,
        values=int(count),
    )


def newest_messages(
    db: Database, lake: duckdb.DuckDBPyConnection, user: User, filters: Filters, most: int = 100
) -> list[Message]:
    """The newest decided submissions or records that fit, each with its newest decision. Raises as `explore` does."""
    require(user, Right.SEARCH)
    _check(user, filters, rows=True)
    since, until = filters.hours
    conditions, values = _conditions(db, user, filters, rows=True)
    found, of_found = _found(filters, until)
    most = min(most, MAX_MESSAGES)
    joined = f"SEMI JOIN ({found}) AS f USING (partition, id, accepted_at)" if found else ""
    newest = f"""
        SELECT partition, id, epoch_ms(came) AS came_ms,
               unnest(arg_max(struct_pack(sender, port, verdict, rule := reasons[1].rule, score, category, campaign,
                                          messages), (round, -"offset")))
        FROM (SELECT *, {_AT} AS came FROM decisions {joined}
              WHERE dt >= $day AND source = $source AND {_AT} >= $since AND {_AT} < $until AND {conditions}
              ORDER BY came DESC LIMIT {3 * most})
        GROUP BY partition, id, came ORDER BY came_ms DESC, id LIMIT {most}
        """  # noqa: S608 - of our own words
    values |= of_found
    rows = lake.execute(newest, values | _period(max(since, until - DAY_MS), until)).fetchall()
    if len(rows) < most and since < until - DAY_MS:  # the last day has most of them, and is read in a tenth of the time
        rows = lake.execute(newest, values | _period(since, until)).fetchall()
    texts = _texts(lake, filters.source, [(row[0], row[1], row[2]) for row in rows])
    made = []
    for partition, ident, at, *decision in rows:
        sender, port, verdict, rule, score, category, campaign, messages = decision
        known, content = texts.get((partition, ident, at), (sender, ""))
        of = sender or known
        made.append(Message(at, ident, of, port, verdict, rule, score, category, campaign, messages, content))
    return made


def told_campaign(lake: duckdb.DuckDBPyConnection, user: User, campaign: str) -> ToldCampaign | None:
    """A campaign as last published; None for an unknown one. Raises Forbidden for a user with a scope."""
    _require_all(user)
    row = lake.execute(
        """SELECT messages, ports, senders, max(growth) OVER (), epoch_ms(first_seen), epoch_ms(last_seen)
           FROM told_campaigns WHERE campaign = $campaign ORDER BY "at" DESC LIMIT 1""",
        {"campaign": campaign},
    ).fetchone()
    return None if row is None else ToldCampaign(*row)


def complaints_of(lake: duckdb.DuckDBPyConnection, user: User, number: str, since: int, until: int) -> int:
    """The number of complaints of a number (hash) in a period. Raises Forbidden for a user with a scope."""
    _require_all(user)
    [count] = lake.execute(
        """SELECT count(*) FROM complaints WHERE dt BETWEEN $first AND $last AND recipient = $number
           AND complained_at >= $since AND complained_at < $until""",
        {
            "number": number,
            "first": _time(since - DAY_MS).date(),
            "last": _time(until + DAY_MS).date(),
            "since": _time(since),
            "until": _time(until),
        },
    ).fetchone() or (0,)
    return int(count)


def enterprise_names(db: Database, user: User) -> dict[str, str]:
    """Names of the enterprises whose ports the user may see."""
    require(user, Right.SEARCH)
    within, t = ports_in_scope(user), schema.enterprises
    statement = select(t.c.id, t.c.name).order_by(t.c.name)
    if within is not None:
        statement = statement.where(
            t.c.id.in_(select(schema.ports.c.enterprise).where(schema.ports.c.code.in_(within)))
        )
    with db.read() as connection:
        return {row.id: row.name for row in connection.execute(statement)}


def _require_all(user: User) -> None:
    require(user, Right.SEARCH)
    if user.scope:
        raise Forbidden(f"{user.name}: this is of all ports, and this account sees a part of them")


def _check(user: User, filters: Filters, rows: bool) -> None:
    if filters.source not in SOURCES:
        raise AntispamError(f"explore: unknown source {filters.source!r}")
    if user.scope and filters.source == "record":
        raise Forbidden(f"{user.name}: records belong to no port, and this account sees a part of the ports")
    since, until = filters.hours
    if since >= until:
        raise AntispamError("explore: the period is empty")
    longest = MAX_ROW_DAYS if rows or _by_rows(filters) else MAX_DAYS
    if until - since > longest * DAY_MS + HOUR_MS:
        raise AntispamError(f"explore: at most {longest} days of this at a time")


def _by_rows(filters: Filters) -> bool:
    """Whether a filter asks for what only rows have."""
    return bool(filters.content or filters.sender or filters.link or filters.number)


def _conditions(db: Database, user: User, filters: Filters, rows: bool) -> tuple[str, Values]:
    """The condition on rows of decisions or of the roll-up, and its parameters."""
    names = [name for name in (*KEYS, "sender") if getattr(filters, name)]
    conditions = [f"{_OF_DECISION.get(name, name) if rows else name} = ${name}" for name in names]
    values: Values = {name: getattr(filters, name) for name in names} | {"source": filters.source}
    if filters.content:
        conditions.append("fingerprint = $content")
        values["content"] = filters.content
    codes = _codes(db, user, filters.enterprise)
    if codes is not None:
        conditions.append("list_contains($codes, port)")
        values["codes"] = codes
    return " AND ".join(conditions) or "true", values


def _codes(db: Database, user: User, enterprise: str) -> list[str] | None:
    """The ports in the user's scope that are of this enterprise, if one is asked for; None for all ports."""
    within, t = ports_in_scope(user), schema.ports
    if within is None and not enterprise:
        return None
    statement = select(t.c.code)
    if within is not None:
        statement = statement.where(t.c.code.in_(within))
    if enterprise:
        statement = statement.where(t.c.enterprise == enterprise)
    with db.read() as connection:
        return list(connection.execute(statement).scalars())


def _found(filters: Filters, until: int, link: bool = False) -> tuple[str, Values]:
    """The SELECT of events with the link or number of the filters, or of all if `link` is asked of each; else ""."""
    if not (filters.link or filters.number or link):
        return "", {}
    submission = filters.source == "submission"
    table, at = ("submissions", "accepted_at") if submission else ("records", "submitted_at")
    conditions = ["dt BETWEEN $day AND $last", f"{at} >= $since", f"{at} < $until"]
    conditions += ["round = 0"] if submission else []
    values: Values = {"last": _time(until).date()}
    if filters.link:
        hosts = f"regexp_extract_all(lower(content), '{_HOST}', 1)"
        conditions.append(f"contains(lower(content), $link) AND list_contains({hosts}, $link)")
        values["link"] = filters.link.lower()
    if filters.number:
        parties = "list_contains(recipients, $number)" if submission else "(sender = $number OR recipient = $number)"
        conditions.append(parties)
        values["number"] = filters.number
    # Most texts have no full stop, and a search for one costs a tenth of the expression.
    extracted = f"CASE WHEN contains(content, '.') THEN regexp_extract(lower(content), '{_HOST}', 1) ELSE '' END"
    host = f", {extracted} AS link" if link else ""
    return f"SELECT partition, id, {at} AS accepted_at{host} FROM {table} WHERE {' AND '.join(conditions)}", values  # noqa: S608 - of our own words


def _facts(db: Database, user: User, filters: Filters, by: str) -> tuple[str, Values]:
    """The SELECT of sums by hour and value of `by`, for the period (`now`) and the one of the same length before it."""
    since, until = filters.hours
    by_rows = by in ROW_KEYS or _by_rows(filters)
    conditions, values = _conditions(db, user, filters, by_rows)
    values |= _period(2 * since - until, until) | {"begin": _time(since)}
    if by_rows:
        rows, more = _rows(filters, by, conditions, until)
        values |= more
    else:
        column = "port" if by == "enterprise" else by
        rows = f"""SELECT *, {column} AS value FROM traffic_hourly
            WHERE dt >= $day AND source = $source AND hour >= $since AND hour < $until AND {conditions}"""  # noqa: S608 - of our own words
    value, joined = "value", ""
    if by == "enterprise":
        with db.read() as connection:
            owners = connection.execute(select(schema.ports.c.code, schema.ports.c.enterprise)).all()
        joined = "LEFT JOIN (SELECT unnest($owned) AS value, unnest($owners) AS owner) USING (value)"
        value = "owner"
        values |= {"owned": [row.code for row in owners], "owners": [row.enterprise for row in owners]}
    sums = ", ".join(f"sum({name})::BIGINT AS {name}" for name in MEASURES)
    named = f"coalesce({value}, '') AS value, {sums}"
    return f"SELECT hour, hour >= $begin AS now, {named} FROM ({rows}) {joined} GROUP BY ALL", values  # noqa: S608 - of our own words


def _rows(filters: Filters, by: str, conditions: str, until: int) -> tuple[str, Values]:
    """The SELECT of decisions with the sums of the roll-up, for what the roll-up does not have."""
    found, values = _found(filters, until, link=by == "link")
    of_number = "REPLACE (1 AS messages, list_filter(exceptions, lambda x: x.recipient = $number) AS exceptions)"
    column = _OF_DECISION.get(by, by)
    sums = ", ".join(f"{sql} AS {name}" for name, sql in BY_VERDICT.items())
    return (
        f"""
        SELECT date_trunc('hour', {_AT}) AS hour, {column} AS value,
               CASE WHEN round = 0 THEN messages ELSE 0 END AS messages, {sums}
        FROM (SELECT * {of_number if filters.number else ""} FROM decisions
              {f"JOIN ({found}) AS f USING (partition, id, accepted_at)" if found else ""}
              WHERE dt >= $day AND source = $source AND {_AT} >= $since AND {_AT} < $until AND {conditions})
        """,  # noqa: S608 - of our own words
        values,
    )


def _top(lake: duckdb.DuckDBPyConnection, measure: str, order: str, first: int) -> list[Top]:
    sums = ", ".join(
        f"coalesce(sum({name}) FILTER ({period}), 0)::BIGINT AS {name}_{n}"
        for n, period in enumerate(("now", "NOT now"))
        for name in MEASURES
    )
    key = f"{measure}_0" if order == "most" else f"{measure}_0 - {measure}_1"
    rows = lake.execute(
        f"SELECT value, {sums} FROM facts GROUP BY value ORDER BY {key} DESC, messages_0 DESC, value LIMIT {first}"  # noqa: S608 - of our own words
    ).fetchall()
    size = len(MEASURES)
    return [Top(row[0], Sums(*row[1 : 1 + size]), Sums(*row[1 + size :])) for row in rows]


def _with_examples(lake: duckdb.DuckDBPyConnection, top: list[Top], since: int, until: int) -> list[Top]:
    """Each content with a masked text of one of its submissions."""
    rows = lake.execute(
        """SELECT fingerprint, arg_max(partition, accepted_at), arg_max(id, accepted_at), epoch_ms(max(accepted_at))
           FROM decisions WHERE dt >= $day AND list_contains($contents, fingerprint) AND source = 'submission'
           GROUP BY fingerprint""",
        {"contents": [each.value for each in top], "day": _time(2 * since - until).date()},
    ).fetchall()
    texts = _texts(lake, "submission", [row[1:] for row in rows])
    examples = {content: texts.get((partition, ident, at), ("", ""))[1] for content, partition, ident, at in rows}
    return [replace(each, example=examples.get(each.value, "")) for each in top]


def _texts(
    lake: duckdb.DuckDBPyConnection, source: str, events: Sequence[tuple[int, str, int]]
) -> dict[tuple[int, str, int], tuple[str, str]]:
    """Sender and masked text of events (partition, id, time)."""
    if not events:
        return {}
    submission = source == "submission"
    table, sender, at = ("submissions", "port", "accepted_at") if submission else ("records", "sender", "submitted_at")
    days = {_time(ms).date() for *_, ms in events}
    rows = lake.execute(
        f"""SELECT partition, id, epoch_ms({at}), {sender}, content FROM {table}
            WHERE list_contains($days, dt) AND list_contains($ids, id)""",  # noqa: S608 - of our own words
        {"days": sorted(days), "ids": sorted({ident for _, ident, _ in events})},
    ).fetchall()
    return {(partition, ident, ms): (sender, content) for partition, ident, ms, sender, content in rows}


def _period(since: int, until: int) -> Values:
    return {"day": _time(since).date(), "since": _time(since), "until": _time(until)}


def _time(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
