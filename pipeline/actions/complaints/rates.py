"""Rates of complaints: complaints of a month for each million messages that left in it, by port or enterprise.

Messages are counted from the lake into `port_months`, because the operational database keeps them for some days only.
A month has the days of the console's zone. A complaint counts in the month in which it was made, unless a person said
that it is about no message of the port.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

import duckdb
from sqlalchemy import Connection, func, select

from pipeline.actions.complaints.matching import Found
from pipeline.durations import DAY_MS
from pipeline.rules.clock.months import before, bounds, month_of
from pipeline.rules.prefixes import LongestPrefix
from pipeline.store import schema
from pipeline.store.accounts.roles import Right, User, ports_in_scope, require
from pipeline.store.database import Database, upsert
from pipeline.store.registry.counted_complaints import COUNTED
from pipeline.text.numbers import masked

MILLION = 1_000_000
CHUNK = 500  # rows of one statement
By = Literal["port", "enterprise", "month"]


@dataclass(frozen=True, slots=True)
class Rate:
    """Complaints and messages of one port, enterprise or month; `complaints` counts them by what was found."""

    name: str
    messages: int
    complaints: Mapping[str, int]

    @property
    def total(self) -> int:
        """All complaints."""
        return sum(self.complaints.values())

    @property
    def per_million(self) -> float | None:
        """Complaints for each million messages; None if no message is known to have left."""
        return self.total * MILLION / self.messages if self.messages else None


def count_months(db: Database, lake: duckdb.DuckDBPyConnection, zone: str, now: int) -> int:
    """Count the messages of this month and the one before anew, from the lake; returns the number of ports counted."""
    counted = 0
    this = month_of(now, zone)
    with db.read() as connection:
        registered = LongestPrefix({code: code for code in connection.scalars(select(schema.ports.c.code))})
    for month in (before(this), this):
        first, last = bounds(month, zone)
        sums: defaultdict[str, int] = defaultdict(int)
        period = {"since": _time(first), "until": _time(last), "first": _day(first), "last": _day(last + DAY_MS)}
        for sender, messages in lake.execute(_SENT, period).fetchall():
            sums[registered.find(sender) or sender] += messages
        rows = [
            {"port": port[:21], "month": month, "messages": messages, "counted_at": now}
            for port, messages in sums.items()
        ]
        counted += len(rows)
        for i in range(0, len(rows), CHUNK):
            with db.write() as connection:
                statement = upsert(connection, schema.port_months)
                # The lake forgets days after `retention_days`, so a count never falls.
                new = {name: statement.excluded[name] for name in ("messages", "counted_at")}
                keep = schema.port_months.c.messages <= statement.excluded.messages
                connection.execute(
                    statement.on_conflict_do_update(index_elements=["port", "month"], set_=new, where=keep),
                    rows[i : i + CHUNK],
                )
    return counted


_SENT = """
SELECT sender, sum(messages)::BIGINT FROM outbound
WHERE dt BETWEEN $first AND $last AND decided_at >= $since AND decided_at < $until GROUP BY sender
"""


def rates(db: Database, user: User, by: By, month: str, zone: str, limit: int = 200) -> list[Rate]:
    """The rates of a month by port or enterprise, the worst first; or of 12 months, from `month` back.

    Ports and enterprises without a complaint are left out. A person's number lacks its middle digits. A user with a
    scope sees the ports in it. Raises AntispamError for an invalid month.
    """
    require(user, Right.SEE_TRAFFIC)
    with db.read() as connection:
        if by == "month":
            months = [month]
            while len(months) < 12:
                months.append(before(months[-1]))
            return [_total(connection, user, each, zone) for each in months]
        ports = _of_ports(connection, user, month, zone)
        if by == "enterprise":
            owners = _owners(connection)
            joined: defaultdict[str, list[Rate]] = defaultdict(list)
            for rate in ports:
                joined[owners.get(rate.name, "")].append(rate)
            ports = [_sum(name, several) for name, several in joined.items()]
        ordered = sorted((rate for rate in ports if rate.total), key=_order)
    return [replace(rate, name=masked(rate.name)) for rate in ordered[:limit]]


def _order(rate: Rate) -> tuple[float, int, str]:
    per_million = rate.per_million
    return (-float("inf") if per_million is None else -per_million, -rate.total, rate.name)


def _of_ports(connection: Connection, user: User, month: str, zone: str) -> list[Rate]:
    sent, complaints = schema.port_months, schema.complaints
    first, last = bounds(month, zone)
    asked = (
        select(complaints.c.port, complaints.c.found, func.count())
        .where(complaints.c.complained_at >= first, complaints.c.complained_at < last, COUNTED)
        .group_by(complaints.c.port, complaints.c.found)
    )
    left = select(sent.c.port, sent.c.messages).where(sent.c.month == month)
    within = ports_in_scope(user)
    if within is not None:
        asked, left = asked.where(complaints.c.port.in_(within)), left.where(sent.c.port.in_(within))
    found: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for port, state, number in connection.execute(asked):
        found[port][state] = number
    messages = {row.port: row.messages for row in connection.execute(left)}
    return [Rate(port, messages.get(port, 0), found.get(port, {})) for port in {*found, *messages}]


def _total(connection: Connection, user: User, month: str, zone: str) -> Rate:
    return _sum(month, _of_ports(connection, user, month, zone))


def _sum(name: str, rates: Iterable[Rate]) -> Rate:
    several = list(rates)
    complaints = {state.value: sum(rate.complaints.get(state, 0) for rate in several) for state in Found}
    return Rate(name, sum(rate.messages for rate in several), {k: v for k, v in complaints.items() if v})


def _owners(connection: Connection) -> Mapping[str, str]:
    """Port -> enterprise, of the ports that have one."""
    table = schema.ports
    rows = connection.execute(select(table.c.code, table.c.enterprise).where(table.c.enterprise.is_not(None)))
    return {row.code: row.enterprise for row in rows}


def _time(ms: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)


def _day(ms: int) -> object:
    return _time(ms).date()
