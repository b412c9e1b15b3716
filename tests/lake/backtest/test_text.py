"""A report for a terminal."""

from __future__ import annotations

import msgspec

from pipeline.lake.backtest.text import SHOWN, render
from tests.harness.lake.backtest_reports import REPORT, SWEEP, result


def test_every_figure_is_told() -> None:
    text = render(msgspec.structs.replace(REPORT, tested=[result(None, 1234, SHOWN + 3)]))
    for told in ("policy p1", "p0", "1,234 messages of 3", "4 decisions differ", "2 decisions not replayed: no text"):
        assert told in text
    for told in ("precision 100.0% (20.", "5,432 messages a second", "and 3 more", "counted from 2026-11-18T11:05:40"):
        assert told in text


def test_a_hostile_text_paints_nothing() -> None:
    assert all(line.isprintable() for line in render(REPORT).split("\n"))


def test_a_sweep_is_a_table() -> None:
    lines = render(SWEEP).split("\n")
    assert sum("newly stopped" in line and "volume" in line for line in lines) == 1
    assert [line.split()[:2] for line in lines if line.strip().startswith(("3 ", "7 "))] == [
        ["3", "2,000"],
        ["7", "400"],
    ]
