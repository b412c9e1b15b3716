"""Hits of rules by hour, counted in the lake.

A rule hits a decision if it matched, whether it counted, was in shadow mode, or was suppressed. Only round 0 counts: a
held submission matches the same rules again in the next round.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

import duckdb

from pipeline.actions.watch.rates import Hour
from pipeline.durations import DAY_MS, HOUR_MS

DAYS = 28  # of history; four of each weekday


class Hits(NamedTuple):
    """Decisions on which a rule matched, in a period.

    `counted`: as a reason or an exception. `deciding`: as the most severe reason. `shadow` and `suppressed`: without
    effect.
    """

    hits: int = 0
    counted: int = 0
    deciding: int = 0
    shadow: int = 0
    suppressed: int = 0


@dataclass(frozen=True)
class History:
    """Complete hours up to `until` (epoch ms), at most DAYS days.

    `decisions` by source and hour; `by_hour` hits by rule and hour; `totals` by rule. Hours are numbered since 1970.
    """

    until: int
    decisions: Mapping[tuple[str, int], int] = field(default_factory=dict)
    by_hour: Mapping[tuple[str, int], int] = field(default_factory=dict)
    totals: Mapping[str, Hits] = field(default_factory=dict)

    @property
    def days(self) -> int:
        """Days from the first counted hour to the last, rounded up."""
        hours = [hour for _, hour in self.decisions]
        return -(-(max(hours) + 1 - min(hours)) // 24) if hours else 0

    def hour(self, rule: str, source: str, hour: int) -> Hour:
        """The hits of a rule among the decisions of its source, in one hour."""
        return Hour(self.by_hour.get((rule, hour), 0), self.decisions.get((source, hour), 0))

    def earlier(self, rule: str, source: str, hour: int) -> list[Hour]:
        """The same hour of the days before, the nearest first."""
        return [self.hour(rule, source, hour - 24 * day) for day in range(1, DAYS + 1)]


def history(lake: duckdb.DuckDBPyConnection, now: int) -> History:
    """The complete hours of the last DAYS days.

    An hour is complete when the lake holds a later decision: the sink may be behind, and a part of an hour would look
    like a fall.
    """
    [newest] = lake.execute(
        "SELECT max(decided_at) FROM decisions WHERE dt >= $day AND decided_at <= $now",
        {"day": _day(now - DAYS * DAY_MS), "now": _time(now)},
    ).fetchone() or [None]
    if newest is None:
        return History(now - now % HOUR_MS)
    until = int(newest.timestamp() * 1000) // HOUR_MS * HOUR_MS
    period = {"day": _day(until - DAYS * DAY_MS), "since": _time(until - DAYS * DAY_MS), "until": _time(until)}
    decisions: dict[tuple[str, int], int] = {}
    for source, hour, count in lake.execute(_DECISIONS, period).fetchall():
        decisions[source, hour] = count
    by_hour: dict[tuple[str, int], int] = {}
    sums: defaultdict[str, list[int]] = defaultdict(lambda: [0] * len(Hits._fields))
    for rule, hour, *counts in lake.execute(_HITS, period).fetchall():
        by_hour[rule, hour] = counts[0]
        sums[rule] = [a + b for a, b in zip(sums[rule], counts, strict=True)]
    return History(until, decisions, by_hour, {rule: Hits(*counts) for rule, counts in sums.items()})


_IN_PERIOD = "round = 0 AND dt >= $day AND decided_at >= $since AND decided_at < $until"
_DECISIONS = f"""
SELECT source, epoch_ms(decided_at) // {HOUR_MS} AS hour, count(*)
FROM decisions WHERE {_IN_PERIOD} GROUP BY ALL
"""  # noqa: S608 - of our own words
_HITS = f"""
WITH decided AS (
    SELECT epoch_ms(decided_at) // {HOUR_MS} AS hour,
           coalesce(list_transform(reasons, lambda x: x.rule), []) AS reasons,
           coalesce(list_distinct(list_transform(exceptions, lambda x: x.rule)), []) AS exceptions,
           coalesce(list_transform(shadow, lambda x: x.rule), []) AS shadow,
           coalesce(list_transform(suppressed, lambda x: x.rule), []) AS suppressed
    FROM decisions WHERE {_IN_PERIOD}
), hit AS (
    SELECT hour, reasons, exceptions, shadow, suppressed,
           unnest(list_distinct(list_concat(reasons, exceptions, shadow, suppressed))) AS rule
    FROM decided
)
SELECT rule, hour, count(*),
       count(*) FILTER (list_contains(reasons, rule) OR list_contains(exceptions, rule)),
       count(*) FILTER (reasons[1] = rule),
       count(*) FILTER (list_contains(shadow, rule)),
       count(*) FILTER (list_contains(suppressed, rule))
FROM hit GROUP BY rule, hour
"""  # noqa: S608 - of our own words


def _time(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def _day(ms: int) -> object:
    return _time(ms).date()
