"""A report for a terminal."""

from __future__ import annotations

from pipeline.lake.backtest.judgements import judgements
from pipeline.lake.backtest.reports import Group, PolicyResult, Report
from pipeline.lake.backtest.tally import Changes, Count, Judged, Sample
from pipeline.lake.backtest.text import SHOWN, render

CHANGES = Changes(stopped=Count(3, 1234))
SAMPLE = Sample("stopped", "volume", "1069", "1069", "s1", 0, 1, "release", "", "reject", "volume", "", "x\x1b[31m\n")


def report(value: str | None = None) -> Report:
    groups = [Group(f"rule-{n}", CHANGES) for n in range(SHOWN + 3)]
    judged = judgements([Judged(refused=True, stopped=True, rules={"volume"})])
    tested = PolicyResult(value, "p1", 10, 20, 3, 1, {"no text": 2}, {}, CHANGES, groups, [], [], {}, judged, [SAMPLE])
    sweep = "volume" if value else None
    return Report("0123456789abcdef", "p1", "", 0, 1000, ("p0",), 60_000, sweep, [tested], 1.0, 5432.1, 0)


def test_every_figure_is_told() -> None:
    text = render(report())
    for told in ("policy p1", "p0", "1,234 messages of 3", "3 decisions differ", "2 decisions not replayed: no text"):
        assert told in text
    for told in ("precision 100.0% (20.", "5,432 messages a second", "and 3 more", "23:59:00"):
        assert told in text


def test_a_hostile_text_paints_nothing() -> None:
    assert all(line.isprintable() for line in render(report()).split("\n"))


def test_a_sweep_is_a_table() -> None:
    assert "  volume  newly stopped" in render(report("7"))
