"""What reviewers said, one row for each verdict: for their own list, for the leads' figures, and for the shift's bar.

A verdict that waits for a second opinion is `first`; the one that settles it is `second`. `sample` and `golden` are
checks (actions/quality): they decide nothing, and are compared with what was `expected`.
"""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import Connection, delete, func, insert, select

from pipeline.durations import MINUTE_MS
from pipeline.store import schema

LONGEST_MS = 10 * MINUTE_MS  # a case on screen for longer was left alone, so its time says nothing


class Opinion(StrEnum):
    """What a verdict was for."""

    VERDICT = "verdict"
    FIRST = "first"
    SECOND = "second"
    SAMPLE = "sample"
    GOLDEN = "golden"


def record(
    connection: Connection,
    case: str,
    kind: Opinion,
    reviewer: str,
    verdict: str,
    now: int,
    took: int | None = None,
    expected: tuple[str, str] | None = None,
) -> None:
    """Add a verdict; `took` is how long the case was on screen (ms), `expected` a verdict and who gave it."""
    row = {
        "case": case,
        "kind": kind.value,
        "reviewer": reviewer,
        "verdict": verdict,
        "at": now,
        "took_ms": took if took is not None and 0 < took <= LONGEST_MS else None,
        "expected": expected[0] if expected else None,
        "expected_by": expected[1] if expected else None,
    }
    connection.execute(insert(schema.opinions).values(row))


def take_back(connection: Connection, case: str, reviewer: str, at: int) -> None:
    """Remove the verdict that the reviewer gave at this time, because it was undone."""
    t = schema.opinions
    connection.execute(delete(t).where(t.c.case == case, t.c.reviewer == reviewer, t.c.at == at))


def given_since(connection: Connection, since: int) -> dict[str, int]:
    """How many verdicts each reviewer gave from this time on."""
    t = schema.opinions
    query = select(t.c.reviewer, func.count()).where(t.c.at >= since).group_by(t.c.reviewer)
    return {row[0]: row[1] for row in connection.execute(query)}
