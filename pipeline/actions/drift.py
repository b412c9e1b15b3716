"""Drift: what the model's scores say of the traffic, by week and kind, beside what its card says of honest texts.

The card fixes the strict threshold of each script and language on honest texts. A share of codes or notices over strict
far above it means that the traffic is not what the model learnt: new senders, new kinds, another language.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import duckdb

from pipeline.durations import DAY_MS
from pipeline.models.card import Card
from pipeline.models.evaluate import STRICT, STRICT_OF_LANGUAGE
from pipeline.store.accounts.roles import Forbidden, Right, User, require

_SCORED = """
    SELECT date_trunc('week', decided_at)::DATE, kind, reject_score, count(*),
        avg((score >= reject_score)::INTEGER), avg((score >= 0.5)::INTEGER)
    FROM decisions
    WHERE dt >= $first AND model = $model AND source <> 'record' AND round = 0 AND reject_score IS NOT NULL
    GROUP BY ALL ORDER BY ALL
"""
UNKNOWN = "not known"  # texts of languages that no score refuses


@dataclass(frozen=True, slots=True)
class Week:
    """Decisions of a week (its Monday, UTC) on one kind in one script or language, and the shares of their texts.

    `expected` is the share of honest texts over strict that the threshold was set for; None where no score refuses.
    """

    week: dt.date
    kind: str
    script: str
    decisions: int
    over_strict: float
    over_half: float
    expected: float | None


def drift(lake: duckdb.DuckDBPyConnection, user: User, card: Card, weeks: int, now: int) -> list[Week]:
    """The last `weeks` weeks of decisions with this model, the oldest first. `now` is epoch ms."""
    require(user, Right.SEE_TRAFFIC)
    if user.scope:
        raise Forbidden("{person}: the shares are of all ports, beyond the scope of this account", person=user.name)
    first = dt.datetime.fromtimestamp((now - 7 * weeks * DAY_MS) / 1000, dt.UTC).date()
    expected = {at.reject: (name, STRICT) for name, at in card.thresholds.items()}
    expected |= {by.thresholds.reject: (name, STRICT_OF_LANGUAGE) for name, by in card.languages.items() if by.known}
    found = []
    for week, kind, reject, count, strict, half in lake.execute(
        _SCORED, {"first": first, "model": card.version}
    ).fetchall():
        script, share = expected.get(reject, (UNKNOWN, None))
        found.append(Week(week, kind, script, count, strict, half, share))
    return found
