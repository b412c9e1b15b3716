"""The newest messages that fit the filters, masked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from pipeline.actions.explore.filters import ACCEPTED, Filters, check, conditions, moment, period
from pipeline.actions.explore.found import found
from pipeline.durations import DAY_MS
from pipeline.store.accounts.roles import User
from pipeline.store.database import Database

MAX_MESSAGES = 500


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


def newest_messages(
    db: Database, lake: duckdb.DuckDBPyConnection, user: User, filters: Filters, most: int = 100
) -> list[Message]:
    """The newest decided submissions or records that fit, each with its newest decision. Raises as `explore` does."""
    check(user, filters, rows=True)
    since, until = filters.hours
    fitting, values = conditions(db, user, filters, rows=True)
    events, of_found = found(lake, filters, since, until)
    most = min(most, MAX_MESSAGES)
    joined = f"SEMI JOIN ({events}) AS f USING (partition, id, accepted_at)" if events else ""
    newest = f"""
        SELECT partition, id, epoch_ms(came) AS came_ms,
               unnest(arg_max(struct_pack(sender, port, verdict, rule := reasons[1].rule, score, category, campaign,
                                          messages), (round, -"offset")))
        FROM (SELECT *, {ACCEPTED} AS came FROM decisions {joined}
              WHERE dt >= $day AND source = $source AND {ACCEPTED} >= $since AND {ACCEPTED} < $until AND {fitting}
              ORDER BY came DESC LIMIT {3 * most})
        GROUP BY partition, id, came ORDER BY came_ms DESC, id LIMIT {most}
        """  # noqa: S608 - of our own words
    values |= of_found
    rows = lake.execute(newest, values | period(max(since, until - DAY_MS), until)).fetchall()
    if len(rows) < most and since < until - DAY_MS:  # the last day has most of them, and is read in a tenth of the time
        rows = lake.execute(newest, values | period(since, until)).fetchall()
    texts = texts_of(lake, filters.source, [(row[0], row[1], row[2]) for row in rows])
    made = []
    for partition, ident, at, *decision in rows:
        sender, port, verdict, rule, score, category, campaign, messages = decision
        known, content = texts.get((partition, ident, at), (sender, ""))
        of = sender or known
        made.append(Message(at, ident, of, port, verdict, rule, score, category, campaign, messages, content))
    return made


def texts_of(
    lake: duckdb.DuckDBPyConnection, source: str, events: Sequence[tuple[int, str, int]]
) -> dict[tuple[int, str, int], tuple[str, str]]:
    """Sender and masked text of events (partition, id, time)."""
    if not events:
        return {}
    submission = source == "submission"
    table, sender, at = ("submissions", "port", "accepted_at") if submission else ("records", "sender", "submitted_at")
    days = {moment(ms).date() for *_, ms in events}
    rows = lake.execute(
        f"""SELECT partition, id, epoch_ms({at}), {sender}, content FROM {table}
            WHERE list_contains($days, dt) AND list_contains($ids, id)""",  # noqa: S608 - of our own words
        {"days": sorted(days), "ids": sorted({ident for _, ident, _ in events})},
    ).fetchall()
    return {(partition, ident, ms): (sender, content) for partition, ident, ms, sender, content in rows}
