"""Drift: what the model's scores say of the traffic, by week, kind and port, beside what its card says of honest texts.

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
    SELECT date_trunc('week', decided_at)::DATE AS week, kind, reject_score, {port} AS of_port, count(*) AS decisions,
        avg((score >= reject_score)::INTEGER) AS over_strict, avg((score >= 0.5)::INTEGER)
    FROM decisions
    WHERE dt >= $first AND model = $model AND source <> 'record' AND round = 0 AND reject_score IS NOT NULL
    GROUP BY ALL
"""
_KINDS = _SCORED.format(port="''") + "ORDER BY ALL"
LEAST_OF_A_PORT = 100  # decisions of a week; fewer say nothing about shares of a hundredth
MOST_PORTS = 50  # rows
_PORTS = (
    _SCORED.format(port="port")
    + f"HAVING decisions >= {LEAST_OF_A_PORT} AND over_strict > 0 "
    + f"ORDER BY over_strict DESC, week DESC, of_port LIMIT {MOST_PORTS}"
)
UNKNOWN = "not known"  # texts of languages that no score refuses


@dataclass(frozen=True, slots=True)
class Week:
    """Decisions of a week (its Monday, UTC) on one kind in one script or language, and the shares of their texts.

    `port` is "" where the decisions are of all ports.
    `expected` is the share of honest texts over strict that the threshold was set for; None where no score refuses.
    """

    week: dt.date
    kind: str
    script: str
    decisions: int
    over_strict: float
    over_half: float
    expected: float | None
    port: str = ""


def drift(
    lake: duckdb.DuckDBPyConnection, user: User, card: Card, weeks: int, now: int, *, by_port: bool = False
) -> list[Week]:
    """The last `weeks` weeks of decisions with this model, the oldest first. `now` is epoch ms.

    With `by_port`, the MOST_PORTS weeks of one port with the largest shares over strict, the largest first.
    """
    require(user, Right.SEE_TRAFFIC)
    if user.scope:
        raise Forbidden("{person}: the shares are of all ports, beyond the scope of this account", person=user.name)
    first = dt.datetime.fromtimestamp((now - 7 * weeks * DAY_MS) / 1000, dt.UTC).date()
    expected = {at.reject: (name, STRICT) for name, at in card.thresholds.items()}
    expected |= {by.thresholds.reject: (name, STRICT_OF_LANGUAGE) for name, by in card.languages.items() if by.known}
    found = []
    for week, kind, reject, port, count, strict, half in lake.execute(
        _PORTS if by_port else _KINDS, {"first": first, "model": card.version}
    ).fetchall():
        script, share = expected.get(reject, (UNKNOWN, None))
        found.append(Week(week, kind, script, count, strict, half, share, port))
    return found
