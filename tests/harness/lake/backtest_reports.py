"""Invented reports of backtests."""

from __future__ import annotations

import msgspec

from pipeline.lake.backtest.judgements import judgements
from pipeline.lake.backtest.reports import Group, PolicyResult, Report
from pipeline.lake.backtest.tally import Changes, Count, Judged, Sample

SAMPLES = (
    Sample(
        "stopped", "volume", "10690001", "10690001", "s1", 0, 3, "release", "", "reject", "volume", "", "x\x1b[31m\n"
    ),
    Sample("released", "word", "10690002", "10690002", "s2", 9, 1, "review", "word", "release", "", "", "<b>发票</b>"),
)


def result(value: str | None, stopped: int, groups: int = 3) -> PolicyResult:
    """What one policy would have stopped and released."""
    changes = Changes(stopped=Count(3, stopped), released=Count(1, 1))
    judged = judgements([Judged(refused=True, stopped=True, rules={"volume"})])
    return PolicyResult(
        value=value,
        policy="p1" if value is None else f"p-{value}",
        decisions=10,
        messages=20_000,
        differences=4,
        other_reasons=1,
        skipped={"no text": 2},
        verdicts={"release>reject": stopped, "review>release": 1},
        total=changes,
        rules=[Group(f"rule-{n}", changes) for n in range(groups)],
        ports=[Group("10690001", changes)],
        campaigns=[],
        left_out={"rules": 7},
        judgements=judged,
        samples=list(SAMPLES),
    )


REPORT = Report(
    key="0123456789abcdef",
    policy="p1",
    title="",
    since=1_795_000_000_000,
    until=1_795_086_400_000,
    live=("p0",),
    lead_ms=60_000,
    sweep=None,
    tested=[result(None, 1234)],
    part_seconds=1.0,
    per_second=5432.1,
    made_at=1_795_090_000_000,
)
SWEEP = msgspec.structs.replace(
    REPORT,
    key="f" * 16,
    sweep="volume",
    tested=[result(None, 1234), result("3", 2000), result("7", 400)],
    made_at=1_795_090_000_001,
)
