"""Sums of messages over time and by any column, beside the period before.

Sums come from the roll-up `traffic_hourly` where it has the columns that are asked for. Contents, senders, links,
carriers and regions, and the filters by them and by number, need the rows: then the same sums are made from the
decisions of the period.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import duckdb
from sqlalchemy import select

from pipeline.actions.explore.filters import (
    ACCEPTED,
    COLUMNS,
    OF_DECISION,
    PLACES,
    ROW_KEYS,
    Filters,
    Values,
    check,
    conditions,
    moment,
    period,
)
from pipeline.actions.explore.found import found
from pipeline.actions.explore.messages import texts_of
from pipeline.durations import HOUR_MS
from pipeline.errors import AntispamError
from pipeline.lake.views import BY_VERDICT
from pipeline.store import schema
from pipeline.store.accounts.roles import User
from pipeline.store.database import Database

MAX_TOP = 100
FINE_HOURS = 96  # longest period that is drawn by hours

MEASURES = ("messages", "released", "held", "reviewed", "rejected", "blacklisted")
ORDERS = ("most", "rise")

_SUMS = ", ".join(f"coalesce(sum({name}), 0)::BIGINT" for name in MEASURES)
# Hour and verdict (from 1, in the order of MEASURES) of a decision as one whole number.
_KEY = f"""epoch(date_trunc('hour', {ACCEPTED}))::BIGINT * 16
    + 2 * list_position(['release', 'hold', 'review', 'reject', 'blacklist'], {{}})"""
_DECIDED = f"dt >= $day AND source = $source AND {ACCEPTED} >= $since AND {ACCEPTED} < $until"


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
    if by not in COLUMNS or measure not in MEASURES or order not in ORDERS:
        raise AntispamError("explore: unknown column, measure or order")
    check(user, filters, by)
    since, until = filters.hours
    facts, values = _facts(db, lake, user, filters, by)
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


def _facts(db: Database, lake: duckdb.DuckDBPyConnection, user: User, filters: Filters, by: str) -> tuple[str, Values]:
    """The SELECT of sums by hour and value of `by`, for the period (`now`) and the one of the same length before it."""
    since, until = filters.hours
    by_rows = by in ROW_KEYS or filters.by_rows
    fitting, values = conditions(db, user, filters, by_rows)
    values |= period(2 * since - until, until) | {"begin": moment(since)}
    if by_rows:
        if by in PLACES or filters.places:
            rows, more = _of_recipients(lake, filters, by, fitting, values)
        else:
            rows, more = _of_decisions(lake, filters, by, fitting)
        values |= more
    else:
        column = "port" if by == "enterprise" else by
        rows = f"""SELECT *, {column} AS value FROM traffic_hourly
            WHERE dt >= $day AND source = $source AND hour >= $since AND hour < $until AND {fitting}"""  # noqa: S608 - of our own words
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


def _of_decisions(lake: duckdb.DuckDBPyConnection, filters: Filters, by: str, fitting: str) -> tuple[str, Values]:
    """The SELECT of decisions with the sums of the roll-up, for what the roll-up does not have."""
    events, values = _found(lake, filters, ("link",) if by == "link" else ())
    joined = f"JOIN ({events}) AS f USING (partition, id, accepted_at)" if events else ""
    of_number = "REPLACE (1 AS messages, list_filter(exceptions, lambda x: x.recipient = $number) AS exceptions)"
    sums = ", ".join(f"{sql} AS {name}" for name, sql in BY_VERDICT.items())
    return (
        f"""
        SELECT date_trunc('hour', {ACCEPTED}) AS hour, {OF_DECISION.get(by, by)} AS value,
               CASE WHEN round = 0 THEN messages ELSE 0 END AS messages, {sums}
        FROM (SELECT * {of_number if filters.number else ""} FROM decisions
              {joined} WHERE {_DECIDED} AND {fitting})
        """,  # noqa: S608 - of our own words
        values,
    )


def _of_recipients(
    lake: duckdb.DuckDBPyConnection, filters: Filters, by: str, fitting: str, given: Values
) -> tuple[str, Values]:
    """The SELECT of the same sums, of the recipients of a carrier or region.

    Each recipient counts under the decision's verdict; then those with a verdict of their own move to it. A decision
    whose submission is not in the lake (yet) has no recipients, so none of them moves. Hour, verdict and whether it is
    the first round are one whole number, made before the recipients get rows: a third of the time.
    """
    link = ("link",) if by == "link" else ()
    names = tuple(name for name in PLACES if name == by or name in filters.places)
    names += ("recipient",) if filters.number else ()
    lists = tuple(f"{name}s" for name in names)
    events, values = _found(lake, filters, (*lists, *link))
    if _know_places(lake, fitting, given):
        own = ", ".join(f"coalesce(x.{name}, '') AS {name}" for name in names)
        own_events, of_own = _found(lake, replace(filters, number="", carrier="", region=""), link, always=True)
    else:
        own = ", ".join(f"coalesce({name}s[list_position(recipients, x.recipient)], '') AS {name}" for name in names)
        with_recipients = dict.fromkeys((*lists, "recipients", *link))
        own_events, of_own = _found(lake, replace(filters, number=""), tuple(with_recipients))
    conditions = [f"{name} = ${name}" for name in filters.places] + (["recipient = $number"] if filters.number else [])
    fits = " AND ".join(conditions) or "true"
    value = "" if by in PLACES else f", {OF_DECISION.get(by, by)} AS given"
    columns = ", ".join(("given", *names) if value else names)
    each = ", ".join(f"unnest({name}s) AS {name}" for name in names)
    sums = ", ".join(f"sum(n) FILTER (verdict = {n}) AS {name}" for n, name in enumerate(MEASURES[1:], 1))
    return (
        f"""
        WITH decision AS (
            SELECT *, {_KEY.format("verdict")} + (round = 0)::BIGINT AS key
            FROM decisions WHERE {_DECIDED} AND {fitting}
        ), decided AS (
            SELECT key{value}, {each} FROM decision JOIN ({events}) AS f USING (partition, id, accepted_at)
        ), moved AS (
            SELECT *, unnest(exceptions) AS x{value}
            FROM decisions JOIN ({own_events}) AS f USING (partition, id, accepted_at)
            WHERE {_DECIDED} AND {fitting} AND verdict <> 'hold' AND len(exceptions) > 0
        ), counted AS (
            SELECT key, {columns}, count(*) AS n FROM decided WHERE {fits} GROUP BY ALL
            UNION ALL BY NAME
            SELECT {_KEY.format("verdict")} AS key{", given" if value else ""}, {own}, -1 AS n FROM moved WHERE {fits}
            UNION ALL BY NAME
            SELECT {_KEY.format("x.verdict")} AS key{", given" if value else ""}, {own}, 1 AS n FROM moved WHERE {fits}
        ), told AS (
            SELECT to_timestamp(key // 16) AS hour, key % 16 // 2 AS verdict, key % 2 = 1 AS first, * FROM counted
        )
        SELECT hour, {"given" if value else by} AS value, sum(n) FILTER (first) AS messages, {sums}
        FROM told GROUP BY ALL
        """,  # noqa: S608 - of our own words
        of_own | values,
    )


def _found(
    lake: duckdb.DuckDBPyConnection, filters: Filters, also: tuple[str, ...], always: bool = False
) -> tuple[str, Values]:
    """The events of the period and of the one before it that fit; see `found`."""
    since, until = filters.hours
    return found(lake, filters, 2 * since - until, until, also, always)


def _know_places(lake: duckdb.DuckDBPyConnection, fitting: str, values: Values) -> bool:
    """Whether all exceptions name their carrier and region. Those of older versions do not."""
    unplaced = "len(list_filter(exceptions, lambda x: x.carrier IS NULL OR x.region IS NULL)) > 0"
    asked = f"SELECT count(*) FROM decisions WHERE {_DECIDED} AND {fitting} AND len(exceptions) > 0 AND {unplaced}"  # noqa: S608 - of our own words
    named = {name: value for name, value in values.items() if f"${name}" in asked}
    [count] = lake.execute(asked, named).fetchone() or (0,)
    return not count


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
        {"contents": [each.value for each in top], "day": moment(2 * since - until).date()},
    ).fetchall()
    texts = texts_of(lake, "submission", [row[1:] for row in rows])
    examples = {content: texts.get((partition, ident, at), ("", ""))[1] for content, partition, ident, at in rows}
    return [replace(each, example=examples.get(each.value, "")) for each in top]
